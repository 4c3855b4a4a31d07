"""Checkpoints of tiny models of the four libraries."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope


@pytest.fixture
def checkpoint(tiny_config, tmp_path):
    """A function from a library to a checkpoint of its tiny model with random weights, as mmengine writes it.

    Its second argument changes the config.
    """

    def make(library, change=lambda config: None):
        config = Config.fromfile(tiny_config(library))
        change(config)
        init_default_scope(library)
        model = dict(config.model)
        if 'data_preprocessor' in config:
            model['data_preprocessor'] = config.data_preprocessor
        torch.manual_seed(0)
        built = MODELS.build(model)
        path = tmp_path / f'{library}.pth'
        torch.save({'state_dict': built.state_dict(), 'meta': {'cfg': config.pretty_text}}, path)
        return path

    return make
