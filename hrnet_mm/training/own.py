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
) -> None:
    """Train, test and draw a task on a folder: for `epochs`, or else for `minutes` (default: `MINUTES`).

    `arch` replaces the demonstration's architecture, `pretrained` are weights of the backbone: path, address or name.

    Raises UserError for arguments or data that do not fit, and RuntimeError where the training fails.
    """
    if arch is not None:
        get_arch(arch)
    console = Console()
    minutes = None if epochs else minutes or MINUTES
    settings = {'minutes': minutes, 'epochs': epochs, 'arch': arch, 'pretrained': pretrained}
    jobs = own_jobs(path, [task], work_dir, seed, None, settings, console)
    run_jobs(jobs, work_dir, console, {'seed': seed, 'data': str(path)})


def own_jobs(
    path: Path,
    tasks: Sequence[str],
    work_dir: Path,
    seed: int,
    iterations: int | None,
    settings: Mapping[str, Any],
    console: Console,
) -> list[Job]:
    """The jobs for a folder: all that fit unless tasks are given; `settings` are those of `Own` but the folder.

    Raises UserError for data that do not fit, or for a missing library.
    """
    tasks = [task for task in TASKS if task in (tasks or fitting_tasks(path))]
    check_installed(tasks)
    jobs = []
    for task in tasks:
        own = Own(read_folder(path, TASKS[task].annotations), **settings)
        console.print(f'{task}: {own.folder.split}', highlight=False, soft_wrap=True)
        jobs.append(Job(task, config_path(task), work_dir / task, seed, iterations=iterations, own=own))
    return jobs
