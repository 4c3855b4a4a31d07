"""One line for a plain PyTorch user: make a network, list the names, load any checkpoint."""

import fnmatch
import logging
import os
from typing import Any

from torch import nn

from .models.archs import ARCHS
from .models.network import HRNetModel
from .weights.load import fill, open_checkpoint, part, report
from .weights.zoo import WEIGHTS

__all__ = ['create_model', 'list_models', 'load_weights']

_READOUTS = {'hrnet': 'C', 'hrnetv1': 'V1', 'hrnetv2': 'V2', 'hrnetv2p': 'V2p'}


def list_models(pattern: str = '*', pretrained: bool = False) -> list[str]:
    """Names for `create_model` that match a pattern such as '*w32*'; with `pretrained`, names of published weights."""
    names = list(WEIGHTS) if pretrained else [f'{readout}_{arch}' for readout in _READOUTS for arch in ARCHS]
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
    path of a checkpoint of any known layout. `features_only` gives the backbone, a tuple of maps with `out_channels`
    and `strides`. Further arguments are HRNet's.

    Raises ValueError for an unknown name, argument, or weights that contradict the network.
    """
    model = HRNetModel(name, num_classes, in_channels, **kwargs)
    model.init_weights()
    if pretrained is not None:
        logging.getLogger(__name__).info(load_weights(model, pretrained))
        model.eval()
    return model.backbone if features_only else model


def load_weights(model: HRNetModel, source: str | os.PathLike[str]) -> str:
    """Load a checkpoint of any known layout into a network and return the one-line report.

    The backbone must fit entirely. A neck and head are loaded where the checkpoint has them for the same task and
    number of classes, and left as they are where it does not, which the report says.

    Raises CheckpointError if the checkpoint does not fit, ValueError if a published entry contradicts the network.
    """
    name = os.fspath(source)
    converted, weight = open_checkpoint(f'hrnet://{name}' if name in WEIGHTS else source)
    backbone = model.backbone
    parts = {p: part(converted.state_dict, p) for p in ('backbone', 'neck', 'head')}
    extras = {p: module for p, module in (('neck', model.neck), ('head', model.head)) if module is not None}
    usable = [p for p, module in extras.items() if _same_shapes(module, parts[p])]
    if weight is not None:
        arch = next((n for n, a in ARCHS.items() if a == backbone.arch), str(backbone.arch))
        weight.require(name, arch, backbone.fuse_upsample, backbone.align_corners, whole='head' in usable)
    count = fill(backbone, parts['backbone'], f'the backbone of {name}')
    outputs = len(parts['backbone']) - count
    count += sum(fill(extras[p], parts[p], f'the {p} of {name}') for p in usable)
    line = report(name, converted, count, len(converted.state_dict) - count - outputs, outputs)
    fresh = [p for p in extras if p not in usable]
    return line + (f'; {" and ".join(fresh)} not in the checkpoint for this task: random' if fresh else '')


def _same_shapes(module: nn.Module, tensors: dict[str, Any]) -> bool:
    own = module.state_dict()
    return own.keys() == tensors.keys() and all(own[n].shape == tensors[n].shape for n in own)
