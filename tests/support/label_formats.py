"""One set of labels in every annotation format, written here by hand: the package's own writers have no part in it."""

import base64
import io
import json
from pathlib import Path

import cv2
import numpy as np
from deeplabcut_files import write_deeplabcut
from PIL import Image

WIDTH, HEIGHT = 80, 64
TRAIN, VAL = ['a', 'b', 'c', 'd'], ['e', 'f']
CLASSES = ['cat', 'dog']
POINTS = ['left_ear', 'right_ear', 'tail']


def _objects():
    """Of each image, two objects: class, polygon in pixels, keypoints with visibilities."""
    random = np.random.default_rng(0)
    found = {}
    for name in TRAIN + VAL:
        found[name] = []
        for k, label in enumerate(CLASSES):
            x, y = (round(float(v), 3) for v in random.uniform((2 + 38 * k, 2), (12 + 38 * k, 30)))
            w, h = (round(float(v), 3) for v in random.uniform(10, 22, 2))
            polygon = [x, y, x + w, round(y + h / 3, 3), round(x + w / 2, 3), y + h]
            corners = [(x, y), (x + w, y + h / 3), (x + w / 2, y + h)]
            points = [[round(px, 3), round(py, 3), 2] for px, py in corners]
            found[name].append((label, [round(v, 3) for v in polygon], points))
    return found


OBJECTS = _objects()


def box_of(polygon):
    xs, ys = polygon[::2], polygon[1::2]
    return [min(xs), min(ys), round(max(xs) - min(xs), 3), round(max(ys) - min(ys), 3)]


def picture(name):
    image = np.random.default_rng(ord(name)).integers(0, 60, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for label, polygon, _ in OBJECTS[name]:
        color = (0, 0, 255) if label == 'cat' else (255, 120, 0)
        cv2.fillPoly(image, [np.rint(np.reshape(polygon, (-1, 2))).astype(int)], color)
    return image


def pictures(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / f'{name}.png'), picture(name))


def parts():
    return (('train', TRAIN), ('val', VAL))


def mask_of(polygon):
    """The pixels whose middles are in a polygon, and so a shape of its own."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.rint(np.reshape(polygon, (-1, 2))).astype(int)], 1)
    return mask


def label_image(name, values=(1, 2)):
    """Labels 1 and 2 on background 0."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    for value, (_, polygon, _) in zip(values, OBJECTS[name], strict=True):
        labels[mask_of(polygon) > 0] = value
    return labels


def rle(mask):
    flat = mask.T.ravel()
    counts, last, run = [], 0, 0
    for value in flat:
        if value != last:
            counts.append(run)
            last, run = value, 0
        run += 1
    return {'size': list(mask.shape), 'counts': [*counts, run]}


# Objects, by the kind: 'boxes', 'regions' (polygons), 'pixels' (masks of pixels), 'keypoints' (with boxes)


def coco(folder, kind):
    names = [('train', TRAIN), ('val', VAL)]
    for part, images in names:
        pictures(folder / 'images', images)
        annotations = []
        for i, name in enumerate(images):
            for label, polygon, points in OBJECTS[name]:
                one = {'image_id': i, 'category_id': CLASSES.index(label), 'bbox': box_of(polygon)}
                if kind == 'regions':
                    one['segmentation'] = [polygon]
                elif kind == 'pixels':
                    x, y, w, h = cv2.boundingRect(mask_of(polygon))
                    one |= {'segmentation': rle(mask_of(polygon)), 'bbox': [x, y, w, h]}
                elif kind == 'keypoints':
                    one['keypoints'] = [v for point in points for v in point]
                annotations.append(one)
        categories = [{'id': i, 'name': name} for i, name in enumerate(CLASSES)]
        if kind == 'keypoints':
            categories = [{**one, 'keypoints': POINTS} for one in categories]
        content = {'images': [{'id': i, 'file_name': f'{n}.png'} for i, n in enumerate(images)]}
        content |= {'annotations': annotations, 'categories': categories}
        (folder / f'{part}.json').write_text(json.dumps(content))


