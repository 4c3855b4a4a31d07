"""HRNet under each OpenMMLab library's names and defaults, and the official protocols; one folder for each library.

Importing `hrnet_mm.drop_in.LIBRARY` registers everything for that library. A config needs one line:
`custom_imports = dict(imports=['hrnet_mm.drop_in.mmdet'], allow_failed_imports=False)`.

A checkpoint that a library then loads into one of these networks fills it, or the loading stops (`engine.loading`).
"""

from ..engine.loading import guard_loading
from . import bands  # noqa: F401  # registered

guard_loading()
