# mmseg's runtime with this package's HRNet, the official loss and the official test (--tta): six scales and flip.
_base_ = ['mmseg::_base_/default_runtime.py', './reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
tta_model = dict(type='OfficialTTA', scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True)
