"""Configs of configs/detection, read once, with mmdet as the default scope of what is built from them."""

import copy
from functools import cache
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import import_modules_from_strings

from hrnet_mm.engine import quick_reading

FOLDER = Path(__file__).parents[2] / 'configs' / 'detection'


@cache
def _read(name):
    with quick_reading():
        return Config.fromfile(FOLDER / f'{name}.py')


def read(name):
    """A copy of the config of this name."""
    config = copy.deepcopy(_read(name))
    import_modules_from_strings(**config.custom_imports)
    return config


def build(part, registry=MODELS):
    """Build a part of a config."""
    import_modules_from_strings('hrnet_mm.drop_in.mmdet')
    with DefaultScope.overwrite_default_scope('mmdet'):
        return registry.build(copy.deepcopy(part))


def rpn_head(config):
    """The RPN of a config, narrow."""
    model = config.model
    settings = {'train_cfg': model.train_cfg.rpn, 'test_cfg': model.test_cfg.rpn, 'in_channels': 8, 'feat_channels': 8}
    return build({**model.rpn_head, **settings})


def roi_head(config):
    """The RoI head of a config."""
    model = config.model
    return build({**model.roi_head, 'train_cfg': model.train_cfg.rcnn, 'test_cfg': model.test_cfg.rcnn})
