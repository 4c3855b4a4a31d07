"""Hooks of a training on a folder: its length, what it keeps, and its progress."""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from ..engine import SafeCheckpointHook, set_length
from ..tasks import Metric
from ..weights import ModelSpec
from ..weights.io import SPEC_KEY, written_aside
from .job import Job, Progress
from .length import Length, length_in_seconds, seconds_of_step
from .record import read_record, update_record

__all__ = [
    'KeepHook',
    'LengthHook',
    'ReportHook',
    'SpecifyHook',
    'percent',
    'save_weights',
    'stopped_at',
    'validations_of',
]

_SAVED_EVERY = 60.0  # seconds
_REPORTED_EVERY = 0.2  # seconds
_SMOOTHED = 20  # steps, of the loss that is shown
_VALIDATIONS = 'own/validations'  # in the message hub, which is in every checkpoint
_SECONDS = 'own/seconds'
_STOPPED = 'own/stopped_at'


def percent(metrics: Mapping[str, Any], metric: Metric) -> float:
    """A metric's value in percent; NaN where the library had nothing to measure, which COCO's evaluator says by -1."""
    # Without any detection, mmdet gives no value; it is zero.
    value = float(metrics.get(metric.key, 0.0))
    return metric.factor * value if value >= 0 else math.nan


def _info(runner: Any, name: str, default: Any) -> Any:
    hub = runner.message_hub
    return hub.get_info(name) if name in hub.runtime_info else default


def validations_of(runner: Any) -> list[tuple[int, float]]:
    """The steps after which a network was validated, and the metric, in percent."""
    return [(int(step), float(value)) for step, value in _info(runner, _VALIDATIONS, [])]


class LengthHook(Hook):
    """Hook that fixes the length of a training before its first step, and the learning rate of each step.

    The rate rises for a tenth of the steps and falls by half a cosine.

    Args:
        job: The job.
        length: Its length; None where the seconds of a step decide it.
        cost: The training steps that a validation takes.
        batch_size: The images of a step.
        highest: The highest learning rate.
        tell: Receives a sentence on the length.
    """

    def __init__(
        self,
        job: Job,
        length: Length | None,
        cost: float,
        batch_size: int,
        highest: float,
        tell: Callable[[str], None],
    ) -> None:
        self._job, self._length, self._cost, self._batch_size = job, length, cost, batch_size
        self._highest, self._tell = highest, tell

    def before_train(self, runner: Any) -> None:
        """Take the length from the record, or measure it and write it there."""
        record = read_record(self._job.work_dir) or {}
        if record.get('steps'):
            length = Length(record['steps'], record['interval'])
        else:
            length = self._length or self._measured(runner)
            update_record(self._job.work_dir, steps=length.steps, interval=length.interval)
        # A step after the last one is never reached: the test is the validation then.
        set_length(runner.train_loop, length.steps, length.interval or length.steps + 1)
        if length.interval is None:
            runner.train_loop.val_begin = length.steps + 1

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Set the learning rate."""
        done = batch_idx / runner.max_iters
        factor = 10 * done if done < 0.1 else (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2
        for group in runner.optim_wrapper.param_groups:
            group['lr'] = self._highest * max(factor, 1e-3)

    def _measured(self, runner: Any) -> Length:
        assert self._job.own is not None
        assert self._job.own.minutes is not None
        budget = 60 * self._job.own.minutes
        start = time.monotonic()
        of_step = seconds_of_step(runner, self._batch_size, budget)
        length = length_in_seconds(max(budget - (time.monotonic() - start), of_step), of_step, self._cost)
        self._tell(f'{length.steps} steps of {of_step:.2g} s, as measured, fill the time')
        return length


class KeepHook(Hook):
    """Hook that keeps the weights of the best validation, saves checkpoints, and ends a training early or on request.

    All that it knows is in the message hub, so that a resumed training decides alike.

    Args:
        weights: The file of the best weights.
        metric: The metric that decides.
        patience: The validations in a row without a better metric that end the training; 0 for any number.
        is_stopped: Whether the training is to end.
    """

    priority = 'NORMAL'  # before the checkpoint hook

    def __init__(self, weights: Path, metric: Metric, patience: int, is_stopped: Callable[[], bool]) -> None:
        self._weights, self._metric, self._patience, self._is_stopped = weights, metric, patience, is_stopped
        self._saved = time.monotonic()

    def best(self, runner: Any) -> tuple[int, float] | None:
        """The first step with the best metric of all validations, and the metric."""
        sign = -1 if self._metric.is_error else 1
        known = [one for one in validations_of(runner) if not math.isnan(one[1])]
        return max(known, key=lambda one: (sign * one[1], -one[0])) if known else None

    def before_train(self, runner: Any) -> None:
        """Find the checkpoint hook; end at once what had ended."""
        (self._checkpoint,) = (hook for hook in runner.hooks if isinstance(hook, SafeCheckpointHook))
        self._saved = time.monotonic()
        if self._is_over(runner):
            runner.train_loop.stop_training = True

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Let the checkpoint hook save this step if it is time, a validation follows, or the training is to end."""
        step, loop = batch_idx + 1, runner.train_loop
        validated = step >= loop.val_begin and step % loop.val_interval == 0
        due = validated or step == runner.max_iters or time.monotonic() - self._saved >= _SAVED_EVERY
        if self._is_stopped():
            loop.stop_training = due = True
        self._checkpoint.interval = 1 if due else -1
        if due:
            self._saved = time.monotonic()

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """End on request; the step before the validation is saved, and a resumed training validates again."""
        if self._is_stopped():
            raise KeyboardInterrupt

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """End on request; a resumed training tests again."""
        if self._is_stopped():
            raise KeyboardInterrupt

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        """Keep the weights if they are the best, and end where the metric has long been no better."""
        value = percent(metrics or {}, self._metric)
        runner.message_hub.update_info(_VALIDATIONS, [*validations_of(runner), (runner.iter, value)])
        best = self.best(runner)
        if best is None or best[0] == runner.iter:
            save_weights(runner, self._weights)
        if self._is_over(runner):
            runner.message_hub.update_info(_STOPPED, runner.iter)
            runner.train_loop.stop_training = True

    def _is_over(self, runner: Any) -> bool:
        best = self.best(runner)
        if not self._patience or best is None:
            return False
        return sum(step > best[0] for step, _ in validations_of(runner)) >= self._patience


