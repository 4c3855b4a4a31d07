"""`hrnet-mm labels`: labels of a folder drawn, or written in another annotation format."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import UserError

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'draw the labels of a folder, or write them in another annotation format'
EXAMPLE = '  hrnet-mm labels show my_images\n  hrnet-mm labels convert my_images my_yolo --to yolo'

_COUNT = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm labels`."""
    actions = parser.add_subparsers(title='actions', dest='action', metavar='ACTION', required=True)
    show = actions.add_parser('show', help='write a picture of some images with their labels drawn')
    show.add_argument('data', type=Path, metavar='DIR', help='a folder of labeled images')
    show.add_argument('--out', type=Path, metavar='FILE', help='the picture (default: labels_DIR.png)')
    show.add_argument('--count', type=int, default=_COUNT, metavar='N', help='the most images (default: %(default)s)')
    convert = actions.add_parser('convert', help='write the images and labels of a folder in another format')
    convert.add_argument('data', type=Path, metavar='IN', help='a folder of labeled images')
    convert.add_argument('out', type=Path, metavar='OUT', help='the new folder')
    convert.add_argument('--to', required=True, metavar='FORMAT', help='its format, such as coco or yolo')
    for one in (show, convert):
        one.add_argument('--format', metavar='FORMAT', help='that of the labels (default: found by their content)')


def run(args: argparse.Namespace) -> None:
    """Draw or convert, and print what was read, what the new format cannot hold, and the files.

    Raises:
        UserError: The labels or the arguments have mistakes.
    """
    {'show': _show, 'convert': _convert}[args.action](args)


def _show(args: argparse.Namespace) -> None:
    from ..datasets.convert import read_all
    from ..datasets.formats import about
    from ..datasets.sheet import draw_sheet

    if args.count < 1:
        raise UserError(f'--count must be 1 or more, got {args.count}')
    out = args.out or Path(f'labels_{args.data.resolve().name}.png')
    if out.suffix.lower() not in ('.jpg', '.jpeg', '.png', '.webp'):
        raise UserError(f'--out {out}: the name must end in .png, .jpg or .webp')
    form, parts, warnings = read_all(args.data, args.format)
    print(about(form, parts))
    _warn(warnings)
    number = draw_sheet(args.data, parts, out, args.count)
    print(f'wrote {out}: {number} of {sum(len(content["images"]) for content in parts.values())} images')


def _convert(args: argparse.Namespace) -> None:
    from ..datasets.convert import convert

    about, lost, warnings = convert(args.data, args.out, args.to, args.format)
    print(about)
    _warn(warnings)
    for what, count in lost.items():
        print(f'not kept by {args.to}: {what} ({count})')
    print(f'wrote {args.out}' + ('' if lost else '; nothing is lost'))


def _warn(warnings: Any) -> None:
    for sentence in warnings:
        print(f'warning: {sentence}')
