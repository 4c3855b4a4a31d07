"""Parts of the tasks of keypoints: the change to a model specification, the trivial baseline, the drawing."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.rendered.face_shapes import LINES as FACE_LINES
from ..data.rendered.face_shapes import NUM_POINTS
from ..datasets.content import Content, Folder
from ..datasets.points import partners
from . import pictures
from .base import SHOWN_IMAGES, steps

if TYPE_CHECKING:
    from ..weights import ModelSpec

__all__ = [
    'assess_keypoints',
    'configure_keypoints',
    'configure_refinement',
    'draw_keypoints',
    'keypoints_of_sample',
    'measure_keypoints',
    'measure_mean_points',
    'pair_of_keypoints',
    'use_keypoints',
]

_AREA = 160 * 160  # pixels of a network's input
_SIGMA = 0.05  # mmpose requires sigmas; the metrics used here do not
_SURROUNDINGS = 0.4  # of points that are drawn, as a share of their extent, which is no less than this of the box
_LARGER = 3  # points in pictures that are shown small
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


def configure_keypoints(config: Any, spec: 'ModelSpec') -> None:
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


def configure_refinement(config: Any, spec: 'ModelSpec') -> None:
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


def _metainfo(spec: 'ModelSpec') -> dict[str, Any]:
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
    images = [(path, list(group)) for path, group in groupby(samples, key=lambda sample: sample.img_path)]
    if len(images) > SHOWN_IMAGES:
        images.pop()  # the batch may have ended before its last instance
    of_image = {path: _true_and_found(group) for path, group in images}
    shown = sorted(of_image, key=lambda path: -int((of_image[path][0][..., 2] > 0).sum()))[:SHOWN_IMAGES]
    files = [work_dir / f'predictions_{Path(path).stem}.png' for path in shown]
    tiles = [
        pictures.draw_points(file, pictures.read(path), *of_image[path], _links(metainfo))
        for file, path in zip(files, shown, strict=True)
    ]
    return files, tiles[0]


def assess_keypoints(sample: Any, metainfo: Mapping[str, Any]) -> tuple[float, Any]:
    """The mean distance of the labeled points, and the distances of all, as shares of the box's longer side."""
    truth, found = sample.gt_instances, sample.pred_instances
    seen = np.asarray(truth.keypoints_visible, float).reshape(-1) > 0
    places = [np.asarray(one.keypoints, float)[0, :, :2] for one in (truth, found)]
    box = np.asarray(truth.bboxes, float)[0]
    share = np.hypot(*(places[1] - places[0]).T) / max(box[2] - box[0], box[3] - box[1], 1.0)
    table = np.stack([np.where(seen, share, 0), seen], 1).astype(float)
    return min(float(table[:, 0].sum() / max(seen.sum(), 1)), 1.0), table


def pair_of_keypoints(sample: Any, metainfo: Mapping[str, Any]) -> pictures.Pair:
    """The surroundings of the labeled points and of where they are predicted, a color for each keypoint."""
    image, (truth, found) = pictures.read(sample.img_path), _true_and_found([sample])
    seen = truth[..., 2:] > 0
    found = np.concatenate([found[..., :2], truth[..., 2:]], -1)  # whatever its score
    x1, y1, x2, y2 = np.asarray(sample.gt_instances.bboxes, float)[0]
    places = np.concatenate([truth, found])[np.concatenate([seen, seen])[..., 0]][:, :2]
    (left, top), (right, bottom) = places.min(0), places.max(0)
    margin = _SURROUNDINGS * max(right - left, bottom - top, _SURROUNDINGS * max(x2 - x1, y2 - y1))
    left, top = (
        int(min(max(low - margin, 0), side - 1)) for low, side in zip((left, top), image.shape[1::-1], strict=True)
    )
    part = image[top : max(int(bottom + margin), top + 1) + 1, left : max(int(right + margin), left + 1) + 1]
    # Each point is drawn as an instance of its own, in a color of its own.
    moved = [(points - np.array([left, top, 0])).reshape(-1, 1, 3) for points in (truth, found)]
    return pictures.pair_of_points(part, moved[0], moved[1], [], _LARGER)


def keypoints_of_sample(results: Mapping[str, Any]) -> dict[str, Any]:
    """The points of a training sample, moved as its image."""
    places, seen = results['transformed_keypoints'][0], np.asarray(results['keypoints_visible'])[0].reshape(-1)
    values = [
        value for (x, y), visible in zip(places, seen, strict=True) for value in (float(x), float(y), 2 * (visible > 0))
    ]
    return {'annotations': [{'category_id': 0, 'keypoints': values}]}


def _links(metainfo: Mapping[str, Any]) -> Sequence[tuple[int, int]]:
    return metainfo['skeleton_links'] or (FACE_LINES if metainfo['num_keypoints'] == NUM_POINTS else [])


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
