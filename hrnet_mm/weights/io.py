"""Safe reading and atomic writing of checkpoints.

`.pth` files are pickles. They are read only by PyTorch's `weights_only` reader, without a fallback to the unsafe one.
This package writes safetensors files, which hold nothing but tensors and text.
"""

import contextlib
import hashlib
import json
import os
import pickle
import pickletools
import re
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError

__all__ = [
    'SPEC_KEY',
    'CheckpointError',
    'chosen_weights',
    'openmmlab_classes',
    'read_checkpoint',
    'remove_partial',
    'require_finite',
    'state_dict_of',
    'write_checkpoint',
    'written_aside',
]

SPEC_KEY = 'hrnet_mm'
"""Where a file has the model specification (`weights.spec`)."""

_SAFE_SINCE = (2, 10)
"""Before torch 2.10, a crafted file could corrupt memory despite `weights_only=True` (CVE-2026-24747)."""

_PARTIAL = '.partial'
"""Suffix of files that are still being written."""

_WRAPPERS = ['state_dict', 'model_state_dict', 'model_state', 'model', 'network', 'net', 'module']
_AVERAGES = [
    'state_dict_ema',
    'model_ema',
    'ema_model',
    'model_ema_state_dict',
    'ema_model_state_dict',
    'ema_state',
    'ema',
]
"""Names of a moving average of the weights, which stands beside the raw weights."""
_PREFIXES = ['module.', '_orig_mod.']


class CheckpointError(UserError):
    """A checkpoint that cannot be used; the message names the file, the reason and what to do."""


def read_checkpoint(path: str | os.PathLike[str], sha256: str | None = None, trusted: bool = False) -> Any:
    """Read everything that a `.safetensors` or `.pth` file holds, on the CPU.

    Args:
        path: The file.
        sha256: The SHA-256 that the file must have, or its first digits.
        trusted: Whether you would run code from the file's source. torch before 2.10 reads no `.pth` file otherwise.
            The content that a file may have is the same either way.

    Returns:
        A state dict, or the dict of a training checkpoint; of a safetensors file whose header has a model
        specification, a dict of both.

    Raises:
        CheckpointError: The file is missing, empty or damaged, has another hash, or holds more than data.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = write_checkpoint(f'{folder}/w.safetensors', {'fc.bias': torch.zeros(2)})
        ...     read_checkpoint(path)
        {'fc.bias': tensor([0., 0.])}
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise CheckpointError(f'{path} is not a file; expected a .safetensors or .pth file')
        if size == 0:
            raise CheckpointError(f'{path} is empty; download or save it again')
        if sha256 is not None:
            _require_hash(path, sha256)
        with path.open('rb') as file:
            start = file.read(16)
            file.seek(0)
            if start.startswith(b'PK'):
                return _read_zip(path, file, size, trusted)
            if int.from_bytes(start[:8], 'little') <= size and start[8:9] == b'{':
                return _read_safetensors(path)
            if start.startswith(b'\x80'):
                return _read_legacy(path, file, size, trusted)
    except OSError as error:
        raise CheckpointError(f'{path} cannot be read: {error.strerror or error}; check the path') from error
    raise CheckpointError(
        f'{path} is not a checkpoint: neither a safetensors file nor one of torch.save; check the path'
    )


def _require_hash(path: Path, expected: str) -> None:
    with path.open('rb') as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    if not digest.hexdigest().startswith(expected.lower()):
        raise CheckpointError(f'{path} has sha256 {digest.hexdigest()}, expected {expected}; download it again')


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, 'pt') as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            spec = (file.metadata() or {}).get(SPEC_KEY)
        return tensors if spec is None else {'state_dict': tensors, SPEC_KEY: json.loads(spec)}
    except RecursionError:
        raise CheckpointError(f'{path} has a header that is nested without end; save it again') from None
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(f'{path} is a damaged safetensors file ({error}); download or save it again') from error


def _read_zip(path: Path, file: BinaryIO, size: int, trusted: bool) -> Any:
    """Read a file of torch.save since 1.6: an uncompressed zip, which expands to no more than the file's size."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            names = {e.filename.rsplit('/', 1)[-1] for e in entries}
            if 'constants.pkl' in names:
                raise CheckpointError(f'{path} is a TorchScript file, not a checkpoint; save its state_dict() instead')
            if 'data.pkl' not in names:
                raise CheckpointError(f'{path} is a zip file, but not one of torch.save; save a state_dict() instead')
            if any(e.compress_type != zipfile.ZIP_STORED for e in entries) or sum(e.file_size for e in entries) > size:
                raise CheckpointError(
                    f'{path} holds more than its size, so torch.save did not write it; save a state_dict() instead'
                )
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OverflowError, UnicodeError) as error:
        raise _damaged(path, error) from error
    return _load(path, trusted)


