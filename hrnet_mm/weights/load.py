"""Strict loading of checkpoints in any layout into a network, with a one-line report."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from ..errors import UserError, did_you_mean
from .convert import Conversion, convert, detect
from .deeplabcut import is_snapshot, spec_beside
from .io import SPEC_KEY, CheckpointError, chosen_weights, read_checkpoint, require_finite
from .spec import ModelSpec
from .zoo import WEIGHTS, Weight, get_weight

__all__ = [
    'Checkpoint',
    'absent_biases',
    'adapt_stem',
    'converted',
    'fill',
    'fill_backbone',
    'load_backbone',
    'open_checkpoint',
    'part',
    'read_source',
    'read_spec',
    'report',
    'resolve',
    'unwrapped',
]

_STAGE4 = re.compile(r'(?P<prefix>(?:.*\.)?)stage4\.0\.branches\.0\.0\.conv1\.weight')
_PYRAMID = 'pyramid.'
_OTHER_OUTPUTS = re.compile(r'(?:backbone\.)?stage4\.\d+\.fuse_layers\.[123]\.')


def resolve(source: str | os.PathLike[str]) -> tuple[Path, Weight | None]:
    """Return the file behind a name, downloaded to the cache of torch or the hub if necessary, and its published entry.

    Args:
        source: `hrnet://w32-imagenet` (an entry of `WEIGHTS`), `timm://hrnet_w32.ms_aug_in1k` (of the Hugging Face
            hub), `open-mmlab://msra/hrnetv2_w32`, an http(s) URL, or a path.

    Returns:
        The path, which exists unless `source` is one, and the entry of an `hrnet://` name, otherwise None.

    Raises:
        CheckpointError: The scheme is unknown, or the file cannot be downloaded.
        UserError: The entry is unknown.
    """
    scheme, _, rest = os.fspath(source).partition('://')
    if scheme == 'hrnet' and rest:
        weight = get_weight(rest)
        return _download(weight.url, weight.sha256), weight
    if scheme == 'timm' and rest:
        return _from_hub(f'timm/{rest}'), None
    if scheme == 'open-mmlab' and rest:
        from mmengine.runner.checkpoint import get_external_models

        if rest not in (known := get_external_models()):
            raise UserError(f'unknown name {rest!r}{did_you_mean(rest, known)}')
        return _download(known[rest]), None
    if scheme in ('http', 'https') and rest:
        return _download(os.fspath(source)), None
    if rest:
        raise CheckpointError(f'unknown scheme {scheme!r} in {source}; allowed: hrnet, timm, open-mmlab, http, https')
    return Path(source), None


def _download(url: str, sha256: str | None = None) -> Path:
    import torch

    path = Path(torch.hub.get_dir()) / 'checkpoints' / url.rsplit('/', 1)[-1]
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # torch writes to a temporary file and renames it only if the hash is right.
            torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256, progress=False)
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f'{url} could not be downloaded ({error}); fetch it by other means to {path}'
            ) from error
    return path


def _from_hub(repository: str, file: str = 'model.safetensors') -> Path:
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise CheckpointError(f'{repository} is on the Hugging Face hub: pip install huggingface_hub') from error
    try:
        return Path(hf_hub_download(repository, file))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f'{file} of {repository} could not be downloaded from the hub ({error}); check the name and the connection'
        ) from error


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read.

    Attributes:
        path: The file.
        content: Everything in it.
        weight: Its published entry, if it has one.
        raw: Whether the raw weights are wanted where a moving average stands beside them.
    """

    path: Path
    content: Any
    weight: Weight | None = None
    raw: bool = False

    @property
    def meta(self) -> dict[str, Any]:
        """The metadata that mmengine stores beside the weights; empty for files of other programs."""
        return (self.content.get('meta') if isinstance(self.content, Mapping) else None) or {}

    @property
    def holds_config(self) -> bool:
        """Whether the metadata contain the text of a config."""
        return isinstance(self.meta.get('cfg', self.meta.get('config')), str)

    @property
    def spec(self) -> ModelSpec | None:
        """The model specification; None if neither the file nor, for a snapshot of DeepLabCut, its folder has one.

        Raises:
            CheckpointError: It is not one that this version reads.
        """
        if is_snapshot(self.content):
            return spec_beside(self.path)
        if not isinstance(self.content, Mapping) or SPEC_KEY not in self.content:
            return None
        return ModelSpec.from_json(self.content[SPEC_KEY], self.path)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the tensors by their names in the file.

        Raises:
            CheckpointError: There are none, or one holds NaN or infinity.
        """
        state, _ = chosen_weights(self.content, self.path, self.raw)
        require_finite(state, self.path)
        return state

    def specified(self) -> dict[str, Tensor]:
        """Return the tensors by the names that the network of the model specification has.

        Raises:
            CheckpointError: There are none, one holds NaN or infinity, or those of a snapshot have an unknown layout.
        """
        return converted(self).state_dict if is_snapshot(self.content) else self.state_dict()

    @property
    def choice(self) -> str:
        """Which of raw and averaged weights `state_dict` returns; empty if there is one set."""
        return chosen_weights(self.content, self.path, self.raw)[1]


def read_source(source: str | os.PathLike[str], raw: bool = False) -> Checkpoint:
    """Read a checkpoint.

    Args:
        source: A path, a URL, or a name known to `resolve` or `WEIGHTS`.
        raw: See `state_dict_of`.

    Raises:
        CheckpointError: The checkpoint is missing or cannot be read.
    """
    path, weight = resolve(f'hrnet://{source}' if source in WEIGHTS else source)
    return Checkpoint(path, read_checkpoint(path, weight.sha256 if weight else None), weight, raw)


def read_spec(source: str | os.PathLike[str]) -> ModelSpec | None:
    """Read the model specification of a checkpoint: its task, the preprocessing of images, names of its outputs.

    Args:
        source: A path or a URL.

    Returns:
        The specification; None if the file has none, as files of other programs.

    Raises:
        CheckpointError: The checkpoint cannot be read, or the specification is not one that this version reads.
    """
    return read_source(source).spec


def open_checkpoint(source: str | os.PathLike[str], raw: bool = False) -> tuple[Conversion, Weight | None]:
    """Read a checkpoint of any layout and convert it to this package's.

    If the head has an unknown layout, the result is the backbone alone.

    Args:
        source: A path, a URL, or the name of published weights.
        raw: See `state_dict_of`.

    Returns:
        The converted weights, and their published entry if `source` names one.

    Raises:
        CheckpointError: The checkpoint cannot be read, is not an HRNet, or holds NaN or infinity.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from hrnet_mm import create_model
        >>> from hrnet_mm.weights import write_checkpoint
        >>> with TemporaryDirectory() as folder:
        ...     weights = create_model('hrnetv1_test-w8', num_classes=17).state_dict()
        ...     conversion, _ = open_checkpoint(write_checkpoint(f'{folder}/pose.safetensors', weights))
        >>> conversion.source, conversion.used
        ('hrnet_mm', 236)
    """
    checkpoint = read_source(source, raw)
    return converted(checkpoint), checkpoint.weight


def converted(checkpoint: Checkpoint) -> Conversion:
    """Convert the weights of a checkpoint to this package's layout; see `open_checkpoint`.

    Args:
        checkpoint: The checkpoint.

    Returns:
        The converted weights; of a head with an unknown layout, the backbone alone.

    Raises:
        CheckpointError: The checkpoint is not an HRNet, or holds NaN or infinity.
    """
    state, path = checkpoint.state_dict(), checkpoint.path
    try:
        inner, dropped, changes = unwrapped(state, checkpoint.raw)
        result = convert(inner)
    except CheckpointError as error:
        prefixes = _prefixes(state)
        if len(prefixes) != 1 or 'several' in str(error):
            raise CheckpointError(f'{path}: {error}') from None
        inner = {n.removeprefix(prefixes[0]): v for n, v in state.items() if n.startswith(prefixes[0])}
        inner, dropped, changes = {n: v for n, v in inner.items() if _is_body(n)}, {}, []
        result = convert(inner, source='backbone')
        used = {prefixes[0] + name for name in inner}
        result.unknown = [name for name in state if name not in used and not _is_of_training(name)]
        result.dropped['heads of an unknown layout'] = len(state) - len(inner)
    if dropped and all(name.startswith('backbone.') for name in result.state_dict):
        result.unknown = [name for name in dropped if not _is_of_training(name)]
    for why in dropped.values():
        result.dropped[why] = result.dropped.get(why, 0) + 1
    result.given = len(state)
    result.changes = [*filter(None, [checkpoint.choice]), *changes, *result.changes]
    return result


def unwrapped(state: Mapping[str, Tensor], raw: bool = False) -> tuple[dict[str, Tensor], dict[str, str], list[str]]:
    """Return the tensors of the network within those of a training program, such as Lightning's module.

    Args:
        state: The tensors by name.
        raw: Whether to take the raw weights where a moving average of them stands beside.

    Returns:
        The tensors of the network, without the prefix of the program; the reason by the name of each other tensor; and
        a part of a sentence if one of two networks was chosen.

    Raises:
        CheckpointError: The tensors are of no known layout.
    """
    try:
        detect(state)
        return dict(state), {}, []
    except CheckpointError as error:
        if 'several' in str(error):
            raise
        first = error
    prefixes, changes = _prefixes(state), list[str]()
    averages = [prefix for prefix in prefixes if _AVERAGE.search(prefix)]
    if len(prefixes) == 2 and len(averages) == 1:
        (average,) = averages
        (plain,) = (prefix for prefix in prefixes if prefix != average)
        taken, other = (plain, average) if raw else (average, plain)
        words = ('raw', 'averaged') if raw else ('averaged', 'raw')
        changes.append(
            f'{words[0]} weights ({taken or "no prefix"}) taken, {words[1]} ones ({other or "no prefix"}) left'
        )
        prefixes = [taken]
    elif len(prefixes) > 1:
        raise CheckpointError(f'the keys are of several networks, {", ".join(prefixes)}; save the state_dict() of one')
    parts = prefixes[0].split('.')[:-1] if prefixes else []
    for depth in range(len(parts) + 1):
        prefix = ''.join(f'{part}.' for part in parts[:depth])
        inner = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix) and not (_is_of_training(name.removeprefix(prefix)))
        }
        try:
            detect(inner)
        except CheckpointError as error:
            if 'several layouts' in str(error):
                raise
            continue
        outside = [name for name in state if name.removeprefix(prefix) not in inner or not name.startswith(prefix)]
        return inner, dict.fromkeys(outside, 'of the training program, not of the network'), changes
    raise first


_AVERAGE = re.compile(r'(?:^|[._])(?:ema|averaged?|swa)(?=[._])')
_TRAINING = re.compile(r'(?:^|.*[._])(?:loss|losses|criterion|criterions?|metrics?|n_averaged|num_updates)(?:$|[._].*)')


def _is_of_training(name: str) -> bool:
    return _TRAINING.fullmatch(name) is not None


def _prefixes(state: Mapping[str, Tensor]) -> list[str]:
    return [match['prefix'] for name in state if (match := _STAGE4.fullmatch(name))]


def _is_body(name: str) -> bool:
    return re.match(r'(?:conv[12]|bn[12]|layer1|transition[123]|stage[234]|pyramid)\.', name) is not None


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Select tensors by a prefix.

    Args:
        state: Tensors by name.
        name: The prefix, without its period.

    Returns:
        The tensors whose names begin with it, without it.

    Examples:
        >>> part({'backbone.conv1': 1, 'head.fc': 2}, 'head')
        {'fc': 2}
    """
    return {n.removeprefix(f'{name}.'): v for n, v in state.items() if n.startswith(f'{name}.')}


