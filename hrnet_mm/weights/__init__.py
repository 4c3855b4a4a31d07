"""Checkpoints of any HRNet: safe reading, atomic writing, conversion between layouts, and the published weights."""

from .convert import Conversion, convert, detect
from .io import CheckpointError, read_checkpoint, require_finite, state_dict_of, write_checkpoint
from .load import load_backbone, open_checkpoint, read_spec
from .spec import ModelSpec
from .zoo import WEIGHTS, Weight, get_weight

__all__ = [
    'WEIGHTS',
    'CheckpointError',
    'Conversion',
    'ModelSpec',
    'Weight',
    'convert',
    'detect',
    'get_weight',
    'load_backbone',
    'open_checkpoint',
    'read_checkpoint',
    'read_spec',
    'require_finite',
    'state_dict_of',
    'write_checkpoint',
]
