"""What is suspicious about a folder before a training, and about its result after it, as sentences."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..datasets import Folder
from .job import Measure

__all__ = ['suspicions_after', 'suspicions_before']

_FEW = 50  # images for training
_FEW_MEASURED = 10
_DOMINANT = 0.9  # share of the images of one class
_LEAST_GAIN = 0.1  # of what the trivial answer leaves


def suspicions_before(folder: Folder) -> list[str]:
    """Few images, and a class that holds nearly all of them."""
    train, val = len(folder.train['images']), len(folder.val['images'])
    found = []
    if train < _FEW:
        found.append(
            f'{train} training images are few: expect a network that knows these images rather than others; label '
            f'{_FEW} or more, or start from a trained backbone with --weights'
        )
    if val < _FEW_MEASURED:
        share = f'one image is {1 / val:.0%} of it'
        found.append(f'{val} validation images are few: the metric is coarse ({share}), so label more')
    classes = Counter(image['category_id'] for image in folder.train['images'] if 'category_id' in image)
    if classes:
        label, count = classes.most_common(1)[0]
        if count >= _DOMINANT * train:
            name = next(one['name'] for one in folder.train['categories'] if one['id'] == label)
            found.append(
                f'one class holds {count / train:.0%} of the images ({name!r}, {count} of {train}): a network that '
                f'always says {name!r} is right as often; look at the other classes, or balance them'
            )
    return found


def suspicions_after(measures: Sequence[Measure], table: Any, names: Sequence[str]) -> list[str]:
    """A metric that is no better than the trivial answer, and classes that are never found.

    Args:
        measures: The metrics, the most important one first.
        table: Truth by prediction `(N, N)`; None for keypoints.
        names: The names of its rows.
    """
    found = []
    first = measures[0]
    value, trivial = f'{first.metric} {first.value:.1f}', f'{first.baseline_is}: {first.baseline:.1f}'
    room = first.baseline if first.is_error else 100 - first.baseline
    gain = first.baseline - first.value if first.is_error else first.value - first.baseline
    if math.isnan(first.value):
        found.append(f'{first.metric} could not be measured: nothing in the validation part can be compared')
    elif gain <= 0:
        found.append(
            f'{value} is no better than the trivial answer ({trivial}): nothing was learned; check the labels with '
            'hrnet-mm labels show, and train longer or on more images'
        )
    elif gain < _LEAST_GAIN * room:
        found.append(f'{value} is hardly better than the trivial answer ({trivial}): train longer or on more images')
    if table is not None:
        never = [
            name
            for name, truth, predicted in zip(names, table.sum(1), np.diagonal(table), strict=True)
            if truth and not predicted and name != NOTHING
        ]
        if never and len(never) < len(names):
            shown = ', '.join(repr(name) for name in never[:5]) + (f' and {len(never) - 5} others' * (len(never) > 5))
            found.append(f'never found where it is: {shown}; label more of it, or train longer')
    return found


NOTHING = 'nothing'
"""The last row and column of a table of objects: found where there is nothing, and not found."""