def absent_biases(module: nn.Module, given: Iterable[str]) -> dict[str, Tensor]:
    """Return the zeros that a file means by leaving out the bias of a convolution before a normalization.

    Some programs have such biases and others do not: those of the official classifiers fold into the batch norm, and
    FCOS's towers have them in its authors' code only. A convolution without a bias equals one whose bias is zero.

    Args:
        module: The network.
        given: The names in the file.

    Returns:
        A tensor of zeros for each bias that the network has, and whose weight alone is given.
    """
    given, zeros = set(given), {}
    for name, parent in module.named_modules():
        # mmcv's ConvModule has an order.
        is_chain = type(parent).forward is nn.Sequential.forward
        if not is_chain and getattr(parent, 'order', None) != ('conv', 'norm', 'act'):
            continue
        for (child, conv), (_, norm) in pairwise(parent.named_children()):
            if isinstance(conv, _ConvNd) and isinstance(norm, _NormBase | nn.GroupNorm) and conv.bias is not None:
                layer = f'{name}.{child}' if name else child
                if f'{layer}.weight' in given and f'{layer}.bias' not in given:
                    zeros[f'{layer}.bias'] = torch.zeros_like(conv.bias, requires_grad=False)
    return zeros


def fill(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> int:
    """Copy tensors into a module, all or none.

    Tensors of a four-output checkpoint for outputs that the network does not have are ignored. Biases that the file
    leaves out because its program has none are zero (`absent_biases`).

    Args:
        module: The module.
        tensors: The tensors by name.
        what: The name of the tensors in error messages.

    Returns:
        The number of tensors copied.

    Raises:
        CheckpointError: A tensor is missing, superfluous, or of another shape; the message has the counts.
    """
    own, tensors = module.state_dict(), {**tensors, **absent_biases(module, tensors)}
    missing = [n for n in own if n not in tensors]
    left = [n for n in tensors if n not in own and not _OTHER_OUTPUTS.match(n)]
    shapes = [n for n in own if n in tensors and own[n].shape != tensors[n].shape]
    if missing or left or shapes:
        parts = [f'{len(own) - len(missing) - len(shapes)} of {len(own)} keys fit']
        parts += [f'{len(missing)} missing, such as {missing[0]}'] if missing else []
        parts += [f'{len(left)} left over, such as {left[0]}'] if left else []
        if shapes:
            have, need = tuple(tensors[shapes[0]].shape), tuple(own[shapes[0]].shape)
            parts += [f'{len(shapes)} of another shape, such as {shapes[0]}: {have} in the file, {need} in the network']
        raise CheckpointError(f'{what} does not fit the network: {"; ".join(parts)}. Nothing was loaded')
    module.load_state_dict({n: tensors[n] for n in own}, strict=True)
    return len(own)


def load_backbone(backbone: nn.Module, source: str | os.PathLike[str], prefix: str = '') -> str:
    """Load the backbone of any HRNet checkpoint into a network.

    The pyramid of HRNetV2p is loaded if the checkpoint has one that fits; otherwise it keeps its values.

    Args:
        backbone: An HRNet.
        source: A path, a URL, or the name of published weights.
        prefix: The beginning of the names to read, such as 'teacher.' of a file with two networks.

    Returns:
        A one-line report on the loaded and unused keys.

    Raises:
        CheckpointError: A key of the backbone is missing or has another shape.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from hrnet_mm import create_model
        >>> from hrnet_mm.models import HRNetV1
        >>> from hrnet_mm.weights import write_checkpoint
        >>> with TemporaryDirectory() as folder:
        ...     weights = create_model('hrnetv1_test-w8', num_classes=17).state_dict()
        ...     path = write_checkpoint(f'{folder}/pose.safetensors', weights)
        ...     report = load_backbone(HRNetV1('test-w8'), path)
        >>> print(report.replace(str(path), 'pose.safetensors'))
        234 of 234 keys loaded from pose.safetensors (hrnet_mm), 2 head keys unused: expected
    """
    checkpoint = read_source(source)
    if prefix:
        given = checkpoint.state_dict()
        chosen = part(given, prefix.removesuffix('.'))
        if not chosen:
            raise CheckpointError(
                f'{source} has no names that begin with {prefix!r}, the prefix; they begin with '
                f'{", ".join(sorted({name.partition(".")[0] for name in given})[:8])}'
            )
        checkpoint = replace(checkpoint, content=chosen)
    conversion = converted(checkpoint)
    return fill_backbone(backbone, conversion, source)


def adapt_stem(body: Mapping[str, Tensor], channels: int) -> tuple[dict[str, Tensor], str]:
    """Make the first convolution of a backbone of three channels one of any number, as timm does.

    For one channel its weights are summed, so that a gray image gives what it gave in R, G and B. For others they are
    repeated and scaled by 3 / channels, so that equal channels do.

    Args:
        body: The backbone's tensors by name.
        channels: The channels of the network's input.

    Returns:
        The tensors, and a sentence on the change; empty if there was none.
    """
    stem = body.get('conv1.weight')
    if stem is None or stem.ndim != 4 or stem.shape[1] != 3 or channels == 3:
        return dict(body), ''
    if channels == 1:
        adapted, how = stem.sum(1, keepdim=True), 'summed'
    else:
        repeated = stem.repeat(1, -(-channels // 3), 1, 1)[:, :channels]
        adapted, how = repeated * (3 / channels), 'repeated'
    return {**body, 'conv1.weight': adapted}, f'conv1 {how} for {channels} channels'


def fill_backbone(backbone: nn.Module, conversion: Conversion, source: object) -> str:
    """Copy the backbone of converted weights into a network; see `load_backbone`.

    Args:
        backbone: An HRNet.
        conversion: The weights in this package's layout.
        source: The name of the weights in reports and error messages.

    Returns:
        A one-line report on the loaded and unused keys.

    Raises:
        CheckpointError: A key of the backbone is missing or has another shape.
    """
    body = part(conversion.state_dict, 'backbone')
    body, change = adapt_stem(body, backbone.get_parameter('conv1.weight').shape[1])
    own = {name: value for name, value in backbone.state_dict().items() if name.startswith(_PYRAMID)}
    given = {_PYRAMID + name: value for name, value in part(conversion.state_dict, 'neck').items()}
    has_pyramid = bool(own) and given.keys() == own.keys()
    pyramid = given if has_pyramid else own
    count = fill(backbone, body | pyramid, f'the backbone of {source}') - len(pyramid)
    loaded = count + len(given) * has_pyramid
    heads = len(conversion.state_dict) - len(body) - len(given) * has_pyramid
    line = report(source, conversion, loaded, heads, len(body) - count) + (f', {change}' if change else '')
    return line + ('; pyramid not in the checkpoint: random' if own and not has_pyramid else '')


def report(source: object, conversion: Conversion, loaded: int, heads: int, outputs: int = 0) -> str:
    """Return a one-line report on loaded keys, and on unused keys that were expected.

    Args:
        source: The name of the weights.
        conversion: The conversion of the weights.
        loaded: The number of loaded keys.
        heads: The number of keys of heads that are not in use.
        outputs: The number of keys for outputs that the network does not have.
    """
    unused = heads + sum(conversion.dropped.values())
    parts = [f'{loaded} of {loaded} keys loaded from {source} ({conversion.source})']
    parts += [f'{outputs} keys for outputs that are not built unused: expected'] if outputs else []
    parts += [f'{unused} head keys unused: expected'] if unused else []
    return ', '.join([*parts, *conversion.changes])
