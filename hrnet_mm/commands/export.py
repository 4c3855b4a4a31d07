"""`hrnet-mm export`: a network as a file for another runtime."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'write a network for ONNX Runtime, OpenVINO or torch.export, checked against the network itself'
EXAMPLE = (
    '  hrnet-mm export hrnetv1_w32 pose.onnx --weights pose_hrnet_w32_256x192.pth --dynamic\n'
    '  hrnet-mm export hrnet_w18 w18.xml --weights timm://hrnet_w18.ms_aug_in1k --precision int8 '
    '--calibration images\n'
    '  hrnet-mm export configs/demo/hrnet-c_digits.py digits.pt2 '
    '--weights work_dirs/demo/classification/weights.pth --size 56 56 --aot'
)

_SIZES = {'hrnet': (224, 224), 'hrnetv1': (256, 192), 'hrnetv2': (512, 1024), 'hrnetv2p': (800, 1216)}
"""Height and width that are customary for the task of a readout."""

_NO_NORM = {'mean': 0.0, 'std': 1.0}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm export`."""
    from ..fast.export import MOST_IMAGES

    parser.add_argument(
        'model',
        help='a name such as hrnet_w32; or a config (.py) of mmdet, mmseg, mmpose or mmpretrain, with --weights and '
        '--size: backbone, neck and dense head are exported',
    )
    parser.add_argument('out', type=Path, metavar='OUT', help='where to write: OUT.onnx, OUT.pt2 or OUT.xml')
    parser.add_argument(
        '--weights', metavar='CKPT', help='a checkpoint of any known layout, or of the config (a name: random weights)'
    )
    parser.add_argument(
        '--size', nargs=2, type=int, metavar=('H', 'W'), help="input size (default: a name's customary one)"
    )
    parser.add_argument('--batch', type=int, default=1, metavar='N', help='default: %(default)s')
    parser.add_argument('--dynamic', action='store_true', help='any batch, and any sides from 64 that divide by 32')
    parser.add_argument('--precision', choices=['fp32', 'int8'], default='fp32', help='default: %(default)s')
    parser.add_argument(
        '--calibration',
        type=Path,
        metavar='DIR',
        help=f'for int8: a folder of images like those to come, of which up to {MOST_IMAGES} are read',
    )
    parser.add_argument(
        '--num-classes', type=int, metavar='N', help="of a name: classes, joints or points (default: the checkpoint's)"
    )
    parser.add_argument('--aot', action='store_true', help='OUT.pt2 compiled by AOTInductor, for this machine')


def run(args: argparse.Namespace) -> None:
    """Export a network and say what was done.

    Raises UserError for arguments that do not fit, and EngineError where the file cannot be made, or is not kept.
    """
    import logging

    import torch

    from ..fast.export import IMAGENET, check_format, export, read_images
    from ._warnings import ignore_library_warnings

    ignore_library_warnings()
    logging.getLogger('torch').setLevel(logging.ERROR)
    check_format(args.out, args.precision, args.aot)  # before the minutes that the rest may take
    if args.batch < 1 or (args.size and min(args.size) < 1):
        raise UserError(f'the input must have at least one image and one pixel, got {args.batch} x {args.size}')
    if (args.precision == 'int8') != (args.calibration is not None):
        raise UserError('int8 needs --calibration DIR, a folder of images, and only int8 does')
    if args.model.endswith('.py'):
        model, mean, std = _from_config(args)
        size = args.size
    else:
        model, mean, std = _by_name(args), *IMAGENET
        size = args.size or _SIZES[model.readout]
    model.eval()
    calibration: list[torch.Tensor] = []
    if args.calibration is not None:
        calibration = read_images(args.calibration, size, mean, std)
        # On noise the activations would leave the ranges that were measured on images.
        example = torch.cat([calibration[i % len(calibration)] for i in range(args.batch)])
        if not args.dynamic:
            calibration = [torch.cat([x] * args.batch) for x in calibration]
    else:
        example = torch.randn(args.batch, 3, *size, generator=torch.Generator().manual_seed(0))
    print(export(model, args.out, example, args.precision, args.dynamic, calibration, args.aot))


def _from_config(args: argparse.Namespace) -> tuple[Any, Sequence[float], Sequence[float]]:
    """A config's model, and the mean and standard deviation of the pixels that it is given."""
    if args.num_classes is not None:
        raise UserError(f"--num-classes is for a network by name; {args.model}'s are written in it")
    if args.weights is None or args.size is None:
        raise UserError(f'{args.model} is a config: give its checkpoint with --weights and the input size with --size')
    from ..fast.export import Plain
    from ..inference import open_model

    model = open_model(Path(args.model), None, Path(args.weights), 'cpu').model
    norm = dict(model.data_preprocessor.named_buffers())
    mean, std = (norm[name].flatten().tolist() if name in norm else [neutral] for name, neutral in _NO_NORM.items())
    return Plain(model), mean, std


def _by_name(args: argparse.Namespace) -> Any:
    from ..errors import did_you_mean
    from ..factory import create_model, list_models, load_weights, model_for
    from ..weights import open_checkpoint

    readout = args.model.partition('_')[0]
    if readout not in _SIZES:
        raise UserError(
            f'{args.model} is neither a config (.py) nor a network{did_you_mean(args.model, list_models())}'
        )
    num_classes = args.num_classes
    if args.weights is not None and num_classes is None:
        found, _ = model_for(open_checkpoint(args.weights)[0].state_dict)
        num_classes = found.num_classes if found.readout == readout else None
    model: Any = create_model(args.model, num_classes=num_classes)
    print(f'{args.model} with random weights' if args.weights is None else load_weights(model, args.weights))
    return model
