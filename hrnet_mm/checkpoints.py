"""The commands `hrnet-mm convert` and `hrnet-mm verify-checkpoint`."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .models import ARCHS, Arch, HRNetModel, Stage, get_arch
from .models.archs import EXPANSION
from .weights.convert import LAYOUTS, convert
from .weights.io import CheckpointError, read_checkpoint, require_finite, state_dict_of, write_checkpoint
from .weights.load import fill, open_checkpoint, part, resolve

__all__ = [
    'add_convert_arguments',
    'add_verify_checkpoint_arguments',
    'convert_file',
    'infer_arch',
    'model_for',
    'verify_checkpoint',
]


def add_convert_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hrnet-mm convert`."""
    parser.add_argument(
        'input', help='a checkpoint: a path, an address, or a name such as timm://hrnet_w32.ms_aug_in1k'
    )
    parser.add_argument('output', help='where to write: a path ending in .safetensors, or in .pth for mmengine')
    parser.add_argument('--to', required=True, metavar='LAYOUT', help=f'one of {", ".join(LAYOUTS)}')
    parser.add_argument(
        '--from', dest='source', metavar='LAYOUT', help='layout of the input (default: found by its keys)'
    )
    parser.add_argument('--backbone-only', action='store_true', help='leave neck and heads out')
    parser.add_argument('--trusted', action='store_true', help='you trust the input (asked for by torch before 2.10)')


def convert_file(args: argparse.Namespace) -> None:
    """Convert a file and print what was found, used, dropped and changed.

    Raises CheckpointError if anything is left unexplained.
    """
    if Path(args.output).suffix not in ('.safetensors', '.pth'):
        raise CheckpointError(f'{args.output}: the name must end in .safetensors or .pth')
    path, _ = resolve(args.input)
    state = state_dict_of(read_checkpoint(path, trusted=args.trusted), path)
    require_finite(state, path)
    result = convert(state, args.to, args.source, args.backbone_only)
    write_checkpoint(args.output, result.state_dict, {'layout': args.to, 'converted_from': result.source})
    print(f'found   {result.source} ({LAYOUTS[result.source].about})')
    print(f'used    {result.used} of {result.given} keys')
    for why, count in result.dropped.items():
        print(f'dropped {count} keys: {why}')
    for change in result.changes:
        print(f'changed {change}')
    print(f'wrote   {args.output}: {len(result.state_dict)} keys as {args.to}')


def add_verify_checkpoint_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `hrnet-mm verify-checkpoint`."""
    parser.add_argument('file', help='a checkpoint: a path, an address, or a name such as hrnet://w32-imagenet')
    parser.add_argument('--trusted', action='store_true', help='you trust the file (asked for by torch before 2.10)')


def verify_checkpoint(args: argparse.Namespace) -> None:
    """Say what a file is and whether it is complete, and run the network once.

    Raises CheckpointError if it is not a whole HRNet.
    """
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


def model_for(state: Mapping[str, Tensor]) -> tuple[HRNetModel, int]:
    """The network that weights in this package's layout are of, with them in it, and how many keys it has no use for.

    Raises CheckpointError if they are of no whole HRNet.
    """
    body = part(state, 'backbone')
    arch = infer_arch(body)
    name = next((n for n in [*ARCHS, *_spelt(arch)] if get_arch(n) == arch), None)
    if name is None:
        raise CheckpointError(f'the backbone is of an architecture without a name: {arch}')
    head = part(state, 'head')
    if 'fc.weight' in head and part(state, 'neck'):
        readout = 'hrnet'
    elif 'convs.0.conv.weight' in head:
        readout = 'hrnetv2'
    elif 'neck.reduction_conv.conv.weight' in state:
        readout, head = 'hrnetv2p', {}
    else:
        single = f'stage4.{arch.stage4.num_modules - 1}.fuse_layers.1.0.0.0.weight' not in body
        readout = 'hrnetv1' if 'final_layer.weight' in head or single else 'hrnetv2'
    last = head.get('fc.weight', head.get('final_layer.weight'))
    model = HRNetModel(f'{readout}_{name}', 0 if last is None else len(last), body['conv1.weight'].shape[1])
    used = fill(model.backbone, body, 'the backbone')
    for what, module in (('neck', model.neck), ('head', model.head)):
        if module is not None:
            used += fill(module, part(state, what), f'the {what}')
    return model, len(state) - used


def infer_arch(body: Mapping[str, Tensor]) -> Arch:
    """The architecture of a backbone, read off its names and shapes.

    Raises CheckpointError if they are not those of an HRNet.
    """

    def count(prefix: str) -> int:
        return len({n[len(prefix) :].split('.', 1)[0] for n in body if n.startswith(prefix)})

    def stage(i: int) -> Stage:
        branches = range(count(f'stage{i}.0.branches.'))
        first = [f'stage{i}.0.branches.{b}.' for b in branches]
        block = 'BOTTLENECK' if f'{first[0]}0.conv3.weight' in body else 'BASIC'
        return Stage(
            count(f'stage{i}.'),
            block,
            tuple(count(prefix) for prefix in first),
            tuple(len(body[f'{prefix}0.conv1.weight']) for prefix in first),
        )

    try:
        stage1 = Stage(1, 'BOTTLENECK', (count('layer1.'),), (len(body['layer1.0.conv1.weight']),))
        return Arch(stage1, stage(2), stage(3), stage(4))
    except (KeyError, IndexError, TypeError) as error:
        raise CheckpointError(f'the {len(body)} backbone keys are not a whole HRNet: {error} is missing') from error


def _spelt(arch: Arch) -> list[str]:
    width = arch.stage4.num_channels[0] * EXPANSION[arch.stage4.block]
    return [f'w{width}', f'test-w{width}']
