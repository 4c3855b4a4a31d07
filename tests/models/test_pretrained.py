"""An `init_cfg` with a checkpoint, in each of its forms, level by level."""

from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel, PretrainedInit
from mmengine.registry import MODELS, DefaultScope

import hrnet_mm.drop_in.mmdet
import hrnet_mm.drop_in.mmpose
import hrnet_mm.drop_in.mmpretrain
import hrnet_mm.drop_in.mmseg
from hrnet_mm.errors import UserError
from hrnet_mm.models import HRFuseScales, HRNet, HRNetModel, HRNetV2p
from hrnet_mm.weights import convert, write_checkpoint


class Outer(BaseModel):
    def __init__(self, backbone: HRNet, init_cfg: Any = None) -> None:
        super().__init__(init_cfg=init_cfg)
        self.backbone = backbone

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        return self.backbone(inputs)


KINDS = {
    'name': lambda path: {'type': 'Pretrained', 'checkpoint': path},
    'scoped name': lambda path: {'type': 'mmengine.Pretrained', 'checkpoint': path},
    'other name': lambda path: {'type': 'PretrainedInit', 'checkpoint': path},
    'class': lambda path: {'type': PretrainedInit, 'checkpoint': path},
}
FORMS = {
    'alone': lambda init: init,
    'list': lambda init: [init],
    'tuple': lambda init: (init,),
    'last of two': lambda init: [{'type': 'Kaiming', 'layer': 'Conv2d'}, init],
    'first of two': lambda init: [init, {'type': 'Constant', 'val': 1, 'layer': 'BatchNorm2d'}],
    'ConfigDict': lambda init: ConfigDict(x=[init])['x'],
}
CLASSES = {
    'plain': HRNet,
    'mmdet': hrnet_mm.drop_in.mmdet.HRNet,
    'mmpose': hrnet_mm.drop_in.mmpose.HRNet,
    'mmpretrain': hrnet_mm.drop_in.mmpretrain.HRNet,
    'mmseg': hrnet_mm.drop_in.mmseg.HRNet,
}


@pytest.fixture(scope='module')
def trained() -> HRNetModel:
    torch.manual_seed(2)
    model = HRNetModel('hrnet_test-w4', num_classes=5)
    model.init_weights()
    return model


@pytest.fixture(scope='module')
def official(trained: HRNetModel, tmp_path_factory: pytest.TempPathFactory) -> str:
    state = convert(trained.state_dict(), to='official-cls').state_dict
    return str(write_checkpoint(tmp_path_factory.mktemp('weights') / 'official.pth', state))


@pytest.mark.parametrize(
    ('kind', 'form', 'owner'),
    [
        *((kind, form, 'plain') for kind in KINDS for form in FORMS),
        *((kind, form, owner) for kind in ('name', 'class') for form in ('alone', 'list') for owner in CLASSES),
    ],
)
def test_every_form_takes_any_layout(kind: str, form: str, owner: str, official: str, trained: HRNetModel) -> None:
    net = CLASSES[owner](arch='test-w4', init_cfg=FORMS[form](KINDS[kind](official)))
    outer = Outer(net)
    outer.init_weights()
    expected = trained.backbone.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in net.state_dict().items())


def test_a_new_style_config_takes_any_layout(official: str, trained: HRNetModel, tmp_path: Path) -> None:
    file = tmp_path / 'new_style.py'
    file.write_text(
        'from mmengine.model import PretrainedInit\n'
        'from hrnet_mm.models import HRNet\n'
        f'model = dict(type=HRNet, arch="test-w4", init_cfg=dict(type=PretrainedInit, checkpoint={official!r}))\n'
    )
    with DefaultScope.overwrite_default_scope('mmengine'):
        net = MODELS.build(Config.fromfile(file, lazy_import=True).model)
    net.init_weights()
    assert torch.equal(net.conv1.weight, trained.backbone.conv1.weight)


def test_a_prefix_chooses_between_two_networks(trained: HRNetModel, tmp_path: Path) -> None:
    state = trained.backbone.state_dict()
    both = {f'student.{n}': v + 1 for n, v in state.items()} | {f'teacher.{n}': v for n, v in state.items()}
    path = str(write_checkpoint(tmp_path / 'a.pth', both))
    net = HRNet(arch='test-w4', init_cfg={'type': 'Pretrained', 'checkpoint': path, 'prefix': 'teacher.'})
    net.init_weights()
    assert torch.equal(net.conv1.weight, state['conv1.weight'])
    net = HRNet(arch='test-w4', init_cfg={'type': 'Pretrained', 'checkpoint': path, 'prefix': 'teach'})
    with pytest.raises(
        UserError, match=r"no names that begin with 'teach', the prefix; they begin with student, teach"
    ):
        net.init_weights()


@pytest.mark.parametrize('kind', ['name', 'class'])
@pytest.mark.parametrize('form', ['alone', 'list'])
def test_the_init_cfg_of_a_model_or_a_neck_fills_it_or_stops(
    kind: str, form: str, official: str, trained: HRNetModel, tmp_path: Path
) -> None:
    def init(path: str) -> Any:
        return FORMS[form](KINDS[kind](path))

    own = str(write_checkpoint(tmp_path / 'own.pth', trained.state_dict()))
    outer = Outer(HRNet(arch='test-w4'), init(own))
    outer.init_weights()
    assert torch.equal(outer.backbone.conv1.weight, trained.backbone.conv1.weight)
    with pytest.raises(UserError, match='fills 0 of 260 '):
        Outer(HRNet(arch='test-w4'), init(official)).init_weights()
    with pytest.raises(UserError, match=r'fills 0 of 100 .* \(missing\)'):
        HRFuseScales(arch='test-w4', init_cfg=init(own)).init_weights()


def test_the_pyramid_is_random_and_the_backbone_filled(official: str, trained: HRNetModel) -> None:
    net = HRNetV2p(arch='test-w4', init_cfg=[{'type': PretrainedInit, 'checkpoint': official}])
    net.init_weights()
    assert torch.equal(net.conv1.weight, trained.backbone.conv1.weight)
    assert not net.pyramid.reduction_conv.conv.bias.any()  # Caffe2Xavier's, not PyTorch's