def _read_legacy(path: Path, file: BinaryIO, size: int, trusted: bool) -> Any:
    """Read a file of torch.save before 1.6: five pickles, then the numbers.

    Torch allocates each tensor before it checks that the file contains it. The announced sizes are therefore read
    first, from the pickles' operations and without executing them: a size is among the integers of the tuple (since the
    last MARK) that becomes a persistent id.
    """
    integers: list[int] = []
    try:
        for _ in range(5):
            for operation, value, _ in pickletools.genops(file):
                if operation.name == 'MARK':
                    integers = []
                elif type(value) is int and operation.name.startswith(('BININT', 'INT', 'LONG')):
                    integers.append(value)
                elif operation.name == 'BINPERSID' and max(integers, default=0) > size:
                    raise CheckpointError(
                        f'{path} is damaged: it announces {max(integers)} numbers in {size} bytes; download it again'
                    )
    except CheckpointError:
        raise
    except Exception as error:  # genops raises any exception on random bytes
        raise CheckpointError(
            f'{path} is not a checkpoint, or a damaged one ({error}); download it again, or use an earlier one'
        ) from error
    return _load(path, trusted)


def _load(path: Path, trusted: bool) -> Any:
    version = tuple(int(part) for part in re.findall(r'\d+', torch.__version__)[:2])
    if version < _SAFE_SINCE and not (trusted or os.environ.get('HRNET_MM_TRUSTED') == '1'):
        raise CheckpointError(
            f'{path} is a pickle, which torch {torch.__version__} cannot read safely (CVE-2026-24747): '
            'upgrade to torch 2.10 or later, use a safetensors file, or set HRNET_MM_TRUSTED=1 if you trust the file'
        )
    try:
        with openmmlab_classes():
            return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # a damaged pickle raises any exception
        if names := re.findall(r'GLOBAL ([\w.]+)', str(error)):
            raise CheckpointError(
                f'{path} holds more than data and was not opened: it refers to {", ".join(sorted(set(names)))}. '
                'Re-save its state_dict() alone where the file was made, or as safetensors'
            ) from None
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CheckpointError:
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    size = path.stat().st_size
    return CheckpointError(
        f'{path} ({size:,} bytes) is damaged or incomplete ({reason}); download it again, or use an earlier checkpoint'
    )