def yolo(folder, kind):
    for part, images in parts():
        pictures(folder / part / 'images', images)
        (folder / part / 'labels').mkdir()
        for name in images:
            lines = []
            for label, polygon, points in OBJECTS[name]:
                x, y, w, h = box_of(polygon)
                values = [(x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT]
                if kind == 'regions':
                    values = [v / (HEIGHT if i % 2 else WIDTH) for i, v in enumerate(polygon)]
                elif kind == 'keypoints':
                    values += [v for px, py, seen in points for v in (px / WIDTH, py / HEIGHT, seen)]
                lines.append(' '.join([str(CLASSES.index(label)), *(f'{v:.12f}'.rstrip('0') for v in values)]))
            (folder / part / 'labels' / f'{name}.txt').write_text('\n'.join(lines))
    text = 'train: ../train/images\nval: ../val/images\nnc: 2\nnames: [cat, dog]\n'
    if kind == 'keypoints':
        text += 'kpt_shape: [3, 3]\nflip_idx: [1, 0, 2]\nkpt_names:\n  0: [left_ear, right_ear, tail]\n'
    (folder / 'data.yaml').write_text(text)


def voc(folder, kind):
    assert kind == 'boxes'
    pictures(folder / 'JPEGImages', TRAIN + VAL)
    (folder / 'Annotations').mkdir()
    (folder / 'ImageSets' / 'Main').mkdir(parents=True)
    for part, images in parts():
        (folder / 'ImageSets' / 'Main' / f'{part}.txt').write_text('\n'.join(images))
        for name in images:
            text = f'<annotation>\n<filename>{name}.png</filename>\n<size><width>80</width><height>64</height></size>\n'
            for label, polygon, _ in OBJECTS[name]:
                x, y, w, h = box_of(polygon)
                text += f'<object>\n<name>{label}</name>\n<difficult>0</difficult>\n'
                text += f'<bndbox><xmin>{x}</xmin><ymin>{y}</ymin>'
                text += f'<xmax>{x + w:.3f}</xmax><ymax>{y + h:.3f}</ymax></bndbox>\n</object>\n'
            (folder / 'Annotations' / f'{name}.xml').write_text(text + '</annotation>\n')


def cvat(folder, kind):
    lines = ['<?xml version="1.0" encoding="utf-8"?>', '<annotations>', '<meta><job><labels>']
    lines += [f'<label><name>{name}</name></label>' for name in CLASSES]
    if kind == 'keypoints':
        lines += [f'<label><name>{p}</name><type>points</type><parent>cat</parent></label>' for p in POINTS]
    lines.append('</labels></job></meta>')
    for part, images in parts():
        pictures(folder / 'images' / part, images)
        for name in images:
            lines.append(f'<image id="0" name="{name}.png" subset="{part}" width="80" height="64">')
            for k, (label, polygon, points) in enumerate(OBJECTS[name], 1):
                x, y, w, h = box_of(polygon)
                group = f' group_id="{k}"' if kind == 'keypoints' else ''
                if kind in ('boxes', 'keypoints'):
                    lines.append(
                        f'<box label="{label}"{group} xtl="{x}" ytl="{y}" xbr="{x + w:.3f}" ybr="{y + h:.3f}"/>'
                    )
                if kind == 'regions':
                    text = ';'.join(f'{a},{b}' for a, b in zip(polygon[::2], polygon[1::2], strict=True))
                    lines.append(f'<polygon label="{label}" points="{text}"></polygon>')
                if kind == 'keypoints':
                    lines.append(f'<skeleton label="{label}"{group}>')
                    lines += [
                        f'<points label="{p}" outside="0" points="{a},{b}"/>'
                        for p, (a, b, _) in zip(POINTS, points, strict=True)
                    ]
                    lines.append('</skeleton>')
                if kind == 'pixels':
                    left, top, wide, high = cv2.boundingRect(mask_of(polygon))
                    inside = mask_of(polygon)[top : top + high, left : left + wide]
                    counts = ', '.join(map(str, rle(inside.T)['counts']))
                    sides = f'left="{left}" top="{top}" width="{wide}" height="{high}"'
                    lines.append(f'<mask label="{label}" rle="{counts}" {sides}></mask>')
            lines.append('</image>')
    (folder / 'annotations.xml').write_text('\n'.join([*lines, '</annotations>']))


def labelme(folder, kind):
    for part, images in parts():
        pictures(folder / part, images)
        for name in images:
            shapes = []
            for k, (label, polygon, points) in enumerate(OBJECTS[name]):
                x, y, w, h = box_of(polygon)
                common = {'label': label, 'group_id': k if kind == 'keypoints' else None, 'flags': {}}
                corners = [[polygon[i], polygon[i + 1]] for i in range(0, 6, 2)]
                rectangle = [[x + w, y + h], [x, y]]  # drawn from the lower right
                if kind in ('boxes', 'keypoints'):
                    shapes.append({**common, 'shape_type': 'rectangle', 'points': rectangle})
                elif kind == 'regions':
                    shapes.append({**common, 'shape_type': 'polygon', 'points': corners})
                else:
                    left, top, wide, high = cv2.boundingRect(mask_of(polygon))
                    inside = mask_of(polygon)[top : top + high, left : left + wide].astype(bool)
                    png = io.BytesIO()
                    Image.fromarray(inside).save(png, 'PNG')
                    edges = [[left, top], [left + wide - 1, top + high - 1]]
                    mask = base64.b64encode(png.getvalue()).decode()
                    shapes.append({**common, 'shape_type': 'mask', 'points': edges, 'mask': mask})
                if kind == 'keypoints':
                    for point, (px, py, _) in zip(POINTS, points, strict=True):
                        shapes.append({**common, 'label': point, 'shape_type': 'point', 'points': [[px, py]]})
            content = {'version': '5.5.0', 'flags': {}, 'shapes': shapes, 'imagePath': f'{name}.png'}
            content |= {'imageData': None, 'imageHeight': HEIGHT, 'imageWidth': WIDTH}
            (folder / part / f'{name}.json').write_text(json.dumps(content))


def label_studio(folder, kind):
    tasks = []
    for part, images in parts():
        pictures(folder / 'images' / part, images)
        for name in images:
            results = []
            for k, (label, polygon, points) in enumerate(OBJECTS[name]):
                size = {'original_width': WIDTH, 'original_height': HEIGHT}
                x, y, w, h = box_of(polygon)
                value = {'x': 100 * x / WIDTH, 'y': 100 * y / HEIGHT, 'rectanglelabels': [label], 'rotation': 0}
                value |= {'width': 100 * w / WIDTH, 'height': 100 * h / HEIGHT}
                one = {'id': f'o{k}', 'type': 'rectanglelabels', 'value': value, **size}
                if kind == 'regions':
                    corners = [[100 * polygon[i] / WIDTH, 100 * polygon[i + 1] / HEIGHT] for i in range(0, 6, 2)]
                    one |= {'type': 'polygonlabels', 'value': {'points': corners, 'polygonlabels': [label]}}
                results.append(one)
                if kind == 'keypoints':
                    for p, (px, py, _) in zip(POINTS, points, strict=True):
                        value = {'x': 100 * px / WIDTH, 'y': 100 * py / HEIGHT, 'keypointlabels': [p], 'width': 0.4}
                        one = {'id': f'{k}{p}', 'parentID': f'o{k}', 'type': 'keypointlabels', 'value': value}
                        results.append({**one, **size})
            data = {'image': f'/data/local-files/?d=images/{part}/{name}.png'}
            tasks.append({'id': len(tasks), 'data': data, 'annotations': [{'result': results}]})
    (folder / 'project-1.json').write_text(json.dumps(tasks))


def open_images(folder, kind):
    assert kind == 'boxes'
    for part, file, images in (('train', 'train', TRAIN), ('val', 'validation', VAL)):
        pictures(folder / part, images)
        lines = ['ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf']
        for name in images:
            for label, polygon, _ in OBJECTS[name]:
                x, y, w, h = box_of(polygon)
                sides = [x / WIDTH, (x + w) / WIDTH, y / HEIGHT, (y + h) / HEIGHT]
                code = {'cat': '/m/01yrx', 'dog': '/m/0bt9lr'}[label]
                lines.append(','.join([name, 'xclick', code, '1', *(f'{side:.12f}' for side in sides), '0', '0']))
        (folder / f'{file}-annotations-bbox.csv').write_text('\n'.join(lines) + '\n')
    (folder / 'class-descriptions-boxable.csv').write_text('/m/01yrx,cat\n/m/0bt9lr,dog\n')


def dlib(folder, kind):
    for part, images in (('training', TRAIN), ('testing', VAL)):
        pictures(folder, images)
        lines = ["<?xml version='1.0' encoding='ISO-8859-1'?>", '<dataset>', '<images>']
        for name in images:
            lines.append(f"<image file='{name}.png' width='80' height='64'>")
            for label, polygon, points in OBJECTS[name]:
                x, y, w, h = box_of(polygon)
                lines.append(f"<box top='{y}' left='{x}' width='{w}' height='{h}'><label>{label}</label>")
                if kind == 'keypoints':
                    lines += [
                        f"<part name='{p}' x='{a}' y='{b}'/>" for p, (a, b, _) in zip(POINTS, points, strict=True)
                    ]
                lines.append('</box>')
            lines.append('</image>')
        (folder / f'{part}.xml').write_text('\n'.join([*lines, '</images>', '</dataset>']))


def panoptic(folder, kind):
    assert kind == 'pixels'
    for part, images in parts():
        pictures(folder / part, images)
        (folder / 'annotations' / f'panoptic_{part}').mkdir(parents=True)
        annotations = []
        for i, name in enumerate(images):
            ids, segments = np.zeros((HEIGHT, WIDTH), int), []
            for k, (label, polygon, _) in enumerate(OBJECTS[name]):
                number = 300 * (k + 1) + 70000 * k
                ids[mask_of(polygon) > 0] = number
                segments.append({'id': number, 'category_id': 10 * CLASSES.index(label), 'iscrowd': 0})
            rgb = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
            Image.fromarray(rgb).save(folder / 'annotations' / f'panoptic_{part}' / f'{name}.png')
            annotations.append({'image_id': i, 'file_name': f'{name}.png', 'segments_info': segments})
        content = {'images': [{'id': i, 'file_name': f'{n}.png'} for i, n in enumerate(images)]}
        content |= {'annotations': annotations}
        content['categories'] = [{'id': 10 * i, 'name': name, 'isthing': 1} for i, name in enumerate(CLASSES)]
        (folder / 'annotations' / f'panoptic_{part}.json').write_text(json.dumps(content))


WRITERS = {
    **{'coco': coco, 'coco-panoptic': panoptic, 'yolo': yolo, 'voc': voc, 'cvat': cvat, 'labelme': labelme},
    **{'label-studio': label_studio, 'open-images': open_images, 'dlib': dlib},
}
KINDS = {
    'boxes': ['yolo', 'voc', 'cvat', 'labelme', 'label-studio', 'open-images', 'dlib'],
    'regions': ['yolo', 'cvat', 'labelme', 'label-studio'],
    'pixels': ['coco-panoptic', 'cvat', 'labelme'],
    'keypoints': ['yolo', 'cvat', 'labelme', 'label-studio', 'dlib'],
}


# Label images


def label_files(folder, form):
    """images/ and masks/, as values with or without a list of names, palettes or colors; or CamVid's or VOC's form."""
    colors = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 64), 255: (224, 224, 192)}
    for part, images in parts():
        places = {
            'camvid': (part, f'{part}annot'),
            'voc': ('JPEGImages', 'SegmentationClass'),
            'cityscapes': (f'leftImg8bit/{part}/town', f'gtFine/{part}/town'),
        }
        image_folder, label_folder = (folder / one for one in places.get(form, (f'images/{part}', f'masks/{part}')))
        pictures(image_folder, images)
        label_folder.mkdir(parents=True, exist_ok=True)
        for name in images:
            labels = label_image(name)
            labels[:2] = 255  # neither
            if form == 'cityscapes':
                (image_folder / f'{name}.png').rename(image_folder / f'{name}_leftImg8bit.png')
                values = np.select([labels == 1, labels == 2, labels == 255], [24, 26, 0], 11)
                Image.fromarray(values.astype(np.uint8)).save(label_folder / f'{name}_gtFine_labelIds.png')
                continue
            if form in ('colors', 'class_dict', 'unnamed_colors'):
                rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
                for value, color in colors.items():
                    rgb[labels == value] = color
                Image.fromarray(rgb).save(label_folder / f'{name}_L.png')
                continue
            image = Image.fromarray(labels)
            if form in ('palette', 'voc'):
                image = image.convert('P') if image.mode != 'L' else Image.fromarray(labels, 'P')
                palette = [0] * 768
                for value, color in colors.items():
                    palette[3 * value : 3 * value + 3] = color
                image.putpalette(palette)
            image.save(label_folder / f'{name}.png')
    if form == 'colors':
        lines = [f'{name}:{",".join(map(str, colors[i]))}::' for i, name in enumerate(['background', *CLASSES])]
        (folder / 'labelmap.txt').write_text(
            '\n'.join(['# label:color_rgb:parts:actions', *lines, 'void:224,224,192::'])
        )
    elif form == 'class_dict':
        rows = ['name,r,g,b', 'background,0,0,0', 'cat,128,0,0', 'dog,0,128,64', 'void,224,224,192']
        (folder / 'class_dict.csv').write_text('\n'.join(rows))
    elif form in ('values', 'palette', 'camvid', 'voc'):
        (folder / 'classes.txt').write_text('background\ncat\ndog\n')


