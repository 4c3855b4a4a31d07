"""Training and testing through mmengine's Runner, for the configs of all four libraries."""

from .checkpoint import SafeCheckpointHook
from .curves import CurvesHook, TensorBoardHook
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
    'CurvesHook',
    'MemoryGuardHook',
    'RankWatchHook',
    'ReliableRunner',
    'ResumeHook',
    'SafeCheckpointHook',
    'SampleHook',
    'StopOnNonFiniteHook',
    'TensorBoardHook',
    'add_test_arguments',
    'add_train_arguments',
    'test',
    'train',
]