def state_dict_of(
    checkpoint: Any, path: str | os.PathLike[str] = 'the checkpoint', raw: bool = False
) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint by name, without the wrappers of training programs.

    Args:
        checkpoint: The content of a file, from `read_checkpoint`.
        path: The file's name in error messages.
        raw: Whether to take the raw weights where a moving average of them stands beside. Default: the average, with
            which programs test.

    Raises:
        CheckpointError: The checkpoint holds no tensors.

    Examples:
        >>> list(state_dict_of({'state_dict': {'module.conv1.weight': torch.zeros(1)}, 'epoch': 3}))
        ['conv1.weight']
    """
    return chosen_weights(checkpoint, path, raw)[0]


def chosen_weights(
    checkpoint: Any, path: str | os.PathLike[str] = 'the checkpoint', raw: bool = False
) -> tuple[dict[str, Tensor], str]:
    """Return the tensors as `state_dict_of`, and a sentence part on the choice between raw and averaged ones.

    Args:
        checkpoint: The content of a file, from `read_checkpoint`.
        path: The file's name in error messages.
        raw: See `state_dict_of`.

    Returns:
        The tensors; which of two sets of weights they are, empty if there is one.

    Raises:
        CheckpointError: The checkpoint holds no tensors.
    """
    choice = ''
    while isinstance(checkpoint, Mapping):
        average, plain = _average_and_raw(checkpoint)
        if average and plain:
            taken, other = (plain, average) if raw else (average, plain)
            words = ('raw', 'averaged') if raw else ('averaged', 'raw')
            choice = f'{words[0]} weights ({taken}) taken, {words[1]} ones ({other}) left'
        elif not (average or plain):
            break
        else:
            taken = average or plain
        checkpoint = checkpoint[taken]
    if not isinstance(checkpoint, Mapping):
        raise CheckpointError(
            f'{path} holds a {type(checkpoint).__name__}, not the weights of a network; save its state_dict()'
        )
    state = {str(name): value for name, value in checkpoint.items() if isinstance(value, Tensor)}
    if not state:
        raise CheckpointError(
            f'{path} holds no tensors; its keys are {", ".join(map(str, list(checkpoint)[:8]))}, expected a state_dict'
        )
    for name in _COUNTERS:  # of averages
        if name in state and len(state) > 1:
            del state[name]
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): value for name, value in state.items()}
    return state, choice


_COUNTERS = ('n_averaged', 'steps')


def _average_and_raw(checkpoint: Mapping[Any, Any]) -> tuple[str, str]:
    """Return the keys of averaged and of raw weights in a training program's dict; empty for none."""

    def first(names: list[str]) -> str:
        return next((name for name in names if isinstance(checkpoint.get(name), Mapping) and checkpoint[name]), '')

    average, plain = first(_AVERAGES), first(_WRAPPERS)
    if 'current_model_state' in checkpoint and plain:  # Lightning's WeightAveraging
        return plain, first(['current_model_state'])
    if other := first(['ema_state_dict']):
        # mmengine's EMAHook writes the average as state_dict, and the raw weights with its counter here.
        return (plain, other) if plain and 'steps' in checkpoint[other] else (other, plain)
    return average, plain


def require_finite(state_dict: Mapping[str, Tensor], path: str | os.PathLike[str] = 'the checkpoint') -> None:
    """Check that no tensor holds NaN or infinity.

    Args:
        state_dict: The tensors.
        path: The file's name in error messages.

    Raises:
        CheckpointError: A tensor does; the message names the first.

    Examples:
        >>> require_finite({'fc.bias': torch.tensor([0.0, float('nan')])}, 'w.pth')
        Traceback (most recent call last):
        hrnet_mm.weights.io.CheckpointError: w.pth holds NaN or infinity in 1 of 1 tensors, first fc.bias: ...
    """
    bad = [name for name, value in state_dict.items() if not value.isfinite().all()]
    if bad:
        raise CheckpointError(
            f'{path} holds NaN or infinity in {len(bad)} of {len(state_dict)} tensors, first {bad[0]}: '
            'the training that wrote it had diverged; use an earlier checkpoint'
        )


