"""Parts of the tasks of keypoints: the change to a folder, the trivial baseline, the drawing."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ..data.rendered.face_shapes import LINES as FACE_LINES
from ..data.rendered.face_shapes import NUM_POINTS
from ..datasets.content import Content, Folder, Points
from ..datasets.points import partners, points_metainfo
from . import pictures
from .base import SHOWN_IMAGES, steps

__all__ = ['adapt_keypoints', 'draw_keypoints', 'measure_mean_points']

_AREA = 160 * 160  # pixels of a network's input


def adapt_keypoints(config: Any, folder: Folder, work_dir: Path) -> None:
    """Change a top-down config to a folder's keypoints and to the shape of its boxes."""
    assert folder.points is not None
    _write_points(config, folder.points, work_dir.resolve() / 'points.py')
    head, count = config.model.head, len(folder.points.names)
    width, height = _input_size(folder)
    for codec in (head.decoder, *(step.encoder for step in steps(config.train_dataloader, 'GenerateTarget'))):
        codec.update(input_size=(width, height), heatmap_size=(width // 4, height // 4))
    head.out_channels = count
    can_mirror = partners(folder.points) is not None
    config.model.test_cfg.flip_test = can_mirror
    whole = all(box[2:] == [image['width'], image['height']] for box, image in _boxes(folder))
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in steps(loader, 'TopdownAffine'):
            step.input_size = (width, height)
        if whole:  # there is nothing around the box
            for step in steps(loader, 'GetBBoxCenterScale'):
                step.padding = 1.0
        if not can_mirror:
            loader.dataset.pipeline = [step for step in loader.dataset.pipeline if step.type != 'RandomFlip']
        loader.dataset.update(type='CocoDataset', data_prefix={'img': ''})


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


def _write_points(config: Any, points: Points, file: Path) -> None:
    """Describe the points to mmpose in a file: mmengine prints a config that holds 200 of them in half a minute."""
    file.write_text(f'dataset_info = {points_metainfo(points)!r}\n')
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.metainfo = {'from_file': str(file)}


def _input_size(folder: Folder) -> tuple[int, int]:
    """Width and height in multiples of 16, of the median box's shape, but not longer than thrice the shorter side."""
    width, height = folder.median_box
    shape = math.sqrt(min(max(width / max(height, 1), 1 / 3), 3))
    side = math.sqrt(_AREA)
    return 16 * round(side * shape / 16), 16 * round(side / shape / 16)


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
