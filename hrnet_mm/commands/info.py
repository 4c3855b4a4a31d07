"""`hrnet-mm info`: parameters, MACs and output maps of an architecture."""

import argparse

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'print parameters, MACs and output maps of an architecture for each readout'
EXAMPLE = '  hrnet-mm info w32\n  hrnet-mm info hrnetv2_w48 --size 512 1024'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm info`."""
    parser.add_argument('model', metavar='MODEL', help='a name that hrnet-mm list shows, or any w<N>')
    parser.add_argument(
        '--size', nargs=2, type=int, default=(224, 224), metavar=('H', 'W'), help='input size (default: 224 224)'
    )


def run(args: argparse.Namespace) -> None:
    """Print a row for the backbone and each readout; for the name of a network, only its own readout.

    Raises:
        UserError: The architecture is unknown, or a side is shorter than one pixel.
    """
    from ..models.cost import readouts
    from ..models.network import READOUTS

    readout, _, arch = args.model.partition('_')
    if readout not in READOUTS:  # the name of an architecture, without a readout
        readout, arch = '', args.model
    shown = ('backbone', readout) if readout else ('backbone', *READOUTS)
    height, width = args.size
    print(f'{args.model}, input 3 x {height} x {width}; MACs are multiply-adds, 1 GiMAC = 2**30 MACs')
    print(f'{"readout":9} {"parameters":>12} {"MACs":>16} {"GiMACs":>8}  maps (channels x height x width)')
    for row in readouts(arch.replace('_', '-'), (height, width)):
        if row.name in shown:
            maps = ', '.join(' x '.join(map(str, shape)) for shape in row.shapes)
            print(f'{row.name:9} {row.parameters:12,} {row.macs:16,} {row.macs / 2**30:8.3f}  {maps}')
