"""`hrnet-mm benchmark`: times of networks in every engine, interleaved with other implementations."""

import argparse

from ._network import add_network_arguments
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'time networks in every engine, interleaved with other implementations, and print the ratios'
EXAMPLE = (
    '  hrnet-mm benchmark hrnetv1_w32 --engines plain eager openvino openvino:bf16 --against mmpose resnet50\n'
    '  hrnet-mm benchmark hrnetv1_w32 --train --batch 8 --engines plain compile --against mmpose'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm benchmark`."""
    from ..benchmark.peers import PEERS
    from ..benchmark.run import PLAIN
    from ..fast.engines import ENGINES

    add_network_arguments(parser)
    parser.add_argument('--size', nargs=2, type=int, default=(256, 192), metavar=('H', 'W'), help='(default: 256 192)')
    parser.add_argument('--batch', type=int, default=1, help='images in a call (default: 1)')
    parser.add_argument('--num-classes', type=int, help='classes, keypoints or landmarks (default: of the model)')
    parser.add_argument(
        '--engines',
        nargs='+',
        default=['plain', 'eager'],
        metavar='ENGINE[:PRECISION]',
        help=f'{PLAIN}, {", ".join(ENGINES)}; with :bf16, :fp16 or :int8 (default: plain eager)',
    )
    parser.add_argument(
        '--against',
        nargs='+',
        default=[],
        metavar='PEER[@ENGINE]',
        help=f'{", ".join(PEERS)}, or a config such as mmpose::...; ratios refer to the first (default: none)',
    )
    parser.add_argument('--part', choices=['neck', 'head'], help='measure only the neck or head, on branch outputs')
    parser.add_argument(
        '--train', action='store_true', help='time training steps; engines: plain, eager, compile, native; with :bf16'
    )
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--threads', type=int, help="the number of PyTorch's threads (default: unchanged)")
    parser.add_argument('--repeats', type=int, default=20, help='timed calls of each network (default: 20)')
    parser.add_argument('--out', metavar='FILE.csv', help='append the rows to this results file')


def run(args: argparse.Namespace) -> int:
    """Measure, print a table, and append the rows to the results file.

    Returns:
        1 if a requested engine or peer could not run.

    Raises:
        UserError: A name is unknown.
    """
    import torch

    from ..benchmark.measure import write_csv
    from ..benchmark.run import benchmark, print_table

    ignore_library_warnings()
    if args.threads:
        torch.set_num_threads(args.threads)
    rows, refused = benchmark(
        args.model,
        args.size,
        args.batch,
        args.num_classes,
        args.engines,
        args.against,
        args.part,
        args.train,
        args.device,
        args.repeats,
        args.weights,
        args.raw,
    )
    print_table(rows)
    for name, why in refused.items():
        print(f'{name} could not run: {why}')
    if args.out:
        write_csv(rows, args.out)
    return 1 if refused else 0
