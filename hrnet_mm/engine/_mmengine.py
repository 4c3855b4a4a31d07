"""mmengine's private attributes, and the changes to its modules, that this package needs.

No other module uses any. tests/engine/test_mmengine.py calls each function on the installed mmengine, and names the
attribute and the function if a release lacks it.
"""

import copy
import functools
import os
import re
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import mmengine.config.config
import mmengine.config.utils
import mmengine.runner.checkpoint
from mmengine.config import Config, DictAction
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, FlexibleRunner, Runner, find_latest_checkpoint
from mmengine.runner.checkpoint import _process_mmcls_checkpoint
from torch import nn

__all__ = [
    'OpenCheckpointHook',
    'backends_of',
    'bare_model',
    'built_loops',
    'built_train_loop',
    'checkpoint_to_resume',
    'choose_val_interval',
    'content_of',
    'count_epoch',
    'forget_visualizer',
    'format_configs_once',
    'is_initializing',
    'is_resuming',
    'loading_runner',
    'parse_setting',
    'quick_reading',
    'redraw',
    'set_length',
    'watch_loading',
    'with_mmpretrain_names',
    'wrap_iterations',
]


def bare_model(model: nn.Module) -> nn.Module:
    """Return the model inside wrappers for distribution and test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.get_submodule('module')
    return model


def built_train_loop(runner: Any) -> Any:
    """Return the training loop, or None if nothing trains; `runner.train_loop` would then build the training data."""
    return runner._train_loop if isinstance(runner._train_loop, BaseLoop) else None


def built_loops(runner: Any) -> list[Any]:
    """Return the loops in use; `runner.train_loop`, `val_loop` and `test_loop` would build the others."""
    loops = (runner._train_loop, runner._val_loop, runner._test_loop)
    return [loop for loop in loops if isinstance(loop, BaseLoop)]


def wrap_iterations(loop: Any, wrapper: Callable[..., None]) -> None:
    """Call `wrapper(run_iter, *args)` instead of each `run_iter(*args)` of a loop, whose errors no hook sees."""
    loop.run_iter = functools.partial(wrapper, loop.run_iter)


def count_epoch(loop: Any) -> None:
    """Increment the number of finished epochs."""
    loop._epoch += 1


def choose_val_interval(loop: Any) -> None:
    """Set `loop.val_interval` from `dynamic_intervals` at the loop's current epoch or iteration."""
    loop._decide_current_val_interval()


def set_length(loop: Any, steps: int, val_interval: int) -> None:
    """Set the iterations of an IterBasedTrainLoop that is built, and those between validations."""
    loop._max_iters = steps
    loop.val_interval, loop.dynamic_intervals = val_interval, [val_interval]


def redraw(sampler: Any) -> None:
    """Draw the order of a sampler again after its seed has changed; InfiniteSampler draws it only when it is built."""
    if isinstance(sampler, InfiniteSampler):
        sampler.indices = sampler._indices_of_rank()


def is_resuming(runner: Any) -> bool:
    """Return whether the run continues another one, as opposed to starting from the weights of a checkpoint."""
    return bool(runner._resume)


def checkpoint_to_resume(runner: Any) -> str | None:
    """Return the checkpoint that the run continues from; None for a new run."""
    if not runner._resume:
        return None
    path: str | None = runner._load_from or find_latest_checkpoint(runner.work_dir)
    return path


class OpenCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook with public names for its two steps: `write_step` and `write_best`."""

    def write_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        """Write the checkpoint of an epoch or iteration."""
        super()._save_checkpoint_with_step(runner, step, meta)

    def write_best(self, runner: Any, metrics: dict[str, Any]) -> None:
        """Write the checkpoint if a metric is the best so far."""
        super()._save_best_checkpoint(runner, metrics)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        self.write_step(runner, step, meta)

    def _save_best_checkpoint(self, runner: Any, metrics: dict[str, Any]) -> None:
        self.write_best(runner, metrics)


def with_mmpretrain_names(checkpoint: Any) -> Any:
    """Return the backbone weights of an mmcls checkpoint under the other libraries' names."""
    return _process_mmcls_checkpoint(checkpoint)


def backends_of(visualizer: Any) -> MutableMapping[str, Any]:
    """Return the visualizer's backends by name; the dict may be extended."""
    backends: MutableMapping[str, Any] = visualizer._vis_backends
    return backends


def forget_visualizer(kind: Any, name: str | None) -> None:
    """Make the next visualizer of this class and name a new one; mmengine keeps each for the whole process."""
    kind._instance_dict.pop(name, None)


def parse_setting(value: str) -> Any:
    """Return the value of a command-line setting; AssertionError or RecursionError means mismatched brackets."""
    return DictAction._parse_iterable(value)


def content_of(config: Any) -> Any:
    """Return the dict inside a Config, whose keys can be removed; anything else unchanged."""
    return config._cfg_dict if isinstance(config, Config) else config


