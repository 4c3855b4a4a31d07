"""Faster inference with the same outputs: folding, engines, export."""

from .accelerate import Accelerated, accelerate
from .choose import Report
from .fold import fold
from .graphs import EngineError

__all__ = ['Accelerated', 'EngineError', 'Report', 'accelerate', 'fold']
