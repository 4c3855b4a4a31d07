"""Parts of the tasks of keypoints: the change to a model specification, the trivial baseline, the drawing."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ..data.rendered.face_shapes import LINES as FACE_LINES
from ..data.rendered.face_shapes import NUM_POINTS
from ..datasets.content import Content, Folder
from ..datasets.points import partners
from ..weights import ModelSpec
from . import pictures
from .base import SHOWN_IMAGES, steps

__all__ = [
    'configure_keypoints',
    'configure_refinement',
    'draw_keypoints',
    'measure_keypoints',
    'measure_mean_points',
    'use_keypoints',
]

_AREA = 160 * 160  # pixels of a network's input
_SIGMA = 0.05  # mmpose requires sigmas; the metrics used here do not
_LEFT, _RIGHT, _MIDDLE = [0, 255, 0], [255, 128, 0], [51, 153, 255]


def measure_keypoints(folder: Folder) -> dict[str, Any]:
    """The keypoints, their pairs by left and right in their names, and an input in the shape of the boxes."""
    assert folder.points is not None
    names = folder.points.names
    partner = partners(folder.points) or {}
    pairs = ((names.index(name), names.index(other)) for name, other in partner.items())
    whole = all(box[2:] == [image['width'], image['height']] for box, image in _boxes(folder))
    return {
        'input_size': _input_size(folder),
        'resize': {'box_padding': 1.0 if whole else 1.25},  # there is nothing around a box of the whole image
        'classes': tuple(one['name'] for one in folder.train['categories'] if one.get('keypoints')),
        'keypoints': names,
        'skeleton': folder.points.links,
        'flip_pairs': tuple(pair for pair in pairs if pair[0] < pair[1]),
        'sigmas': (_SIGMA,) * len(names),
    }


def configure_keypoints(config: Any, spec: ModelSpec) -> None:
    """Change a top-down config to the keypoints and the input of a model specification."""
    head, (height, width) = config.model.head, spec.input_size
    for codec in (head.decoder, *(step.encoder for step in steps(config.train_dataloader, 'GenerateTarget'))):
        codec.update(input_size=(width, height), heatmap_size=(width // 4, height // 4))
    head.out_channels = len(spec.keypoints)
    config.model.test_cfg.flip_test = bool(spec.flip_pairs)
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in steps(loader, 'TopdownAffine'):
            step.input_size = (width, height)
        for step in steps(loader, 'GetBBoxCenterScale'):
            step.padding = spec.resized_by('box_padding')
        if not spec.flip_pairs:
            loader.dataset.pipeline = [step for step in loader.dataset.pipeline if step.type != 'RandomFlip']
        loader.dataset.metainfo = _metainfo(spec)


def configure_refinement(config: Any, spec: ModelSpec) -> None:
    """Change a top-down config to DeepLabCut's head and its inputs: whole images, or boxes."""
    numbers, (height, width) = dict(spec.refinement), spec.input_size
    upsampling = int(numbers.pop('upsampling'))
    codec = {'type': 'DeepLabCutHeatmap', 'stride': 4 // upsampling, **numbers}
    config.model.head = {
        'type': 'DeepLabCutHead',
        'in_channels': config.model.head.in_channels,
        'out_channels': len(spec.keypoints),
        'upsampling': upsampling,
        'decoder': codec,
    }
    config.model.test_cfg = {'flip_test': False}
    if spec.takes_any_size:
        reading = {'type': 'PadToMultiple', 'divisor': int(spec.resized_by('pad_to_multiple'))}
    else:
        margin = spec.resized_by('box_margin')
        reading = {'type': 'DeepLabCutCrop', 'input_size': (width, height), 'margin': margin}
    for loader in (config.train_dataloader, config.test_dataloader):
        targets = [{'type': 'GenerateTarget', 'encoder': codec}] if loader is config.train_dataloader else []
        loader.dataset.pipeline = [{'type': 'LoadImage'}, reading, *targets, {'type': 'PackPoseInputs'}]
        loader.dataset.metainfo = _metainfo(spec)


def use_keypoints(config: Any, work_dir: Path) -> None:
    """Change a config to COCO files, with the keypoints described to mmpose in a file.

    mmengine prints a config that holds 200 keypoints in half a minute.
    """
    file = work_dir.resolve() / 'points.py'
    file.write_text(f'dataset_info = {config.train_dataloader.dataset.metainfo.to_dict()!r}\n')
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.update(type='CocoDataset', data_prefix={'img': ''}, metainfo={'from_file': str(file)})


def _metainfo(spec: ModelSpec) -> dict[str, Any]:
    """The metainfo of mmpose's data sets, in COCO's colors: one for the left, one for the right, one for the middle."""
    names = spec.keypoints
    partners = {index: names[other] for pair in spec.flip_pairs for index, other in (pair, pair[::-1])}
    first = {index for index, _ in spec.flip_pairs}
    color = [_MIDDLE if i not in partners else _LEFT if i in first else _RIGHT for i in range(len(names))]
    return {
        'dataset_name': 'folder',
        'keypoint_info': {
            i: {'id': i, 'name': name, 'swap': partners.get(i, ''), 'type': '', 'color': color[i]}
            for i, name in enumerate(names)
        },
        'skeleton_info': {
            i: {
                'id': i,
                'link': (names[start], names[end]),
                'color': color[start] if color[start] == color[end] else _MIDDLE,
            }
            for i, (start, end) in enumerate(spec.skeleton)
        },
        'joint_weights': [1.0] * len(names),
        'sigmas': list(spec.sigmas or (_SIGMA,) * len(names)),
    }


def measure_mean_points(runner: Any, key: str) -> float:
    """The runner's metric, in percent, where every instance has the training set's mean points in its box."""
    metric = runner.test_evaluator.metrics[0]
    return 100 * float(_mean_points(runner.train_dataloader.dataset, runner.test_dataloader.dataset, metric)[key])


def draw_keypoints(
    work_dir: Path, samples: Sequence[Any], metainfo: Mapping[str, Any]
) -> tuple[list[Path], pictures.Pair]:
    """Draw the images in which most points are labeled; the first of them is the pair."""
    links = metainfo['skeleton_links'] or (FACE_LINES if metainfo['num_keypoints'] == NUM_POINTS else [])
    images = [(path, list(group)) for path, group in groupby(samples, key=lambda sample: sample.img_path)]
    if len(images) > SHOWN_IMAGES:
        images.pop()  # the batch may have ended before its last instance
    of_image = {path: _true_and_found(group) for path, group in images}
    shown = sorted(of_image, key=lambda path: -int((of_image[path][0][..., 2] > 0).sum()))[:SHOWN_IMAGES]
    files = [work_dir / f'predictions_{Path(path).stem}.png' for path in shown]
    tiles = [
        pictures.draw_points(file, pictures.read(path), *of_image[path], links)
        for file, path in zip(files, shown, strict=True)
    ]
    return files, tiles[0]


def _input_size(folder: Folder) -> tuple[int, int]:
    """Height and width in multiples of 16, of the median box's shape, but not longer than thrice the shorter side."""
    width, height = folder.median_box
    shape = math.sqrt(min(max(width / max(height, 1), 1 / 3), 3))
    side = math.sqrt(_AREA)
    return 16 * round(side / shape / 16), 16 * round(side * shape / 16)


def _boxes(folder: Folder) -> list[tuple[list[float], Content]]:
    images = {image['id']: image for image in folder.train['images']}
    return [(one['bbox'], images[one['image_id']]) for one in folder.train['annotations']]


def _mean_points(train: Any, test: Any, metric: Any) -> dict[str, float]:
    """mmpose's metric where every instance has the training set's mean points, as shares of its box."""
    places, seen = [], []
    for i in range(len(train)):
        info = train.get_data_info(i)
        corner, size = info['bbox'][0, :2], info['bbox'][0, 2:] - info['bbox'][0, :2]
        places.append((info['keypoints'][0] - corner) / size)
        seen.append(info['keypoints_visible'][0] > 0)
    weights = np.array(seen, float)[..., None]
    mean = (np.array(places) * weights).sum(0) / np.maximum(weights.sum(0), 1)
    for i in range(len(test)):
        info = test.get_data_info(i)
        corner, size = info['bbox'][:, :2], info['bbox'][:, 2:] - info['bbox'][:, :2]
        points = corner[:, None] + mean * size[:, None]
        found = {'keypoints': points, 'keypoint_scores': np.ones(points.shape[:2])}
        truth = {name: info[name] for name in ('keypoints', 'keypoints_visible')}
        truth |= {'bboxes': info['bbox'], 'bbox_scores': info['bbox_score'], 'bbox_scales': size}
        sample = {'id': info['id'], 'img_id': info['img_id'], 'pred_instances': found, 'gt_instances': truth}
        metric.process({}, [sample])
    measured: dict[str, float] = metric.evaluate(len(test))
    return measured


def _true_and_found(samples: Sequence[Any]) -> tuple[Any, Any]:
    truths, founds = ([one.gt_instances for one in samples], [one.pred_instances for one in samples])
    return (
        np.concatenate([_points(one.keypoints, one.keypoints_visible) for one in truths]),
        np.concatenate([_points(one.keypoints, one.keypoint_scores) for one in founds]),
    )


def _points(places: Any, scores: Any) -> Any:
    return np.concatenate([np.asarray(places), np.asarray(scores).reshape(len(places), -1, 1)], axis=-1)
