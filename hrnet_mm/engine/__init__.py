"""Training and testing by mmengine's Runner, with guards, for the configs of all four libraries."""

from ._mmengine import quick_reading, set_length
from .checkpoint import SafeCheckpointHook
from .curves import CurvesHook, TensorBoardHook
from .feed import ContiguousImage, block_collate
from .guards import CheckLoadedHook, StopOnNonFiniteHook
from .images import LoadImageBands
from .launch import inspect_config, read_config, test, train
from .logs import SafeLoggerHook
from .memory import MemoryGuardHook
from .resume import ResumeHook
from .runner import ReliableRunner
from .samples import SampleHook
from .speed import Bf16OptimWrapper, ChannelsLastHook, CompileHook
from .watchdog import RankWatchHook

__all__ = [
    'Bf16OptimWrapper',
    'ChannelsLastHook',
    'CheckLoadedHook',
    'CompileHook',
    'ContiguousImage',
    'CurvesHook',
    'LoadImageBands',
    'MemoryGuardHook',
    'RankWatchHook',
    'ReliableRunner',
    'ResumeHook',
    'SafeCheckpointHook',
    'SafeLoggerHook',
    'SampleHook',
    'StopOnNonFiniteHook',
    'TensorBoardHook',
    'block_collate',
    'inspect_config',
    'quick_reading',
    'read_config',
    'set_length',
    'test',
    'train',
]
