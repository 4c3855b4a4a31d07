"""`hrnet-mm verify-checkpoint`: what a checkpoint is, whether it is complete, and whether its network runs."""

import argparse

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'say what a checkpoint is and whether it is complete, and run its network once'
EXAMPLE = '  hrnet-mm verify-checkpoint hrnetv2_w48_imagenet_pretrained.pth'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm verify-checkpoint`."""
    parser.add_argument('file', help='a checkpoint: a path, an address, or a name such as hrnet://w32-imagenet')
    parser.add_argument('--trusted', action='store_true', help='you trust the file (asked for by torch before 2.10)')


def run(args: argparse.Namespace) -> None:
    """Say what a file is and whether it is complete, and run the network once.

    Raises CheckpointError if it is not a whole HRNet.
    """
    import torch

    from ..factory import model_for
    from ..weights import CheckpointError, open_checkpoint
    from ..weights.key_maps import LAYOUTS

    converted, _ = open_checkpoint(args.file, args.trusted)
    model, rest = model_for(converted.state_dict)
    model.eval()
    channels = model.in_channels
    with torch.no_grad():
        outputs = model(torch.randn(1, channels, 128, 96, generator=torch.Generator().manual_seed(0)))
    maps = outputs if isinstance(outputs, tuple) else (outputs,)
    if not all(m.isfinite().all() for m in maps):
        raise CheckpointError(f'{args.file} is complete, but its network gives NaN or infinity on random noise')
    print(f'layout     {converted.source} ({LAYOUTS[converted.source].about})')
    print(f'network    {model.name}, {channels} input channels, {model.num_classes or "no"} classes, joints or points')
    parameters = sum(p.numel() for p in model.parameters())
    print(f'keys       {converted.used} of {converted.given} used; {parameters:,} parameters')
    for why, count in converted.dropped.items():
        print(f'dropped    {count} keys: {why}')
    for change in converted.changes:
        print(f'changed    {change}')
    if rest:
        print(f'not run    {rest} keys of heads that only OpenMMLab builds')
    shapes = ', '.join('x'.join(map(str, m.shape)) for m in maps)
    print(f'forward    1x{channels}x128x96 of noise gives {shapes}, mean {float(maps[0].mean()):.4g}, all finite')
    print('complete   every key of the network is there, in its shape')
