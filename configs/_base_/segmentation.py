# What every official segmentation config shares: mmseg's runtime, this package's HRNet, the official loss and test.
_base_ = ['mmseg::_base_/default_runtime.py', './reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
