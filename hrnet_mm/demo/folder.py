"""A folder of the user's own images in COCO format: what must be in it, and how a demo config is changed for it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

_LAYOUT = 'the folder must hold images/, train.json and val.json, the two in COCO format'
# Objects are resized so that the median one has the size that the demonstration's networks and anchors are made for.
_MEDIAN_SIDE = 48
_CROP = 256
_MOST_IMAGES_FOR_MEAN = 50


@dataclass(frozen=True)
class Folder:
    """A checked folder: its classes in the order of their ids, whether all objects have masks, and its statistics.

    `median_side` is the square root of the median box area in pixels; `mean` and `std` are those of R, G and B.
    """

    path: Path
    classes: tuple[str, ...]
    has_masks: bool
    has_semantic: bool
    median_side: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def crop(self) -> int:
        """The side of a training crop in pixels of the image; it is resized to 256 pixels."""
        return max(32, round(_CROP * self.median_side / _MEDIAN_SIDE))


def read_folder(path: Path) -> Folder:
    """Check a folder and measure what a training needs to know of it.

    Raises ValueError in one sentence that names what is missing and the layout.
    """
    for name, exists in (('', path.is_dir), ('images', (path / 'images').is_dir)):
        if not exists():
            raise ValueError(f'{path / name}: no such folder; {_LAYOUT}')
    train, val = (_read_coco(path, split) for split in ('train', 'val'))
    if train['categories'] != val['categories']:
        raise ValueError(f'{path}: train.json and val.json list different categories; they must be the same')
    shared = {image['file_name'] for image in train['images']} & {image['file_name'] for image in val['images']}
    if shared:
        raise ValueError(f'{path}: {min(shared)} is in train.json and in val.json; an image may be in one of them only')
    annotations = train['annotations'] + val['annotations']
    images = train['images'] + val['images']
    has_semantic = (path / 'semantic').is_dir()
    if has_semantic:
        for image in images:
            _check_semantic(path, image, len(train['categories']))
    mean, std = _colour_statistics([path / 'images' / image['file_name'] for image in train['images']])
    return Folder(
        path=path,
        classes=tuple(category['name'] for category in train['categories']),
        has_masks=all(annotation.get('segmentation') for annotation in annotations),
        has_semantic=has_semantic,
        median_side=float(np.median([(box[2] * box[3]) ** 0.5 for box in (a['bbox'] for a in train['annotations'])])),
        mean=mean,
        std=std,
    )


def adapt_detector(config: Any, folder: Folder) -> None:
    """Change the Mask R-CNN config to a folder's images and classes, and to Faster R-CNN where there are no masks."""
    _adapt_preprocessor(config.model.data_preprocessor, folder)
    config.model.roi_head.bbox_head.num_classes = len(folder.classes)
    if folder.has_masks:
        config.model.roi_head.mask_head.num_classes = len(folder.classes)
    else:
        config.model.type = 'FasterRCNN'
        for name in ('mask_roi_extractor', 'mask_head'):
            del config.model.roi_head[name]
        config.test_evaluator.metric = ['bbox']
    for loader, split in ((config.train_dataloader, 'train'), (config.test_dataloader, 'val')):
        _adapt_pipeline(loader.dataset.pipeline, folder)
        for transform in loader.dataset.pipeline:
            if transform.type == 'LoadAnnotations':
                transform.with_mask = folder.has_masks
        loader.dataset.update(
            data_root=str(folder.path), ann_file=f'{split}.json', metainfo={'classes': folder.classes}
        )
    config.test_evaluator.ann_file = str(folder.path / 'val.json')


def adapt_segmentor(config: Any, folder: Folder, work_dir: Path) -> None:
    """Change the FCN config to a folder's images and classes; labels drawn from masks go to `work_dir`."""
    classes = ('background', *folder.classes)
    _adapt_preprocessor(config.model.data_preprocessor, folder)
    config.model.decode_head.num_classes = len(classes)
    labels = folder.path / 'semantic' if folder.has_semantic else work_dir / 'labels'
    for loader, split in ((config.train_dataloader, 'train'), (config.test_dataloader, 'val')):
        coco = _read_coco(folder.path, split)
        if not folder.has_semantic:
            _draw_labels(coco, labels)
        names = [Path(image['file_name']) for image in coco['images']]
        suffixes = sorted({name.suffix for name in names})
        if len(suffixes) > 1:
            raise ValueError(f'{folder.path}: images end in {", ".join(suffixes)}; segmentation needs one file type')
        (work_dir / f'{split}.txt').write_text(''.join(f'{name.with_suffix("")}\n' for name in names))
        _adapt_pipeline(loader.dataset.pipeline, folder)
        loader.dataset.update(
            data_root=None,
            data_prefix={'img_path': str(folder.path / 'images'), 'seg_map_path': str(labels)},
            img_suffix=suffixes[0],
            ann_file=str(work_dir / f'{split}.txt'),
            metainfo={'classes': classes},
        )


