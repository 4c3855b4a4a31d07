"""The description of a task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets import Annotations, Folder
from .pictures import Pair

__all__ = ['SHOWN_IMAGES', 'Metric', 'Task', 'steps']

SHOWN_IMAGES = 4


@dataclass(frozen=True)
class Metric:
    """A row of the table of results.

    Attributes:
        name: Its name in the table.
        key: The key in the library's metrics.
        factor: The factor to percent.
        is_error: Whether less is better.
    """

    name: str
    key: str
    factor: float = 1
    is_error: bool = False


@dataclass(frozen=True)
class Task:
    """A task that `hrnet-mm demo` and `hrnet-mm train TASK` train, test and draw.

    Attributes:
        title: The title of its column in the picture of all tasks.
        about: The network and the demonstration's data, for its row in docs/demonstration.md.
        config: The file below configs/demo.
        libraries: The packages that must be installed.
        annotations: The kind of annotations that a folder must have.
        prepare: Writes the demonstration's data below a folder, and returns the folder of the data.
        targets: The values that the demonstration's metrics must reach, in percent.
        metrics: The rows of the table for the config's test evaluator, the most important one first.
        adapt: Changes a config to a folder that was read for the task; files go to the work directory.
        use_arch: Changes a model, but not its backbone, to an architecture of these channels.
        baseline: From a runner and the first metric's key, the value of a trivial prediction, in percent, and its name.
        draw: Draws predictions into the work directory; returns the files, and ground truth and prediction as a pair.
        shown_images: The number of images that are kept to be drawn; None for all.
        swap_channels: The preprocessor's argument that makes R, G, B of B, G, R.
    """

    title: str
    about: tuple[str, str]
    config: str
    libraries: tuple[str, ...]
    annotations: Annotations
    prepare: Callable[[Path], Path]
    targets: Mapping[str, float]
    metrics: Callable[[Any], tuple[Metric, ...]]
    adapt: Callable[[Any, Folder, Path], None]
    use_arch: Callable[[Any, str, Sequence[int]], None]
    baseline: Callable[[Any, str], tuple[float, str]]
    draw: Callable[[Path, Sequence[Any], Mapping[str, Any]], tuple[list[Path], Pair]]
    shown_images: int | None = SHOWN_IMAGES
    swap_channels: str = 'bgr_to_rgb'


def steps(loader: Any, kind: str) -> list[Any]:
    """The steps of a type in a dataloader's pipeline."""
    return [step for step in loader.dataset.pipeline if step.type == kind]
