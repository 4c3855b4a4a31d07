"""Runs of jobs, each in a process of its own, and the table of their results."""

import errno
import json
import math
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import rich.progress
from rich.console import Console
from rich.table import Table

from ..errors import UserError
from ..tasks import TASKS
from .job import Failure, Job, Progress, Result, Stopped
from .record import begin, written

_MEASURED = 'measured'
_OF_THE_DISK = {errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC, errno.EPERM, errno.EROFS}


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in one of several trainings; `rest` are the tasks that are not trained yet, that one first."""

    def __init__(self, tasks: Sequence[str], done: Sequence[str], work_dir: Path, kept: str = '') -> None:
        self.rest = tasks[len(done) :]
        trained = f'{", ".join(done)} done and kept in {work_dir}' if done else ''
        super().__init__('; '.join(filter(None, [trained, kept])) or f'{work_dir} holds no trained task yet')


class _Stop(KeyboardInterrupt):
    """The end of a job on request; the argument says what is kept."""


def run_jobs(
    jobs: Sequence[Job], work_dir: Path, console: Console, about: dict[str, object], grid: Path | None = None
) -> bool:
    """Run jobs, print a table of their results, and write it with the pictures.

    Args:
        jobs: The jobs.
        work_dir: The folder for the table.
        console: Shows progress and results.
        about: Entries of results.json beside the rows.
        grid: The picture of all jobs (default: in `work_dir`).

    Returns:
        Whether every target was reached.

    Raises:
        UserError: A config has a mistake, or a file cannot be written.
        RuntimeError: A training fails.
        Interrupted: Ctrl-C ends it.
    """
    start = time.monotonic()
    results: dict[str, tuple[Result, float]] = {}
    for job in jobs:
        began = time.monotonic()
        try:
            results[job.task] = _run(job, console), time.monotonic() - began
        except KeyboardInterrupt as stop:
            raise Interrupted([job.task for job in jobs], list(results), work_dir, *stop.args) from None
    rows = _rows(results)
    console.print(_table(rows))
    for task, (result, _) in results.items():
        for sentence in result.warnings:
            console.print(f'{task}: warning: {sentence}', highlight=False, soft_wrap=True, markup=False)
    seconds = time.monotonic() - start
    console.print(f'{seconds:.0f} seconds in all; the predictions are drawn in the .png files:')
    try:
        files = _write(work_dir, rows, {**about, 'seconds': round(seconds, 1)})
        grid = grid or work_dir / f'{_name_of(jobs)}.png'
        write_tiles(grid, {TASKS[task].title: result.tile for task, (result, _) in results.items()})
    except OSError as error:
        raise written(error, work_dir) from error
    for result, _ in results.values():
        for file in (*result.pictures, *result.files, result.weights):
            console.print(f'  {file}', highlight=False, soft_wrap=True)
    for file in (grid, *files):
        console.print(f'  {file}', highlight=False, soft_wrap=True)
    missed = [
        f'{task}: {measure.metric} {_shown(measure.value)} is '
        f'{"above" if measure.is_error else "below"} the target of {measure.target:g}'
        for task, (result, _) in results.items()
        for measure in result.measures
        if measure.is_missed
    ]
    for line in missed:
        console.print(f'[red]missed[/red] {line}')
    return not missed


def write_tiles(file: Path, tiles: Mapping[str, Path]) -> None:
    """Write the picture of all tasks."""
    from .grid import write_grid  # with matplotlib, which takes a second

    write_grid(file, tiles)


def _name_of(jobs: Sequence[Job]) -> str:
    """The name of the picture of all jobs: their tasks and their folder."""
    own = jobs[0].own
    tasks = 'five_tasks' if len(jobs) == len(TASKS) and own is None else '_'.join(job.task for job in jobs)
    return tasks if own is None else f'{tasks}_{own.name}'


def _run(job: Job, console: Console) -> Result:
    begin(job)
    # Not a fork, which would inherit the libraries' state and threads.
    context = multiprocessing.get_context('spawn')
    receiver, sender = context.Pipe(duplex=False)
    stop = context.Event()
    process = context.Process(target=_enter, args=(job, sender, stop), name=f'hrnet-mm {job.task}')
    process.start()
    sender.close()
    try:
        with _asking_to_stop(job, stop, console) if job.own is not None else nullcontext():
            return _follow(job, receiver, console)
    except EOFError:
        process.join()
        # A negative code is the signal that ended it: -9 is what the system sends where memory runs out.
        raise RuntimeError(f'{job.task}: training ended with exit code {process.exitcode}; see {job.log}') from None
    finally:
        process.terminate()
        process.join()


def _enter(job: Job, connection: Connection, stop: Any) -> None:
    """The new process: all that is printed goes to the log, and Progress and the Result to the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent asks for an end, at which a checkpoint is written
    with job.log.open('a' if job.resume else 'w') as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            from .worker import train_and_test

            connection.send(train_and_test(job, connection.send, stop.is_set))
        except UserError as error:
            connection.send(Failure(str(error), is_users=True))
        except Exception as error:
            traceback.print_exc()
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
                connection.send(Failure(str(written(error, job.work_dir)), is_users=True))
            else:
                connection.send(Failure(f'{type(error).__name__}: {error}', is_users=False))


