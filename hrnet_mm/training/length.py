"""The length of a training on a folder: its steps and its validations, fixed before the first step.

A resumed training has the same length, whatever the machine does meanwhile, and so the same learning rates.
"""

import copy
import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..datasets import Folder
from .job import Own

__all__ = [
    'Length',
    'length_in_seconds',
    'length_in_steps',
    'seconds_of_step',
    'steps_of_epochs',
    'steps_of_validation',
]

_VALIDATIONS = 10  # at most
_SHARE = 0.15  # of the training that they may take
_BACKWARD = 3  # times the forward pass that a step takes, with the gradients and the update
_TRIED = 5  # steps
_TRIAL = 0.05  # of the time, at most


@dataclass(frozen=True)
class Length:
    """Steps of a training, and those between two validations; None for no validation before the end."""

    steps: int
    interval: int | None


def length_in_steps(steps: int, cost: float) -> Length:
    """The length of a training of some steps, where a validation takes as long as `cost` steps."""
    count = _validations(steps, cost)
    return Length(steps, math.ceil(steps / count) if count else None)


def length_in_seconds(seconds: float, of_step: float, cost: float) -> Length:
    """The length of a training that fills some seconds together with its validations."""
    fitting = seconds / of_step
    count = _validations(fitting, cost)
    steps = max(1, math.floor(fitting - count * cost))
    return Length(steps, math.ceil(steps / count) if count else None)


def _validations(steps: float, cost: float) -> int:
    count = min(_VALIDATIONS, math.floor(_SHARE * steps / cost))
    return count if count > 1 else 0  # that at the end is the test


def steps_of_epochs(own: Own, batch_size: int) -> int | None:
    """The number of batches of the epochs; an instance of keypoints is an image of its own."""
    samples = len(own.folder.train['annotations' if own.folder.points else 'images'])
    return None if own.epochs is None else math.ceil(own.epochs * samples / batch_size)


def steps_of_validation(folder: Folder, measured: Mapping[str, Any], batch_size: int) -> float:
    """How many training steps a validation takes, by the pixels that go through the network.

    Args:
        folder: The folder.
        measured: The fields of the model specification that the task measured in it.
        batch_size: The images of a training step.
    """
    height, width = measured['input_size']
    if 'scale_factor' in measured['resize']:
        scale = measured['resize']['scale_factor']
        pixels = sum(image['width'] * image['height'] for image in folder.val['images']) * scale**2
    else:
        samples = len(folder.val['annotations' if folder.points else 'images'])
        pixels = samples * height * width * (2 if measured.get('flip_pairs') else 1)
    return float(pixels / (_BACKWARD * batch_size * height * width))


def seconds_of_step(runner: Any, batch_size: int, budget: float) -> float:
    """Measure the seconds of a training step, and leave the network and its training as they were.

    Args:
        runner: The runner, ready to train.
        batch_size: The images of a step.
        budget: The seconds of the whole training, of which the measurement takes a twentieth.
    """
    from mmengine.optim import OptimWrapper

    from ..engine.seeding import SampleIndex

    model, loader = runner.model, runner.train_loop.dataloader
    before = copy.deepcopy(model.state_dict())
    # The training's own wrapper would log gradients of steps that are no part of it.
    wrapper = OptimWrapper(type(runner.optim_wrapper.optimizer)(model.parameters()))
    seconds: list[float] = []
    start = time.monotonic()
    model.train()
    while len(seconds) <= _TRIED and (len(seconds) < 2 or time.monotonic() - start < _TRIAL * budget):
        began = time.monotonic()
        first = len(seconds) * batch_size
        indices = [SampleIndex((first + place) % len(loader.dataset)) for place in range(batch_size)]
        for place, index in enumerate(indices):
            index.entropy = (0, 0, first + place)
        model.train_step(loader.collate_fn(loader.dataset.__getitems__(indices)), wrapper)['loss'].item()
        seconds.append(time.monotonic() - began)
    wrapper.zero_grad()
    model.load_state_dict(before)
    return statistics.median(seconds[1:])  # the first step makes what the others reuse
