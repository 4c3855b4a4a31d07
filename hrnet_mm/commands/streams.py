"""`hrnet-mm streams`: a picture of what the network keeps at each of its four resolutions, after each stage."""

import argparse
from pathlib import Path

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'draw what the network keeps at each of its four resolutions, after each stage'
EXAMPLE = (
    '  hrnet-mm streams image.png --model work_dirs/demo/segmentation/weights.pth\n'
    '  hrnet-mm streams image.png --model timm://hrnet_w18.ms_aug_in1k --out streams.png'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm streams`."""
    parser.add_argument('image', type=Path)
    parser.add_argument(
        '--model',
        default='hrnet_w18',
        metavar='NAME|FILE',
        help='a checkpoint of any known layout, a name of published weights, or an architecture such as hrnet_w32 '
        'with random weights (default: %(default)s)',
    )
    parser.add_argument('--config', type=Path, help="the checkpoint's config, whose test pipeline prepares the image")
    parser.add_argument('--out', type=Path, metavar='FILE.png', help='default: IMAGE_streams.png in this folder')


def run(args: argparse.Namespace) -> None:
    """Draw one image's streams and print the name of the file.

    Raises UserError for an image or a model that cannot be read.
    """
    from ..inference.streams import draw_streams
    from ._warnings import ignore_library_warnings

    ignore_library_warnings()
    file = args.out or Path(f'{args.image.stem}_streams.png')
    draw_streams(args.image, args.model, args.config, file)
    print(file)
