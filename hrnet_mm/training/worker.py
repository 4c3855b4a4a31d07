"""Training, test and pictures of one task, through the engine and the config's library."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

from ..engine import read_config, train
from ..tasks import TASKS
from ..tasks.pictures import show_bands, write_tile
from ..weights import ModelSpec, read_checkpoint
from .adapt import adapt
from .calibrate import CalibrationHook
from .hooks import KeepHook, LengthHook, ReportHook, SpecifyHook, percent, save_weights, stopped_at, validations_of
from .job import Job, Measure, Own, Progress, Result, Stopped
from .length import length_in_steps, steps_of_epochs, steps_of_validation
from .record import update_record
from .report import Assessed, Outcome, write_report

__all__ = ['train_and_test', 'use_holdout']


def train_and_test(
    job: Job, report: Callable[[Progress], None], is_stopped: Callable[[], bool] = lambda: False
) -> Result | Stopped:
    """Do a job in this process.

    Args:
        job: The job.
        report: Is called with the progress.
        is_stopped: Whether it is to end; it then keeps what a continuation needs.
    """
    task = TASKS[job.task]
    config, spec = _config(job)
    metrics = task.metrics(config.test_evaluator)
    weights = job.work_dir / 'weights.pth'
    assessed = Assessed(task)
    watch = ReportHook(metrics[0], report, assessed.add)
    specify = SpecifyHook(lambda metainfo: spec or task.describe(job.task, config, metainfo))
    hooks: list[Hook] = [watch, specify]
    calibration = CalibrationHook(job.task)
    keep: KeepHook | None = None
    if job.own is not None:
        keep = KeepHook(weights, metrics[0], job.own.patience, is_stopped)
        hooks = [_length_hook(job, job.own, config, report), keep, calibration, *hooks]
    resume = 'auto' if job.resume and (job.work_dir / 'last_checkpoint').is_file() else None
    try:
        runner = train(
            config, job.work_dir, resume=resume, hooks=hooks, data_checked=job.own is not None, name=f'{job.name}.py'
        )
        if is_stopped() and watch.iterations < runner.max_iters:
            return Stopped(_kept(job, weights))
        if keep is not None and keep.best(runner) is not None:
            runner.model.load_state_dict(read_checkpoint(weights)['state_dict'])
        else:
            save_weights(runner, weights)
        assessed.metainfo = runner.test_dataloader.dataset.metainfo
        measured = runner.test()
        if job.own is not None:  # the demonstration has test data alone, on which nothing is fitted
            calibration.store(weights)
    except KeyboardInterrupt:
        return Stopped(_kept(job, weights))

    report(Progress('drawing', 0.0))
    baseline, baseline_is = task.baseline(runner, metrics[0].key)
    if spec is not None and spec.reads:
        shown = [*assessed.shown, *(sample for _, sample in assessed.worst)]
        show_bands(list({id(sample): sample for sample in shown}.values()), spec, job.work_dir / 'shown')
    drawn, pair = task.draw(job.work_dir, assessed.shown, assessed.metainfo)
    tile = job.work_dir / 'tile.png'
    write_tile(tile, *pair)
    measures = tuple(
        Measure(
            metric.name,
            percent(measured, metric),
            baseline,
            baseline_is,
            job.targets.get(metric.name),
            metric.is_error,
        )
        for metric in metrics
    )
    report(Progress('drawing', 0.5))
    files: list[Path] = []
    warnings: list[str] = []
    if job.own is not None:
        assert spec is not None
        assert keep is not None
        outcome = Outcome(
            measures=measures,
            spec=spec,
            batch_size=config.train_dataloader.batch_size,
            steps=watch.iterations,
            seconds=watch.seconds,
            validations=validations_of(runner),
            best=keep.best(runner),
            stopped_at=stopped_at(runner),
        )
        files, warnings = write_report(job, outcome, assessed)
        _finish(job)
    return Result(
        measures=measures,
        pictures=tuple(drawn),
        tile=tile,
        weights=weights,
        iterations=watch.iterations,
        train_seconds=watch.seconds,
        warnings=tuple(warnings),
        files=tuple(files),
    )


def _config(job: Job) -> tuple[Any, ModelSpec | None]:
    """The config of a job, and the model specification that a folder decides."""
    config = read_config(job.config)
    config.randomness.seed = job.seed
    config.default_hooks.checkpoint.save_last = False  # what is saved, and when, the hooks say
    if job.holdout:
        use_holdout(config)
    if job.own is None:
        if job.iterations is not None:
            config.train_cfg.max_iters = config.param_scheduler.total_steps = job.iterations
        return config, None
    spec = adapt(config, job.task, job.own.folder, job.work_dir, job.own.arch, job.own.pretrained)
    config.default_hooks.checkpoint.update(save_optimizer=True, max_keep_ckpts=1)
    config.val_cfg, config.val_dataloader, config.val_evaluator = {}, config.test_dataloader, config.test_evaluator
    return config, spec


def _length_hook(job: Job, own: Own, config: Any, report: Callable[[Progress], None]) -> LengthHook:
    batch_size = config.train_dataloader.batch_size
    measured = TASKS[job.task].measure(own.folder)
    cost = steps_of_validation(own.folder, measured, batch_size)
    steps = job.iterations or steps_of_epochs(own, batch_size)
    config.train_cfg.max_iters = steps or 10**9
    return LengthHook(
        job,
        None if steps is None else length_in_steps(steps, cost),
        cost,
        batch_size,
        config.pop('param_scheduler').eta_max,
        lambda sentence: report(Progress('measured', 0.0, sentence)),
    )


def _kept(job: Job, weights: Path) -> str:
    last = job.work_dir / 'last_checkpoint'
    kept = [f'the best weights so far are {weights}'] if weights.is_file() else []
    kept += [f'the last checkpoint is {job.work_dir / Path(last.read_text().strip()).name}'] if last.is_file() else []
    return '; '.join(kept) or f'{job.work_dir} holds no checkpoint yet'


def _finish(job: Job) -> None:
    """Mark the training as finished, and remove the checkpoints, which are three times as large as the weights."""
    update_record(job.work_dir, is_finished=True)
    last = job.work_dir / 'last_checkpoint'
    for file in (*job.work_dir.glob('iter_*.pth'), last):
        file.unlink(missing_ok=True)


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
