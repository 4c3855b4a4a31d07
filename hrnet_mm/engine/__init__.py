"""Training and testing through mmengine's Runner, for the configs of all four libraries."""

from .data import SampleHook
from .hooks import CheckLoadedHook
from .launch import add_test_arguments, add_train_arguments, test, train

__all__ = ['CheckLoadedHook', 'SampleHook', 'add_test_arguments', 'add_train_arguments', 'test', 'train']
