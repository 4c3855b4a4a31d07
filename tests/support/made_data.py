"""Four made images for every data set that a config names, with labels in that data set's own format and places."""

import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.registry import DATASETS

from hrnet_mm.registry import class_of, scope_of
from hrnet_mm.tracking.posetrack import JOINTS

IMAGES = 4
HEIGHT, WIDTH = 72, 96
OBJECTS = ((8, 10, 36, 48), (50, 12, 38, 50))
"""x, y, width, height of the two objects in each image."""
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def make_data(config: Mapping[str, Any], root: Path) -> None:
    """Write the files that the config's data sets read, below `root`; existing files are kept."""
    for loader in LOADERS:
        for dataset in innermost((config.get(loader) or {}).get('dataset')):
            _WRITERS[scope_of(config)](root, dataset, class_of({'_scope_': scope_of(config), **dataset}, DATASETS))


def innermost(dataset: Any) -> Iterator[Any]:
    """The data sets inside one that combines, repeats or wraps others, or itself."""
    if dataset is not None:
        inner = dataset.get('datasets', [dataset['dataset']] if 'dataset' in dataset else [])
        yield from (found for part in inner for found in innermost(part)) if inner else [dataset]


def _detection(root: Path, dataset: Any, owner: Any) -> None:
    classes = dataset.get('metainfo', owner.METAINFO)['classes']
    names = [f'{i:012d}.jpg' for i in range(1, IMAGES + 1)]
    folder = _place(root, dataset)
    for i, name in enumerate(names):
        _image(folder / dataset.data_prefix.img / name, i)
        if 'seg' in dataset.data_prefix:  # COCO's stuff maps: 255 is no class
            _labels(folder / dataset.data_prefix.seg / f'{Path(name).stem}.png', i, 183)
    annotations = [
        {**_box(box), 'category_id': 1 + k % len(classes), 'segmentation': [_polygon(box)]}
        for k, box in enumerate(OBJECTS)
    ]
    categories = [{'id': k, 'name': name} for k, name in enumerate(classes, 1)]
    _coco(folder / dataset.ann_file, names, annotations, categories)


def _pose(root: Path, dataset: Any, owner: Any) -> None:
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    if owner.__name__ == 'DeepFashionDataset':
        owner._check_subset_and_metainfo(dataset.subset)  # sets METAINFO
    count = parse_pose_metainfo(dict(dataset.get('metainfo', owner.METAINFO)))['num_keypoints']
    names = [f'{i:09d}.jpg' for i in range(1, IMAGES + 1)]  # the names of MPII and UBody are numbers
    folder = _place(root, dataset)
    for i, name in enumerate(names):
        _image(folder / dataset.data_prefix.img / name, i)
    if owner.__name__ == 'MpiiDataset':
        _mpii(root, dataset, names, count)
        return
    whole_body = owner.__name__.startswith(('CocoWholeBody', 'UBody'))
    annotations = [_person(box, 17 if whole_body else count) for box in OBJECTS]
    if whole_body:
        annotations = [{**person, **_whole_body(box)} for person, box in zip(annotations, OBJECTS, strict=True)]
    step = dataset.get('sample_interval', 1)  # images of other numbers are passed over
    _coco(folder / dataset.ann_file, names, annotations, [{'id': 1, 'name': 'person'}], step)
    if owner.__name__ == 'PoseTrack18Dataset':  # beside the file of a part, one of each video, for the metric
        tracked = [{**one, 'track_id': k, 'bbox_head': [*one['bbox'][:2], 12, 12]} for k, one in enumerate(annotations)]
        file = folder / dataset.ann_file
        category = {'id': 1, 'name': 'person', 'keypoints': JOINTS}
        _coco(file.with_name(file.stem.rpartition('_')[2]) / 'made.json', names, tracked, [category], step)
    if dataset.get('bbox_file'):
        found = [
            {'image_id': i, 'category_id': 1, 'bbox': list(box), 'score': 0.9}
            for i in range(1, IMAGES + 1)
            for box in OBJECTS
        ]
        _write(root / dataset.bbox_file, json.dumps(found))


def _segmentation(root: Path, dataset: Any, owner: Any) -> None:
    def setting(name: str) -> Any:
        for cls in owner.__mro__:
            parameters = inspect.signature(cls).parameters
            if name in parameters:
                return dataset.get(name, parameters[name].default)
        raise AssertionError(name)

    classes = len(dataset.get('metainfo', owner.METAINFO)['classes'])
    values = classes + bool(setting('reduce_zero_label'))
    folder, prefix = _place(root, dataset), dataset.data_prefix
    names = [
        f'{part}/made_{i}' if owner.__name__ == 'CityscapesDataset' else f'made_{i}'
        for i, part in enumerate(('aachen', 'aachen', 'bochum', 'bochum'))
    ]
    if owner.__name__ == 'CocoSegDataset':
        names = [f'{i:012d}' for i in range(1, IMAGES + 1)]
        objects = [{**_box(box), 'category_id': 1, 'segmentation': [_polygon(box)]} for box in OBJECTS]
        categories = [{'id': 1, 'name': dataset.metainfo['classes'][-1]}]  # after the background
        _coco(folder / dataset.ann_file, [f'{name}.jpg' for name in names], objects, categories)
    elif dataset.get('ann_file'):
        _write(folder / dataset.ann_file, ''.join(f'{name}\n' for name in names))
    for i, name in enumerate(names):
        suffix = '.jpg' if owner.__name__ == 'CocoSegDataset' else setting('img_suffix')
        _image(folder / prefix.img_path / f'{name}{suffix}', i)
        _labels(folder / prefix.seg_map_path / f'{name}{setting("seg_map_suffix")}', i, values)


