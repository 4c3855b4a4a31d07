"""Statistics of the study: records of runs, metrics of resampled images, the bootstrap, Holm's correction, and power.

The records of a run are arrays by name, in one of two forms:

* `hits` and `of`, both `(images, classes)`: the metric is the mean over classes of the sum of hits by the sum of what
  there was (PCK by keypoint, IoU by class, accuracy with one class);
* `scores` `(D,)`, `matches` `(D, thresholds)`, `image` `(D,)` and `objects` `(images,)`: COCO's average precision of D
  detections.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import nct
from scipy.stats import t as student

Floats = npt.NDArray[np.float64]
Records = Mapping[str, npt.NDArray[np.generic]]

LEVEL = 0.05  # of all claims together
POWER = 0.8
REPLICATES = 1000


KEY = ('scale', 'network', 'seed', 'rate', 'iterations', 'trained_on')


def read_key(row: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(str(row[column]) for column in KEY)


def records_file(table: Path, row: Mapping[str, object]) -> Path:
    """The file of a run's records beside the table of its row."""
    return table.with_suffix('') / f'{re.sub("[^A-Za-z0-9.]+", "-", "_".join(read_key(row)))}.npz'


def evaluate(records: Records, weights: npt.ArrayLike | None = None) -> Floats:
    """The metric in percent, for each row of `weights` `(R, images)`: how often each image counts (default: once)."""
    images = len(records['of'] if 'of' in records else records['objects'])
    rows = np.ones((1, images)) if weights is None else np.asarray(weights, dtype=float)
    if 'of' not in records:
        return _average_precision(records, rows)
    hits, of = (rows @ records[name].astype(float) for name in ('hits', 'of'))
    with np.errstate(invalid='ignore'):  # a class that no image shows does not count
        return np.asarray(100 * np.nanmean(hits / of, axis=1))


def _average_precision(records: Records, weights: Floats) -> Floats:
    """COCO's precision at 101 recalls, averaged over them and the thresholds."""
    order = np.argsort(-records['scores'].astype(float), kind='stable')
    counts = weights[:, records['image'][order].astype(int)]
    objects = weights @ records['objects'].astype(float)
    found = np.cumsum(counts, axis=1)
    recalls = np.linspace(0, 1, 101)
    thresholds = records['matches'].shape[1]
    total = np.zeros(len(weights))
    for right in records['matches'][order].astype(float).T:
        positives = np.cumsum(counts * right, axis=1)
        precision = positives / np.maximum(found, 1e-12)
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        for row, (recall, values) in enumerate(zip(positives / objects[:, None], precision, strict=True)):
            at = np.searchsorted(recall, recalls, side='left')
            total[row] += values[at[at < len(values)]].sum() / len(recalls)
    return 100 * total / thresholds


def draw_images(images: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """How often each of `images` images is in each of `REPLICATES` samples with replacement, `(REPLICATES, images)`."""
    return random.multinomial(images, np.full(images, 1 / images), size=REPLICATES)


def standard_error(differences: Floats, random: np.random.Generator) -> float:
    """The standard error of a mean over seeds, with seeds and images drawn again.

    Args:
        differences: `(replicates, seeds)`, each row on a sample of the images of its own.
        random: Draws the seeds.
    """
    replicates, seeds = differences.shape
    drawn = np.take_along_axis(differences, random.integers(seeds, size=(replicates, seeds)), axis=1).mean(axis=1)
    mean = differences.mean(axis=1)
    # Samples of n seeds spread by (n - 1) / n less than their population.
    return float(np.std(mean + np.sqrt(seeds / (seeds - 1)) * (drawn - mean), ddof=1))


def p_value(distance: float, error: float, seeds: int) -> float:
    """Two-sided, by Student's t with as many degrees of freedom as seeds allow."""
    return float(2 * student.sf(abs(distance) / error, seeds - 1)) if error else float(distance == 0)


def holm(values: Sequence[float]) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Holm's correction of p values: which are rejected at `LEVEL` together, and the level that each is held against.

    Values that are not rejected are all held against the level at which the first of them failed.
    """
    order = np.argsort(values, kind='stable')
    levels = LEVEL / (len(order) - np.arange(len(order)))
    passed = np.cumprod(np.asarray(values)[order] <= levels).astype(bool)
    if not passed.all():
        levels[~passed] = levels[np.argmin(passed)]
    rejected, own = np.empty(len(order), bool), np.empty(len(order))
    rejected[order], own[order] = passed, levels
    return rejected, own


def half_width(error: float, seeds: int, level: float) -> float:
    """Half of the interval that excludes zero exactly where `p_value` is below the level."""
    return float(student.ppf(1 - level / 2, seeds - 1) * error)


def detectable(error: float, seeds: int, level: float) -> float:
    """The smallest true difference that is told from zero, at the level, in `POWER` of such studies."""
    bound = student.ppf(1 - level / 2, seeds - 1)
    return float(error * brentq(lambda shift: nct.sf(bound, seeds - 1, shift) - POWER, 0, 10 * bound))
