"""The demonstration: the jobs of five tasks on their data."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ..tasks import TASKS, check_installed, config_path
from .job import Job

_DATA = Path('data', 'demo')  # as the configs say


def demonstration_jobs(
    tasks: Sequence[str], work_dir: Path, seed: int, holdout: bool, iterations: int | None, console: Console
) -> list[Job]:
    """The jobs of tasks on their data, which are fetched or rendered first.

    Args:
        tasks: Names of tasks; none for all.
        work_dir: The parent of the jobs' folders.
        seed: The seed of the trainings.
        holdout: Whether they train and test on parts of the training data.
        iterations: The length of each training in place of the config's.
        console: Shows the folders of the data.

    Raises:
        UserError: A library is missing, or data cannot be fetched.
    """
    tasks = [task for task in TASKS if not tasks or task in tasks]
    check_installed(tasks)
    for prepare in dict.fromkeys(TASKS[task].prepare for task in tasks):
        console.print(f'data: {prepare(_DATA)}', highlight=False)
    return [
        Job(task, config_path(task), work_dir / task, seed, holdout, iterations, targets=TASKS[task].targets)
        for task in tasks
    ]
