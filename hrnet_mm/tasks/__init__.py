"""The tasks of `hrnet-mm demo` and `hrnet-mm train TASK`, a file each."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.place import configs_folder
from ..datasets import find_annotations
from ..errors import UserError, did_you_mean
from . import classification, faces, instances, pose, segmentation
from .base import ARCH, Metric, Task

if TYPE_CHECKING:  # no task needs torch before it is trained
    from ..weights import ModelSpec

__all__ = ['ARCH', 'TASKS', 'Metric', 'Task', 'check_installed', 'config_of', 'config_path', 'fitting_tasks']

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


def config_path(task: str) -> Path:
    """A task's config in the checkout or, if the package is installed from a wheel, in what MIM reads."""
    return configs_folder() / 'demo' / TASKS[task].config


def check_installed(tasks: Iterable[str]) -> None:
    """Check that the libraries of tasks are installed.

    Raises:
        UserError: One is missing.
    """
    for task in tasks:
        for module in TASKS[task].libraries:
            if importlib.util.find_spec(module) is None:
                raise UserError(
                    f'{task} needs {module}, which is not installed; in a checkout, bash tools/install.sh installs it'
                )


def config_of(spec: 'ModelSpec') -> Any:
    """Return the model, the preprocessing and the test pipeline of a model specification, as a config of a library.

    Args:
        spec: The specification, of any origin: this package's own config of the task is changed to its values.

    Raises:
        UserError: The task is unknown, its library is missing, or the specification lacks what it needs.
    """
    from mmengine.config import Config

    from ..engine import read_config
    from ..weights import CheckpointError

    if spec.task not in TASKS:
        raise CheckpointError(f'the model specification has the task {spec.task!r}{did_you_mean(spec.task, TASKS)}')
    check_installed([spec.task])
    config = read_config(config_path(spec.task))
    TASKS[spec.task].apply(config, spec)
    kept = ('default_scope', 'model', 'data_preprocessor', 'test_dataloader')
    return Config({name: config[name] for name in kept if name in config})
