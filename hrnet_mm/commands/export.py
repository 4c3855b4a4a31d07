"""`hrnet-mm export`: export of a network to a file for another runtime."""

import argparse
import sys
from pathlib import Path

from ..errors import UserError
from ._network import add_network_arguments
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'export a network for ONNX Runtime, OpenVINO, MNN, ncnn or torch.export, and compare its outputs'
EXAMPLE = (
    '  hrnet-mm export hrnetv1_w32 --weights pose_hrnet_w32_256x192.pth --out pose.onnx --dynamic\n'
    '  hrnet-mm export timm://hrnet_w18.ms_aug_in1k --out w18.xml --precision int8 '
    '--calibration images\n'
    '  hrnet-mm export work_dirs/demo/classification/weights.pth --out digits.pt2 --aot'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm export`."""
    from ..fast.export import MOST_IMAGES

    add_network_arguments(parser)
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='FILE',
        help='the file to write: FILE.mnn, FILE.onnx, FILE.param (ncnn), FILE.pt2 or FILE.xml (OpenVINO)',
    )
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('H', 'W'),
        help="input size (default: the checkpoint's, or the task's customary size)",
    )
    parser.add_argument('--batch', type=int, default=1, metavar='N', help='default: %(default)s')
    parser.add_argument('--dynamic', action='store_true', help='any batch, and any sides from 64 that divide by 32')
    parser.add_argument('--precision', choices=['fp32', 'int8'], default='fp32', help='default: %(default)s')
    parser.add_argument(
        '--calibration',
        type=Path,
        metavar='DIR',
        help=f'for int8: a folder of representative images, of which up to {MOST_IMAGES} are read',
    )
    parser.add_argument(
        '--num-classes', type=int, metavar='N', help='classes, keypoints or landmarks (default: of the checkpoint)'
    )
    parser.add_argument('--aot', action='store_true', help='FILE.pt2 compiled by AOTInductor, for this machine')


def run(args: argparse.Namespace) -> None:
    """Export a network, and print the differences of its outputs.

    Raises:
        UserError: The arguments do not fit.
        EngineError: The export fails, or its outputs differ too much.
    """
    import logging

    import torch

    from ..fast.export import check_format, export, read_images
    from ..inference import open_network

    ignore_library_warnings()
    logging.getLogger('torch').setLevel(logging.ERROR)
    check_format(args.out, args.precision, args.aot)  # before an export that may take minutes
    if args.batch < 1 or (args.size and min(args.size) < 1):
        raise UserError(f'the input must have at least one image and one pixel, got {args.batch} x {args.size}')
    if (args.precision == 'int8') != (args.calibration is not None):
        raise UserError('int8 needs --calibration DIR, a folder of images; give both or neither')
    opened = open_network(args.model, args.weights, num_classes=args.num_classes, raw=args.raw)
    opened.require_filled()
    size = args.size or opened.preprocessing.size
    if size is None:
        raise UserError(f'{args.model} has a config, which does not state the size for an export; give --size H W')
    print(opened.report)
    spec = opened.spec
    if spec is not None and not spec.takes_any_size and tuple(size) != spec.input_size:
        print(
            f'warning: --size {size[0]} {size[1]} is not the size that the network was trained at, '
            f'{spec.input_size[0]} {spec.input_size[1]}, so its outputs may be worse; leave --size out',
            file=sys.stderr,
        )
    model = opened.as_tensors()
    calibration: list[torch.Tensor] = []
    if args.calibration is not None:
        bands = spec.reads if spec is not None else None
        channels = 3 if bands is None else len(bands.numbers)
        if opened.in_channels != channels:
            raise UserError(
                f'--calibration: images have {channels} channels, and {args.model} takes {opened.in_channels}'
            )
        mean, std = opened.preprocessing.mean, opened.preprocessing.std
        calibration = read_images(args.calibration, size, mean, std, bands)
        # The activations of noise would exceed the ranges measured on images.
        example = torch.cat([calibration[i % len(calibration)] for i in range(args.batch)])
        if not args.dynamic:
            calibration = [torch.cat([x] * args.batch) for x in calibration]
    else:
        example = torch.randn(args.batch, opened.in_channels, *size, generator=torch.Generator().manual_seed(0))
    metadata = opened.export_metadata(size)
    print(export(model, args.out, example, args.precision, args.dynamic, calibration, args.aot, metadata=metadata))
    print(f'metadata: {", ".join(metadata)}')
