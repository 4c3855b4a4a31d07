"""`hrnet-mm predict`: predictions of a trained model of any task on images and videos."""

import argparse
from pathlib import Path

from ..errors import UserError
from ._network import add_network_arguments
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'predict on images or videos with a trained model of any task, in one process or many, resumable'
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
        metavar='IMAGE|DIR|VIDEO',
        help='images, or folders of images at any depth; or videos (mp4, avi, webm, ...)',
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
        '--window',
        type=int,
        metavar='PIXELS',
        help='side of the windows by which classes of pixels and objects of large images are predicted, in pixels of '
        "the network's input; 0 for whole images (default: 1280 for images of more than 8 million pixels)",
    )
    parser.add_argument(
        '--overlap',
        type=int,
        metavar='PIXELS',
        help='what a window sees beyond the part that it decides on (default: 256)',
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
    """Predict on every image or frame exactly once; see `inference.predict_images` and `inference.predict_videos`.

    Returns:
        1 if no image was readable, or not every frame of a video.

    Raises:
        UserError: The arguments do not fit.
        KeyboardInterrupt: After Ctrl-C; the message says how to continue.
    """
    from ..inference import predict_images
    from ..tracking.video import is_video

    ignore_library_warnings()
    videos = [path for path in args.data if is_video(path)]
    if videos:
        return _run_videos(args, videos)
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
            args.window,
            args.overlap,
            args.format,
        )
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(*stop.args, f'continue with: {args.command_line}') from None
    return 0 if any_was_read else 1


def _run_videos(args: argparse.Namespace, videos: list[Path]) -> int:
    from ..inference import predict_videos

    if len(videos) < len(args.data):
        raise UserError(f'--data: {videos[0]} is a video, and others are not; predict on images and videos in turn')
    if args.format != 'json':
        raise UserError(f'--data {videos[0]}: --format {args.format} is for images; a video has a table of its own')
    if args.workers or args.launcher != 'none' or args.window is not None or args.overlap is not None:
        raise UserError(
            f'--data {videos[0]}: --workers, --launcher, --window and --overlap are for images; leave them out'
        )
    all_were_read = predict_videos(
        videos,
        args.out,
        args.model,
        args.weights,
        args.score,
        not args.no_pictures,
        args.boxes,
        args.batch_size,
        args.raw,
    )
    return 0 if all_were_read else 1
