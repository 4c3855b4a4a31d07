"""`hrnet-mm list`: the architectures."""

import argparse
import fnmatch

from ..errors import UserError

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'list the architectures'
EXAMPLE = "  hrnet-mm list\n  hrnet-mm list 'w*b'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm list`."""
    parser.add_argument('pattern', nargs='?', default='*', help="which names, such as '*small*' (default: all)")


def run(args: argparse.Namespace) -> None:
    """Print the names that match the pattern, with the channels of each stream.

    Raises UserError if none does.
    """
    from ..errors import did_you_mean
    from ..models import ARCHS

    names = fnmatch.filter(ARCHS, args.pattern)
    if not names:
        nearest = did_you_mean(args.pattern, ARCHS)
        raise UserError(f'no architecture is called {args.pattern!r}{nearest}, or any w<N>')
    print(f'{"name":14} channels of the four streams')
    for name in names:
        print(f'{name:14} {" ".join(f"{channels:4}" for channels in ARCHS[name].out_channels)}')
    if args.pattern == '*':
        print("and w<N> for any width N, and test-w<N> for tiny networks to test with; 'hrnet-mm info NAME' says more")
