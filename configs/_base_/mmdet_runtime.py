# mmdet's runtime, with this package's HRNet and HRFPN under mmdet's names.
_base_ = ['mmdet::_base_/default_runtime.py', './reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)
