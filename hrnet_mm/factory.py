"""Model factory: networks by name, their names, and loading of checkpoints."""

import fnmatch
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from .errors import UserError
from .models.archs import ARCHS, EXPANSION, Arch, Stage, get_arch
from .models.features import Features
from .models.network import READOUTS, HRNetModel
from .weights.convert import Conversion
from .weights.io import CheckpointError
from .weights.load import adapt_stem, fill, open_checkpoint, part, report
from .weights.zoo import WEIGHTS, Weight

__all__ = [
    'Inferred',
    'create_model',
    'fill_network',
    'infer_arch',
    'infer_network',
    'list_models',
    'load_weights',
    'random_parts',
]


def list_models(pattern: str = '*', pretrained: bool = False) -> list[str]:
    """Return the names of networks that match a pattern.

    Args:
        pattern: A shell pattern such as `*w32*`.
        pretrained: Whether to return the names of published weights instead.

    Returns:
        Names for `create_model`, or for its argument `pretrained`.

    Examples:
        >>> list_models('*_w32')
        ['hrnet_w32', 'hrnetv1_w32', 'hrnetv2_w32', 'hrnetv2p_w32']
        >>> list_models('w32-coco*', pretrained=True)
        ['w32-coco-pose-256x192', 'w32-coco-pose-384x288']
    """
    names = list(WEIGHTS) if pretrained else [f'{readout}_{arch}' for readout in READOUTS for arch in ARCHS]
    return fnmatch.filter(names, pattern)


def create_model(
    name: str | os.PathLike[str],
    pretrained: str | os.PathLike[str] | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    features_only: bool = False,
    *,
    raw: bool = False,
    out_indices: Sequence[int] | None = None,
    **kwargs: Any,
) -> nn.Module:
    """Create a network by name.

    Args:
        name: A readout and an architecture, such as 'hrnet_w32' (classification), 'hrnetv1_w32' (heatmaps),
            'hrnetv2_w48' (dense scores) or 'hrnetv2p_w40' (feature pyramid). `list_models` returns the common ones. Or
            the path of a checkpoint, whose weights and number of classes the network then has.
        pretrained: The name of published weights ('w32-imagenet'), 'timm://hrnet_w32.ms_aug_in1k', a URL, or the path
            of a checkpoint in any known layout.
        num_classes: The number of classes, keypoints or landmarks. Default: 1000 for 'hrnet', otherwise no head.
        in_channels: The channels of the input. The first convolution of weights for three is summed for one channel,
            or repeated and scaled for others, as in timm.
        features_only: Whether to return the backbone alone, with the pyramid of 'hrnetv2p'. Its outputs are tuples of
            maps, described by its attributes `out_channels` and `strides`, or `feature_info` as in timm.
        raw: Whether to load the raw weights of a training checkpoint that holds a moving average of them too, which is
            loaded otherwise.
        out_indices: With `features_only`, for 'hrnet' and 'hrnetv1': the maps to return, in a list, by timm's numbers:
            0 is `(N, 64, H/2, W/2)`, and 1 to 4 are the branches, finest first.
        **kwargs: Arguments of `HRNet`, such as `frozen_stages` or `norm_eval`, and `pyramid_channels` of 'hrnetv2p'.

    Returns:
        The network, in evaluation mode if `pretrained` is given.

    Raises:
        UserError: The name or an argument is unknown, or the weights contradict the network.
        CheckpointError: The checkpoint cannot be read or does not fit.

    Examples:
        >>> import torch
        >>> model = create_model('hrnetv1_test-w8', num_classes=17)
        >>> model(torch.zeros(1, 3, 256, 192)).shape
        torch.Size([1, 17, 64, 48])
        >>> backbone = create_model('hrnetv2p_test-w8', features_only=True)
        >>> backbone.strides
        (4, 8, 16, 32, 64)
    """
    if out_indices is not None and not features_only:
        raise UserError('out_indices chooses maps of the backbone; give features_only=True too')
    opened = None
    if os.fspath(name).endswith(('.pt', '.pth', '.safetensors')):
        if pretrained is not None:
            raise UserError(f'two checkpoints are given: {name} and {pretrained}; give a name for one')
        pretrained, opened = name, open_checkpoint(name, raw=raw)
        inferred = infer_network(opened[0].state_dict)
        name, in_channels = inferred.name, inferred.in_channels
        num_classes = inferred.num_classes if num_classes is None else num_classes
        kwargs.setdefault('pyramid_channels', inferred.pyramid_channels)
    model = HRNetModel(os.fspath(name), num_classes, in_channels, **kwargs)
    model.init_weights()
    if pretrained is not None:
        conversion, weight = opened or open_checkpoint(pretrained, raw=raw)
        heads = not features_only or model.readout == 'hrnetv2p'
        line = fill_network(model, os.fspath(pretrained), conversion, weight, heads=heads)
        is_random = heads and random_parts(model, conversion)
        logging.getLogger(__name__).log(logging.WARNING if is_random else logging.INFO, line)
        model.eval()
    if not features_only:
        return model
    if out_indices is not None:
        if model.readout not in ('hrnet', 'hrnetv1'):
            raise UserError(f'out_indices chooses branches, and {model.name} combines them; use hrnet_ARCH')
        return Features(model.backbone, out_indices).train(model.training)
    return model if model.readout == 'hrnetv2p' else model.backbone  # the pyramid is its neck


