"""Hooks that stop a run where mmengine would go on with a line in its log."""

from typing import Any

from mmengine.hooks import Hook

from ..registry import HOOKS

__all__ = ['CheckLoadedHook']


@HOOKS.register_module()
class CheckLoadedHook(Hook):
    """Stops when a checkpoint given as `load_from` or for testing fills the backbone only in part, or not at all.

    mmengine loads what fits, logs the rest and goes on, so that a checkpoint of another layout or width leaves random
    weights where the user expects trained ones. Heads may differ: fine-tuning replaces them.

    Raises ValueError with the counts.
    """

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Compare names and shapes before mmengine copies anything."""
        model = getattr(runner.model, 'module', runner.model)  # inside DDP, or test-time augmentation
        given = {
            name.removeprefix('module.'): value for name, value in checkpoint.get('state_dict', checkpoint).items()
        }
        own = {name: value for name, value in model.state_dict().items() if name.startswith('backbone.')}
        fit = [name for name, value in own.items() if getattr(given.get(name), 'shape', None) == value.shape]
        if len(fit) < len(own):
            first = next(name for name in own if name not in fit)
            reason = 'is missing' if first not in given else f'has shape {tuple(given[first].shape)}'
            raise ValueError(
                f'the checkpoint fills {len(fit)} of {len(own)} backbone keys: {first} {reason} '
                f'(needed: {tuple(own[first].shape)}). If it is of another layout, convert it first: '
                'hrnet-mm convert IN OUT --to LIBRARY'
            )
