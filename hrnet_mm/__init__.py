"""One HRNet (V1, V2, V2p, C) for mmdet, mmseg, mmpose, mmpretrain and plain PyTorch."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # every start of Python imports this file, see `compat`
    from typing import Any

__version__ = '0.1.0'
__all__ = ['create_model', 'list_models']


def __getattr__(name: str) -> Any:
    # Imported on first use: OpenMMLab imports this package only to find its registry.
    if name in __all__:
        from . import factory

        return getattr(factory, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
