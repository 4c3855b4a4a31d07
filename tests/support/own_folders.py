"""Small folders of labeled images in each of the formats that `hrnet_mm.datasets` reads, and changes to them."""

import json

import cv2
import numpy as np
from deeplabcut_files import write_deeplabcut

PARTS = ('left_ear', 'right_ear', 'tail')
COLORS = ((0, 0, 255), (255, 60, 0), (0, 255, 0))


def dump(folder, name, images, annotations, categories):
    coco = {'images': images, 'annotations': annotations, 'categories': categories}
    (folder / f'{name}.json').write_text(json.dumps(coco))


def write_regions(folder, with_masks=True):
    """Six images of a red square and a blue disc each, at random places; four for training, two for validation."""
    (folder / 'images').mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, indices in (('train', range(4)), ('val', range(4, 6))):
        images, annotations = [], []
        for index in indices:
            image = random.integers(0, 60, (64, 80, 3), dtype=np.uint8)
            for category, x in ((3, int(random.integers(2, 18))), (7, int(random.integers(42, 58)))):
                y, mask = int(random.integers(2, 40)), np.zeros((64, 80), np.uint8)
                if category == 3:
                    mask[y : y + 20, x : x + 20] = 1
                else:
                    cv2.circle(mask, (x + 10, y + 10), 10, 1, -1)
                image[mask > 0] = (0, 0, 255) if category == 3 else (255, 0, 0)
                outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
                polygon = [outlines[0].ravel().tolist()] if with_masks else []
                one = {'id': len(annotations) + 1, 'image_id': index, 'category_id': category}
                annotations.append({**one, 'bbox': list(cv2.boundingRect(outlines[0])), 'segmentation': polygon})
            cv2.imwrite(str(folder / 'images' / f'{index}.png'), image)
            images.append({'id': index, 'file_name': f'{index}.png', 'width': 80, 'height': 64})
        dump(folder, part, images, annotations, [{'id': 7, 'name': 'disc'}, {'id': 3, 'name': 'square'}])
    return folder


def draw_animals(count, animals=1):
    """Images of three-colored animals, and their points `(count, animals, 3, 2)` in pixels."""
    random = np.random.default_rng(0)
    for _ in range(count):
        image = random.integers(0, 50, (60, 60 * animals, 3), dtype=np.uint8)
        points = random.uniform(8, 52, (animals, 3, 2)) + [[[60 * i, 0]] for i in range(animals)]
        for point, color in zip(points.reshape(-1, 2), COLORS * animals, strict=True):
            cv2.circle(image, np.rint(point).astype(int).tolist(), 5, color, -1)
        yield image, points


def write_animals_coco(folder, count=10, boxes=False, **category):
    """One file without a validation part, with the frames for boxes or none.

    The last point of the first image is not labeled.
    """
    (folder / 'images').mkdir(parents=True)
    images, annotations = [], []
    for index, (image, points) in enumerate(draw_animals(count)):
        cv2.imwrite(str(folder / 'images' / f'{index}.png'), image)
        images.append({'id': index, 'file_name': f'{index}.png'})
        values = [value for point in points[0].tolist() for value in (*point, 2)]
        if index == 0:
            values[6:] = 0, 0, 0
        box = {'bbox': [0, 0, 60, 60]} if boxes else {}
        annotations.append({'id': index + 1, 'image_id': index, 'category_id': 1, 'keypoints': values, **box})
    dump(folder, 'annotations', images, annotations, [{'id': 1, 'name': 'animal', 'keypoints': PARTS, **category}])
    return folder


def write_animals_deeplabcut(folder, count=10, animals=('',), in_cells=False):
    """A project: labeled-data/video/CollectedData_me.csv beside its images."""
    video = folder / 'labeled-data' / 'video'
    video.mkdir(parents=True)
    rows = []
    for index, (image, points) in enumerate(draw_animals(count, len(animals))):
        cv2.imwrite(str(video / f'img{index}.png'), image)
        name = f'labeled-data/video/img{index}.png'
        if index == 0:
            points[0, 2] = np.nan
        rows.append((name.split('/') if in_cells else [name], points))
    write_deeplabcut(video / 'CollectedData_me.csv', PARTS, rows, animals)
    return folder


def write_classes(folder, counts=(('dark', 10), ('light', 5))):
    random = np.random.default_rng(0)
    for label, (name, count) in enumerate(counts):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            image = random.integers(100 * (label % 2), 100 * (label % 2) + 80, (40, 40, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / name / f'{index}.png'), image)
    return folder


def write_semantic(folder, value=1):
    (folder / 'semantic').mkdir()
    for index in range(6):
        cv2.imwrite(str(folder / 'semantic' / f'{index}.png'), np.full((64, 80), value, np.uint8))
    return folder


def edit(name, function):
    def change(folder):
        file = folder / f'{name}.json'
        coco = json.loads(file.read_text())
        function(coco)
        file.write_text(json.dumps(coco))

    return change
