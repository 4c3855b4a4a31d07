"""What a task says of itself."""

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
    """A row of the table: its name, the key in the library's metrics, and the factor to percent."""

    name: str
    key: str
    factor: float = 1
    is_error: bool = False


@dataclass(frozen=True)
class Task:
    """A task that `hrnet-mm demo` and `hrnet-mm train TASK` train, test and draw.

    Args:
        title: of the task's column in the picture of all tasks.
        config: the file below configs/demo.
        libraries: what has to be installed.
        annotations: what a folder has to be annotated with.
        prepare: writes the demonstration's data below a folder and returns the data's own.
        targets: values of the demonstration that metrics are to reach, in percent.
        metrics: the rows of the table for the config's test evaluator, the most important one first.
        adapt: changes a config to a folder that was read for the task; files go to the work directory.
        use_arch: changes a model, but not its backbone, to an architecture of these channels.
        baseline: from a runner and the first metric's key, the value of a trivial answer, in percent, and what this is.
        draw: draws predictions into the work directory; returns the files, and truth and prediction for the tile.
        shown_images: how many images are kept to be drawn; None: all.
        swap_channels: the preprocessor's argument that makes R, G, B of B, G, R.
    """

    title: str
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
    """The steps of this type in a dataloader's pipeline."""
    return [step for step in loader.dataset.pipeline if step.type == kind]
