"""Logs that several processes share."""

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook

from ..registry import HOOKS

__all__ = ['SafeLoggerHook']


@HOOKS.register_module()
class SafeLoggerHook(LoggerHook):
    """LoggerHook whose file of test metrics is written by the main process alone.

    With mmengine's, all processes write to it at once, and it may end as a mixture that no JSON reader accepts.
    """

    def after_test_epoch(self, runner: Any, metrics: dict[str, float] | None = None) -> None:
        """Log the metrics, which are the same in all processes, and write them."""
        if is_main_process():
            super().after_test_epoch(runner, metrics)
