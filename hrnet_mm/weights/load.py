"""Puts a checkpoint of any layout into a network, strictly, and says in one line what happened."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from ..errors import UserError, did_you_mean
from .convert import Conversion, convert
from .io import CheckpointError, read_checkpoint, require_finite, state_dict_of
from .zoo import WEIGHTS, Weight, get_weight

__all__ = [
    'Checkpoint',
    'converted',
    'fill',
    'fill_backbone',
    'load_backbone',
    'open_checkpoint',
    'part',
    'read_source',
    'report',
    'resolve',
]

_STAGE4 = re.compile(r'(?P<prefix>(?:.*\.)?)stage4\.0\.branches\.0\.0\.conv1\.weight')
_PYRAMID = 'pyramid.'
_OTHER_OUTPUTS = re.compile(r'stage4\.\d+\.fuse_layers\.[123]\.')


def resolve(source: str | os.PathLike[str]) -> tuple[Path, Weight | None]:
    """The file behind a name, downloaded to torch's or the hub's cache if need be, and its entry if it has one.

    Names are `hrnet://w32-imagenet` (an entry of `WEIGHTS`), `timm://hrnet_w32.ms_aug_in1k` (of the Hugging Face
    hub), `open-mmlab://msra/hrnetv2_w32`, an http(s) address, or a path.

    Raises CheckpointError if it cannot be found or fetched, ValueError for an unknown entry.
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
            # Written aside and renamed by torch, and kept only if it has the hash.
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
        raise CheckpointError(f'{file} of {repository} could not be had from the hub: {error}') from error


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read: its file, everything in it, and its entry if it is a published one."""

    path: Path
    content: Any
    weight: Weight | None = None

    @property
    def meta(self) -> dict[str, Any]:
        """What mmengine writes beside the weights; empty for a file of another program."""
        return (self.content.get('meta') if isinstance(self.content, Mapping) else None) or {}

    @property
    def holds_config(self) -> bool:
        """Whether the text of a config is in it."""
        return isinstance(self.meta.get('cfg', self.meta.get('config')), str)

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors by their names in the file; raises CheckpointError if there are none, or one holds NaN."""
        state = state_dict_of(self.content, self.path)
        require_finite(state, self.path)
        return state


def read_source(source: str | os.PathLike[str], trusted: bool = False) -> Checkpoint:
    """Read a checkpoint: a path, an address, or a name that `resolve` or `WEIGHTS` knows.

    Raises CheckpointError for one that cannot be found or read.
    """
    path, weight = resolve(f'hrnet://{source}' if source in WEIGHTS else source)
    return Checkpoint(path, read_checkpoint(path, weight.sha256 if weight else None, trusted), weight)


def open_checkpoint(source: str | os.PathLike[str], trusted: bool = False) -> tuple[Conversion, Weight | None]:
    """A checkpoint of any layout in this package's, and its entry if `source` names one.

    A file whose head is of no known layout gives its backbone alone.

    Raises CheckpointError for one that cannot be read, is not an HRNet, or holds NaN.
    """
    checkpoint = read_source(source, trusted)
    return converted(checkpoint), checkpoint.weight


def converted(checkpoint: Checkpoint) -> Conversion:
    """The weights of a checkpoint in this package's layout; see `open_checkpoint`."""
    state, path = checkpoint.state_dict(), checkpoint.path
    try:
        return convert(state)
    except CheckpointError as error:
        prefixes = [match['prefix'] for name in state if (match := _STAGE4.fullmatch(name))]
        if len(prefixes) != 1 or 'several layouts' in str(error):
            raise CheckpointError(f'{path}: {error}') from None
        (prefix,) = prefixes
    body = {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}
    known = {n: v for n, v in body.items() if _is_body(n)}
    result = convert(known, source='backbone')
    result.dropped['of heads of an unknown layout'] = len(state) - len(known)
    result.given = len(state)
    return result


def _is_body(name: str) -> bool:
    return re.match(r'(?:conv[12]|bn[12]|layer1|transition[123]|stage[234]|pyramid)\.', name) is not None


def part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors below `name.`, without it."""
    return {n.removeprefix(f'{name}.'): v for n, v in state.items() if n.startswith(f'{name}.')}


def fill(module: nn.Module, tensors: Mapping[str, Tensor], what: str) -> int:
    """Copy tensors into a module and return how many; nothing is copied unless all fit.

    What a four-output checkpoint holds for outputs that the network does not build is left over.

    Raises CheckpointError with the counts if a tensor is missing, left over, or of another shape.
    """
    own = module.state_dict()
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


def load_backbone(backbone: nn.Module, source: str | os.PathLike[str]) -> str:
    """Load the backbone of any HRNet checkpoint and return the one-line report.

    HRNetV2p's pyramid is loaded where the checkpoint has one that fits, and left as it is where it has none.

    Raises CheckpointError unless every key of the backbone is there in its shape.
    """
    conversion, _ = open_checkpoint(source)
    return fill_backbone(backbone, conversion, source)


def fill_backbone(backbone: nn.Module, conversion: Conversion, source: object) -> str:
    """Put the backbone of converted weights into a network; see `load_backbone`."""
    body = part(conversion.state_dict, 'backbone')
    own = {name: value for name, value in backbone.state_dict().items() if name.startswith(_PYRAMID)}
    given = {_PYRAMID + name: value for name, value in part(conversion.state_dict, 'neck').items()}
    has_pyramid = bool(own) and given.keys() == own.keys()
    pyramid = given if has_pyramid else own
    count = fill(backbone, body | pyramid, f'the backbone of {source}') - len(pyramid)
    loaded = count + len(given) * has_pyramid
    heads = len(conversion.state_dict) - len(body) - len(given) * has_pyramid
    line = report(source, conversion, loaded, heads, len(body) - count)
    return line + ('; pyramid not in the checkpoint: random' if own and not has_pyramid else '')


def report(source: object, conversion: Conversion, loaded: int, heads: int, outputs: int = 0) -> str:
    """The one line that says what was loaded and that the rest was expected to stay."""
    unused = heads + sum(conversion.dropped.values())
    parts = [f'{loaded} of {loaded} keys loaded from {source} ({conversion.source})']
    parts += [f'{outputs} keys for outputs that are not built unused: expected'] if outputs else []
    parts += [f'{unused} head keys unused: expected'] if unused else []
    return ', '.join([*parts, *conversion.changes])
