"""The demonstration: five tasks, their data, and the values that their metrics are to reach."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from ..data import prepare_digits, prepare_faces, prepare_nuclei, prepare_people
from .job import TASKS, Job
from .runs import check_installed, config_path

_DATA = Path('data', 'demo')  # as the configs say
_PREPARE = {
    'pose': prepare_people,
    'faces': prepare_faces,
    'instances': prepare_nuclei,
    'segmentation': prepare_nuclei,
    'classification': prepare_digits,
}
_TARGETS = {
    'pose': {'OKS AP': 10.0},
    'faces': {'NME': 5.0},
    'instances': {'box AP50': 50.0, 'mask AP50': 50.0},
    'segmentation': {'mIoU': 85.0},
    'classification': {'top-1': 95.0},
}


def demonstration_jobs(
    tasks: Sequence[str], work_dir: Path, seed: int, holdout: bool, iterations: int | None, console: Console
) -> list[Job]:
    """The jobs of these tasks (none: all) on their data, which are fetched or rendered first.

    Raises RuntimeError for a missing library, or where data cannot be fetched.
    """
    tasks = [task for task in TASKS if not tasks or task in tasks]
    check_installed(tasks)
    for prepare in dict.fromkeys(_PREPARE[task] for task in tasks):
        console.print(f'data: {prepare(_DATA)}', highlight=False)
    return [
        Job(task, config_path(task), work_dir / task, seed, holdout, iterations, targets=_TARGETS[task])
        for task in tasks
    ]