@contextmanager
def quick_reading() -> Iterator[None]:
    """Read each config file once within a `with` block; the files must not change in it.

    Each `library::path` base is found once too, and each metafile is read once. mmengine reads the bases anew for each
    config, and all metafiles of a library for each base in it.
    """
    find_base, read = Config._get_cfg_path, Config._file2dict
    known: dict[tuple[Any, ...], tuple[Any, ...]] = {}

    def read_once(filename: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        key = (os.path.abspath(filename), args, tuple(kwargs.items()))
        if key not in known:
            found: tuple[Any, ...] = read(filename, *args, **kwargs)
            if re.search(r'{{\s*\$', found[1]):  # an environment variable, which may change
                return found
            known[key] = found
        return copy.deepcopy(known[key])

    Config._get_cfg_path = staticmethod(
        lambda base, file: _external_path(base) if '::' in base else _find_base(base, file)
    )
    Config._file2dict = staticmethod(read_once)
    load, mmengine.config.utils.load = mmengine.config.utils.load, _metafile
    try:
        yield
    finally:
        Config._get_cfg_path = staticmethod(find_base)
        Config._file2dict = staticmethod(read)
        mmengine.config.utils.load = load


_load_metafile: Callable[[str], Any] = mmengine.config.utils.load


@functools.cache
def _metafile(path: str) -> Any:
    return _load_metafile(path)


_find_base: Callable[[str, str], tuple[str, str | None]] = Config._get_cfg_path


@functools.cache
def _external_path(base: str) -> tuple[str, str | None]:
    return _find_base(base, '')


def format_configs_once() -> None:
    """Format each config text once, for the rest of the process.

    mmengine formats the whole config for the log, for the files of each visualizer backend and for every checkpoint.
    OneDL's mmengine imports the formatter anew at each call, and nothing is changed there.
    """
    if _format is not None:
        mmengine.config.config.FormatCode = _format_once


_format: Callable[..., tuple[str, bool]] | None = getattr(mmengine.config.config, 'FormatCode', None)


def _format_once(text: str, style_config: dict[str, Any], **options: Any) -> tuple[str, bool]:
    return _formatted(text, tuple(style_config.items()), tuple(options.items()))


@functools.lru_cache(maxsize=32)
def _formatted(text: str, style: tuple[Any, ...], options: tuple[Any, ...]) -> tuple[str, bool]:
    assert _format is not None
    return _format(text, style_config=dict(style), **dict(options))


def is_initializing(module: nn.Module) -> bool:
    """Return whether the module is within `init_weights`, where an `init_cfg` loads its checkpoint."""
    return hasattr(module, '_params_init_info')


_RUNNER: ContextVar[Any] = ContextVar('_RUNNER', default=None)


def loading_runner() -> Any:
    """Return the runner whose `load_checkpoint` is at work, or None."""
    return _RUNNER.get()


def watch_loading(
    before: Callable[[nn.Module, MutableMapping[str, Any]], None],
    after: Callable[[nn.Module, list[str], list[str], list[str]], None],
) -> None:
    """Call functions before and after each `load_state_dict` of mmengine, for the rest of the process.

    Runners, the libraries' `init_model` and inferencers, and `init_cfg` all load by that function, which continues
    after a line in the log if parameters are left out. A second call replaces the functions of the first.

    Args:
        before: Receives the model and the weights, which it may extend.
        after: Receives the model, the missing and the left over names, and the other errors.
    """

    def load(module: nn.Module, state_dict: Any, *args: Any, **kwargs: Any) -> None:
        root, found = bare_model(module), [list[str]()] * 3
        plain = root._load_from_state_dict

        def noting(state: Any, prefix: str, metadata: Any, strict: bool, *lists: list[str]) -> None:
            found[:] = lists  # mmengine has these three filled by all submodules too
            plain(state, prefix, metadata, strict, *lists)

        before(root, state_dict)
        root._load_from_state_dict = noting  # type: ignore[method-assign,assignment]
        try:
            _load(module, state_dict, *args, **kwargs)
        finally:
            del root._load_from_state_dict
        after(root, *found)

    mmengine.runner.checkpoint.load_state_dict = load
    Runner.load_checkpoint = _noting_the_runner(_load_by_runner)
    FlexibleRunner.load_checkpoint = _noting_the_runner(_load_by_flexible_runner)


_load = mmengine.runner.checkpoint.load_state_dict
_load_by_runner = Runner.load_checkpoint
_load_by_flexible_runner = FlexibleRunner.load_checkpoint


def _noting_the_runner(load: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(load)
    def load_checkpoint(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = _RUNNER.set(self)
        try:
            return load(self, *args, **kwargs)
        finally:
            _RUNNER.reset(token)

    return load_checkpoint