def _read_coco(path: Path, split: str) -> dict[str, Any]:
    file = path / f'{split}.json'
    if not file.is_file():
        raise ValueError(f'{file}: no such file; {_LAYOUT}')
    try:
        coco: dict[str, Any] = json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f'{file}: not JSON ({error}); {_LAYOUT}') from error
    for key in ('images', 'annotations', 'categories'):
        if not isinstance(coco, dict) or not coco.get(key):
            raise ValueError(f'{file}: "{key}" is missing or empty; {_LAYOUT}')
    coco['categories'].sort(key=lambda category: category['id'])
    _check_annotations(file, coco)
    for image in coco['images']:
        if not (path / 'images' / image['file_name']).is_file():
            raise ValueError(f'{path / "images" / image["file_name"]}: no such image, but {file.name} lists it')
    return coco


def _check_annotations(file: Path, coco: Mapping[str, Any]) -> None:
    image_ids = {image['id'] for image in coco['images']}
    category_ids = {category['id'] for category in coco['categories']}
    for annotation in coco['annotations']:
        where = f'{file}: annotation {annotation.get("id")}'
        if len(annotation.get('bbox', ())) != 4:
            raise ValueError(f'{where} has no "bbox" of [x, y, width, height]; {_LAYOUT}')
        for key, allowed in (('image_id', image_ids), ('category_id', category_ids)):
            if annotation.get(key) not in allowed:
                raise ValueError(f'{where} has {key} {annotation.get(key)}, which the file does not list')


def _colour_statistics(files: list[Path]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pixels = []
    for file in files[:: max(1, len(files) // _MOST_IMAGES_FOR_MEAN)]:
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f'{file}: not an image that OpenCV can read')
        pixels.append(image.reshape(-1, 3)[:, ::-1])  # OpenCV reads B, G, R
    rgb = np.concatenate(pixels)
    return tuple(rgb.mean(0).tolist()), tuple(np.maximum(rgb.std(0), 1).tolist())


def _adapt_preprocessor(preprocessor: Any, folder: Folder) -> None:
    preprocessor.update(mean=list(folder.mean), std=list(folder.std), bgr_to_rgb=True)


def _adapt_pipeline(pipeline: list[Any], folder: Folder) -> None:
    for transform in pipeline:
        if transform.type == 'RandomCrop':
            transform.crop_size = (folder.crop, folder.crop)
        elif transform.type == 'Resize':
            transform.scale_factor = _CROP / folder.crop
        elif transform.type == 'RandomFlip':
            # Cells have no upper side, but most things have one.
            transform.update(prob=0.5, direction='horizontal')


def _check_semantic(path: Path, image: Mapping[str, Any], num_classes: int) -> None:
    file = (path / 'semantic' / image['file_name']).with_suffix('.png')
    label = cv2.imread(str(file), cv2.IMREAD_UNCHANGED) if file.is_file() else None
    if label is None or label.shape != (image['height'], image['width']):
        size = f'{image["width"]} x {image["height"]}'
        raise ValueError(f'{file}: not a grey image of {size} pixels; semantic/ must label every image or be left out')
    if label.max() > num_classes:
        raise ValueError(
            f'{file}: holds the label {label.max()}, but there are {num_classes} classes; '
            '0 must be background and i the i-th category'
        )


def _draw_labels(coco: Mapping[str, Any], labels: Path) -> None:
    from pycocotools import mask as coco_mask

    label_of = {category['id']: label for label, category in enumerate(coco['categories'], 1)}
    for image in coco['images']:
        size = image['height'], image['width']
        label = np.zeros(size, np.uint8)
        for annotation in coco['annotations']:
            if annotation['image_id'] == image['id']:
                shape = annotation['segmentation']
                is_compressed = isinstance(shape, dict) and not isinstance(shape['counts'], list)
                rle = shape if is_compressed else coco_mask.frPyObjects(shape, *size)
                mask = coco_mask.decode(coco_mask.merge(rle) if isinstance(rle, list) else rle)
                label[mask > 0] = label_of[annotation['category_id']]
        file = (labels / image['file_name']).with_suffix('.png')
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), label)