LABEL_FORMS = ['values', 'palette', 'colors', 'class_dict', 'camvid', 'voc']


# One animal an image, without boxes


def points_of(name):
    return OBJECTS[name][0][2]


def animal_coco(folder, box):
    """`box`: 'whole' for that of the image, None for none."""
    pictures(folder / 'images', TRAIN + VAL)
    images = [{'id': i, 'file_name': f'{name}.png'} for i, name in enumerate(TRAIN + VAL)]
    annotations = [
        {'image_id': i, 'category_id': 1, 'keypoints': [v for point in points_of(name) for v in point]}
        for i, name in enumerate(TRAIN + VAL)
    ]
    if box:
        annotations = [{**one, 'bbox': [0, 0, WIDTH, HEIGHT]} for one in annotations]
    categories = [{'id': 1, 'name': 'animal', 'keypoints': POINTS}]
    content = {'images': images, 'annotations': annotations, 'categories': categories}
    (folder / 'labels.json').write_text(json.dumps(content))


def animal_deeplabcut(folder, name='CollectedData_me.csv'):
    video = folder / 'labeled-data' / 'video'
    pictures(video, TRAIN + VAL)
    rows = [
        ([f'labeled-data/video/{name}.png'], np.array([[point[:2] for point in points_of(name)]]))
        for name in TRAIN + VAL
    ]
    write_deeplabcut(video / 'CollectedData_me.csv', POINTS, rows, ('',))
    return video / 'CollectedData_me.csv'


