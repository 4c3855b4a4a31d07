"""Training and testing by a config of any of the four libraries."""

import copy
import difflib
import importlib.util
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.registry import METRICS, RUNNERS

from ..annotations import Finding
from ..config.building import building_problems
from ..config.check import config_problems
from ..config.data import data_findings
from ..config.normalization import normalization_findings
from ..config.place import configs_folder
from ..errors import UserError
from ..registry import scope_of, type_name
from ._mmengine import quick_reading
from .batch import BatchUse
from .markers import drop_markers
from .settings import apply_settings

__all__ = ['inspect_config', 'read_config', 'test', 'train']

_LEARNING_RATE = {'optim_wrapper', 'optim_wrapper.optimizer', 'optim_wrapper.optimizer.lr'}
_BUILT = ('model', 'optim_wrapper', 'param_scheduler', 'default_hooks', 'custom_hooks', 'train_', 'val_', 'test_')
"""Beginnings of sentences about what is built, which a trial would only say again in other words."""

_CONFIG_SUFFIXES = ('.py', '.json', '.yaml', '.yml')


def train(
    config: str | os.PathLike[str] | Config,
    work_dir: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    launcher: str = 'none',
    unchecked: bool = False,
    resume: str | None = None,
    amp: bool = False,
    auto_scale_lr: bool = False,
    lr: float | None = None,
    hooks: Sequence[Hook] = (),
    data_checked: bool = False,
    name: str | None = None,
) -> Any:
    """Train by a config.

    All trainings use this function: those of configs, of tasks on a folder, and of the demonstration.

    Args:
        config: The config file, or a config from `read_config`.
        work_dir: The folder of logs and checkpoints. Default: the config's, or work_dirs/CONFIG.
        options: Settings that replace those of the config, by their dotted names.
        launcher: The launcher of the processes: 'none', 'pytorch', 'slurm' or 'mpi'.
        unchecked: Whether to continue if the config seems to have mistakes.
        resume: A checkpoint to continue from, or 'auto' for the latest in the work directory.
        amp: Whether to train in mixed precision: float16 on a GPU, bfloat16 on a CPU.
        auto_scale_lr: Whether to scale the learning rate from the config's auto_scale_lr.base_batch_size to the actual
            batch size.
        lr: The learning rate for the actual batch size.
        hooks: Hooks in addition to the config's.
        data_checked: Whether the annotations of the data sets were checked before.
        name: The name of the config in the work directory, ending in .py. Default: that of the config's file.

    Returns:
        mmengine's Runner, with the trained model.

    Raises:
        UserError: The arguments or the config have mistakes; the message has one line for each mistake of the config.
        BatchError: The learning rate belongs to a batch of less than half or more than twice the size in use, and none
            of `auto_scale_lr`, `lr`, a learning rate in `options` and `unchecked` is given.
        KeyboardInterrupt: After Ctrl-C; the message names the last checkpoint.

    Examples:
        ```python
        from hrnet_mm.engine import train

        train('my_config.py', work_dir='work_dirs/mine', options={'train_dataloader.batch_size': 4}, amp=True)
        ```
    """
    settings = _prepare(config, work_dir, options, launcher)
    if amp:
        _use_mixed_precision(settings)
    _set_learning_rate(settings, auto_scale_lr, lr)
    if resume is not None:
        settings.resume = True
        settings.load_from = None if resume == 'auto' else _existing_checkpoint(resume)
    batch = BatchUse.of(settings)
    if not unchecked:
        if not _LEARNING_RATE & (options or {}).keys():
            batch.check()
        _require_sound(settings, training=True, with_data=not data_checked)
    if int(os.environ.get('RANK', '0')) == 0:
        print(batch)
    if name is not None:
        settings = Config(settings.to_dict(), settings.text, name)
    runner = _build_runner(settings)
    for hook in hooks:
        runner.register_hook(hook)
    try:
        runner.train()
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_what_is_saved(Path(settings.work_dir))) from None
    return runner