@contextmanager
def _asking_to_stop(job: Job, stop: Any, console: Console) -> Iterator[None]:
    """Within a `with` block, ask a job to end at the first Ctrl-C, so that it says what it kept; the second raises."""

    def ask(*_: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        console.print(
            f'{job.task}: ends after this step; Ctrl-C again ends it at once', highlight=False, soft_wrap=True
        )

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _follow(job: Job, receiver: Connection, console: Console) -> Result:
    """Show progress until the result comes.

    Raises:
        EOFError: The process ends before.
        _Stop: The job has ended on request.
    """
    bar = rich.progress.Progress(
        rich.progress.TextColumn('{task.description}'),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TaskProgressColumn(),
        rich.progress.TextColumn('{task.fields[text]}'),
        console=console,
        disable=not console.is_terminal,
    )
    lines = _Lines(job.task, console)
    with bar:
        task = bar.add_task(f'{job.task} loading', total=1.0, text='')
        while True:
            message = receiver.recv()
            if isinstance(message, Result):
                bar.update(task, description=f'{job.task} done', completed=1.0, text='')
                return message
            if isinstance(message, Stopped):
                raise _Stop(message.kept)
            if isinstance(message, Failure):
                if message.is_users:
                    raise UserError(message.error)
                raise RuntimeError(f'{job.task}: {message.error}; see {job.log}')
            if message.phase == _MEASURED:
                console.print(f'{job.task}: {message.text}', highlight=False, soft_wrap=True)
                continue
            text = ', '.join(filter(None, [message.text, _time_left(message)]))
            bar.update(task, description=f'{job.task} {message.phase}', completed=message.done, text=text)
            lines.show(message)


def _time_left(progress: Progress) -> str:
    if progress.left is None or progress.done >= 1:
        return ''
    minutes, seconds = divmod(round(progress.left), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02} left' if hours else f'{minutes}:{seconds:02} left'


class _Lines:
    """Progress as plain lines, a few for each training, where the output is a file and no terminal."""

    def __init__(self, task: str, console: Console) -> None:
        self._task = task
        self._console = console
        self._shown: dict[str, float] = {}

    def show(self, progress: Progress) -> None:
        if progress.phase in self._shown and progress.done < self._shown[progress.phase] + 0.2:
            return
        if progress.phase == 'validating' and self._shown.get('validating'):
            return  # the next line of the training has its metric
        self._shown[progress.phase] = progress.done
        if not self._console.is_terminal:
            share = f' {progress.done:.0%}' if 0 < progress.done < 1 else ''
            numbers = ', '.join(filter(None, [progress.text, _time_left(progress)]))
            self._console.print(
                f'{self._task}: {progress.phase}{share}{": " if numbers else ""}{numbers}',
                highlight=False,
                soft_wrap=True,
            )


def _rounded(value: float) -> float | None:
    """Two digits after the point; None, as JSON has no NaN, where nothing was measured."""
    return round(value, 2) if math.isfinite(value) else None


def _shown(value: Any) -> str:
    return 'not measured' if value is None or not math.isfinite(value) else f'{value:.1f}'


def _rows(results: dict[str, tuple[Result, float]]) -> list[dict[str, object]]:
    return [
        {
            'task': task,
            'metric': measure.metric,
            'value': _rounded(measure.value),
            'baseline': _rounded(measure.baseline),
            'baseline_is': measure.baseline_is,
            'target': measure.target,
            'is_error': measure.is_error,
            'iterations': result.iterations,
            'train_seconds': round(result.train_seconds, 1),
            'seconds': round(seconds, 1),
        }
        for task, (result, seconds) in results.items()
        for measure in result.measures
    ]


def _table(rows: list[dict[str, object]]) -> Table:
    """The rows in at most 80 columns."""
    baselines = {row['task']: row['baseline_is'] for row in rows}
    table = Table(
        title='in percent',
        caption='trivial: ' + '; '.join(f'{task}, {baseline}' for task, baseline in baselines.items()),
    )
    for name in ('task', 'metric'):
        table.add_column(name)
    for name in ('value', 'trivial', 'target', 'steps', 'seconds'):
        table.add_column(name, justify='right')
    seen = set()
    for row in rows:
        is_new = row['task'] not in seen
        seen.add(row['task'])
        table.add_row(
            str(row['task']) if is_new else '',
            str(row['metric']),
            _shown(row['value']),
            _shown(row['baseline']),
            '' if row['target'] is None else f'{"at most " if row["is_error"] else ""}{row["target"]:g}',
            *(f'{row[name]:.0f}' if is_new else '' for name in ('iterations', 'seconds')),
        )
    return table


def _write(work_dir: Path, rows: list[dict[str, object]], about: dict[str, object]) -> tuple[Path, Path]:
    from ..weights.io import written_aside
    from ..weights.tables import write_rows

    as_csv, as_json = work_dir / 'results.csv', work_dir / 'results.json'
    write_rows(as_csv, rows)
    with written_aside(as_json) as aside:
        aside.write_text(json.dumps({**about, 'rows': rows}, indent=1) + '\n')
    return as_csv, as_json
