"""Safe reading of every checkpoint that mmengine loads, whoever calls its `load_checkpoint`.

Some versions of mmengine execute a file when the safe reader refuses it, and all do for files from a URL. The safe
reader replaces mmengine's own in its table of schemes, which covers `load_from`, `resume`, and the weights in
`init_cfg`.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmengine.dist import barrier, get_local_rank
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import get_mmcls_models, get_torchvision_models

from ..weights.io import CheckpointError, read_checkpoint
from ..weights.load import resolve
from ._mmengine import with_mmpretrain_names

__all__ = ['use_safe_reader']

_LOCAL = ''
_REMOTE = ('http://', 'https://', 'open-mmlab://', 'openmmlab://', 'torchvision://', 'modelzoo://', 'mmcls://')
_FOREIGN = ('pavi://', r'(\S+\:)?s3://', r'(\S+\:)?petrel://')


def use_safe_reader(trusted: Iterable[str] = ()) -> None:
    """Register the safe reader for every scheme, for the rest of the process.

    Args:
        trusted: Paths of the user's own files, such as the checkpoint that a run resumes from. With torch before 2.10,
            no other `.pth` is read (see `read_checkpoint`).
    """
    own = {_absolute(path) for path in trusted}

    # mmengine logs the names of the functions without their first ten letters: "by safe backend from path".
    def load_from_safe(filename: str, map_location: Any = None) -> Any:
        """Read to the CPU, regardless of `map_location`: loading a state copies it to the model's device."""
        path = Path(filename).expanduser()
        if not path.is_file():
            raise CheckpointError(f'{path}: no such checkpoint{_beside(path)}')
        try:
            return read_checkpoint(path, trusted=_absolute(path) in own)
        except CheckpointError as error:
            raise CheckpointError(f'{error}{_beside(path)}') from error

    def load_from_safely_fetched(filename: str, map_location: Any = None) -> Any:
        checkpoint = read_checkpoint(_fetched(filename))
        return with_mmpretrain_names(checkpoint) if filename.startswith('mmcls://') else checkpoint

    CheckpointLoader.register_scheme(_LOCAL, load_from_safe, force=True)
    CheckpointLoader.register_scheme(_REMOTE, load_from_safely_fetched, force=True)
    CheckpointLoader.register_scheme(_FOREIGN, _load_from_elsewhere, force=True)


def _load_from_elsewhere(filename: str, map_location: Any = None) -> Any:
    raise CheckpointError(f'{filename}: this kind of storage has no safe reader; fetch the file and give its path')


def _fetched(name: str) -> Path:
    """Return the path of the file after one process of each machine has downloaded it."""
    address = _address(name)
    if get_local_rank() == 0:
        resolve(address)
    barrier()
    return resolve(address)[0]


def _address(name: str) -> str:
    scheme, _, rest = name.partition('://')
    if scheme in ('torchvision', 'modelzoo'):
        return str(get_torchvision_models()[rest])
    if scheme == 'mmcls':
        return str(get_mmcls_models()[rest])
    return name.replace('openmmlab://', 'open-mmlab://')


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _beside(path: Path) -> str:
    """Return the end of a message with the other checkpoints in the folder, newest first."""
    others = [other for other in path.parent.glob('*.pth') if other != path] if path.parent.is_dir() else []
    others.sort(key=lambda other: other.stat().st_mtime, reverse=True)
    return f'; beside it: {", ".join(other.name for other in others[:5])}' if others else ''
