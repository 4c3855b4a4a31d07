"""Faster inference with the same outputs: folding, engines, export."""

from .accelerate import Accelerated, Report, accelerate
from .fold import fold
from .graphs import EngineError

__all__ = ['Accelerated', 'EngineError', 'Report', 'accelerate', 'fold']
