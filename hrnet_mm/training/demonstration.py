"""The demonstration: five tasks, their data, and the values that their metrics are to reach."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ..tasks import TASKS
from .job import Job
from .runs import check_installed, config_path

_DATA = Path('data', 'demo')  # as the configs say


def demonstration_jobs(
    tasks: Sequence[str], work_dir: Path, seed: int, holdout: bool, iterations: int | None, console: Console
) -> list[Job]:
    """The jobs of these tasks (none: all) on their data, which are fetched or rendered first.

    Raises UserError for a missing library, or where data cannot be fetched.
    """
    tasks = [task for task in TASKS if not tasks or task in tasks]
    check_installed(tasks)
    for prepare in dict.fromkeys(TASKS[task].prepare for task in tasks):
        console.print(f'data: {prepare(_DATA)}', highlight=False)
    return [
        Job(task, config_path(task), work_dir / task, seed, holdout, iterations, targets=TASKS[task].targets)
        for task in tasks
    ]