def stopped_at(runner: Any) -> int | None:
    """The step after which a training ended early; None if it did not."""
    step: int | None = _info(runner, _STOPPED, None)
    return step


def save_weights(runner: Any, file: Path) -> None:
    """Write the weights of a runner without its optimizer."""
    with written_aside(file) as aside:
        runner.save_checkpoint(str(aside.parent), aside.name, save_optimizer=False, save_param_scheduler=False)


class ReportHook(Hook):
    """Hook that reports progress, and passes on what the test predicts.

    Args:
        metric: The metric that is shown.
        report: Receives the progress.
        keep: Receives the predictions of each batch.
    """

    priority = 'LOWEST'

    def __init__(self, metric: Metric, report: Callable[[Progress], None], keep: Callable[[Any], None]) -> None:
        self._metric, self._report, self._keep = metric, report, keep
        self.iterations, self._losses, self._shown, self._value = 0, list[Any](), 0.0, ''

    def before_train(self, runner: Any) -> None:
        """Begin to count."""
        self._start, self._first = time.monotonic(), runner.iter
        self._until = self._start
        self._before = float(_info(runner, _SECONDS, 0.0))
        self.iterations = runner.iter
        self._report(Progress('training', runner.iter / max(runner.max_iters, 1)))

    @property
    def seconds(self) -> float:
        """The seconds of the training, those before an interruption included."""
        return self._before + self._until - self._start

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report the loss, the last metric and the time that is left."""
        self.iterations, self._until = batch_idx + 1, time.monotonic()
        runner.message_hub.update_info(_SECONDS, self.seconds)
        self._losses = [*self._losses[1 - _SMOOTHED :], outputs['loss'].detach()]
        if self._until - self._shown < _REPORTED_EVERY and self.iterations < runner.max_iters:
            return
        self._shown = self._until
        loss = sum(map(float, self._losses)) / len(self._losses)
        passed, rest = self.iterations - self._first, runner.max_iters - self.iterations
        self._report(
            Progress(
                'training',
                self.iterations / runner.max_iters,
                f'step {self.iterations} of {runner.max_iters}, loss {loss:.3g}{self._value}',
                (self._until - self._start) / passed * rest,
            )
        )

    def before_val_epoch(self, runner: Any) -> None:
        """Begin to count."""
        self._began = time.monotonic()

    def before_test_epoch(self, runner: Any) -> None:
        """Begin to count."""
        self._began = time.monotonic()

    def after_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report the share of the images."""
        self._report_share('validating', batch_idx, len(runner.val_dataloader))

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report the share of the images, and pass on the predictions."""
        self._keep(outputs)
        self._report_share('testing', batch_idx, len(runner.test_dataloader))

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        """Show the metric from now on."""
        self._value = f', {self._metric.name} {percent(metrics or {}, self._metric):.1f}'

    def _report_share(self, phase: str, batch: int, batches: int) -> None:
        done = (batch + 1) / batches
        left = (time.monotonic() - self._began) * (1 / done - 1)
        self._report(Progress(phase, done, f'batch {batch + 1} of {batches}', left))


class SpecifyHook(Hook):
    """Hook that writes the model specification into every checkpoint.

    Args:
        specify: Returns it for the metadata of the training data.
    """

    def __init__(self, specify: Callable[[Mapping[str, Any]], ModelSpec]) -> None:
        self.specify = specify

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Add it."""
        checkpoint[SPEC_KEY] = self.specify(runner.train_dataloader.dataset.metainfo).to_json()
