"""What goes to the process that trains one task, and what comes back from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..datasets import Folder


@dataclass(frozen=True)
class Own:
    """A folder of the user's own to train on in place of the config's data: for `epochs`, or else for some `minutes`.

    `arch` replaces the config's architecture; `pretrained` are weights of the backbone to begin with.
    """

    folder: Folder
    minutes: float | None = None
    epochs: int | None = None
    arch: str | None = None
    pretrained: str | None = None


@dataclass(frozen=True)
class Job:
    """One training: a config, where its files go, and what differs from the config.

    `holdout` trains and tests on parts of the training data, `iterations` shortens the training; `targets` are the
    values that metrics are to reach, in percent.
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
    def log(self) -> Path:
        """Where everything that the libraries print goes."""
        return self.work_dir / 'log.txt'


@dataclass(frozen=True)
class Measure:
    """One value of the library's metric, in percent, beside a trivial baseline and the value to reach, if any.

    A metric is better if it is higher, or an error, which is better if it is lower.
    """

    metric: str
    value: float
    baseline: float
    baseline_is: str
    target: float | None
    is_error: bool = False

    @property
    def is_missed(self) -> bool:
        """Whether there is a target and the value is on the wrong side of it (or not a number)."""
        if self.target is None:
            return False
        return not (self.value <= self.target if self.is_error else self.value >= self.target)


@dataclass(frozen=True)
class Result:
    """What a job gave; seconds and iterations are those of the training alone.

    `tile` is a picture of truth and prediction, a square each, side by side.
    """

    measures: tuple[Measure, ...]
    pictures: tuple[Path, ...]
    tile: Path
    weights: Path
    iterations: int
    train_seconds: float


@dataclass(frozen=True)
class Progress:
    """What the job is doing, and the share of the training that is done, 0 to 1."""

    phase: str
    done: float


@dataclass(frozen=True)
class Failure:
    """The error that ended a job, and whether it is a mistake of the user, which needs no log to be understood."""

    error: str
    is_users: bool
