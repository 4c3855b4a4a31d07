"""Every config parses, builds, and survives a dump; tests/end_to_end runs them."""

import copy
import re
from dataclasses import replace
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.registry import MODELS

from hrnet_mm.config.consistency import contradictions
from hrnet_mm.engine.batch import BatchUse

ROOT = Path(__file__).parents[2]
MAX_LINES = 30
SOUND, FORMATTED = set(), set()


def build_model(config):
    model = config.model
    if config.default_scope == 'mmpretrain':
        model = {**model, 'data_preprocessor': config.data_preprocessor}
    return MODELS.build(copy.deepcopy(model))


def test_header_and_length(path):
    lines = (ROOT / 'configs' / path).read_text().splitlines()
    header = [line for line in lines if line.startswith('# ')]
    assert lines[: len(header)] == header
    assert f'# Command: python tools/train.py configs/{path}' in header
    assert len(lines) <= MAX_LINES


def test_bases_are_short():
    for base in (ROOT / 'configs/_base_').rglob('*.py'):
        assert len(base.read_text().splitlines()) <= MAX_LINES, base


def test_the_model_builds_for_its_batch_and_a_dump_is_equal(path, read, monkeypatch):
    config = read(path)
    if (model_text := str(config.model)) not in SOUND:  # many differ in their schedules alone
        assert contradictions(config, training=True, on_cpu=True, processes=1) == []
        with torch.device('meta'):
            model = build_model(config)
        # The ResNets that HRNet is compared with are the library's.
        assert type(model.backbone).__module__.startswith('mmpose' if '/td-hm_res' in path else 'hrnet_mm')
        SOUND.add(model_text)
    folder = path.partition('/')[0]
    if folder not in ('demo', 'learn') and config.get('train_dataloader') is not None:  # those set a peak rate
        gpus = re.search(r'(\d+)xb\d', path)
        use = replace(BatchUse.of(config), processes=int(gpus[1]) if gpus else 4 if 'fcn' in path else 8)
        assert use.base is not None
        use.check()
    if folder in FORMATTED:  # which takes half a second, and moves white space alone
        monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **_: (text, False))
    FORMATTED.add(folder)
    again = Config.fromstring(config.pretty_text, '.py')
    assert again.model == config.model
    assert again.train_dataloader == config.train_dataloader
