"""Training, test and pictures of one task, through the engine and the config's library."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from ..engine import read_config, train
from ..tasks import TASKS, Metric
from ..tasks.pictures import show_bands, write_tile
from ..weights import ModelSpec
from ..weights.io import SPEC_KEY, written_aside
from .adapt import adapt
from .calibrate import CalibrationHook
from .job import Job, Measure, Own, Progress, Result


def train_and_test(job: Job, report: Callable[[Progress], None]) -> Result:
    """Do a job in this process; `report` is called with its progress."""
    task = TASKS[job.task]
    config = read_config(job.config)
    config.randomness.seed = job.seed
    config.default_hooks.checkpoint.save_last = False  # written below, wherever the training ends
    hook = _Report(job, report)
    hooks: list[Hook] = [hook]
    if job.holdout:
        use_holdout(config)
    iterations, minutes = job.iterations, None
    spec = None
    if job.own is not None:
        spec = adapt(config, job.task, job.own.folder, job.work_dir, job.own.arch, job.own.pretrained)
        iterations, minutes = iterations or _iterations(job.own, config.train_dataloader.batch_size), job.own.minutes
    if minutes is not None:
        hooks.append(_Deadline(60 * minutes, config.pop('param_scheduler').eta_max))
        config.train_cfg.max_iters = 10**9
    elif iterations is not None:
        config.train_cfg.max_iters = config.param_scheduler.total_steps = iterations

    hooks.append(_Specify(lambda metainfo: spec or task.describe(job.task, config, metainfo)))
    calibration = CalibrationHook(job.task)
    if job.own is not None:  # the demonstration has test data alone, on which nothing is fitted
        hooks.append(calibration)
    runner = train(config, job.work_dir, hooks=hooks, data_checked=job.own is not None, name=f'{job.name}.py')
    weights = job.work_dir / 'weights.pth'
    with written_aside(weights) as aside:
        runner.save_checkpoint(str(aside.parent), aside.name, save_optimizer=False, save_param_scheduler=False)
    metrics = runner.test()
    if job.own is not None:
        calibration.store(weights)

    report(Progress('drawing', 1.0))
    dataset = runner.test_dataloader.dataset
    listed = task.metrics(config.test_evaluator)
    baseline, baseline_is = task.baseline(runner, listed[0].key)
    if spec is not None and spec.reads:
        show_bands(hook.predictions, spec, job.work_dir / 'shown')
    drawn, pair = task.draw(job.work_dir, hook.predictions, dataset.metainfo)
    tile = job.work_dir / 'tile.png'
    write_tile(tile, *pair)
    return Result(
        measures=tuple(
            Measure(
                metric.name,
                _percent(metrics, metric),
                baseline,
                baseline_is,
                job.targets.get(metric.name),
                metric.is_error,
            )
            for metric in listed
        ),
        pictures=tuple(drawn),
        tile=tile,
        weights=weights,
        iterations=hook.iterations,
        train_seconds=hook.seconds,
    )


def _percent(metrics: Mapping[str, Any], metric: Metric) -> float:
    """A metric's value in percent; NaN where the library had nothing to measure, which COCO's evaluator says by -1."""
    # Without any detection, mmdet gives no value; it is zero.
    value = float(metrics.get(metric.key, 0.0))
    return metric.factor * value if value >= 0 else math.nan


def _iterations(own: Own, batch_size: int) -> int | None:
    """The number of batches of the epochs; an instance of keypoints is an image of its own."""
    samples = len(own.folder.train['annotations' if own.folder.points else 'images'])
    return None if own.epochs is None else math.ceil(own.epochs * samples / batch_size)


class _Report(Hook):
    """Hook that reports progress and keeps predictions to draw: all of a classifier, else those of the first images."""

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
        minutes = self.job.own.minutes if self.job.own else None
        done = self.seconds / (60 * minutes) if minutes else self.iterations / runner.max_iters
        self.report(Progress('training', min(done, 1.0)))

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.report(Progress('testing', 1.0))
        shown = TASKS[self.job.task].shown_images
        if shown is None or len(self.predictions) < shown:
            self.predictions += outputs


class _Specify(Hook):
    """Hook that writes the model specification into every checkpoint."""

    def __init__(self, specify: Callable[[Mapping[str, Any]], ModelSpec]) -> None:
        self.specify = specify

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        checkpoint[SPEC_KEY] = self.specify(runner.train_dataloader.dataset.metainfo).to_json()


class _Deadline(Hook):
    """Hook that ends the training after some seconds; the learning rate rises and falls in that time."""

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
