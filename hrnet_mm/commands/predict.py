"""`hrnet-mm predict`: predictions of a trained model of any task on images."""

import argparse
from pathlib import Path

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'answer and draw images with a trained model of any task, in one process or many, resumable'
EXAMPLE = (
    '  hrnet-mm predict images --model work_dirs/demo/instances/weights.pth --out work_dirs/found\n'
    '  torchrun --nproc_per_node=8 -m hrnet_mm.cli predict images --model weights.pth --out found '
    '--launcher pytorch --workers 4 --no-pictures'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm predict`."""
    parser.add_argument(
        'images', nargs='+', type=Path, metavar='IMAGE|DIR', help='files, or folders with all below them'
    )
    parser.add_argument(
        '--model', type=Path, required=True, metavar='FILE', help='a checkpoint, or a config (.py) with --checkpoint'
    )
    parser.add_argument('--config', type=Path, help='for a checkpoint that does not hold its config')
    parser.add_argument('--checkpoint', type=Path, help='the weights, where --model is a config')
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

    Raises UserError for arguments that do not fit.
    """
    from ..inference import predict_images
    from ._warnings import ignore_library_warnings

    ignore_library_warnings()
    answered = predict_images(
        args.images,
        args.out,
        args.model,
        args.config,
        args.checkpoint,
        args.score,
        not args.no_pictures,
        args.boxes,
        args.batch_size,
        args.workers,
        args.launcher,
    )
    return 0 if answered else 1
