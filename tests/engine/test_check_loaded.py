"""Weights named in configs: `init_cfg` takes any layout, `load_from` stops on a backbone that is not filled."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.registry import HOOKS
from mmengine.runner import Runner

import hrnet_mm.drop_in.mmpose
from hrnet_mm.engine.guards import CheckLoadedHook
from hrnet_mm.models import HRNet, HRNetModel
from hrnet_mm.weights import CheckpointError, convert, write_checkpoint


class Model(BaseModel):
    def __init__(self, arch: str) -> None:
        super().__init__()
        self.backbone = HRNet(arch=arch)

    def forward(self, inputs: Any = None, **_: Any) -> Any:
        return {'loss': self.backbone(inputs)[0].sum()}


def runner(tmp_path: Path, load_from: Path | None) -> Runner:
    made = Runner(
        Model('test-w4'),
        str(tmp_path),
        load_from=load_from and str(load_from),
        custom_hooks=[{'type': 'hrnet_mm.CheckLoadedHook'}],
        experiment_name=f'check_loaded_{tmp_path.name}',
        log_level='ERROR',
    )
    made._has_loaded = False
    return made


def test_the_hook_builds_without_an_import_line() -> None:
    assert HOOKS.get('hrnet_mm.CheckLoadedHook') is CheckLoadedHook


def test_a_whole_backbone_is_loaded_whatever_the_head(tmp_path: Path) -> None:
    source = Model('test-w4')
    torch.save({'state_dict': source.state_dict() | {'head.weight': torch.zeros(3)}}, tmp_path / 'a.pth')
    run = runner(tmp_path, tmp_path / 'a.pth')
    run.load_or_resume()
    assert torch.equal(run.model.backbone.conv1.weight, source.backbone.conv1.weight)


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            lambda: HRNet(arch='test-w4').state_dict(),
            r'fills 0 of 312 backbone keys: backbone\.conv1\.weight is missing',
        ),
        (lambda: Model('test-w8').state_dict(), r'fills 77 of 312 backbone keys: .* has shape \(8, 64, 3, 3\)'),
        (
            lambda: {k: v for k, v in Model('test-w4').state_dict().items() if 'stage4' not in k},
            r'of 312 backbone keys: backbone\.stage4.* is missing',
        ),
    ],
)
def test_anything_less_stops_with_counts(tmp_path: Path, make: Any, message: str) -> None:
    torch.save(make(), tmp_path / 'a.pth')
    run = runner(tmp_path, tmp_path / 'a.pth')
    before = run.model.backbone.conv1.weight.clone()
    with pytest.raises(ValueError, match=message):
        run.load_or_resume()
    assert torch.equal(run.model.backbone.conv1.weight, before)


@pytest.mark.parametrize('layout', ['official-cls', 'timm', 'mmpretrain', 'backbone'])
def test_init_cfg_takes_any_layout(tmp_path: Path, layout: str) -> None:
    trained = HRNetModel('hrnet_test-w4')
    path = write_checkpoint(
        tmp_path / 'a.pth', convert(trained.state_dict(), to=layout, backbone_only=layout == 'backbone').state_dict
    )
    net = hrnet_mm.drop_in.mmpose.HRNet(arch='test-w4', init_cfg={'type': 'Pretrained', 'checkpoint': str(path)})
    net.init_weights()
    for name, value in net.state_dict().items():
        assert torch.equal(value, trained.backbone.state_dict()[name]), name


def test_a_head_of_an_unknown_program_gives_its_backbone(tmp_path: Path) -> None:
    trained = HRNet(arch='test-w4')
    state = {f'encoder.{k}': v for k, v in trained.state_dict().items()} | {'decoder.weight': torch.zeros(3)}
    net = HRNet(arch='test-w4', pretrained=str(write_checkpoint(tmp_path / 'a.pth', state)))
    net.init_weights()
    assert torch.equal(net.conv1.weight, trained.conv1.weight)


def test_init_cfg_fails_on_less_than_a_whole_backbone(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / 'a.pth', HRNet(arch='test-w8').state_dict())
    net = HRNet(arch='test-w4', pretrained=str(path))
    with pytest.raises(CheckpointError, match='77 of 312 keys fit; 235 of another shape'):
        net.init_weights()
