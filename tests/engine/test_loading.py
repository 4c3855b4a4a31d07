"""Every way in which a library loads a checkpoint fills the network, or stops and names what would stay random."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import mmpretrain.apis
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, RUNNERS, DefaultScope
from mmengine.runner import load_checkpoint
from torch import Tensor, nn

import hrnet_mm.drop_in.mmpretrain
from hrnet_mm.cli import main
from hrnet_mm.errors import UserError
from hrnet_mm.inference import open_network
from hrnet_mm.models import HRFuseScales, HRNetModel
from hrnet_mm.weights import convert, write_checkpoint
from hrnet_mm.weights.load import absent_biases

pytestmark = pytest.mark.usefixtures('quick')

X = torch.randn(1, 3, 64, 64)


@pytest.fixture
def config(tiny_config: Any, tmp_path: Path) -> Path:
    """The tiny classifier with the biases of the official configs."""
    file = tmp_path / 'classifier.py'
    cfg = Config.fromfile(tiny_config('mmpretrain'))
    (fuse, pool) = cfg.model.neck
    cfg.model.neck = [{**fuse, 'conv_bias': True}, pool]
    cfg.work_dir = str(tmp_path / 'work_dir')
    cfg.dump(file)
    return file


def trained() -> HRNetModel:
    torch.manual_seed(3)
    model = HRNetModel('hrnet_test-w4', num_classes=2)
    model.init_weights()
    model.train()(torch.randn(8, 3, 64, 64))
    return model.eval()


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    """A classifier without biases in mmpretrain's layout."""
    return write_checkpoint(tmp_path / 'a.pth', convert(trained().state_dict(), to='mmpretrain').state_dict)


def logits(model: Any) -> Tensor:
    with torch.no_grad():
        return model.head(model.extract_feat(X)) if hasattr(model, 'extract_feat') else model(X)


def test_biases_that_a_file_leaves_out_are_zero(config: Path, converted: Path) -> None:
    expected = logits(trained())
    for seed in range(2):
        torch.manual_seed(seed)
        model = mmpretrain.apis.get_model(str(config), pretrained=str(converted))
        assert torch.equal(logits(model), expected)
        assert not model.neck[0].final_layer.conv.bias.any()
    inferencer = mmpretrain.apis.ImageClassificationInferencer(str(config), pretrained=str(converted), device='cpu')
    assert torch.equal(logits(inferencer.model), expected)
    assert torch.equal(logits(open_network(config, converted).network), expected)
    plain = build(config)
    plain.load_state_dict(torch.load(converted, weights_only=True), strict=True)
    assert torch.equal(logits(plain.eval()), expected)


def build(config: Path) -> Any:
    settings = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build({**settings.model, 'data_preprocessor': settings.data_preprocessor})


def test_zeros_belong_to_convolutions_before_a_norm_alone() -> None:
    fuse = HRFuseScales(arch='test-w4', conv_bias=True)
    without = {name for name in fuse.state_dict() if not name.endswith('conv.bias')}
    assert sorted(absent_biases(fuse, without)) == [
        'downsample_layers.0.conv.bias',
        'downsample_layers.1.conv.bias',
        'downsample_layers.2.conv.bias',
        'final_layer.conv.bias',
    ]
    assert absent_biases(fuse, {'final_layer.bn.weight'}) == {}
    assert absent_biases(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU()), {'0.weight'}) == {}


def without_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith('head.')}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (without_head, r'fills 364 of 366 .* 2 would stay random, such as head\.fc\.weight \(missing\)'),
        (
            lambda state: state | {'head.fc.weight': torch.zeros(3, 2048), 'head.fc.bias': torch.zeros(3)},
            r'such as head\.fc\.weight \(of another shape\)',
        ),
        (lambda state: state | {'head.fc.running_mean': torch.zeros(3)}, r'layers of this network lack, .* head\.fc\.'),
    ],
)
def test_the_libraries_functions_stop(config: Path, converted: Path, change: Any, message: str) -> None:
    torch.save({'state_dict': change(torch.load(converted, weights_only=True))}, converted)
    with pytest.raises(UserError, match=message):
        mmpretrain.apis.get_model(str(config), pretrained=str(converted))
    with pytest.raises(UserError, match=message):
        mmpretrain.apis.ImageClassificationInferencer(str(config), pretrained=str(converted), device='cpu')
    with pytest.raises(UserError, match=message):
        load_checkpoint(build(config), str(converted))


@pytest.mark.parametrize('runner_type', ['hrnet_mm.ReliableRunner', 'Runner'])
def test_a_test_needs_the_head_and_a_training_does_not(config: Path, converted: Path, runner_type: str) -> None:
    torch.save({'state_dict': without_head(torch.load(converted, weights_only=True))}, converted)
    settings = Config.fromfile(config)
    settings.update(load_from=str(converted), runner_type=runner_type)
    settings.train_cfg.max_epochs = 1
    with pytest.raises(UserError, match=r'such as head\.fc\.weight \(missing\)'):
        RUNNERS.build(settings).test()
    settings.experiment_name = 'training'
    RUNNERS.build(settings).train()
    settings.default_hooks = {'loaded': {'type': 'hrnet_mm.CheckLoadedHook', 'random_heads': True}}
    settings.experiment_name = 'asked for'
    if runner_type == 'Runner':
        settings.custom_hooks = [settings.default_hooks.pop('loaded')]
    assert 'accuracy/top1' in RUNNERS.build(settings).test()


def test_the_command_stops(config: Path, converted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['test', str(config), '--weights', str(converted)]) == 0
    torch.save({'state_dict': without_head(torch.load(converted, weights_only=True))}, converted)
    assert main(['test', str(config), '--weights', str(converted)]) == 2
    assert 'would stay random, such as head.fc.weight (missing); give a checkpoint' in capsys.readouterr().err


def test_networks_of_others_load_as_before(tmp_path: Path) -> None:
    torch.save({'state_dict': {'weight': torch.ones(1, 1)}}, tmp_path / 'a.pth')
    layer = nn.Linear(1, 1)
    load_checkpoint(layer, str(tmp_path / 'a.pth'))
    assert layer.weight == 1
    assert hrnet_mm.drop_in.mmpretrain.HRNet


SCOPED = """
import sys
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmpretrain import get_model

config = Config.fromfile(sys.argv[1])
assert 'custom_imports' not in config
assert not any(name.startswith('hrnet_mm.models') for name in sys.modules)
if sys.argv[3] == 'library':
    get_model(config, pretrained=sys.argv[2])
else:
    config.load_from = sys.argv[2]
    Runner.from_cfg(config).test()
"""


@pytest.mark.parametrize('by', ['library', 'runner'])
@pytest.mark.parametrize('whole', [True, False])
def test_scoped_names_without_an_import_line(
    config: Path, converted: Path, tmp_path: Path, by: str, whole: bool
) -> None:
    """In a process that imports nothing of this package itself."""
    settings = Config.fromfile(config)
    settings.pop('custom_imports')
    settings.model.backbone.type = 'hrnet_mm.HRNet'
    settings.model.neck[0].type = 'hrnet_mm.HRFuseScales'
    settings.dump(file := tmp_path / 'scoped.py')
    if not whole:
        torch.save({'state_dict': without_head(torch.load(converted, weights_only=True))}, converted)
    done = subprocess.run(
        [sys.executable, '-c', SCOPED, str(file), str(converted), by], capture_output=True, text=True, check=False
    )
    if whole:
        assert done.returncode == 0, done.stderr
    else:
        assert 'would stay random, such as head.fc.weight (missing)' in done.stderr
        assert done.returncode == 1