def _classification(root: Path, dataset: Any, owner: Any) -> None:
    folder, split = _place(root, dataset), dataset.get('split', '')
    names = [f'{i}.JPEG' for i in range(IMAGES)]
    for i, name in enumerate(names):
        _image(folder / (dataset.get('data_prefix') or split) / name, i)
    listed = ''.join(f'{name} {i}\n' for i, name in enumerate(names))
    _write(folder / (dataset.get('ann_file') or f'meta/{split}.txt'), listed)


_WRITERS = {'mmdet': _detection, 'mmpose': _pose, 'mmpretrain': _classification, 'mmseg': _segmentation}


def _place(root: Path, dataset: Any) -> Path:
    return root / (dataset.get('data_root') or '')


def _image(path: Path, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for k, (x, y, width, height) in enumerate(OBJECTS):
        image[y : y + height, x : x + width, k] += 150
    _write_picture(path, image)


def _labels(path: Path, seed: int, values: int) -> None:
    labels = np.full((HEIGHT, WIDTH), seed % values, np.uint8)
    for k, (x, y, width, height) in enumerate(OBJECTS, 1):
        labels[y : y + height, x : x + width] = (seed + k) % values
    _write_picture(path, labels)


def _write_picture(path: Path, picture: Any) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path.with_suffix('.png')), picture)
        path.with_suffix('.png').rename(path)  # a PNG whatever the data set calls it: readers look at the content


def _write(path: Path, text: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _coco(
    path: Path,
    names: list[str],
    annotations: list[dict[str, Any]],
    categories: list[dict[str, Any]],
    step: int = 1,
) -> None:
    size = {'width': WIDTH, 'height': HEIGHT, 'crowdIndex': 0.5}  # the last for CrowdPose
    images = [{'id': i * step, 'file_name': name, **size} for i, name in enumerate(names, 1)]
    repeated = [
        {**annotation, 'id': len(annotations) * (image['id'] - 1) + k, 'image_id': image['id']}
        for image in images
        for k, annotation in enumerate(annotations, 1)
    ]
    content = {'info': {}, 'licenses': [], 'images': images, 'annotations': repeated, 'categories': categories}
    _write(path, json.dumps(content))


def _box(box: tuple[int, ...]) -> dict[str, Any]:
    return {'bbox': list(box), 'area': box[2] * box[3], 'iscrowd': 0}


def _polygon(box: tuple[int, ...]) -> list[int]:
    x, y, width, height = box
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def _points(box: tuple[int, ...], count: int) -> list[float]:
    """Keypoints on a spiral inside the box, all visible."""
    x, y, width, height = box
    turns = np.linspace(0.2, 1, count)
    columns = x + width / 2 * (1 + turns * np.cos(7 * turns))
    rows = y + height / 2 * (1 + turns * np.sin(7 * turns))
    return np.stack([columns, rows, np.full(count, 2)], 1).round(1).ravel().tolist()


def _person(box: tuple[int, ...], count: int) -> dict[str, Any]:
    x, y, width, height = box
    face = {'center': [x + width / 2, y + height / 2], 'scale': height / 200, 'box_size': height}  # of the face sets
    return {
        **_box(box),
        **face,
        'category_id': 1,
        'segmentation': [_polygon(box)],
        'keypoints': _points(box, count),
        'num_keypoints': count,
    }


def _whole_body(box: tuple[int, ...]) -> dict[str, Any]:
    parts: dict[str, Any] = {'foot_kpts': _points(box, 6)}
    for name, count in (('face', 68), ('lefthand', 21), ('righthand', 21)):
        parts |= {f'{name}_kpts': _points(box, count), f'{name}_box': list(box), f'{name}_valid': True}
    return parts


def _mpii(root: Path, dataset: Any, names: list[str], count: int) -> None:
    from scipy.io import savemat

    people = [(name, box) for name in names for box in OBJECTS]
    content = []
    for name, box in people:
        points = np.reshape(_points(box, count), (-1, 3))
        center = [box[0] + box[2] / 2, box[1] + box[3] / 2]
        content.append(
            {
                'image': name,
                'center': center,
                'scale': box[3] / 200,
                'joints': points[:, :2].tolist(),
                'joints_vis': [1] * count,
            }
        )
    _write(_place(root, dataset) / dataset.ann_file, json.dumps(content))
    if dataset.get('headbox_file'):
        heads = np.stack([[[x, y], [x + 12, y + 12]] for _, (x, y, _, _) in people], -1).astype(float)
        savemat(root / dataset.headbox_file, {'headboxes_src': heads})
