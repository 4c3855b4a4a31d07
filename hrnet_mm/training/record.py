"""The record of a training in its folder, by which a later start continues it or leaves it alone."""

import hashlib
import json
import os
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

from ..errors import UserError
from .job import Job

__all__ = [
    'begin',
    'check_place',
    'free_folder',
    'is_unfinished',
    'newest_unfinished',
    'read_record',
    'update_record',
    'written',
]

_FILE = 'training.json'
_OPTIONS = {
    'task': 'the task',
    'labels': 'the images or labels',
    'arch': '--arch',
    'epochs': '--epochs',
    'minutes': '--minutes',
    'iterations': '--iterations',
    'patience': '--patience',
    'pretrained': '--weights',
    'seed': '--seed',
}


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of the training in a folder; None if there is none."""
    try:
        record = json.loads((folder / _FILE).read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and 'settings' in record else None


def is_unfinished(folder: Path) -> bool:
    """Whether a folder holds a training that is not finished."""
    record = read_record(folder)
    return record is not None and not record.get('is_finished')


def update_record(folder: Path, **entries: Any) -> None:
    """Add entries to the record of a folder.

    Raises:
        CheckpointError: It cannot be written.
    """
    from ..weights.io import written_aside

    with written_aside(folder / _FILE) as aside:
        aside.write_text(json.dumps({**(read_record(folder) or {}), **entries}, indent=1) + '\n')


def begin(job: Job) -> None:
    """Make the folder of a training, and write what a continuation must have in common with one on a folder of images.

    Raises:
        UserError: The folder cannot be made or written, or `job.resume` is set and nothing there can be continued.
    """
    try:
        job.work_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise written(error, job.work_dir) from error
    if job.own is None:
        return
    record = read_record(job.work_dir)
    if job.resume and record is not None:
        _check_same(job, record)
        return
    update_record(job.work_dir, settings=_settings(job), steps=None, interval=None, is_finished=False)


def check_place(job: Job) -> None:
    """Check, before anything is read or trained, that a training finds its folder as it must be.

    Args:
        job: The training, which must be there already if it is resumed, and else not.

    Raises:
        UserError: It is not, or the folder cannot be made.
    """
    record = read_record(job.work_dir)
    if job.resume:
        if record is None:
            raise UserError(f'--resume: {job.work_dir} holds no training to continue; leave --resume out')
        if record.get('is_finished'):
            raise UserError(
                f'--resume: the training in {job.work_dir} is finished; leave --resume out for a new one, which may '
                f'start from its backbone with --weights {job.work_dir / "weights.pth"}'
            )
        _check_same(job, record)
    elif record is not None:
        state = 'a finished training' if record.get('is_finished') else 'an interrupted training'
        raise UserError(
            f'{job.work_dir} holds {state}, which is not overwritten: name another folder with --work-dir'
            + ('' if record.get('is_finished') else ', or continue that one with --resume')
        )
    there = next(folder for folder in (job.work_dir, *job.work_dir.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = 'is read-only' if there.is_dir() else 'is a file'
        raise UserError(f'{job.work_dir} cannot be made: {there} {reason}; give another folder with --work-dir')


def free_folder(folder: Path, tasks: Iterable[str]) -> Path:
    """Return a folder, or the first of FOLDER_2, FOLDER_3, ..., whose folders of some tasks are empty."""
    tasks = list(tasks)
    return next(
        one
        for one in (folder if number == 1 else folder.with_name(f'{folder.name}_{number}') for number in count(1))
        if not any((one / task).is_dir() and any((one / task).iterdir()) for task in tasks)
    )


def newest_unfinished(folder: Path, task: str) -> Path:
    """Return the newest of FOLDER, FOLDER_2, ... with an unfinished training of a task; FOLDER if there is none."""
    found = [
        (file.stat().st_mtime, one)
        for one in (folder, *folder.parent.glob(f'{folder.name}_*'))
        if (file := one / task / _FILE).is_file() and is_unfinished(one / task)
    ]
    return max(found)[1] if found else folder


def _settings(job: Job) -> dict[str, Any]:
    assert job.own is not None
    own = job.own
    labels = json.dumps([own.folder.train, own.folder.val], sort_keys=True)
    return {
        'task': job.task,
        'labels': hashlib.sha256(labels.encode()).hexdigest(),
        'arch': own.arch,
        'epochs': own.epochs,
        'minutes': own.minutes,
        'iterations': job.iterations,
        'patience': own.patience,
        'pretrained': own.pretrained,
        'seed': job.seed,
    }


def _check_same(job: Job, record: dict[str, Any]) -> None:
    before, now = record['settings'], _settings(job)
    for name, option in _OPTIONS.items():
        if before.get(name) == now[name]:
            continue
        if name == 'labels':
            raise UserError(
                f'--resume: the images or labels have changed since the training in {job.work_dir} began; leave '
                '--resume out to begin again'
            )
        shown = ['none' if value is None else value for value in (before.get(name), now[name])]
        raise UserError(
            f'--resume: the training in {job.work_dir} began with {option} {shown[0]}, and now it is {shown[1]}; give '
            'the same options as then'
        )


def written(error: OSError, place: Path) -> UserError:
    """Return an error of the disk as a sentence: which file, why, and what to do."""
    return UserError(
        f'{error.filename or place} could not be written ({error.strerror}); make space, or give a folder elsewhere '
        'with --work-dir'
    )
