"""Faster inference and training with the same outputs: folding, engines, export, native layers."""

from .accelerate import Accelerated, accelerate
from .choose import Report
from .fold import fold
from .graphs import EngineError
from .training import NativeTrainingHook, accelerate_training

__all__ = ['Accelerated', 'EngineError', 'NativeTrainingHook', 'Report', 'accelerate', 'accelerate_training', 'fold']
