"""Training and testing through mmengine's Runner, for the configs of all four libraries."""

from .checkpoint import SafeCheckpointHook
from .data import SampleHook
from .guards import StopOnNonFiniteHook
from .hooks import CheckLoadedHook
from .launch import add_test_arguments, add_train_arguments, test, train
from .memory import MemoryGuardHook
from .ranks import RankWatchHook
from .resume import ResumeHook
from .runner import ReliableRunner
from .speed import Bf16OptimWrapper, ChannelsLastHook, CompileHook

__all__ = [
    'Bf16OptimWrapper',
    'ChannelsLastHook',
    'CheckLoadedHook',
    'CompileHook',
    'MemoryGuardHook',
    'RankWatchHook',
    'ReliableRunner',
    'ResumeHook',
    'SafeCheckpointHook',
    'SampleHook',
    'StopOnNonFiniteHook',
    'add_test_arguments',
    'add_train_arguments',
    'test',
    'train',
]
