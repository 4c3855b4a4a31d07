"""`hrnet-mm demo`: training, test and pictures of five tasks on demonstration data, or of those a folder allows."""

import argparse
import shlex
from pathlib import Path

from ..errors import UserError, did_you_mean

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'train, test and draw five tasks on demonstration data, or those that a folder of your own allows'
EXAMPLE = (
    '  hrnet-mm demo\n  hrnet-mm demo pose faces --work-dir work_dirs/keypoints\n'
    '  hrnet-mm demo --data my_images --minutes 10'
)


_PLACE = Path('work_dirs', 'demo')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm demo`."""
    from ..tasks import TASKS
    from ..training.own import MINUTES

    parser.add_argument('tasks', nargs='*', metavar='TASK', help=f'any of {", ".join(TASKS)} (default: all that fit)')
    parser.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='your own labeled images instead, in any format of docs/tutorials/own_images.md: keypoints are for pose, '
        'boxes and masks for instances and segmentation, classes for classification',
    )
    parser.add_argument('--format', metavar='FORMAT', help='with --data: that of the labels (default: found)')
    parser.add_argument(
        '--minutes', type=float, help=f'with --data: minutes of training for each task (default: {MINUTES:g})'
    )
    parser.add_argument(
        '--work-dir',
        type=Path,
        metavar='DIR',
        help=f'default: {_PLACE}, with --data the next free one',
    )
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument(
        '--holdout',
        action='store_true',
        help='train and test on parts of the training data, which was how the recipes were chosen',
    )
    parser.add_argument(
        '--grid',
        type=Path,
        metavar='FILE',
        help='the picture of all tasks (default: a PNG in the work directory, named after the tasks and the folder)',
    )
    parser.add_argument('--iterations', type=int, metavar='N', help='shorten every training to N iterations')


def run(args: argparse.Namespace) -> int:
    """Run the tasks, print a table of results, and write it with the pictures below the work directory.

    Returns:
        1 if a target is missed.

    Raises:
        UserError: The arguments or the data do not fit, or the data cannot be fetched.
        RuntimeError: A training fails.
    """
    from rich.console import Console

    from ..tasks import TASKS
    from ..training.runs import Interrupted, run_jobs

    console = Console()
    for task in args.tasks:
        if task not in TASKS:
            raise UserError(f'unknown task {task!r}{did_you_mean(task, TASKS)}')
    for name in ('iterations', 'minutes'):
        if getattr(args, name) is not None and getattr(args, name) <= 0:
            raise UserError(f'--{name} must be more than 0, got {getattr(args, name)}')
    work_dir = args.work_dir or _PLACE
    if args.data is None:
        from ..training.demonstration import demonstration_jobs

        if args.minutes is not None:
            raise UserError('--minutes needs --data DIR; use --iterations N to shorten the demonstration')
        jobs = demonstration_jobs(args.tasks, work_dir, args.seed, args.holdout, args.iterations, console)
    else:
        from ..tasks import fitting_tasks
        from ..training.own import MINUTES, own_jobs
        from ..training.record import free_folder

        if args.holdout:
            raise UserError(
                '--holdout is for the demonstration data; a folder given by --data has its own validation part'
            )
        settings = {'minutes': None if args.iterations else args.minutes or MINUTES}
        tasks = args.tasks or fitting_tasks(args.data, args.format)
        work_dir = args.work_dir or free_folder(_PLACE, tasks)
        jobs = own_jobs(args.data, tasks, work_dir, args.seed, args.iterations, settings, console, args.format, 'auto')
    about = {'seed': args.seed, 'holdout': args.holdout}
    try:
        return 0 if run_jobs(jobs, work_dir, console, about, args.grid) else 1
    except Interrupted as stop:
        options = shlex.split(args.command_line)[2:]
        for task in args.tasks:
            options.remove(task)
        if args.data is not None and args.work_dir is None:
            options += ['--work-dir', str(work_dir)]
        line = shlex.join(['hrnet-mm', 'demo', *stop.rest, *options])
        raise KeyboardInterrupt(*stop.args, f'continue with: {line}') from None
