"""tools/research/int8_metric.py: points lost are those lost, by the test of a config."""

import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm.tasks import TASKS

FILE = Path(__file__).parents[2] / 'tools/research/int8_metric.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('int8_metric', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(('task', 'key', 'lost'), [('segmentation', 'mIoU', '2.50'), ('faces', 'NME', '-2.50')])
def test_an_error_that_falls_is_no_loss(tool, task, key, lost):
    factor = 100 if task == 'faces' else 1
    config = SimpleNamespace(test_evaluator={})
    row = tool.results(TASKS[task], config, {key: 50 / factor}, {key: 52.5 / factor})[0]
    assert (row['value'], row['lost_points']) == ('50.00', lost)


def test_an_engine_that_cannot_has_no_metric(tool):
    row = tool.results(TASKS['segmentation'], SimpleNamespace(test_evaluator={}), {}, {'mIoU': 50.0})[0]
    assert math.isnan(float(row['value']))
    assert math.isnan(float(row['lost_points']))


@pytest.mark.slow
def test_a_network_is_quantized_and_tested(tool, tiny_config, tmp_path):
    config = Config.fromfile(tiny_config('mmpretrain'))
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'weights.pth')
    for engine, says in ('PyTorch', ''), ('onnxruntime', 'ONNX Runtime'):
        found, applied = tool.measured(config, tmp_path / 'weights.pth', engine, 2)
        assert 0 <= found['accuracy/top1'] <= 100
        assert says in applied
    assert tool.measured(config, tmp_path / 'weights.pth', 'mnn', 2)[0] == {}  # it has no int8
