"""One HRNet (V1, V2, V2p, C) for mmdet, mmseg, mmpose, mmpretrain and plain PyTorch."""

__version__ = '0.1.0'
