"""Messages to and from the process that trains one task."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets import Folder

PATIENCE = 5
"""Validations, of ten at most: what is best at the half, where the learning rate is high, is seldom best at the end."""


@dataclass(frozen=True)
class Own:
    """A folder of the user's own to train on in place of the config's data.

    Attributes:
        folder: The folder, read for the task.
        minutes: The length of the training, without `epochs`.
        epochs: The length of the training.
        arch: The architecture in place of the config's.
        pretrained: The first weights of the backbone.
        patience: The validations in a row without a better metric that end the training; 0 for any number.
    """

    folder: Folder
    minutes: float | None = None
    epochs: int | None = None
    arch: str | None = None
    pretrained: str | None = None
    patience: int = PATIENCE

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
        resume: Whether a training on a folder continues the one that its folder holds.
    """

    task: str
    config: Path
    work_dir: Path
    seed: int
    holdout: bool = False
    iterations: int | None = None
    own: Own | None = None
    targets: Mapping[str, float] = field(default_factory=dict)
    resume: bool = False

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

    `tile` is a picture of ground truth and prediction, a square each, side by side. `warnings` say what is suspicious.
    """

    measures: tuple[Measure, ...]
    pictures: tuple[Path, ...]
    tile: Path
    weights: Path
    iterations: int
    train_seconds: float
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Progress:
    """The phase of a job.

    Attributes:
        phase: Its name.
        done: The share of it that is done, 0 to 1.
        text: The numbers to show.
        left: The seconds that are left of it, as far as they are known.
    """

    phase: str
    done: float
    text: str = ''
    left: float | None = None


@dataclass(frozen=True)
class Stopped:
    """The end of a job on request; the sentence says what is kept."""

    kept: str


@dataclass(frozen=True)
class Failure:
    """The error that ended a job, and whether it is a mistake of the user, which needs no log to be understood."""

    error: str
    is_users: bool
