"""Training on a folder of the user's own images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from ..datasets import read_folder
from ..models.archs import get_arch
from ..tasks import TASKS, fitting_tasks
from .job import Job, Own
from .runs import check_installed, config_path, run_jobs

MINUTES = 5.0


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

    Raises:
        UserError: An argument or the data do not fit.
        RuntimeError: The training fails.
    """
    if arch is not None:
        get_arch(arch)
    console = Console()
    minutes = None if epochs else minutes or MINUTES
    settings = {'minutes': minutes, 'epochs': epochs, 'arch': arch, 'pretrained': pretrained}
    jobs = own_jobs(path, [task], work_dir, seed, None, settings, console, form)
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

    Raises:
        UserError: The data do not fit, or a library is missing.
    """
    tasks = [task for task in TASKS if task in (tasks or fitting_tasks(path, form))]
    check_installed(tasks)
    jobs = []
    for task in tasks:
        own = Own(read_folder(path, TASKS[task].annotations, form), **settings)
        console.print(f'{task}: {own.folder.about}; {own.folder.split}', markup=False, highlight=False, soft_wrap=True)
        for warning in own.folder.warnings:
            console.print(f'{task}: warning: {warning}', highlight=False, soft_wrap=True, markup=False)
        jobs.append(Job(task, config_path(task), work_dir / task, seed, iterations=iterations, own=own))
    return jobs
