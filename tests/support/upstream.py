"""The HRNet configs that the installed libraries ship."""

import importlib.util
import re
from functools import cache
from pathlib import Path

COUNTS = {'mmdet': 29, 'mmseg': 66, 'mmpose': 87, 'mmpretrain': 7}
"""How many the installed releases ship (mmdet 3.3.0, mmsegmentation 1.2.2, mmpose 1.3.2, mmpretrain 1.2.0)."""


def configs_root(library: str) -> Path:
    return Path(importlib.util.find_spec(library).origin).parent / '.mim' / 'configs'


@cache
def upstream_paths(library: str) -> list[str]:
    """The paths of all that name the class HRNet, below the library's configs."""
    root = configs_root(library)
    files = [file for file in sorted(root.rglob('*.py')) if '_base_' not in file.parts]
    return [str(file.relative_to(root)) for file in files if _mentions_hrnet(file)]


@cache
def _mentions_hrnet(path: Path) -> bool:
    """Whether a config, or one that it inherits, names the class; by text, as loading all configs takes minutes."""
    text = path.read_text()
    bases = [(path.parent / base).resolve() for base in re.findall(r"'([^']+\.py)'", text)]
    return "'HRNet'" in text or any(base != path and base.is_file() and _mentions_hrnet(base) for base in bases)
