"""`hrnet-mm convert`: conversion of a checkpoint to another layout."""

import argparse
from pathlib import Path
from typing import Any

from ._network import add_raw_argument

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'convert a checkpoint from any known layout to another, or to another kind of file, and account for each key'
EXAMPLE = (
    '  hrnet-mm convert dlc-models-pytorch/.../train/snapshot-best-200.pt --out mouse.pth\n'
    '  hrnet-mm convert work_dirs/own/pose/weights.pth --out pose.safetensors\n'
    '  hrnet-mm convert hrnetv2_w48_imagenet_pretrained.pth --out w48.safetensors --to mmpretrain\n'
    '  hrnet-mm convert hrnetv2_w48_imagenet_pretrained.pth --out body.pth --to mmseg --backbone-only'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm convert`."""
    from ..weights.key_maps import LAYOUTS

    parser.add_argument(
        'model',
        metavar='MODEL',
        help='a checkpoint: a path, a URL, or a name such as timm://hrnet_w32.ms_aug_in1k',
    )
    parser.add_argument(
        '--out',
        required=True,
        metavar='FILE',
        help='the file to write, ending in .safetensors, or in .pth for mmengine',
    )
    parser.add_argument(
        '--to', metavar='LAYOUT', help=f"one of {', '.join(LAYOUTS)} (default: the file's own, key for key)"
    )
    parser.add_argument(
        '--from', dest='source', metavar='LAYOUT', help='layout of the input (default: detected from its keys)'
    )
    parser.add_argument('--backbone-only', action='store_true', help='leave neck and heads out')
    add_raw_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Convert a file, and print the layout and the keys that were used, dropped and changed.

    Raises:
        CheckpointError: The file cannot be read or written, or a key is left over.
    """
    from ..weights.convert import convert
    from ..weights.io import CheckpointError, write_checkpoint
    from ..weights.key_maps import LAYOUTS
    from ..weights.load import read_source, unwrapped

    if Path(args.out).suffix not in ('.safetensors', '.pth'):
        raise CheckpointError(f'--out {args.out}: the name must end in .safetensors or .pth')
    checkpoint = read_source(args.model, args.raw)
    if args.to is None:
        if args.source is not None or args.backbone_only:
            raise CheckpointError('--from and --backbone-only need --to LAYOUT; give it, or leave them out')
        _copy(checkpoint, args.out)
        return
    state, others, changes = checkpoint.state_dict(), dict[str, str](), list[str]()
    if args.source is None:
        state, others, changes = unwrapped(state, args.raw)
    result = convert(state, args.to, args.source, args.backbone_only)
    result.given += len(others)
    for why in others.values():
        result.dropped[why] = result.dropped.get(why, 0) + 1
    result.changes = [*filter(None, [checkpoint.choice]), *changes, *result.changes]
    write_checkpoint(args.out, result.state_dict, {'layout': args.to, 'converted_from': result.source})
    print(f'layout  {result.source} ({LAYOUTS[result.source].about})')
    print(f'used    {result.used} of {result.given} keys')
    for why, count in result.dropped.items():
        print(f'dropped {count} keys: {why}')
    if checkpoint.spec is not None:
        print(
            'dropped the model specification, which is about the weights in their own layout; leave --to out to keep it'
        )
    for change in result.changes:
        print(f'changed {change}')
    print(f'wrote   {args.out}: {len(result.state_dict)} keys as {args.to}')


def _copy(checkpoint: Any, out: str) -> None:
    """Write the weights as they are with the model specification, to another kind of file or without the rest."""
    from ..weights.io import SPEC_KEY, write_checkpoint

    spec = checkpoint.spec
    state = checkpoint.state_dict() if spec is None else checkpoint.specified()
    write_checkpoint(out, state, spec=None if spec is None else spec.to_json())
    print(f'wrote   {out}: {len(state)} keys with {"the" if spec else "no"} model specification')
    if checkpoint.choice:
        print(f'changed {checkpoint.choice}')
    kept = {'state_dict', 'model', SPEC_KEY, *state}
    if left := [str(name) for name in checkpoint.content if name not in kept]:
        print(f'dropped {", ".join(left)}: of the training, not of the network')