def load_weights(model: HRNetModel, source: str | os.PathLike[str], raw: bool = False) -> str:
    """Load a checkpoint of any known layout into a network.

    Every parameter of the backbone must be in the checkpoint. The neck and the head are loaded if the checkpoint has
    them for the same task and number of classes; otherwise they keep their values, and the report says so. If only the
    backbone has a known layout, the other keys may be the head's, and nothing is loaded into a network with a head.

    Args:
        model: The network.
        source: A name of published weights, 'timm://...', a URL or a path.
        raw: Whether to load the raw weights where a moving average of them stands beside.

    Returns:
        A one-line report on the loaded and unused keys.

    Raises:
        CheckpointError: The checkpoint cannot be read or does not fit the backbone, or its head has an unknown layout.
        UserError: A published entry contradicts the network.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from hrnet_mm.weights import write_checkpoint
        >>> model = create_model('hrnetv1_test-w8', num_classes=17)
        >>> with TemporaryDirectory() as folder:
        ...     path = write_checkpoint(f'{folder}/pose.safetensors', model.state_dict())
        ...     report = load_weights(model, path)
        >>> print(report.replace(str(path), 'pose.safetensors'))
        236 of 236 keys loaded from pose.safetensors (hrnet_mm)
    """
    conversion, weight = open_checkpoint(source, raw=raw)
    return fill_network(model, os.fspath(source), conversion, weight)


def fill_network(
    model: HRNetModel,
    name: str,
    conversion: Conversion,
    weight: Weight | None,
    whole: bool = False,
    heads: bool = True,
) -> str:
    """Copy converted weights into a network; see `load_weights`.

    Args:
        model: The network.
        name: The name of the weights in reports and error messages.
        conversion: The weights in this package's layout.
        weight: Their published entry, if any.
        whole: Whether the checkpoint must also fill the neck and the head.
        heads: Whether the neck and the head are wanted at all.

    Returns:
        A one-line report on the loaded and unused keys.

    Raises:
        CheckpointError: The weights do not fit, or keys of an unknown layout may be the head's.
        UserError: `weight` contradicts the network.
    """
    backbone = model.backbone
    parts = {p: part(conversion.state_dict, p) for p in ('backbone', 'neck', 'head')}
    extras = _extras(model) if heads else {}
    if extras and conversion.unknown:
        raise CheckpointError(
            f'{name}: the backbone has a known layout, and {len(conversion.unknown)} other keys have none, such as '
            f'{conversion.unknown[0]}, so that the {" and ".join(extras)} would stay random; rename the keys, or '
            'create the backbone alone (features_only=True)'
        )
    usable = [
        p for p, module in extras.items() if whole or _same_shapes(module, parts[p]) or _is_damaged(module, parts[p])
    ]
    if weight is not None:
        arch = next((n for n, a in ARCHS.items() if a == backbone.arch), str(backbone.arch))
        weight.require(name, arch, backbone.fuse_upsample, backbone.align_corners, whole='head' in usable)
    parts['backbone'], change = adapt_stem(parts['backbone'], model.in_channels)
    count = fill(backbone, parts['backbone'], f'the backbone of {name}')
    outputs = len(parts['backbone']) - count
    count += sum(fill(extras[p], parts[p], f'the {p} of {name}') for p in usable)
    line = report(name, conversion, count, len(conversion.state_dict) - count - outputs, outputs)
    line += f', {change}' if change else ''
    fresh = [p for p in extras if p not in usable]
    return line + (f'; {" and ".join(fresh)} not in the checkpoint for this task: random' if fresh else '')


