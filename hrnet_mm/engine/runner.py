"""mmengine's Runner with the hooks of this package, for any config of any OpenMMLab library."""

import copy
from typing import Any

from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS as ROOT_HOOKS
from mmengine.registry import LOOPS, VISUALIZERS
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

from ..registry import RUNNERS, class_of
from ._mmengine import forget_visualizer, format_configs_once
from .checkpoint import SafeCheckpointHook
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


@RUNNERS.register_module()
class ReliableRunner(Runner):
    """A Runner that loses nothing: `runner_type = 'hrnet_mm.ReliableRunner'` in a config, or its `_base_`, chooses it.

    mmengine's CheckpointHook is replaced by SafeCheckpointHook with the same arguments, and the hooks named `sample`,
    `resume`, `loaded`, `finite`, `memory`, `ranks`, `tensorboard` and `curves` are added to the default ones. As with
    those, `default_hooks = dict(NAME=dict(type=..., ...))` sets options and `default_hooks = dict(NAME=None)` leaves
    one out.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        format_configs_once()
        super().__init__(*args, **kwargs)

    def register_default_hooks(self, hooks: dict[str, Any] | None = None) -> None:
        """Register mmengine's and this package's; from here on, checkpoints are read by the safe reader."""
        use_safe_reader()
        given = dict(hooks or {})
        if (checkpoint := given.get('checkpoint', {'type': 'CheckpointHook', 'interval': 1})) is not None:
            given['checkpoint'] = _safe(checkpoint)
        added = {name: given.pop(name, copy.deepcopy(hook)) for name, hook in _HOOKS.items()}
        super().register_default_hooks(given)
        for hook in added.values():
            if hook is not None:
                self.register_hook(hook)

    @staticmethod
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        """Build it, or name the data set that holds nothing."""
        with naming_an_empty_data_set():
            return Runner.build_dataloader(dataloader, *args, **kwargs)

    def build_visualizer(self, visualizer: Any = None) -> Any:
        """Build it for this run; mmengine would take that of an earlier run, with its folder, if both have one name."""
        if visualizer is None or isinstance(visualizer, dict):
            settings = visualizer or {}
            for kind in (Visualizer, class_of(settings, VISUALIZERS)):
                if kind is not None:
                    forget_visualizer(kind, settings.get('name', self.experiment_name))
        return super().build_visualizer(visualizer)

    @classmethod
    def from_cfg(cls, cfg: Any) -> Any:
        """Build it from a config, which may hold markers of the config files that no constructor takes."""
        cfg = copy.deepcopy(cfg)
        drop_markers(cfg)
        return super().from_cfg(cfg)

    def build_train_loop(self, loop: Any) -> Any:
        """Build the loop, and one that can begin within an epoch where mmengine's cannot."""
        if isinstance(loop, dict):
            untyped = 'type' not in loop
            kind = _EpochBasedTrainLoop if untyped and loop.get('by_epoch') else class_of(loop, LOOPS)
            if kind is not None and (resumable := resumable_loop(kind)) is not None:
                loop = {**loop, 'type': resumable}
                if untyped:
                    del loop['by_epoch']
        return super().build_train_loop(loop)


def _safe(hook: Any) -> Any:
    if isinstance(hook, dict) and class_of(hook, ROOT_HOOKS) is CheckpointHook:
        return {**hook, 'type': SafeCheckpointHook}
    return hook
