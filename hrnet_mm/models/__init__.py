"""HRNet, its readouts and whole networks in plain PyTorch, registered for every OpenMMLab library."""

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