def random_parts(model: HRNetModel, conversion: Conversion) -> list[str]:
    """Return which of neck and head converted weights do not fill.

    Args:
        model: The network.
        conversion: The weights in this package's layout.
    """
    return [p for p, module in _extras(model).items() if not _same_shapes(module, part(conversion.state_dict, p))]


def _extras(model: HRNetModel) -> dict[str, nn.Module]:
    return {p: module for p, module in (('neck', model.neck), ('head', model.head)) if module is not None}


def _is_damaged(module: nn.Module, tensors: dict[str, Any]) -> bool:
    """Return whether tensors are for this neck or head, and some are missing; `fill` then has the counts."""
    own = module.state_dict().keys()
    started = {name.partition('.')[0] for name in tensors}  # a head of another task has or lacks whole layers
    return tensors.keys() < own and any(name.partition('.')[0] in started for name in own - tensors.keys())


def _same_shapes(module: nn.Module, tensors: dict[str, Any]) -> bool:
    own = module.state_dict()
    return own.keys() == tensors.keys() and all(own[n].shape == tensors[n].shape for n in own)


class Inferred(NamedTuple):
    """Arguments of `create_model`, inferred from weights."""

    name: str
    num_classes: int
    in_channels: int
    pyramid_channels: int = 256


def infer_network(state: Mapping[str, Tensor]) -> Inferred:
    """Infer a network from the names and shapes of its weights.

    Args:
        state: Weights in this package's layout.

    Returns:
        The arguments that `create_model` needs.

    Raises:
        CheckpointError: The weights are not those of a whole HRNet.

    Examples:
        >>> infer_network(create_model('hrnetv1_test-w8', num_classes=17).state_dict())
        Inferred(name='hrnetv1_test-w8', num_classes=17, in_channels=3, pyramid_channels=256)
    """
    body = part(state, 'backbone')
    arch = infer_arch(body)
    name = next((n for n in [*ARCHS, *_numbered(arch)] if get_arch(n) == arch), None)
    if name is None:
        raise CheckpointError(f'the backbone is none of the named architectures, any w<N> or test-w<N>, but {arch}')
    head = part(state, 'head')
    if 'fc.weight' in head and part(state, 'neck'):
        readout = 'hrnet'
    elif 'convs.0.conv.weight' in head:
        readout = 'hrnetv2'
    elif any(name.startswith('heatmap_head.') for name in head):
        readout = 'hrnetv1'  # DeepLabCut's head, which only OpenMMLab builds
    elif 'neck.reduction_conv.conv.weight' in state:
        readout, head = 'hrnetv2p', {}
    else:
        single = f'stage4.{arch.stage4.num_modules - 1}.fuse_layers.1.0.0.0.weight' not in body
        readout = 'hrnetv1' if 'final_layer.weight' in head or single else 'hrnetv2'
    last = head.get('fc.weight', head.get('final_layer.weight'))
    classes, width = 0 if last is None else len(last), state.get('neck.reduction_conv.conv.weight')
    in_channels = body['conv1.weight'].shape[1]
    return Inferred(f'{readout}_{name}', classes, in_channels, *([] if width is None else [len(width)]))


def infer_arch(body: Mapping[str, Tensor]) -> Arch:
    """Infer the architecture of a backbone from the names and shapes of its weights.

    Args:
        body: The weights of the backbone, without a prefix.

    Returns:
        The architecture.

    Raises:
        CheckpointError: The weights are not those of a whole HRNet backbone.
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
        raise CheckpointError(
            f'the {len(body)} backbone keys are not a whole HRNet: {error} is missing; give all four stages'
        ) from error


def _numbered(arch: Arch) -> list[str]:
    width = arch.stage4.num_channels[0] * EXPANSION[arch.stage4.block]
    return [f'w{width}', f'test-w{width}']
