"""`hrnet-mm predict`: predictions of a trained model of any task on images."""

import argparse
from pathlib import Path

from ._network import add_network_arguments
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'answer and draw images with a trained model of any task, in one process or many, resumable'
EXAMPLE = (
    '  hrnet-mm predict work_dirs/demo/instances/weights.pth --data images --out work_dirs/found\n'
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
        help='images, or folders with all below them',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='where answers and pictures go; a run that was interrupted goes on there',
    )
    parser.add_argument(
        '--score', type=float, default=0.3, help='draw what has at least this score (default: %(default)s)'
    )
    parser.add_argument('--no-pictures', action='store_true', help='write the answers alone')
    parser.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE',
        help='for top-down pose models: the predictions.jsonl of a detector on the same images, of which the boxes of '
        'at least --score are taken (default: one box, the whole image)',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images at once (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=0, help='processes that read images (default: %(default)s)')
    parser.add_argument(
        '--launcher', choices=('none', 'pytorch', 'slurm'), default='none', help='what started the processes, if many'
    )


def run(args: argparse.Namespace) -> int:
    """Answer every image exactly once and merge the answers when all have one; unreadable images are told and counted.

    Returns 1 if no image could be read. Raises UserError for arguments that do not fit.
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
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(*stop.args, f'continue with: {args.command_line}') from None
    return 0 if any_was_read else 1