def write_checkpoint(
    path: str | os.PathLike[str],
    state_dict: Mapping[str, Tensor],
    metadata: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
) -> Path:
    """Write tensors to a file atomically: `path` is always the old file or the complete new one.

    Args:
        path: The file; by torch.save if its name ends in `.pth`, otherwise as safetensors.
        state_dict: The tensors by name.
        metadata: Text or JSON values for the header of a safetensors file.
        spec: The model specification, as JSON values.

    Returns:
        The path.

    Raises:
        CheckpointError: The file cannot be written.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_checkpoint(f'{folder}/w.safetensors', {'fc.bias': torch.zeros(2)}).name
        'w.safetensors'
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    tensors = {name: value.detach().cpu().contiguous() for name, value in state_dict.items()}
    with written_aside(path) as aside:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if path.suffix == '.pth':
                torch.save(tensors if spec is None else {'state_dict': tensors, SPEC_KEY: dict(spec)}, aside)
            else:
                # safetensors has no views, so storage that two names share is written twice.
                tensors = {name: value.clone() for name, value in tensors.items()}
                header = {**(metadata or {}), **({SPEC_KEY: spec} if spec is not None else {})}
                save_file(tensors, aside, {k: v if isinstance(v, str) else json.dumps(v) for k, v in header.items()})
        except (RuntimeError, SafetensorError) as error:  # raised by both writers if the disk is full
            raise OSError(str(error)) from error
    return path


@contextlib.contextmanager
def written_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a file atomically: yield a temporary name beside `path`, flush it to disk, and rename it to `path`.

    After a kill or on a full disk, `path` is the old file or the complete new one.

    Args:
        path: The file.

    Yields:
        The temporary name, which the `with` block writes to.

    Raises:
        CheckpointError: The file cannot be written.
    """
    path = Path(path)
    aside = path.with_name(f'.{path.name}.{secrets.token_hex(4)}{_PARTIAL}')
    try:
        yield aside
        _flush(aside)
        os.replace(aside, path)
        _flush(path.parent)
    except OSError as error:
        raise CheckpointError(
            f'{path} could not be written ({error}); an older file of that name is untouched'
        ) from error
    finally:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # nothing was written, or could be
            aside.unlink()


def remove_partial(folder: str | os.PathLike[str]) -> list[Path]:
    """Delete the unfinished files of killed processes.

    Args:
        folder: The folder that `written_aside` wrote to.

    Returns:
        The deleted files.
    """
    partial = sorted(Path(folder).glob(f'.*{_PARTIAL}'))
    for file in partial:
        file.unlink(missing_ok=True)
    return partial


def _flush(path: Path) -> None:
    if path.is_dir():
        if not hasattr(os, 'O_DIRECTORY'):  # Windows cannot open a folder, and needs not
            return
        handle = os.open(path, os.O_RDONLY)
    else:
        handle = os.open(path, os.O_RDWR)  # Windows flushes no file that is open for reading alone
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def openmmlab_classes() -> AbstractContextManager[Any]:
    """Allow torch.load, within a `with` block, the classes that mmengine stores beside tensors: logs and schedules."""
    if not hasattr(torch.serialization, 'safe_globals'):
        return nullcontext()  # torch before 2.5 has no list to extend
    from mmengine.logging import HistoryBuffer
    from mmengine.optim.scheduler import OneCycleParamScheduler

    methods = {
        HistoryBuffer: ('current', 'max', 'mean', 'min'),
        OneCycleParamScheduler: ('_annealing_cos', '_annealing_linear'),
    }

    def method(owner: Any, name: str) -> Any:
        """Return a method as getattr does, but only one of the six that mmengine's pickles refer to."""
        if name not in methods.get(owner, ()):
            raise pickle.UnpicklingError(f'GLOBAL {owner.__module__}.{owner.__name__}.{name}')
        return getattr(owner, name)

    array, scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    allowed: list[Any] = [*methods, (method, 'builtins.getattr'), np.ndarray, np.dtype]
    for core in ('core', '_core'):  # the module's name in numpy 1 and numpy 2
        allowed += [(array, f'numpy.{core}.multiarray._reconstruct'), (scalar, f'numpy.{core}.multiarray.scalar')]
    allowed += [type(np.dtype(kind)) for kind in ('bool', 'uint8', 'int32', 'int64', 'float32', 'float64')]
    return torch.serialization.safe_globals(allowed)
