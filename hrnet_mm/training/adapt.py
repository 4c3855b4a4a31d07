"""Changes of a demonstration config for a folder's images, classes and keypoints, and for another network."""

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..datasets.content import Content, Folder, Points
from ..datasets.layouts import semantic_file
from ..datasets.points import mirrored, points_metainfo
from ..models.archs import get_arch

# Objects are resized so that the median one has the size that the demonstration's networks and anchors are made for.
_MEDIAN_SIDE = 48
_CROP = 256
_POINTS_AREA = 160 * 160  # pixels of a pose network's input
_CLASSIFIED_SIDES = 64, 128  # least and most, of a classifier's input
_IMAGENET = {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375]}


def adapt(config: Any, task: str, folder: Folder, work_dir: Path, arch: str | None, pretrained: str | None) -> None:
    """Change a demo config to a folder that was read for its task; annotations and drawn labels go to `work_dir`.

    `arch` is the network's architecture in place of the config's, `pretrained` a checkpoint of its backbone: a path, an
    address or a published name.

    Raises ValueError for an unknown architecture.
    """
    for loader, part, content in (
        (config.train_dataloader, 'train', folder.train),
        (config.test_dataloader, 'val', folder.val),
    ):
        if task == 'segmentation':
            content = _with_labels(folder, content, work_dir / 'labels')
        file = work_dir.resolve() / f'{part}.json'
        file.write_text(json.dumps(content))
        loader.dataset.update(ann_file=str(file), data_root=str(folder.path.resolve()))
    if folder.points is not None:
        _write_points(config, folder.points, work_dir.resolve() / 'points.py')
    _ADAPTERS[task](config, folder)
    if arch is not None:
        _use_arch(config.model, task, arch)
    preprocessor = config.get('data_preprocessor') or config.model.data_preprocessor
    preprocessor.update(mean=list(folder.mean), std=list(folder.std))
    if pretrained is not None:
        config.model.backbone.init_cfg = {'type': 'Pretrained', 'checkpoint': pretrained}
        preprocessor.update(_IMAGENET)
    preprocessor['to_rgb' if task == 'classification' else 'bgr_to_rgb'] = True


def _use_arch(model: Any, task: str, arch: str) -> None:
    channels = list(get_arch(arch).out_channels)
    model.backbone.arch = arch
    if task == 'pose':
        model.head.in_channels = channels[0]
    elif task == 'faces':
        model.head.update(in_channels=sum(channels), conv_out_channels=(sum(channels),))
    elif task == 'instances':
        model.neck.arch = arch
    elif task == 'segmentation':
        model.decode_head.update(in_channels=channels, channels=sum(channels))
    else:
        model.neck[0].arch = arch


def _write_points(config: Any, points: Points, file: Path) -> None:
    """Tell mmpose of the points by a file: mmengine takes half a minute to print a config that holds 200 of them."""
    file.write_text(f'dataset_info = {points_metainfo(points)!r}\n')
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.metainfo = {'from_file': str(file)}