def test(
    config: str | os.PathLike[str] | Config,
    checkpoint: str | os.PathLike[str],
    work_dir: str | os.PathLike[str] | None = None,
    options: Mapping[str, Any] | None = None,
    launcher: str = 'none',
    unchecked: bool = False,
    out: str | None = None,
    show_dir: str | None = None,
    tta: bool = False,
) -> dict[str, float]:
    """Test a checkpoint by a config.

    Args:
        config: The config file, or a config from `read_config`.
        checkpoint: The path or URL of the weights.
        work_dir: The folder of logs. Default: the config's, or work_dirs/CONFIG.
        options: Settings that replace those of the config, by their dotted names.
        launcher: The launcher of the processes: 'none', 'pytorch', 'slurm' or 'mpi'.
        unchecked: Whether to continue if the config seems to have mistakes.
        out: A pickle file for the predictions.
        show_dir: A folder for pictures of the predictions.
        tta: Whether to use the config's tta_model and tta_pipeline.

    Returns:
        The metrics by their names; none where the evaluators only write a file.

    Raises:
        UserError: The arguments or the config have mistakes; the message has one line for each mistake of the config.
    """
    settings = _prepare(config, work_dir, options, launcher)
    settings.load_from = _existing_checkpoint(os.fspath(checkpoint))
    if not unchecked:
        _require_sound(settings, training=False)
    if out is not None and not out.endswith(('.pkl', '.pickle')):
        raise UserError(
            f'--out: {out} does not end in .pkl or .pickle; the predictions are pickled, so give such a name'
        )
    if show_dir is not None:
        _draw_into(show_dir, settings)
    if tta:
        _augment_tests(settings)
    runner = _build_runner(settings)
    if out is not None:
        # mmdet's dump encodes the masks, which are many and large.
        dump = 'mmdet.DumpDetResults' if scope_of(settings) == 'mmdet' else 'DumpResults'
        runner.test_evaluator.metrics.append(METRICS.build({'type': dump, 'out_file_path': out}))
    metrics: dict[str, float] = runner.test()
    return metrics


def read_config(config: str | os.PathLike[str]) -> Config:
    """Read a config and import its custom modules.

    Args:
        config: The path of a file, or the name of an installed library's, such as
            'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'.

    Raises:
        UserError: There is no such config; the message names the nearest.
    """
    name = os.fspath(config)
    path = _path_in_a_library(name) if '::' in name else Path(name)
    if path.suffix not in _CONFIG_SUFFIXES:
        allowed = ' or '.join(_CONFIG_SUFFIXES)
        raise UserError(f'{name} is not a config; expected a path ending in {allowed}, or mmdet::...')
    if not path.is_file():
        _refuse_naming_the_nearest(path)
    with quick_reading():  # of the libraries' metafiles, which mmengine reads anew for each base
        return Config.fromfile(path)


def _path_in_a_library(name: str) -> Path:
    # mmengine.hub.get_config would install a missing library, and parse every metafile of an installed one.
    library, _, path = name.partition('::')
    if library == __package__.partition('.')[0]:
        return configs_folder() / path
    spec = importlib.util.find_spec(library) if library.isidentifier() else None
    if spec is None or spec.origin is None:
        raise UserError(f'{name}: {library} is not installed; install it, or give the path of a config')
    return Path(spec.origin).parent / '.mim' / 'configs' / path


def _prepare(
    config: str | os.PathLike[str] | Config,
    work_dir: str | os.PathLike[str] | None,
    options: Mapping[str, Any] | None,
    launcher: str,
) -> Any:
    config = copy.deepcopy(config) if isinstance(config, Config) else read_config(config)
    if options is not None:
        try:
            apply_settings(config, options)
        except ValueError as error:
            raise UserError(f'--cfg-options: {error}') from error
    drop_markers(config)
    if work_dir is not None:
        config.work_dir = os.fspath(work_dir)
    elif config.get('work_dir') is None:
        config.work_dir = os.path.join('work_dirs', Path(config.filename).stem)
    config.launcher = launcher
    _complete_as_the_library_does(config)
    return config


