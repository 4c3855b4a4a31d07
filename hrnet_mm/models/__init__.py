"""HRNet, its readouts and whole networks in plain PyTorch, registered for every OpenMMLab library."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .archs import ARCHS, Arch, Stage, get_arch
    from .features import FeatureInfo, Features
    from .hrnet import HRNet
    from .network import HRNetModel
    from .readouts import HRFuseScales, HRNetV1, HRNetV1hFPN, HRNetV2, HRNetV2p, HRNetV2pFPN

__all__ = [
    'ARCHS',
    'Arch',
    'FeatureInfo',
    'Features',
    'HRFuseScales',
    'HRNet',
    'HRNetModel',
    'HRNetV1',
    'HRNetV1hFPN',
    'HRNetV2',
    'HRNetV2p',
    'HRNetV2pFPN',
    'Stage',
    'get_arch',
]


def __getattr__(name: str) -> Any:
    # Imported on first use, because the architectures, which are data, need no torch.
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    for module in ('archs', 'features', 'hrnet', 'network', 'readouts'):
        found = getattr(importlib.import_module(f'{__name__}.{module}'), name, None)
        if found is not None:
            return found
    raise AssertionError(name)