def _adapt_points(config: Any, folder: Folder) -> None:
    assert folder.points is not None
    head, count = config.model.head, len(folder.points.names)
    width, height = _input_size(folder)
    for codec in (head.decoder, *(step.encoder for step in _pipeline(config.train_dataloader, 'GenerateTarget'))):
        codec.update(input_size=(width, height), heatmap_size=(width // 4, height // 4))
    head.out_channels = count
    can_mirror = mirrored(folder.points.names) is not None
    config.model.test_cfg.flip_test = can_mirror
    whole = all(box[2:] == [image['width'], image['height']] for box, image in _boxes(folder))
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in _pipeline(loader, 'TopdownAffine'):
            step.input_size = (width, height)
        if whole:  # there is nothing around the box
            for step in _pipeline(loader, 'GetBBoxCenterScale'):
                step.padding = 1.0
        if not can_mirror:
            loader.dataset.pipeline = [step for step in loader.dataset.pipeline if step.type != 'RandomFlip']
        loader.dataset.update(type='CocoDataset', data_prefix={'img': ''})


def _adapt_pose(config: Any, folder: Folder) -> None:
    _adapt_points(config, folder)
    config.test_evaluator = {'type': 'PCKAccuracy', 'thr': 0.05}


def _adapt_faces(config: Any, folder: Folder) -> None:
    _adapt_points(config, folder)
    config.test_evaluator = {'type': 'NME', 'norm_mode': 'use_norm_item', 'norm_item': 'bbox_size'}


def _adapt_detector(config: Any, folder: Folder) -> None:
    """Mask R-CNN becomes Faster R-CNN where there are no masks."""
    config.model.roi_head.bbox_head.num_classes = len(folder.classes)
    if folder.has_masks:
        config.model.roi_head.mask_head.num_classes = len(folder.classes)
    else:
        config.model.type = 'FasterRCNN'
        for name in ('mask_roi_extractor', 'mask_head'):
            del config.model.roi_head[name]
        config.test_evaluator.metric = ['bbox']
    _adapt_regions(config, folder)
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in _pipeline(loader, 'LoadAnnotations'):
            step.with_mask = folder.has_masks
        loader.dataset.update(metainfo={'classes': folder.classes}, data_prefix={'img': ''})
    config.test_evaluator.ann_file = config.test_dataloader.dataset.ann_file


def _adapt_segmentor(config: Any, folder: Folder) -> None:
    classes = ('background', *folder.classes)
    config.model.decode_head.num_classes = len(classes)
    _adapt_regions(config, folder)
    for loader in (config.train_dataloader, config.test_dataloader):
        prefix = {'img_path': '', 'seg_map_path': ''}
        loader.dataset.update(type='CocoSegDataset', metainfo={'classes': classes}, data_prefix=prefix)


def _adapt_classifier(config: Any, folder: Folder) -> None:
    config.data_preprocessor.num_classes = config.model.head.num_classes = len(folder.classes)
    least, most = _CLASSIFIED_SIDES
    shorter = float(np.median([min(image['width'], image['height']) for image in folder.train['images']]))
    side = min(max(32 * round(shorter / 32), least), most)
    config.train_dataloader.dataset.pipeline = [
        {'type': 'LoadImageFromFile'},
        {'type': 'RandomResizedCrop', 'scale': side, 'crop_ratio_range': (0.4, 1.0)},
        {'type': 'RandomFlip', 'prob': 0.5},
        {'type': 'PackInputs'},
    ]
    config.test_dataloader.dataset.pipeline = [
        {'type': 'LoadImageFromFile'},
        {'type': 'ResizeEdge', 'scale': round(side * 8 / 7)},
        {'type': 'CenterCrop', 'crop_size': side},
        {'type': 'PackInputs'},
    ]
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.ann_file = _write_list(Path(loader.dataset.ann_file))
        loader.dataset.update(classes=list(folder.classes), data_prefix='')


_ADAPTERS = {
    'pose': _adapt_pose,
    'faces': _adapt_faces,
    'instances': _adapt_detector,
    'segmentation': _adapt_segmentor,
    'classification': _adapt_classifier,
}


def crop_side(folder: Folder) -> int:
    """The side of a training crop in pixels of the image; it is resized to 256 pixels."""
    return max(32, round(_CROP * folder.median_side / _MEDIAN_SIDE))


def _adapt_regions(config: Any, folder: Folder) -> None:
    crop = crop_side(folder)
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in loader.dataset.pipeline:
            if step.type == 'RandomCrop':
                step.crop_size = (crop, crop)
            elif step.type == 'Resize':
                step.scale_factor = _CROP / crop
            elif step.type == 'RandomFlip':
                # Cells have no upper side, but most things have one.
                step.update(prob=0.5, direction='horizontal')


def _pipeline(loader: Any, kind: str) -> list[Any]:
    return [step for step in loader.dataset.pipeline if step.type == kind]


def _input_size(folder: Folder) -> tuple[int, int]:
    """Width and height in multiples of 16, of the median box's shape, but not longer than thrice the shorter side."""
    width, height = folder.median_box
    shape = math.sqrt(min(max(width / max(height, 1), 1 / 3), 3))
    side = math.sqrt(_POINTS_AREA)
    return 16 * round(side * shape / 16), 16 * round(side / shape / 16)


def _boxes(folder: Folder) -> list[tuple[list[float], Content]]:
    images = {image['id']: image for image in folder.train['images']}
    return [(one['bbox'], images[one['image_id']]) for one in folder.train['annotations']]


def _write_list(file: Path) -> str:
    """mmpretrain's list, beside a file in COCO's form: an image and its class a line."""
    images = json.loads(file.read_text())['images']
    listed = file.with_suffix('.txt')
    listed.write_text(''.join(f'{image["file_name"]} {image["category_id"]}\n' for image in images))
    return str(listed)


def _with_labels(folder: Folder, content: Content, labels: Path) -> Content:
    """The content whose images have a `seg_file_name`: that in semantic/, or one drawn from the masks."""
    images = []
    for image in content['images']:
        if folder.has_semantic:
            file = semantic_file(folder.path, image['file_name'])
        else:
            file = (labels / image['file_name']).with_suffix('.png')
            _draw_labels(content, image, file)
        images.append({**image, 'seg_file_name': str(file.resolve())})
    return {**content, 'images': images}


def _draw_labels(content: Content, image: Content, file: Path) -> None:
    from pycocotools import mask as coco_mask

    label_of = {category['id']: label for label, category in enumerate(content['categories'], 1)}
    size = image['height'], image['width']
    label = np.zeros(size, np.uint8)
    for annotation in content['annotations']:
        if annotation['image_id'] == image['id']:
            shape = annotation['segmentation']
            is_compressed = isinstance(shape, dict) and not isinstance(shape['counts'], list)
            rle = shape if is_compressed else coco_mask.frPyObjects(shape, *size)
            mask = coco_mask.decode(coco_mask.merge(rle) if isinstance(rle, list) else rle)
            label[mask > 0] = label_of[annotation['category_id']]
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), label)
