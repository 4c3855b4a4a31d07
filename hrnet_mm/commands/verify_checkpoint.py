"""`hrnet-mm verify-checkpoint`: layout and completeness of a checkpoint, and a run of its network."""

import argparse

from ..errors import UserError
from ._network import add_network_arguments

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'print the layout of a checkpoint, check that it is complete, and run its network once'
EXAMPLE = '  hrnet-mm verify-checkpoint hrnetv2_w48_imagenet_pretrained.pth'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm verify-checkpoint`."""
    add_network_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Print the layout and the keys of a checkpoint, check that it is complete, and run the network once.

    Raises:
        CheckpointError: The file is not a whole HRNet.
        UserError: The arguments name no checkpoint.
    """
    import torch

    from ..annotations import listed
    from ..inference import open_network
    from ..models import HRNet
    from ..weights import CheckpointError
    from ..weights.key_maps import LAYOUTS

    opened = open_network(args.model, args.weights, use_config=False, raw=args.raw)
    converted, model = opened.conversion, opened.network
    if converted is None or opened.checkpoint is None:
        raise UserError(f'{args.model} is not a checkpoint; give one, or a name with --weights FILE')
    file, channels = opened.checkpoint.path, opened.in_channels
    prefix = 'backbone.' if isinstance(model, HRNet) else ''
    if missing := [name for name in model.state_dict() if prefix + name not in converted.state_dict]:
        raise CheckpointError(f'{file} lacks {len(missing)} keys of {opened.name}, such as {missing[0]}')
    with torch.no_grad():
        outputs = model(torch.randn(1, channels, 128, 96, generator=torch.Generator().manual_seed(0)))
    maps = outputs if isinstance(outputs, tuple) else (outputs,)
    if not all(m.isfinite().all() for m in maps):
        raise CheckpointError(
            f'{opened.checkpoint.path} is complete, but its network returns NaN or infinity on random noise; '
            'use an earlier checkpoint'
        )
    print(f'layout     {converted.source} ({LAYOUTS[converted.source].about})')
    classes = getattr(model, 'num_classes', 0) or 'no'
    print(f'network    {opened.name}, {channels} input channels, {classes} classes, keypoints or landmarks')
    if (spec := opened.spec) is not None:
        names = f'classes {listed(spec.classes)}' if not spec.keypoints else f'keypoints {listed(spec.keypoints)}'
        print(f'trained    {spec.task} on {spec.network}, input {spec.input_size[0]}x{spec.input_size[1]}, {names}')
    parameters = sum(p.numel() for p in model.parameters())
    print(f'keys       {converted.used} of {converted.given} used; {parameters:,} parameters')
    for why, count in converted.dropped.items():
        print(f'dropped    {count} keys: {why}')
    for change in converted.changes:
        print(f'changed    {change}')
    if rest := len(converted.state_dict) - len(model.state_dict()):
        print(f'not run    {rest} keys of heads that only OpenMMLab builds')
    shapes = ', '.join('x'.join(map(str, m.shape)) for m in maps)
    print(f'forward    noise 1x{channels}x128x96 to {shapes}, mean {float(maps[0].mean()):.4g}, all finite')
    print('complete   the checkpoint has every key of the network in the right shape')
