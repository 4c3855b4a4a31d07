"""HRNet and its readouts in plain PyTorch; each also builds by name from any OpenMMLab config."""

from .archs import ARCHS, Arch, Stage, get_arch
from .hrnet import HRNet
from .network import HRNetModel
from .readouts import HRFuseScales, HRNetV1, HRNetV2, HRNetV2p, HRNetV2pFPN

__all__ = [
    'ARCHS',
    'Arch',
    'HRFuseScales',
    'HRNet',
    'HRNetModel',
    'HRNetV1',
    'HRNetV2',
    'HRNetV2p',
    'HRNetV2pFPN',
    'Stage',
    'get_arch',
]
