"""tools/research/int8_metric.py: points lost are those lost."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

FILE = Path(__file__).parents[2] / 'tools/research/int8_metric.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('int8_metric', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_counts_what_was_lost(tool):
    labels = torch.tensor([0, 1, 2, 3])
    expected = 4 * torch.eye(4)[[0, 1, 2, 0]]  # three of four right
    given = 4 * torch.eye(4)[[0, 1, 3, 0]]
    row = tool.result('onnxruntime', 'int8', given, expected, labels)
    assert (row['top1'], row['lost_points'], row['changed_answers']) == ('50.00', '25.00', 1)
    assert (row['difference'], row['images']) == ('1.0000', 4)


@pytest.mark.slow
def test_every_row_is_measured(tool, tiny_config, tiny_data, tmp_path, monkeypatch, capsys):
    config = Config.fromfile(tiny_config('mmpretrain'))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    torch.save({'state_dict': model.state_dict(), 'meta': {'cfg': config.pretty_text}}, tmp_path / 'weights.pth')
    (tmp_path / 'images').symlink_to(tiny_data / 'images')
    for part in ('train', 'test'):
        (tmp_path / f'{part}.txt').write_text((tiny_data / 'classes.txt').read_text())
    monkeypatch.setattr(tool, 'BATCH', 2)
    monkeypatch.setattr(tool, 'ENGINES', ('onnxruntime',))
    options = {'--weights': 'weights.pth', '--data': '.', '--out': 'results/int8.csv'}
    arguments = [part for option, name in options.items() for part in (option, str(tmp_path / name))]
    monkeypatch.setattr(sys, 'argv', ['int8_metric.py', *arguments, '--calibration', '4'])
    tool.main()
    with (tmp_path / 'results/int8.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [(row['engine'], row['precision'], row['images']) for row in rows] == [
        ('PyTorch', 'fp32', '4'),
        ('onnxruntime', 'int8', '4'),
    ]
    assert float(rows[0]['difference']) == 0 < float(rows[1]['difference']) < 0.5
    assert rows[0]['device']