def _refuse_naming_the_nearest(path: Path) -> NoReturn:
    package = Path(__file__).parent.parent
    beside = {file.name: file for file in sorted(path.parent.glob('*.py'))}
    shipped = [package.parent / 'configs', package / '.mim' / 'configs']
    known = {file.name: file for folder in shipped if folder.is_dir() for file in sorted(folder.rglob('*.py'))} | beside
    # A name in the same folder is preferred, even if a shipped config is nearer by a letter.
    nearest = difflib.get_close_matches(path.name, beside, n=1) or difflib.get_close_matches(path.name, known, 1, 0.4)
    hint = f'; the nearest name is {known[nearest[0]]}' if nearest else ''
    raise UserError(f'{path}: no such config file{hint}')


def _existing_checkpoint(name: str) -> str:
    if '://' not in name and not Path(name).is_file():
        known = sorted(str(file) for file in Path(name).parent.glob('*.pth'))
        hint = f'; its folder holds {", ".join(known)}' if known else ''
        raise UserError(f'{name}: no such checkpoint file{hint}')
    return name


def inspect_config(
    config: str | os.PathLike[str] | Config,
    options: Mapping[str, Any] | None = None,
    launcher: str = 'none',
) -> list[Finding]:
    """Check a config and the annotations that it names, as a training and a test by it do first.

    Args:
        config: The config file, or a config from `read_config`.
        options: Settings that replace those of the config, by their dotted names.
        launcher: The launcher of the processes.

    Returns:
        The mistakes and the warnings, each beginning with a place in the config or a file.

    Raises:
        UserError: There is no such config.
    """
    settings = _prepare(config, None, options, launcher)
    parts = [True] if settings.get('train_dataloader') is not None else []
    parts += [False] if settings.get('test_dataloader') is not None else []
    found = []
    for training in parts or [True]:
        of_part = _findings(settings, training, True, True)
        if not any(finding.level == 'error' and finding.sentence.startswith(_BUILT) for finding in of_part):
            of_part += [Finding('error', problem) for problem in building_problems(settings, training)]
        found += of_part
    return sorted(dict.fromkeys(found), key=lambda finding: finding.level)


def _findings(config: Any, training: bool, with_data: bool, again: bool = False) -> list[Finding]:
    processes = int(os.environ.get('WORLD_SIZE', '1')) if config.launcher != 'none' else 1
    problems = config_problems(config, training, get_device() == 'cpu', processes)
    findings = [Finding('error', problem) for problem in problems]
    try:
        findings += normalization_findings(config, training)
        # The processes of a machine read the same files, which takes a while where there are many.
        if with_data and int(os.environ.get('LOCAL_RANK', '0')) == 0:
            findings += data_findings(config, training, again)
    except Exception:
        if not problems:  # which may be why the rest cannot be read
            raise
    return findings


def _require_sound(config: Any, training: bool, with_data: bool = True) -> None:
    """Raise a UserError for a config with mistakes, with one line for each; print the warnings."""
    findings = _findings(config, training, with_data)
    for finding in findings:
        if finding.level == 'warning':
            print(f'warning: {finding}', file=sys.stderr)
    problems = [str(finding) for finding in findings if finding.level == 'error']
    if problems:
        count = f'{len(problems)} mistake{"s"[: len(problems) > 1]}'
        raise UserError('\n  '.join([f'{config.filename}: {count}', *problems]))


def _what_is_saved(work_dir: Path) -> str:
    last = work_dir / 'last_checkpoint'
    if not last.is_file():
        return f'{work_dir} holds no checkpoint yet'
    return f'the last checkpoint is {last.read_text().strip()}'


def _complete_as_the_library_does(config: Any) -> None:
    """Add the settings that the library's own tools add before they build the runner."""
    library = scope_of(config)
    if library == 'mmpretrain':
        for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            if config.get(name) is not None:
                config[name].setdefault('collate_fn', {'type': 'default_collate'})
    if library == 'mmpose' and 'preprocess_cfg' in config:
        config.model.setdefault('data_preprocessor', config.preprocess_cfg)


def _use_mixed_precision(config: Any) -> None:
    wrapper = type_name(config.optim_wrapper) or 'OptimWrapper'
    if wrapper not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise UserError(f'--amp: optim_wrapper.type is {wrapper}; expected OptimWrapper or AmpOptimWrapper')
    if get_device() == 'cpu':  # mmengine's wrapper needs a GPU
        config.optim_wrapper.type = 'hrnet_mm.Bf16OptimWrapper'
        for option in ('loss_scale', 'dtype'):
            config.optim_wrapper.pop(option, None)
    else:
        config.optim_wrapper.type = 'AmpOptimWrapper'
        config.optim_wrapper.setdefault('loss_scale', 'dynamic')


