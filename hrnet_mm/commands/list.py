"""`hrnet-mm list`: names of architectures and networks."""

import argparse
import fnmatch

from ..errors import UserError, did_you_mean

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'list the names of architectures and networks, each of which every command takes as MODEL'
EXAMPLE = "  hrnet-mm list\n  hrnet-mm list 'w*b'\n  hrnet-mm list 'hrnetv1_*'"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm list`."""
    parser.add_argument('pattern', nargs='?', default='*', help="a pattern of names, such as '*small*' (default: all)")


def run(args: argparse.Namespace) -> None:
    """Print the matching architectures, the channels of their branches, and their networks.

    Raises:
        UserError: No name matches.
    """
    from ..factory import list_models
    from ..models import ARCHS

    names = [*ARCHS, *list_models()]
    chosen = fnmatch.filter(names, args.pattern)
    if not chosen:
        raise UserError(f'no network is called {args.pattern!r}{did_you_mean(args.pattern, names)}, or any w<N>')
    print(f'{"backbone":14} channels of the branches  networks')
    for name, arch in ARCHS.items():
        networks = [network for network in list_models(f'*_{name}') if name in chosen or network in chosen]
        if networks:
            channels = ' '.join(f'{channels:4}' for channels in arch.out_channels)
            print(f'{name:14} {channels:24}  {" ".join(networks)}')
    if args.pattern == '*':
        print("and w<N> for any width N, and test-w<N> for tiny test networks; 'hrnet-mm info NAME' shows details")
