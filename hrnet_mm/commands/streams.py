"""`hrnet-mm streams`: picture of the four branches after each stage."""

import argparse
from pathlib import Path

from ._network import add_network_arguments
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = "draw the maps of a network's four branches after each stage"
EXAMPLE = (
    '  hrnet-mm streams work_dirs/demo/segmentation/weights.pth --data image.png\n'
    '  hrnet-mm streams timm://hrnet_w18.ms_aug_in1k --data image.png --out streams.png'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm streams`."""
    add_network_arguments(parser)
    parser.add_argument('--data', type=Path, required=True, metavar='IMAGE')
    parser.add_argument('--out', type=Path, metavar='FILE.png', help='default: IMAGE_streams.png in this folder')


def run(args: argparse.Namespace) -> None:
    """Draw the branches for one image, and print the name of the file.

    Raises:
        UserError: The image or the model cannot be read.
    """
    from ..inference.streams import draw_streams

    ignore_library_warnings()
    file = args.out or Path(f'{args.data.stem}_streams.png')
    draw_streams(args.data, args.model, args.weights, file, args.raw)
    print(file)
