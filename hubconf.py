"""Networks for `torch.hub`: `torch.hub.load(REPOSITORY, 'hrnet_w32', pretrained='w32-imagenet')`.

Each network of `hrnet_mm.list_models()` is an entry, with underscores in place of hyphens; the arguments are those of
`hrnet_mm.create_model` after the name.
"""

from functools import partial as _partial

from hrnet_mm import create_model as _create_model
from hrnet_mm import list_models as _list_models

dependencies = ['torch', 'mmengine', 'safetensors']

for _name in _list_models():
    _entry = _partial(_create_model, _name)
    _entry.__doc__ = _create_model.__doc__
    globals()[_name.replace('-', '_')] = _entry
