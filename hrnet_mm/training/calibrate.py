"""Calibration of trained weights on the validation part of a folder."""

from pathlib import Path
from typing import Any

import torch
from mmengine.hooks import Hook

from ..tasks import TASKS
from ..tasks.calibration import KINDS, Observed
from ..weights import read_checkpoint
from ..weights.io import SPEC_KEY, written_aside

__all__ = ['CalibrationHook']


class CalibrationHook(Hook):
    """Hook that observes the predictions of a test, to calibrate the weights by them.

    Args:
        task: The task's name.
    """

    def __init__(self, task: str) -> None:
        self._kind = KINDS[TASKS[task].annotations]
        self.observed: list[Observed] = []

    def before_test(self, runner: Any) -> None:
        """Forget an earlier test."""
        self.observed = []

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Observe the predictions for a batch."""
        self.observed += map(self._kind.observe, outputs)

    def store(self, weights: Path) -> None:
        """Fit the calibration, and write it into the model specification of a `.pth` file.

        The file stays as it is where there are too few observations.
        """
        calibration = self._kind.fit_all(self.observed)
        if calibration is None:
            print(f'{weights} is not calibrated: the validation part has too few labels')
            return
        checkpoint = read_checkpoint(weights, trusted=True)
        checkpoint[SPEC_KEY]['calibration'] = calibration
        with written_aside(weights) as aside:
            torch.save(checkpoint, aside)
