"""Chosen engines and their files, kept in the user's cache folder for the next start."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from .. import __version__
from ..cache import cache_folder
from ..weights.io import CheckpointError, written_aside
from .graphs import Job
from .machine import machine

__all__ = ['Choices', 'Files']

_LIBRARIES = ('MNN', 'ncnn', 'nncf', 'onnx', 'onnxruntime', 'onnxruntime-gpu', 'onnxscript', 'openvino', 'pnnx')
_PLANNED = ('native', 'native-bf16x3')
"""Engines whose files in fp32 have no weights."""

_MOST_CHOICES = 200
_MOST_BYTES = 2 << 30


def _folder() -> Path:
    return cache_folder() / 'engines'


class Choices:
    """The engines of earlier choices, in a JSON file of the user, or in one for each choice in the cache folder.

    A choice holds for the machine, the number of threads, the versions of all libraries, the network but for the values
    of its weights, the shapes of its inputs, the precision, the tolerance and the engines that were allowed. A damaged
    file is an empty one.

    Attributes:
        engine: The engine of this choice; None where there is none.

    Args:
        path: The user's file, if any.
        job: The network.
        names: The engines that are allowed.
        tolerance: The largest difference that is allowed.
    """

    def __init__(self, path: str | Path | None, job: Job, names: Sequence[str], tolerance: float) -> None:
        self._key = json.dumps([_where(job), torch.get_num_threads(), *_form(job), tolerance, sorted(names)])
        # Of its own, so that processes that choose at the same time do not write into the same file.
        own = _folder() / 'choices' / f'{hashlib.sha256(self._key.encode()).hexdigest()[:32]}.json'
        self._is_own = path is None
        self._path = own if path is None else Path(path)
        self.engine = self._read().get(self._key)

    def _read(self) -> dict[str, str]:
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def write(self, engine: str) -> None:
        """Keep a choice; where the cache folder cannot be written, the next start measures again.

        Raises:
            CheckpointError: The user's file cannot be written.
        """
        try:
            with written_aside(self._path) as aside:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                # Read again: another process may have written its choice since.
                aside.write_text(json.dumps({**self._read(), self._key: engine}, indent=1), encoding='utf-8')
        except CheckpointError:
            if not self._is_own:
                raise
        if self._is_own:
            with suppress(OSError):
                for old in _newest_first(self._path.parent)[_MOST_CHOICES:]:
                    old.unlink(missing_ok=True)


class Files:
    """The files from which engines were loaded at earlier starts, for the same network with the same weights.

    The plans of the native engine have no weights, and hold for any. Two networks whose weights and descriptions are
    equal may still differ, so outputs have to be compared.

    Args:
        job: The network.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._place = _folder() / 'files'

    @cached_property
    def _digest(self) -> str:
        return _digest(self._job)

    @cached_property
    def _plan(self) -> str:
        return hashlib.sha256(_text(self._job)).hexdigest()[:32]

    def has_weights(self, engine: str) -> bool:
        """Whether an engine's files are of the network's weights."""
        return engine not in _PLANNED or self._job.precision != 'fp32'

    def _folder_of(self, engine: str) -> Path:
        return self._place / f'{engine}-{self._digest if self.has_weights(engine) else self._plan}'

    def find(self, engine: str) -> Path | None:
        """The folder with an engine's files; None where there is none."""
        if not any(self._place.glob(f'{engine}-*')):  # nor is there a need to read the weights
            return None
        folder = self._folder_of(engine)
        if not folder.is_dir():
            return None
        with suppress(OSError):
            folder.touch()  # the oldest are removed
        return folder

    def keep(self, engine: str) -> None:
        """Keep the files that the job made for an engine, if any, and remove the oldest beyond 2 GB.

        Where nothing can be written, nothing is kept.
        """
        files = list(self._job.files.glob(f'{engine}.*'))
        if not files:
            return
        folder = self._folder_of(engine)
        with suppress(OSError):
            self._place.mkdir(parents=True, exist_ok=True)
            # All files or none. After a power failure one may be shorter: loading or the comparison notices it.
            with tempfile.TemporaryDirectory(dir=self._place, ignore_cleanup_errors=True) as aside:
                for file in files:
                    shutil.copy(file, aside)
                Path(aside).rename(folder)  # fails if another process was first
        with suppress(OSError):
            _remove_oldest(self._place, but=folder)


def _remove_oldest(place: Path, but: Path) -> None:
    size = 0
    for folder in _newest_first(place):
        size += sum(file.stat().st_size for file in folder.iterdir())
        if size > _MOST_BYTES and folder != but:
            shutil.rmtree(folder, ignore_errors=True)


def _newest_first(place: Path) -> list[Path]:
    return sorted(place.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _where(job: Job) -> dict[str, str]:
    """The machine, and the versions of everything that converts or computes."""
    return {**machine(job.device), **_versions()}


def _form(job: Job) -> list[Any]:
    """What of a job, besides the values of its weights, decides how fast an engine is."""
    state = [(name, list(x.shape), str(x.dtype)) for name, x in _state(job)]
    inputs = [[list(x.shape), str(x.dtype)] for x in job.inputs]
    network = hashlib.sha256(json.dumps([_modules(job.module), state]).encode()).hexdigest()[:32]
    return [network, inputs, job.precision, job.dynamic]


def _modules(network: nn.Module) -> list[Any]:
    """The classes of a network's modules, and their settings: attributes that are plain values or functions."""
    return [
        [name, _name(type(module)), {k: _setting(v) for k, v in vars(module).items() if k not in _OF_EVERY_MODULE}]
        for name, module in network.named_modules()
    ]


_OF_EVERY_MODULE = frozenset([*vars(nn.Module()), 'init_cfg', '_is_init'])
"""Attributes that are no settings; the last two are mmengine's, and say how weights began."""


def _setting(x: Any) -> Any:
    if isinstance(x, str | int | float | None):
        return x
    if isinstance(x, Mapping):
        return [[str(k), _setting(v)] for k, v in x.items()]
    if isinstance(x, list | tuple):
        return [_setting(v) for v in x]
    return _name(x if callable(x) and hasattr(x, '__qualname__') else type(x))


def _name(x: Any) -> str:
    return f'{x.__module__}.{x.__qualname__}'


def _state(job: Job) -> list[tuple[str, Tensor]]:
    return [*job.module.named_parameters(), *job.module.named_buffers()]


def _text(job: Job) -> bytes:
    return json.dumps([_where(job), *_form(job)]).encode()


def _digest(job: Job) -> str:
    digest = hashlib.sha256(_text(job))
    for x in (*(x for _, x in _state(job)), *pytree.tree_leaves(job.calibration)):
        digest.update(x.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:32]


@cache
def _versions() -> dict[str, str]:
    versions = {'hrnet_mm': __version__}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
