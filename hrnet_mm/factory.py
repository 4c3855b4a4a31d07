"""One line for a plain PyTorch user: make a network, list the names, load any checkpoint."""

import fnmatch
import logging
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from .models.archs import ARCHS, EXPANSION, Arch, Stage, get_arch
from .models.network import READOUTS, HRNetModel
from .weights.convert import Conversion
from .weights.io import CheckpointError
from .weights.load import fill, open_checkpoint, part, report
from .weights.zoo import WEIGHTS, Weight

__all__ = [
    'Inferred',
    'create_model',
    'fill_network',
    'infer_arch',
    'infer_network',
    'list_models',
    'load_weights',
]


def list_models(pattern: str = '*', pretrained: bool = False) -> list[str]:
    """Names for `create_model` that match a pattern such as '*w32*'; with `pretrained`, names of published weights."""
    names = list(WEIGHTS) if pretrained else [f'{readout}_{arch}' for readout in READOUTS for arch in ARCHS]
    return fnmatch.filter(names, pattern)


def create_model(
    name: str,
    pretrained: str | os.PathLike[str] | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    features_only: bool = False,
    **kwargs: Any,
) -> nn.Module:
    """A network by name: 'hrnet_w32', 'hrnetv1_w32', 'hrnetv2_w48', 'hrnetv2p_w40' or another of `list_models`.

    `pretrained` is the name of published weights ('w32-imagenet'), 'timm://hrnet_w32.ms_aug_in1k', an address, or the
    path of a checkpoint of any known layout. `features_only` gives the backbone, of 'hrnetv2p' with its pyramid: a
    tuple of maps with `out_channels` and `strides`. Further arguments are HRNet's.

    Raises ValueError for an unknown name, argument, or weights that contradict the network.
    """
    model = HRNetModel(name, num_classes, in_channels, **kwargs)
    model.init_weights()
    if pretrained is not None:
        logging.getLogger(__name__).info(load_weights(model, pretrained))
        model.eval()
    if not features_only:
        return model
    return model if model.readout == 'hrnetv2p' else model.backbone  # the pyramid is its neck


def load_weights(model: HRNetModel, source: str | os.PathLike[str]) -> str:
    """Load a checkpoint of any known layout into a network and return the one-line report.

    The backbone must fit entirely. A neck and head are loaded where the checkpoint has them for the same task and
    number of classes, and left as they are where it does not, which the report says.

    Raises CheckpointError if the checkpoint does not fit, ValueError if a published entry contradicts the network.
    """
    conversion, weight = open_checkpoint(source)
    return fill_network(model, os.fspath(source), conversion, weight)


def fill_network(
    model: HRNetModel, name: str, conversion: Conversion, weight: Weight | None, whole: bool = False
) -> str:
    """Put converted weights called `name` into a network; see `load_weights`. `whole` requires neck and head too."""
    backbone = model.backbone
    parts = {p: part(conversion.state_dict, p) for p in ('backbone', 'neck', 'head')}
    extras = {p: module for p, module in (('neck', model.neck), ('head', model.head)) if module is not None}
    usable = [p for p, module in extras.items() if whole or _same_shapes(module, parts[p])]
    if weight is not None:
        arch = next((n for n, a in ARCHS.items() if a == backbone.arch), str(backbone.arch))
        weight.require(name, arch, backbone.fuse_upsample, backbone.align_corners, whole='head' in usable)
    count = fill(backbone, parts['backbone'], f'the backbone of {name}')
    outputs = len(parts['backbone']) - count
    count += sum(fill(extras[p], parts[p], f'the {p} of {name}') for p in usable)
    line = report(name, conversion, count, len(conversion.state_dict) - count - outputs, outputs)
    fresh = [p for p in extras if p not in usable]
    return line + (f'; {" and ".join(fresh)} not in the checkpoint for this task: random' if fresh else '')


def _same_shapes(module: nn.Module, tensors: dict[str, Any]) -> bool:
    own = module.state_dict()
    return own.keys() == tensors.keys() and all(own[n].shape == tensors[n].shape for n in own)


class Inferred(NamedTuple):
    """The arguments of `create_model` that make the network of some weights."""

    name: str
    num_classes: int
    in_channels: int


def infer_network(state: Mapping[str, Tensor]) -> Inferred:
    """The network that weights in this package's layout are of, read off their names and shapes.

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
    return Inferred(f'{readout}_{name}', 0 if last is None else len(last), body['conv1.weight'].shape[1])


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
