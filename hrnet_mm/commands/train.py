"""`hrnet-mm train`: training by a config of any of the four libraries, or of a task on a folder."""

import argparse
import shlex
from pathlib import Path

from ..errors import UserError, did_you_mean
from ._config import add_config_arguments, config_settings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'train by a config of mmdet, mmseg, mmpose or mmpretrain, or train a task on your own folder'
EXAMPLE = (
    '  hrnet-mm train configs/demo/fcn_hrnetv2_nuclei.py --work-dir work_dirs/fcn\n'
    '  hrnet-mm train pose --data my_images --arch w18 --minutes 20'
)

_OF_CONFIGS = ('amp', 'auto_scale_lr', 'lr', 'cfg_options', 'unchecked')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of OpenMMLab's tools/train.py, and those of a task."""
    from ..tasks import TASKS
    from ..training.job import PATIENCE
    from ..training.own import MINUTES

    add_config_arguments(parser, is_optional=True)
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from this checkpoint; without a value (and always with a task), from the latest one in the work '
        'directory',
    )
    parser.add_argument('--amp', action='store_true', help='train in mixed precision: float16 (GPU) or bfloat16 (CPU)')
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help="scale the learning rate from the config's auto_scale_lr.base_batch_size to the actual batch size",
    )
    parser.add_argument(
        '--lr', type=float, help='the learning rate, for the actual batch size; a resumed training keeps its own'
    )
    group = parser.add_argument_group(f'with a task ({", ".join(TASKS)}) instead of a config, or with neither')
    group.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        help='labeled images in any format of docs/tutorials/own_images.md; a fifth is used for validation, '
        'unless there is a validation part; without a task, the labels choose it',
    )
    group.add_argument('--format', metavar='FORMAT', help='that of the labels (default: found by their content)')
    group.add_argument(
        '--bands',
        type=_bands,
        default=(),
        metavar='N,N,...',
        help='bands of the images that are read, counted from 1, such as 4,3,2,8 (default: R, G, B of pictures of 8 '
        'bits, all bands of other images)',
    )
    group.add_argument('--arch', help="an architecture that hrnet-mm list shows (default: the demonstration's)")
    group.add_argument('--epochs', type=int, metavar='N', help='passes through the images')
    group.add_argument('--minutes', type=float, help=f'minutes of training, instead of epochs (default: {MINUTES:g})')
    group.add_argument(
        '--patience',
        type=int,
        default=PATIENCE,
        metavar='N',
        help='end after N validations without a better metric, 0 for never (default: %(default)s)',
    )
    group.add_argument(
        '--preview', action='store_true', help='write a picture of augmented training samples, and train nothing'
    )
    group.add_argument('--weights', metavar='FILE', help='weights of the backbone: a path, a URL or a name')
    group.add_argument('--seed', type=int, default=0, help='default: %(default)s')


def _bands(text: str) -> tuple[int, ...]:
    """The numbers of bands in a text such as '4,3,2,8'."""
    numbers = [part.strip() for part in text.split(',')]
    if not all(number.isdecimal() and int(number) > 0 for number in numbers):
        raise argparse.ArgumentTypeError(f'{text!r} is no list of bands; expected whole numbers from 1, as in 4,3,2,8')
    return tuple(map(int, numbers))


def run(args: argparse.Namespace) -> None:
    """Train by a config; or train, test and draw a task on a folder, like `hrnet-mm demo TASK --data DIR`.

    Raises:
        UserError: The config, the arguments or the data have mistakes.
        RuntimeError: The training of a task fails.
        KeyboardInterrupt: After Ctrl-C; the message says how to continue.
    """
    from ..tasks import TASKS

    if args.data is not None or args.config in TASKS:
        _train_task(args)
        return
    if args.bands:
        raise UserError('--bands chooses bands of the images of --data DIR, and a config reads its own; leave it out')
    if args.config is None:
        raise UserError('neither a config nor --data DIR, a folder of labeled images, is given; give one')
    from ..engine import train
    from ..engine.batch import BatchError

    chosen = {name: getattr(args, name) for name in ('resume', 'amp', 'auto_scale_lr', 'lr')}
    try:
        train(**config_settings(args), **chosen)
    except BatchError as error:
        raise UserError(f'{error}: {args.command_line} --auto-scale-lr') from error
    except KeyboardInterrupt as stop:
        resume = {None: ' --resume', 'auto': ''}.get(args.resume, ' --resume auto')
        raise KeyboardInterrupt(*stop.args, f'continue with: {args.command_line}{resume}') from None


def _train_task(args: argparse.Namespace) -> None:
    from ..tasks import TASKS
    from ..training.own import choose_task, train_folder

    task = args.config
    if args.data is None:
        raise UserError(f'{task} is a task and needs --data DIR, a folder of labeled images')
    if task is not None and task not in TASKS:
        raise UserError(f'--data needs a task instead of a config, got {task!r}{did_you_mean(task, TASKS)}')
    if given := [name for name in _OF_CONFIGS if getattr(args, name)] + ['launcher'] * (args.launcher != 'none'):
        raise UserError(f'--{given[0].replace("_", "-")} needs a config and has no effect on a task; leave it out')
    if args.epochs is not None and args.minutes is not None:
        raise UserError('--epochs and --minutes both say how long to train; give one')
    for name in ('epochs', 'minutes'):
        if getattr(args, name) is not None and getattr(args, name) <= 0:
            raise UserError(f'--{name} must be more than 0, got {getattr(args, name)}')
    if args.resume not in (None, 'auto'):
        raise UserError(
            f'--resume {args.resume}: a task continues the training in its work directory; give --work-dir and leave '
            'the checkpoint out'
        )
    if args.patience < 0:
        raise UserError(f'--patience must be 0 or more, got {args.patience}')
    if task is None:
        task, sentence = choose_task(args.data, args.format)
        print(sentence)
    try:
        train_folder(
            task,
            args.data,
            args.work_dir and Path(args.work_dir),
            args.seed,
            args.minutes,
            args.epochs,
            args.arch,
            args.weights,
            args.format,
            args.patience,
            args.resume is not None,
            args.preview,
            bands=args.bands,
        )
    except KeyboardInterrupt as stop:
        if len(stop.args) != 2:  # before the training
            raise
        kept, work_dir = stop.args
        options = ([] if args.work_dir else ['--work-dir', str(work_dir)]) + ([] if args.resume else ['--resume'])
        line = shlex.join([*shlex.split(args.command_line), *options])
        raise KeyboardInterrupt(kept, f'continue with: {line}') from None