def animal_lightning(folder):
    """lightning-pose keeps one table at the top, under any name."""
    animal_deeplabcut(folder).rename(folder / 'labels.csv')


def animal_wide(folder):
    pictures(folder, TRAIN + VAL)
    lines = ['image;' + ';'.join(f'{name}_{axis}' for name in POINTS for axis in 'xy')]
    for name in TRAIN + VAL:
        lines.append(';'.join([f'{name}.png', *(f'{v}' for point in points_of(name) for v in point[:2])]))
    (folder / 'points.csv').write_text('\n'.join(lines))


def animal_long(folder):
    pictures(folder / 'frames', TRAIN + VAL)
    lines = ['file_name,bodypart,x,y,visible']
    for name in TRAIN + VAL:
        for point, (x, y, seen) in zip(POINTS, points_of(name), strict=True):
            lines.append(f'frames/{name}.png,{point},{x},{y},{seen}')
    (folder / 'points.csv').write_text('\n'.join(lines))


def animal_pts(folder):
    pictures(folder, TRAIN + VAL)
    for name in TRAIN + VAL:
        places = '\n'.join(f'{x + 1:.3f} {y + 1:.3f}' for x, y, _ in points_of(name))
        (folder / f'{name}.pts').write_text(f'version: 1\nn_points:  3\n{{\n{places}\n}}\n')


def content(folder):
    """All that a training reads of a folder, without the places of the files."""
    parts = []
    for part in (folder.train, folder.val):
        images = {one['id']: one for one in part['images']}
        names = {one['id']: one['name'] for one in part['categories']}
        keys = ('width', 'height', 'id')
        parts.append(
            (
                [(Path(one['file_name']).name, *(one[key] for key in keys)) for one in part['images']],
                [
                    {
                        **{key: value for key, value in one.items() if key not in ('category_id', 'num_keypoints')},
                        'name': names[one['category_id']],
                        'image': images[one['image_id']]['file_name'].rpartition('/')[2],
                    }
                    for one in part['annotations']
                ],
            )
        )
    return folder.classes, folder.points and folder.points.names, parts, folder.mean, folder.std
