"""What the OpenMMLab libraries use and this environment lacks, supplied when they import it.

The file `hrnet_mm.pth`, installed beside this package, calls `activate` whenever Python starts. Subprocesses,
data-loader workers, `torchrun` and MIM therefore have it too. It adds a finder of modules and imports nothing. The
finder knows these names and leaves every other import alone:

* `mmcv._ext`, mmcv's compiled operators: without a compiled file (mmcv-lite), those of `hrnet_mm.ops` in Python;
* `xtcocotools._mask`: without a file compiled for this Python, the same functions of pycocotools;
* the modules in `ADDED`, which read an attribute that newer versions of Python or numpy lack;
* `mmengine.config.utils`, whose table of packages names mmseg's project, and OneDL's fork of it is another.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # every start of Python would wait for these
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

__all__ = ['ADDED', 'STARTUP', 'activate', 'is_active']

STARTUP = """\
import sys; exec("try:\\n from hrnet_mm.compat import activate\\nexcept ImportError: pass\\nelse: activate()")
"""
"""The content of `hrnet_mm.pth`: one line, as Python demands, which says nothing where this package is gone."""


def _find_loader(name: str) -> Loader | None:
    from importlib.util import find_spec

    spec = find_spec(name)
    return spec.loader if spec else None


def _in1d(elements: Any, test_elements: Any, **options: Any) -> Any:
    import numpy as np

    return np.isin(np.ravel(elements), test_elements, **options)


ADDED: dict[str, tuple[str, str, Callable[..., Any]]] = {
    'mmcv.utils.ext_loader': ('pkgutil', 'find_loader', _find_loader),  # mmcv 2.1.0, line 71; gone in Python 3.14
    'mmdet.evaluation.functional.ytviseval': ('np', 'float', float),  # mmdet 3.3.0, line 444; gone in numpy 1.24
    'mmengine.utils.dl_utils.misc': ('pkgutil', 'find_loader', _find_loader),  # mmengine 0.10.7, line 109; the same
    'mmpretrain.evaluation.metrics.retrieval': ('np', 'in1d', _in1d),  # mmpretrain 1.2.0, line 182; gone in numpy 2.4
}
"""Modules that read a missing attribute: their name for the module that has lost it, the attribute, the substitute.

Only the listed module sees the substitute, and only where the attribute is missing."""


def activate() -> None:
    """Add the finder to this process; a second call changes nothing."""
    if not is_active():
        sys.meta_path.insert(0, _Finder)


def is_active() -> bool:
    """Whether this process has the finder."""
    return _Finder in sys.meta_path


class _Finder:
    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to load a module of this file's, and None for every other."""
        if name not in ADDED and name not in _SUPPLIED and name != _PACKAGES:
            return None
        from importlib.machinery import ModuleSpec, PathFinder

        spec = PathFinder.find_spec(name, path)
        if name in _SUPPLIED:  # what is on the disk is used, untouched
            return None if spec else ModuleSpec(name, _Supplied(_SUPPLIED[name]))  # type: ignore[arg-type]
        if spec and spec.loader:
            amend = _name_the_fork if name == _PACKAGES else lambda module: _substitute(module, *ADDED[name])
            spec.loader = _Amended(spec.loader, amend)  # type: ignore[assignment]
        return spec


class _Supplied:
    """Loads a module that a function makes."""

    def __init__(self, make: Callable[[], ModuleType]) -> None:
        self._make = make

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._make()

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it was made."""


class _Amended:
    """Loads a module as its own loader does, and then amends it."""

    def __init__(self, loader: Loader, amend: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._amend = amend

    def __getattr__(self, name: str) -> Any:  # get_source, is_package and the like
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        self._amend(module)


def _substitute(module: ModuleType, alias: str, attribute: str, substitute: Callable[..., Any]) -> None:
    original = getattr(module, alias, None)  # none in another release, which may have mended itself
    if original is not None and not hasattr(original, attribute):
        amended = type(module)(original.__name__)
        amended.__dict__.update({'__getattr__': lambda name: getattr(original, name), attribute: substitute})
        setattr(module, alias, amended)


_PACKAGES = 'mmengine.config.utils'


def _name_the_fork(module: ModuleType) -> None:
    """Let `mmseg::` be found by its module, as those of the other forks are (onedl-mmengine 0.10.12, line 18)."""
    from importlib.metadata import PackageNotFoundError, distribution

    packages = getattr(module, 'MODULE2PACKAGE', {})
    try:
        distribution(packages.get('mmseg', 'mmsegmentation'))
    except PackageNotFoundError:
        packages['mmseg'] = 'mmseg'


def _mmcv_ext() -> ModuleType:
    from .ops.extension import create_module

    return create_module()


def _xtcocotools_mask() -> ModuleType:
    from types import ModuleType

    from pycocotools import _mask

    module = ModuleType('xtcocotools._mask', _mask.__doc__)
    module.__dict__.update({name: value for name, value in vars(_mask).items() if not name.startswith('__')})
    return module


_SUPPLIED = {'mmcv._ext': _mmcv_ext, 'xtcocotools._mask': _xtcocotools_mask}
