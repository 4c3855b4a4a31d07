"""`hrnet-mm train TASK --data DIR` and `hrnet-mm demo --data DIR`: trains on a folder of the user's own."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from .._messages import nearest
from ..models.archs import get_arch
from .folder import fitting_tasks, read_folder
from .job import TASKS, Job, Own
from .runs import check_installed, config_path, run_jobs

MINUTES = 5.0

_OF_CONFIGS = ('resume', 'amp', 'auto_scale_lr', 'cfg_options', 'unchecked')


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `hrnet-mm train` takes beside a task and --data."""
    group = parser.add_argument_group(f'with a task ({", ".join(TASKS)}) in place of a config')
    group.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='labelled images in COCO, DeepLabCut or one-folder-a-class form; if none are for validation, a fifth is '
        'taken for it',
    )
    group.add_argument('--arch', help="any that hrnet-mm list shows (default: the demonstration's)")
    group.add_argument('--epochs', type=int, metavar='N', help='how often each image is trained on')
    group.add_argument('--minutes', type=float, help=f'of training, in place of --epochs (default: {MINUTES:g})')
    group.add_argument('--pretrained', metavar='WEIGHTS', help='weights of the backbone: path, address or name')
    group.add_argument('--seed', type=int, default=0, help='default: %(default)s')


def train_folder(args: argparse.Namespace) -> None:
    """Train, test and draw a task on a folder, as `hrnet-mm demo TASK --data DIR` does.

    Raises ValueError for arguments or data that do not fit, and RuntimeError where a training fails.
    """
    task = args.config
    if args.data is None:
        raise ValueError(f'{task} is a task and needs --data DIR, a folder of labelled images')
    if task not in TASKS:
        raise ValueError(f'--data needs a task in place of the config, got {task!r}{nearest(task, TASKS)}')
    if given := [name for name in _OF_CONFIGS if getattr(args, name)] + ['launcher'] * (args.launcher != 'none'):
        raise ValueError(f'--{given[0].replace("_", "-")} needs a config; it does nothing with a task and --data')
    if args.epochs is not None and args.minutes is not None:
        raise ValueError('--epochs and --minutes both say how long to train; give one')
    for name in ('epochs', 'minutes'):
        if getattr(args, name) is not None and getattr(args, name) <= 0:
            raise ValueError(f'--{name} must be more than 0, got {getattr(args, name)}')
    if args.arch is not None:
        get_arch(args.arch)
    console = Console()
    work_dir = Path(args.work_dir or Path('work_dirs', 'own'))
    minutes = None if args.epochs else args.minutes or MINUTES
    settings = {'minutes': minutes, 'epochs': args.epochs, 'arch': args.arch, 'pretrained': args.pretrained}
    jobs = own_jobs(args.data, [task], work_dir, args.seed, None, settings, console)
    run_jobs(jobs, work_dir, console, {'seed': args.seed, 'data': str(args.data)})


def own_jobs(
    path: Path,
    tasks: Sequence[str],
    work_dir: Path,
    seed: int,
    iterations: int | None,
    settings: Mapping[str, Any],
    console: Console,
) -> list[Job]:
    """The jobs for a folder: all that fit unless tasks are given; `settings` are those of `Own` but the folder.

    Raises ValueError for data that do not fit, and RuntimeError for a missing library.
    """
    tasks = [task for task in TASKS if task in (tasks or fitting_tasks(path))]
    check_installed(tasks)
    jobs = []
    for task in tasks:
        own = Own(read_folder(path, task), **settings)
        console.print(f'{task}: {own.folder.split}', highlight=False, soft_wrap=True)
        jobs.append(Job(task, config_path(task), work_dir / task, seed, iterations=iterations, own=own))
    return jobs
