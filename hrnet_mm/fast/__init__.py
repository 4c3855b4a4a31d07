"""The same outputs sooner: inference forms, engines, measurement."""

from .accelerate import Accelerated, Report, accelerate
from .fold import fold
from .graphs import EngineError

__all__ = ['Accelerated', 'EngineError', 'Report', 'accelerate', 'fold']
