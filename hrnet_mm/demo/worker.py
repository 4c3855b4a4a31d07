"""Trains, evaluates and draws one task, through mmengine's Runner and the config's library."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .baselines import measure_baseline
from .drawing import SHOWN_IMAGES, draw_predictions
from .folder import adapt_detector, adapt_segmentor
from .job import Job, Measure, Progress, Result


@dataclass(frozen=True)
class _Metric:
    """What the table says, the key in the library's metrics, the factor to percent, and the value to reach."""

    name: str
    key: str
    factor: float = 1
    target: float | None = None
    is_error: bool = False


_METRICS = {
    'pose': (_Metric('OKS AP', 'coco/AP', 100, 10.0),),
    'faces': (_Metric('NME', 'NME', 100, 5.0, is_error=True),),
    'instances': (
        _Metric('box AP50', 'coco/bbox_mAP_50', 100, 50.0),
        _Metric('box AP', 'coco/bbox_mAP', 100),
        _Metric('mask AP50', 'coco/segm_mAP_50', 100, 50.0),
        _Metric('mask AP', 'coco/segm_mAP', 100),
    ),
    'segmentation': (_Metric('mIoU', 'mIoU', 1, 85.0),),
    'classification': (_Metric('top-1', 'accuracy/top1', 1, 95.0),),
}


def train_and_test(job: Job, report: Callable[[Progress], None]) -> Result:
    """Do a job in this process, and tell `report` how far it is."""
    config = Config.fromfile(job.config)
    config.work_dir = str(job.work_dir)
    config.randomness.seed = job.seed
    config.default_hooks.checkpoint = None  # the weights alone are written below: torch.load reads them safely
    hook = _Report(job, report)
    hooks: list[Hook] = [hook]
    if job.holdout:
        use_holdout(config)
    if job.folder is not None and job.task == 'instances':
        adapt_detector(config, job.folder)
    elif job.folder is not None:
        adapt_segmentor(config, job.folder, job.work_dir)
    if job.minutes is not None:
        hooks.append(_Deadline(60 * job.minutes, config.pop('param_scheduler').eta_max))
        config.train_cfg.max_iters = 10**9
    elif job.iterations is not None:
        config.train_cfg.max_iters = config.param_scheduler.total_steps = job.iterations

    runner = Runner.from_cfg(config)
    for one in hooks:
        runner.register_hook(one)
    runner.train()
    weights = job.work_dir / 'weights.pth'
    torch.save({'state_dict': runner.model.state_dict(), 'meta': {'config': config.pretty_text}}, weights)
    metrics = runner.test()

    report(Progress('drawing', 1.0))
    dataset = runner.test_dataloader.dataset
    baseline, baseline_is = measure_baseline(job.task, runner)
    drawn, tile = draw_predictions(job, hook.predictions, dataset.metainfo)
    return Result(
        measures=tuple(
            # Where nothing at all is found, mmdet gives no value; it is zero.
            Measure(
                metric.name,
                metric.factor * float(metrics.get(metric.key, 0.0)),
                baseline,
                baseline_is,
                None if job.folder else metric.target,
                metric.is_error,
            )
            for metric in _METRICS[job.task]
            if 'segm' not in metric.key or 'segm' in config.test_evaluator.metric
        ),
        pictures=drawn,
        tile=tile,
        weights=weights,
        iterations=hook.iterations,
        train_seconds=hook.seconds,
    )


class _Report(Hook):
    """Reports progress and keeps predictions to draw: all of a classifier, else those of the first images."""

    priority = 'LOWEST'

    def __init__(self, job: Job, report: Callable[[Progress], None]) -> None:
        self.job = job
        self.report = report
        self.iterations = 0
        self.seconds = 0.0
        self.predictions: list[Any] = []

    def before_train(self, runner: Any) -> None:
        self._start = time.monotonic()
        self.report(Progress('training', 0.0))

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.iterations = batch_idx + 1
        self.seconds = time.monotonic() - self._start
        seconds = None if self.job.minutes is None else 60 * self.job.minutes
        done = self.iterations / runner.max_iters if seconds is None else self.seconds / seconds
        self.report(Progress('training', min(done, 1.0)))

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.report(Progress('testing', 1.0))
        if self.job.task == 'classification' or len(self.predictions) < SHOWN_IMAGES:
            self.predictions += outputs


class _Deadline(Hook):
    """Ends the training after some seconds, and lets the learning rate rise and fall in that time."""

    def __init__(self, seconds: float, highest: float) -> None:
        self.seconds = seconds
        self.highest = highest

    def before_train(self, runner: Any) -> None:
        self._start = time.monotonic()

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        done = min((time.monotonic() - self._start) / self.seconds, 1.0)
        # A tenth of the time upwards, then half a cosine.
        factor = 10 * done if done < 0.1 else (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2
        for group in runner.optim_wrapper.param_groups:
            group['lr'] = self.highest * max(factor, 1e-3)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if time.monotonic() - self._start >= self.seconds:
            runner.train_loop.stop_training = True


def use_holdout(config: Any) -> None:
    """Train on `fit` and test on `val`, which are parts of `train` (see hrnet_mm.data)."""
    for place, name in (
        (config.train_dataloader.dataset, 'fit'),
        (config.test_dataloader.dataset, 'val'),
        (config.test_evaluator, 'val'),
    ):
        if 'ann_file' in place:
            file = Path(place.ann_file)
            place.ann_file = str(file.with_name(name + file.suffix))
