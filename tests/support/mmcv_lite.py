"""Code by which a new process sees an mmcv without its shared library, as mmcv-lite is."""

HIDE_COMPILED = """
import importlib.machinery
_find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = lambda name, *args, **keys: (
    None if name == 'mmcv._ext' else _find(name, *args, **keys)
)
"""
