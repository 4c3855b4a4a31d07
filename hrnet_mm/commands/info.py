"""`hrnet-mm info`: parameters, MACs and output maps of an architecture."""

import argparse

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'parameters, MACs and output maps of an architecture for each readout'
EXAMPLE = '  hrnet-mm info w32\n  hrnet-mm info w48 --size 512 1024'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm info`."""
    parser.add_argument('arch', help='a name that hrnet-mm list shows, or any w<N>')
    parser.add_argument(
        '--size', nargs=2, type=int, default=(224, 224), metavar=('H', 'W'), help='input size (default: 224 224)'
    )


def run(args: argparse.Namespace) -> None:
    """Print a row for the backbone and each readout.

    Raises UserError for an unknown architecture or a size below one pixel.
    """
    from ..models.cost import readouts

    height, width = args.size
    print(f'{args.arch}, input 3 x {height} x {width}; MACs are multiply-adds, 1 GiMAC = 2**30 MACs')
    print(f'{"readout":9} {"parameters":>12} {"MACs":>16} {"GiMACs":>8}  maps (channels x height x width)')
    for readout in readouts(args.arch, (height, width)):
        maps = ', '.join(' x '.join(map(str, shape)) for shape in readout.shapes)
        print(f'{readout.name:9} {readout.parameters:12,} {readout.macs:16,} {readout.macs / 2**30:8.3f}  {maps}')
