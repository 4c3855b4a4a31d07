"""Training on a folder of the user's own images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..datasets import Annotations, Folder, find_annotations, read_folder
from ..errors import UserError
from ..models.archs import get_arch
from ..tasks import TASKS, check_installed, config_path, fitting_tasks
from .job import Job, Own
from .runs import run_jobs

MINUTES = 5.0
_SHOWN_LABELS = 20


def train_folder(
    task: str,
    path: Path,
    work_dir: Path,
    seed: int = 0,
    minutes: float | None = None,
    epochs: int | None = None,
    arch: str | None = None,
    pretrained: str | None = None,
    form: str | None = None,
    bands: Sequence[int] = (),
) -> None:
    """Train, test and draw a task on a folder, as `hrnet-mm train TASK --data DIR` does.

    Args:
        task: A name of `TASKS`.
        path: The folder, in one of the formats of docs/tutorials/own_images.md.
        work_dir: The folder for weights, pictures and tables.
        seed: The seed.
        minutes: The length of the training, without `epochs` (default: `MINUTES`).
        epochs: The length of the training.
        arch: The architecture in place of the demonstration's.
        pretrained: Weights of the backbone: a path, an address or a published name.
        form: The annotation format, in place of a search.
        bands: The numbers of the bands of the images that are read, from 1.

    Raises:
        UserError: An argument or the data do not fit.
        RuntimeError: The training fails.
    """
    if arch is not None:
        get_arch(arch)
    console = Console()
    minutes = None if epochs else minutes or MINUTES
    settings = {'minutes': minutes, 'epochs': epochs, 'arch': arch, 'pretrained': pretrained}
    jobs = own_jobs(path, [task], work_dir, seed, None, settings, console, form, bands)
    run_jobs(jobs, work_dir, console, {'seed': seed, 'data': str(path)})


def own_jobs(
    path: Path,
    tasks: Sequence[str],
    work_dir: Path,
    seed: int,
    iterations: int | None,
    settings: Mapping[str, Any],
    console: Console,
    form: str | None = None,
    bands: Sequence[int] = (),
) -> list[Job]:
    """The jobs for a folder.

    Args:
        path: The folder.
        tasks: Names of tasks; none for all that the folder is annotated for.
        work_dir: The parent of the jobs' folders.
        seed: The seed.
        iterations: The length of each training, in place of that of the settings.
        settings: The arguments of `Own` but the folder.
        console: Shows how each folder is split.
        form: The annotation format, in place of a search.
        bands: The numbers of the bands of the images that are read, from 1.

    Raises:
        UserError: The data do not fit, or a library is missing.
    """
    tasks = [task for task in TASKS if task in (tasks or fitting_tasks(path, form))]
    check_installed(tasks)
    jobs = []
    for task in tasks:
        own = Own(_read(path, task, form, bands), **settings)
        for line in (f'{own.folder.about}; {own.folder.split}', _labels(own.folder)):
            console.print(f'{task}: {line}', highlight=False, soft_wrap=True, markup=False)
        if own.folder.bands:
            console.print(f'{task}: pictures show {own.folder.bands.shown}', highlight=False)
        for warning in own.folder.warnings:
            console.print(f'{task}: warning: {warning}', highlight=False, soft_wrap=True, markup=False)
        jobs.append(Job(task, config_path(task), work_dir / task, seed, iterations=iterations, own=own))
    return jobs


def choose_task(path: Path, form: str | None = None) -> tuple[str, str]:
    """Choose the task that a folder is labeled for.

    Args:
        path: The folder.
        form: The annotation format, in place of a search.

    Returns:
        The task, and a sentence on the choice.

    Raises:
        UserError: The labels are for several tasks, or of no known format.
    """
    fitting = fitting_tasks(path, form)
    if len(fitting) > 1:
        raise UserError(
            f'{path} is labeled for {" and for ".join(fitting)}: name one of them, as in hrnet-mm train {fitting[0]} '
            f'--data {path}, or train all with hrnet-mm demo --data {path}'
        )
    (task,) = fitting
    others = [name for name in _tasks_of(TASKS[task].annotations) if name != task]
    also = f'; {" and ".join(others)} would fit too' if others else ''
    return task, f'{path} is labeled for {task}, which is trained{also}'


def _tasks_of(annotations: Annotations) -> list[str]:
    return [name for name, task in TASKS.items() if task.annotations == annotations]


def _read(path: Path, task: str, form: str | None, bands: Sequence[int]) -> Folder:
    """Read a folder for a task.

    Raises:
        UserError: It cannot be; the sentence names the tasks that its labels are for, if these are others.
    """
    try:
        return read_folder(path, TASKS[task].annotations, form, bands)
    except UserError as error:
        try:
            fitting = [name for kind in find_annotations(path, form) for name in _tasks_of(kind)]
        except UserError:
            raise error from None
        if task in fitting:
            raise
        raise UserError(f'{path} is labeled for {" and for ".join(fitting)}, not for {task}: {error}') from None


def _labels(folder: Folder) -> str:
    """The classes or keypoints, and how often each occurs."""
    kind, unit = ('keypoints', 'points') if folder.points else ('classes', 'objects')
    if not folder.train['annotations'] or folder.has_semantic:
        unit = 'images'
    counts = [f'{name} {train} + {val}' for name, (train, val) in folder.counts.items()]
    rest = f' and {len(counts) - _SHOWN_LABELS} others' if len(counts) > _SHOWN_LABELS else ''
    shown = ', '.join(counts[:_SHOWN_LABELS])
    return f'{len(counts)} {kind}, with the {unit} for training + validation: {shown}{rest}'