def _set_learning_rate(config: Any, scale: bool, lr: float | None) -> None:
    batch = BatchUse.of(config)
    if scale and lr is not None:
        raise UserError('--auto-scale-lr and --lr both say the learning rate; give one')
    if lr is not None and batch.lr is None:
        raise UserError('--lr: the config has no optim_wrapper.optimizer.lr; set the learning rates by --cfg-options')
    if lr is not None and lr <= 0:
        raise UserError(f'--lr must be more than 0, got {lr:g}')
    if (scale or lr is not None) and batch.peak:
        raise UserError(
            f'{"--lr" if lr is not None else "--auto-scale-lr"}: the schedule sets the learning rate, by eta_max; '
            'change param_scheduler by --cfg-options'
        )
    if scale:
        if batch.base is None:
            raise UserError(
                '--auto-scale-lr: the config has no auto_scale_lr.base_batch_size to scale the learning rate from; '
                'add it to the config'
            )
        # As in BatchUse.of: mmengine compares it with the images of one of the accumulated batches.
        config.auto_scale_lr.update(enable=True, base_batch_size=batch.base / batch.accumulated)
    if lr is not None:
        config.optim_wrapper.optimizer.lr = lr
        config.auto_scale_lr = None


def _augment_tests(config: Any) -> None:
    if missing := [name for name in ('tta_model', 'tta_pipeline') if name not in config]:
        raise UserError(f'--tta: the config has no {" and no ".join(missing)}; test without --tta')
    # In place: outside its config, a dict of a new-style config holds classes, which cannot be written to a file.
    config.tta_model.module = config.model
    config.model = config.tta_model
    config.test_dataloader.dataset.pipeline = config.tta_pipeline


def _draw_into(folder: str, config: Any) -> None:
    """Enable the library's drawing hook; each has its own names for the switch and the folder."""
    folder = os.path.abspath(folder)  # some hooks would put a relative folder below the work directory
    hook = config.get('default_hooks', {}).get('visualization')
    kind = '' if hook is None else type_name(hook)
    if kind == 'DetVisualizationHook':
        hook.update(draw=True, test_out_dir=folder)
    elif kind == 'SegVisualizationHook':
        hook.update(draw=True, interval=1)
        config.visualizer.save_dir = folder
    elif kind in ('PoseVisualizationHook', 'VisualizationHook'):
        hook.update(enable=True, interval=1, out_dir=folder)
    else:
        raise UserError(
            f"--show-dir: the config's default_hooks.visualization is {kind or 'missing'}; expected "
            'DetVisualizationHook, SegVisualizationHook, PoseVisualizationHook or VisualizationHook'
        )


def _build_runner(config: Any) -> Any:
    if config.launcher == 'pytorch' and 'RANK' not in os.environ:
        raise UserError(
            '--launcher pytorch: start the processes with '
            f'torchrun --nproc_per_node=N {sys.argv[0]} {" ".join(sys.argv[1:])}'
        )
    if config.launcher != 'none' and get_device() == 'cpu':
        _join_cpu_processes(config)
    config.setdefault('runner_type', 'hrnet_mm.ReliableRunner')
    return RUNNERS.build(config)


def _join_cpu_processes(config: Any) -> None:
    """Start the process group, which mmengine does only for GPUs; it uses one that exists."""
    if config.launcher != 'pytorch':
        raise UserError(f'--launcher {config.launcher}: this machine has no GPU; on CPUs only --launcher pytorch works')
    if not torch.distributed.is_initialized():  # an earlier training in this process may have started it
        torch.distributed.init_process_group('gloo')
    if config.get('model_wrapper_cfg') is None:
        unused = config.get('find_unused_parameters', False)
        config.model_wrapper_cfg = {
            'type': 'MMDistributedDataParallel',
            'broadcast_buffers': False,
            'find_unused_parameters': unused,
        }
    config.model_wrapper_cfg.device_ids = None  # the Runner's default is the index of a GPU
