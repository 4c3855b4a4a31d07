"""`hrnet-mm predict`: predictions of a trained model of any task on images."""

import argparse
from pathlib import Path

from ._network import add_network_arguments
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'predict on images with a trained model of any task, in one process or many, resumable'
EXAMPLE = (
    '  hrnet-mm predict work_dirs/demo/instances/weights.pth --data images\n'
    '  torchrun --nproc_per_node=8 -m hrnet_mm.cli predict config.py --weights weights.pth --data images --out found '
    '--launcher pytorch --workers 4 --no-pictures'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm predict`."""
    add_network_arguments(parser)
    parser.add_argument(
        '--data',
        nargs='+',
        type=Path,
        required=True,
        metavar='IMAGE|DIR',
        help='images, or folders of images at any depth',
    )
    parser.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        help='folder of predictions and pictures; an interrupted run continues there (default: work_dirs/predict, or '
        'work_dirs/predict_2 and so on where that holds predictions of another model)',
    )
    parser.add_argument('--score', type=float, default=0.3, help='lowest score that is drawn (default: %(default)s)')
    parser.add_argument('--no-pictures', action='store_true', help='write only the predictions')
    parser.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE',
        help='for top-down pose models: the predictions.jsonl of a detector on the same images, whose boxes with at '
        'least --score are used (default: one box, the whole image)',
    )
    parser.add_argument(
        '--format',
        choices=('json', 'deeplabcut'),
        default='json',
        help="deeplabcut: poses in a predictions.csv of DeepLabCut's form too (default: %(default)s)",
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images in a batch (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=0, help='processes that read images (default: %(default)s)')
    parser.add_argument(
        '--launcher', choices=('none', 'pytorch', 'slurm'), default='none', help='the launcher of several processes'
    )


def run(args: argparse.Namespace) -> int:
    """Predict on every image exactly once; see `inference.predict_images`.

    Returns:
        1 if no image was readable.

    Raises:
        UserError: The arguments do not fit.
        KeyboardInterrupt: After Ctrl-C; the message says how to continue.
    """
    from ..inference import predict_images

    ignore_library_warnings()
    try:
        any_was_read = predict_images(
            args.data,
            args.out,
            args.model,
            args.weights,
            args.score,
            not args.no_pictures,
            args.boxes,
            args.batch_size,
            args.workers,
            args.launcher,
            args.raw,
            args.format,
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(*stop.args, f'continue with: {args.command_line}') from None
    return 0 if any_was_read else 1
