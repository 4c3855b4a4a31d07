"""One folder per OpenMMLab library: HRNet under the library's names and defaults, and the official protocols.

Importing `hrnet_mm.drop_in.LIBRARY` registers everything for that library, so a config needs one line:
`custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)`.
"""
