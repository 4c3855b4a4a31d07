"""mmcv's compiled operators in Python, for an mmcv that has none (mmcv-lite).

mmcv reaches its compiled part through one module, `mmcv._ext`. Where the compiled one is missing, `hrnet_mm.compat`
supplies the module of that name that `extension` makes. mmcv's own layers, autograd functions and defaults stay.
"""
