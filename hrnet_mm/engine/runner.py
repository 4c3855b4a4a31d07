"""mmengine's Runner with this package's hooks, for any config of any OpenMMLab library."""

import copy
from typing import Any

from mmengine.hooks import CheckpointHook, LoggerHook
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS, VISUALIZERS
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from ..registry import RUNNERS, class_of
from ._mmengine import forget_visualizer, format_configs_once
from .checkpoint import SafeCheckpointHook
from .logs import SafeLoggerHook
from .markers import drop_markers
from .reader import use_safe_reader
from .resume import resumable_loop
from .samples import naming_an_empty_data_set

__all__ = ['ReliableRunner']

_HOOKS: dict[str, dict[str, Any]] = {
    'sample': {'type': 'hrnet_mm.SampleHook'},
    'resume': {'type': 'hrnet_mm.ResumeHook'},
    'loaded': {'type': 'hrnet_mm.CheckLoadedHook'},
    'finite': {'type': 'hrnet_mm.StopOnNonFiniteHook'},
    'memory': {'type': 'hrnet_mm.MemoryGuardHook'},
    'ranks': {'type': 'hrnet_mm.RankWatchHook'},
    'tensorboard': {'type': 'hrnet_mm.TensorBoardHook'},
    'curves': {'type': 'hrnet_mm.CurvesHook'},
}

_REPLACED: dict[Any, type] = {CheckpointHook: SafeCheckpointHook, LoggerHook: SafeLoggerHook}


@RUNNERS.register_module()
class ReliableRunner(Runner):
    """Runner with guards, atomic checkpoints and bit-exact resume.

    A config selects it by `runner_type = 'hrnet_mm.ReliableRunner'`. SafeCheckpointHook replaces mmengine's
    CheckpointHook and SafeLoggerHook its LoggerHook, with the same arguments, and the hooks `sample`, `resume`,
    `loaded`, `finite`, `memory`, `ranks`, `tensorboard` and `curves` are added to the default ones. As with those,
    `default_hooks = dict(NAME=dict(type=..., ...))` sets options, and `default_hooks = dict(NAME=None)` disables one.

    Args:
        *args: Arguments of mmengine's Runner.
        **kwargs: Arguments of mmengine's Runner.
    """

    needs_loading_hook = True
    """Whether loaded weights are checked only where a hook `loaded` asks for it, so that a config can disable it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        format_configs_once()
        super().__init__(*args, **kwargs)

    def register_default_hooks(self, hooks: dict[str, Any] | None = None) -> None:
        """Register mmengine's hooks and this package's; mmengine reads checkpoints by the safe reader from now on."""
        use_safe_reader()
        given = dict(hooks or {})
        given['checkpoint'] = _replaced(given.get('checkpoint', {'type': 'CheckpointHook', 'interval': 1}))
        given['logger'] = _replaced(given.get('logger', {'type': 'LoggerHook'}))
        added = {name: given.pop(name, copy.deepcopy(hook)) for name, hook in _HOOKS.items()}
        super().register_default_hooks(given)
        for hook in added.values():
            if hook is not None:
                self.register_hook(hook)

    @staticmethod
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        """Build a data loader, or raise a UserError that names an empty data set."""
        with naming_an_empty_data_set():
            return Runner.build_dataloader(dataloader, *args, **kwargs)

    def build_visualizer(self, visualizer: Any = None) -> Any:
        """Build a new visualizer; mmengine would reuse that of an earlier run with the same name, and its folder."""
        if visualizer is None or isinstance(visualizer, dict):
            settings = visualizer or {}
            for kind in (Visualizer, class_of(settings, VISUALIZERS)):
                if kind is not None:
                    forget_visualizer(kind, settings.get('name', self.experiment_name))
        return super().build_visualizer(visualizer)

    @classmethod
    def from_cfg(cls, cfg: Any) -> Any:
        """Build the runner from a config, after removing markers that no constructor accepts."""
        cfg = copy.deepcopy(cfg)
        drop_markers(cfg)
        return super().from_cfg(cfg)

    def build_train_loop(self, loop: Any) -> Any:
        """Build the loop, as one that can start within an epoch where mmengine's cannot."""
        if isinstance(loop, dict):
            untyped = 'type' not in loop
            kind = _EpochBasedTrainLoop if untyped and loop.get('by_epoch') else class_of(loop, LOOPS)
            if kind is not None and (resumable := resumable_loop(kind)) is not None:
                loop = {**loop, 'type': resumable}
                if untyped:
                    del loop['by_epoch']
        return super().build_train_loop(loop)


def _replaced(hook: Any) -> Any:
    if isinstance(hook, dict) and (kind := class_of(hook, ROOT_HOOKS)) in _REPLACED:
        return {**hook, 'type': _REPLACED[kind]}
    return hook
