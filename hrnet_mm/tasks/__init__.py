"""The tasks of `hrnet-mm demo` and `hrnet-mm train TASK`, a file each."""

from pathlib import Path

from ..datasets import find_annotations
from . import classification, faces, instances, pose, segmentation
from .base import Metric, Task

__all__ = ['TASKS', 'Metric', 'Task', 'fitting_tasks']

TASKS = {
    'pose': pose.TASK,
    'faces': faces.TASK,
    'instances': instances.TASK,
    'segmentation': segmentation.TASK,
    'classification': classification.TASK,
}


def fitting_tasks(path: Path, form: str | None = None) -> list[str]:
    """The names of the tasks that a folder is annotated for; of tasks that need the same annotations, the first.

    Args:
        path: The folder.
        form: The annotation format, in place of a search.

    Raises:
        UserError: The folder has no known annotation format.
    """
    first = {task.annotations: name for name, task in reversed(TASKS.items())}
    return [first[annotations] for annotations in find_annotations(path, form)]
