"""One module per OpenMMLab library; importing it makes that library's `type='HRNet'` build this package's HRNet.

In a config: `custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)`.
"""
