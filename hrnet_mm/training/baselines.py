"""What the metrics give without a look at the images."""

from typing import Any

import mmcv
import numpy as np

from .job import TASKS


def measure_baseline(task: str, runner: Any, key: str) -> tuple[float, str]:
    """A metric, in percent, of a trivial answer, and what this is; `key` is the metric's in the runner's evaluator."""
    dataset = runner.test_dataloader.dataset
    if task == 'instances':
        return 0.0, 'nothing found'
    if task == 'segmentation':
        return _most_common_label(dataset)
    if task == 'classification':
        counts = np.bincount([int(dataset.get_data_info(i)['gt_label']) for i in range(len(dataset))])
        return 100 * float(counts.max() / counts.sum()), 'always the same class'
    assert task in TASKS
    metric = runner.test_evaluator.metrics[0]
    value = _mean_points(runner.train_dataloader.dataset, dataset, metric)[key]
    return 100 * float(value), 'mean pose in the box' if task == 'pose' else 'mean face in the box'


def _most_common_label(dataset: Any) -> tuple[float, str]:
    counts = np.zeros(256, dtype=np.int64)
    for i in range(len(dataset)):
        label = mmcv.imread(dataset.get_data_info(i)['seg_map_path'], 'unchanged')
        counts += np.bincount(label.ravel(), minlength=256)
    counts = counts[:255]  # 255 is not evaluated
    # The predicted class has the IoU of its share, every other class that occurs zero.
    name = dataset.metainfo['classes'][int(counts.argmax())]
    return 100 * float(counts.max() / counts.sum() / (counts > 0).sum()), f'all {name}'


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
