"""Messages to and from the process that trains one task."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets import Folder


@dataclass(frozen=True)
class Own:
    """A folder of the user's own to train on in place of the config's data.

    Attributes:
        folder: The folder, read for the task.
        minutes: The length of the training, without `epochs`.
        epochs: The length of the training.
        arch: The architecture in place of the config's.
        pretrained: The first weights of the backbone.
    """

    folder: Folder
    minutes: float | None = None
    epochs: int | None = None
    arch: str | None = None
    pretrained: str | None = None

    @property
    def name(self) -> str:
        """The folder's name, without what a file's name should not have."""
        return re.sub(r'[^\w.-]+', '_', self.folder.path.resolve().name).strip('._') or 'folder'


@dataclass(frozen=True)
class Job:
    """A training.

    Attributes:
        task: The name of the task.
        config: The config.
        work_dir: The folder for its files.
        seed: The seed.
        holdout: Whether it trains and tests on parts of the training data.
        iterations: The length in place of the config's.
        own: A folder of the user's own.
        targets: The values that metrics must reach, in percent.
    """

    task: str
    config: Path
    work_dir: Path
    seed: int
    holdout: bool = False
    iterations: int | None = None
    own: Own | None = None
    targets: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its files: the config's, or that of the task and the folder."""
        return self.config.stem if self.own is None else f'{self.task}_{self.own.name}'

    @property
    def log(self) -> Path:
        """The file of all that the libraries print."""
        return self.work_dir / 'log.txt'


@dataclass(frozen=True)
class Measure:
    """A value of the library's metric, in percent, with a trivial baseline and the target, if any.

    More is better, unless it is an error.
    """

    metric: str
    value: float
    baseline: float
    baseline_is: str
    target: float | None
    is_error: bool = False

    @property
    def is_missed(self) -> bool:
        """Whether there is a target and the value is worse, or NaN."""
        if self.target is None:
            return False
        return not (self.value <= self.target if self.is_error else self.value >= self.target)


@dataclass(frozen=True)
class Result:
    """The result of a job; seconds and iterations are those of the training alone.

    `tile` is a picture of ground truth and prediction, a square each, side by side.
    """

    measures: tuple[Measure, ...]
    pictures: tuple[Path, ...]
    tile: Path
    weights: Path
    iterations: int
    train_seconds: float


@dataclass(frozen=True)
class Progress:
    """The phase of a job, and the share of the training that is done, 0 to 1."""

    phase: str
    done: float


@dataclass(frozen=True)
class Failure:
    """The error that ended a job, and whether it is a mistake of the user, which needs no log to be understood."""

    error: str
    is_users: bool
