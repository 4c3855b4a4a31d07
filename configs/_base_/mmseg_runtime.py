# mmseg's runtime with this package's HRNet, the official loss and the official test (--tta) with flip. Its scales and
# windows are `official_test` of the data set.
_base_ = ['mmseg::_base_/default_runtime.py', './reliable_runtime.py']
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
tta_model = dict(type='OfficialTTA', flip=True)
