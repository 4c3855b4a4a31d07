"""mmcv's compiled operators in Python, for an mmcv that has none (mmcv-lite).

mmcv reaches its compiled part through one module, `mmcv._ext`. `install` puts a module of that name, written in
torch and torchvision, where the compiled one is missing. mmcv's own layers, autograd functions and defaults stay.
"""

from .extension import install

__all__ = ['install']
