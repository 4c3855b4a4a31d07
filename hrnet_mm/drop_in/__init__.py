"""HRNet under each OpenMMLab library's names and defaults, and the official protocols; one folder for each library.

Importing `hrnet_mm.drop_in.LIBRARY` registers everything for that library. A config needs one line:
`custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)`.
"""
