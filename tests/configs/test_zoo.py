"""Every config parses, knows its keys, builds, survives a dump; every distinct recipe trains a step and predicts."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DATASETS, MODELS

from hrnet_mm.config_check import check_config
from hrnet_mm.contradictions import contradictions

ROOT = Path(__file__).parents[2]
MAX_LINES = 30
TRAINED = {}
SOUND = set()


def build_model(config):
    model = config.model
    if config.default_scope == 'mmpretrain':
        model = {**model, 'data_preprocessor': config.data_preprocessor}
    return MODELS.build(copy.deepcopy(model))


def shapes(model):
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def test_header_and_length(path):
    lines = (ROOT / 'configs' / path).read_text().splitlines()
    header = [line for line in lines if line.startswith('# ')]
    assert lines[: len(header)] == header
    assert f'# Command: python tools/train.py configs/{path}' in header
    assert len(lines) <= MAX_LINES


def test_bases_are_short():
    for base in (ROOT / 'configs/_base_').rglob('*.py'):
        assert len(base.read_text().splitlines()) <= MAX_LINES, base


def test_keys_are_known_and_the_model_builds(path, read):
    config = read(path)
    assert check_config(config) == []
    if (model_text := str(config.model)) not in SOUND:  # many differ in their schedules alone
        assert contradictions(config, training=True, on_cpu=True, processes=1) == []
        SOUND.add(model_text)
    with torch.device('meta'):
        model = build_model(config)
    assert type(model.backbone).__module__.startswith('hrnet_mm')
    again = Config.fromstring(config.pretty_text, '.py')
    assert again.model == config.model
    assert again.train_dataloader == config.train_dataloader


@pytest.mark.slow
def test_dump_builds_the_same_model(path, read):
    config = read(path)
    with torch.device('meta'):
        assert shapes(build_model(config)) == shapes(build_model(Config.fromstring(config.pretty_text, '.py')))


def train_and_predict(config):
    torch.manual_seed(0)
    train_data, test_data = (DATASETS.build(config[f'{name}_dataloader'].dataset) for name in ('train', 'val'))
    model = build_model(config)
    wrapper = build_optim_wrapper(model, config.optim_wrapper)
    before = [p.clone() for p in model.backbone.parameters() if p.requires_grad]
    model.train()
    losses = model.train_step(collate(config, [train_data[0], train_data[len(train_data) - 1]]), wrapper)
    assert all(value.isfinite().all() for value in losses.values()), losses
    after = [p for p in model.backbone.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    model.eval()
    (sample,) = model.test_step(collate(config, [test_data[0]]))
    return sample


def collate(config, samples):
    if config.default_scope != 'mmpretrain':
        return pseudo_collate(samples)
    return {'inputs': torch.stack([s['inputs'] for s in samples]), 'data_samples': [s['data_samples'] for s in samples]}


PREDICTED = {'mmdet': 'pred_instances', 'mmseg': 'pred_sem_seg', 'mmpose': 'pred_instances', 'mmpretrain': 'pred_score'}


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # mmdet's masks, on numpy 2
def test_trains_a_step_and_predicts(path, read, shrink, with_samples, body_of):
    config = shrink(read(path))
    body = body_of(config)
    if body in TRAINED:
        pytest.skip(f'{TRAINED[body]} is the same')
    TRAINED[body] = path
    sample = train_and_predict(with_samples(config))
    assert PREDICTED[config.default_scope] in sample
