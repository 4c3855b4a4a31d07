"""`hrnet-mm suggest`: images to label next."""

import argparse
import sys
from pathlib import Path

from ..errors import UserError
from ._network import add_raw_argument
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'list images of different kinds that a trained network is uncertain of, to label next'
EXAMPLE = '  hrnet-mm suggest new_images --model work_dirs/own/pose/weights.pth --labeled my_images'

_COUNT = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm suggest`."""
    parser.add_argument('data', nargs='+', type=Path, metavar='DIR', help='images, or folders of images at any depth')
    parser.add_argument('--model', required=True, metavar='FILE', help='weights that hrnet-mm train TASK --data wrote')
    parser.add_argument('--count', type=int, default=_COUNT, metavar='N', help='the most images (default: %(default)s)')
    parser.add_argument(
        '--labeled',
        type=Path,
        metavar='DIR',
        help='the labeled images, in any annotation format: neither they nor near-copies of them are suggested',
    )
    parser.add_argument(
        '--out', type=Path, default=Path('work_dirs', 'suggest'), metavar='DIR', help='default: %(default)s'
    )
    parser.add_argument('--score', type=float, default=0.3, help='lowest score that is drawn (default: %(default)s)')
    add_raw_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Print the images, and write `suggestions.csv`, `suggestions.txt` and the contact sheet `suggestions.png`.

    Raises:
        UserError: The arguments or the labels have mistakes.
    """
    if args.count < 1:
        raise UserError(f'--count must be 1 or more, got {args.count}')
    from ..inference.suggest import draw_suggestions, suggest_images
    from ..weights.tables import write_rows

    ignore_library_warnings()
    chosen, errors, predictor = suggest_images(args.data, args.model, args.count, args.labeled, args.raw)
    for file, reason in errors.items():
        print(f'{file}: {reason}', file=sys.stderr)
    if not chosen:
        raise UserError(f'every image is a near-copy of one in {args.labeled}; add images of other kinds')
    print(f'calibrated: {predictor.calibrated}' if predictor.calibrated else 'not calibrated: scores only rank')
    args.out.mkdir(parents=True, exist_ok=True)
    table, names, sheet = (args.out / f'suggestions.{suffix}' for suffix in ('csv', 'txt', 'png'))
    write_rows(
        table,
        [
            {'rank': rank, 'image': one.image, 'uncertainty': round(one.uncertainty, 4)}
            for rank, one in enumerate(chosen, 1)
        ],
    )
    names.write_text(''.join(f'{one.image}\n' for one in chosen), encoding='utf-8')
    draw_suggestions(chosen, predictor, args.score, sheet)
    for one in chosen:
        print(f'{one.uncertainty:.3f}  {one.image}')
    if len(chosen) < args.count:
        print(f'{len(chosen)} of {args.count}: the other images are near-copies')
    print(f'wrote {table}, {names} and {sheet}')
