"""`hrnet-mm demo`: prepares the data, and has each task trained, tested and drawn."""

import argparse
from pathlib import Path

from rich.console import Console

from .._messages import nearest
from ..data import prepare_digits, prepare_faces, prepare_nuclei, prepare_people
from .job import TASKS, Job
from .own import MINUTES, own_jobs
from .runs import check_installed, config_path, run_jobs

_DATA = Path('data', 'demo')  # as the configs say
_PREPARE = {
    'pose': prepare_people,
    'faces': prepare_faces,
    'instances': prepare_nuclei,
    'segmentation': prepare_nuclei,
    'classification': prepare_digits,
}
_TARGETS = {
    'pose': {'OKS AP': 10.0},
    'faces': {'NME': 5.0},
    'instances': {'box AP50': 50.0, 'mask AP50': 50.0},
    'segmentation': {'mIoU': 85.0},
    'classification': {'top-1': 95.0},
}


def add_demo_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm demo`."""
    parser.add_argument('tasks', nargs='*', metavar='TASK', help=f'any of {", ".join(TASKS)} (default: all that fit)')
    parser.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='labelled images of your own instead, in COCO, DeepLabCut or one-folder-a-class form: key-points are for '
        'pose, boxes and masks for instances and segmentation, classes for classification',
    )
    parser.add_argument(
        '--minutes', type=float, help=f'with --data: minutes of training for each task (default: {MINUTES:g})'
    )
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs', 'demo'), metavar='DIR', help='default: %(default)s'
    )
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument(
        '--holdout',
        action='store_true',
        help='train and test on parts of the training data: the comparison by which the recipes were chosen',
    )
    parser.add_argument(
        '--grid',
        type=Path,
        metavar='FILE',
        help='the picture of all tasks (default: five_tasks.png in the work directory)',
    )
    parser.add_argument('--iterations', type=int, metavar='N', help='shorten every training to N iterations')


def demo(args: argparse.Namespace) -> int:
    """Run the tasks, print a table and write it with the pictures below the work directory; 1 if a target is missed.

    Raises ValueError for arguments or data that do not fit, and RuntimeError where data cannot be fetched or a training
    fails.
    """
    console = Console()
    for task in args.tasks:
        if task not in TASKS:
            raise ValueError(f'unknown task {task!r}{nearest(task, TASKS)}')
    for name in ('iterations', 'minutes'):
        if getattr(args, name) is not None and getattr(args, name) <= 0:
            raise ValueError(f'--{name} must be more than 0, got {getattr(args, name)}')
    jobs = _demonstration_jobs(args, console) if args.data is None else _own_jobs(args, console)
    about = {'seed': args.seed, 'holdout': args.holdout}
    return 0 if run_jobs(jobs, args.work_dir, console, about, args.grid) else 1


def _demonstration_jobs(args: argparse.Namespace, console: Console) -> list[Job]:
    if args.minutes is not None:
        raise ValueError('--minutes needs --data DIR; use --iterations N to shorten the demonstration')
    tasks = [task for task in TASKS if not args.tasks or task in args.tasks]
    check_installed(tasks)
    for prepare in dict.fromkeys(_PREPARE[task] for task in tasks):
        console.print(f'data: {prepare(_DATA)}', highlight=False)
    return [
        Job(
            task,
            config_path(task),
            args.work_dir / task,
            args.seed,
            args.holdout,
            args.iterations,
            targets=_TARGETS[task],
        )
        for task in tasks
    ]


def _own_jobs(args: argparse.Namespace, console: Console) -> list[Job]:
    if args.holdout:
        raise ValueError(
            '--holdout is for the demonstration data; a folder given by --data has its own validation part'
        )
    minutes = None if args.iterations else args.minutes or MINUTES
    settings = {'minutes': minutes}
    return own_jobs(args.data, args.tasks, args.work_dir, args.seed, args.iterations, settings, console)
