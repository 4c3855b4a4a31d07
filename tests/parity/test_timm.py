"""timm's HRNet has the official classification code's layout: the same weights must give the same logits."""

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.models import HRFuseScales, HRNet
from hrnet_mm.weights import convert
from hrnet_mm.weights.key_maps import LAYOUTS

timm = pytest.importorskip('timm')

NAMES = {
    'hrnet_w18_small': 'w18-small-v1',
    'hrnet_w18_small_v2': 'w18-small-v2',
    **{f'hrnet_w{c}': f'w{c}' for c in (18, 30, 32, 40, 44, 48, 64)},
}


def renamed(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The official layout's backbone, as it is, and its fusion under OpenMMLab's names; the classifier is left out."""
    backbone, fusion = {}, {}
    for key, value in state.items():
        root, *rest = key.split('.')
        if root == 'incre_modules':
            fusion['.'.join(['increase_layers', *rest])] = value
        elif root == 'downsamp_modules':
            fusion['.'.join(['downsample_layers', rest[0], ['conv', 'bn'][int(rest[1])], *rest[2:]])] = value
        elif root == 'final_layer':
            fusion['.'.join(['final_layer', ['conv', 'bn'][int(rest[0])], *rest[1:]])] = value
        elif root != 'classifier':
            backbone[key] = value
    return backbone, fusion


def calibrate(net: nn.Module, x: Tensor) -> None:
    """Random weights with the statistics of real activations, so that no activation explodes or dies."""
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 1.0
            nn.init.uniform_(m.weight, 0.5, 1.5)
            nn.init.uniform_(m.bias, -0.5, 0.5)
    with torch.no_grad():
        net.train()(x)
    net.eval()


@pytest.mark.parametrize(('theirs', 'ours'), NAMES.items())
def test_keys_and_shapes(theirs: str, ours: str) -> None:
    with torch.device('meta'):
        state = timm.create_model(theirs).state_dict()
        nets = HRNet(arch=ours), HRFuseScales(arch=ours, conv_bias=True)
    for net, expected in zip(nets, renamed(state), strict=True):
        assert {k: v.shape for k, v in net.state_dict().items()} == {k: v.shape for k, v in expected.items()}


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnet_w18_small', 'hrnet_w18_small_v2', 'hrnet_w18', 'hrnet_w32'])
def test_logits(name: str) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(name).double()
    x = torch.randn(2, 3, 96, 64, dtype=torch.float64)
    calibrate(theirs, x)
    body = HRNet(arch=NAMES[name]).double().eval()
    fuse = HRFuseScales(arch=NAMES[name], conv_bias=True).double().eval()
    for net, state in zip((body, fuse), renamed(theirs.state_dict()), strict=True):
        net.load_state_dict(state, strict=True)
    with torch.no_grad():
        expected = theirs(x)
        (y,) = fuse(body(x))
        logits = theirs.classifier(y.mean((2, 3)))
    assert expected.isfinite().all()
    assert expected.std() > 1e-3
    difference = float((logits - expected).abs().max() / expected.abs().max())
    print(f'{name}: largest relative difference {difference:.1e}')
    assert difference <= 1e-10


@pytest.mark.parametrize(('name', 'layout'), [('hrnet_w18', 'timm'), ('hrnet_w18_ssld', 'timm-ssld')])
def test_a_model_gets_its_own_keys_back(name: str, layout: str) -> None:
    theirs = timm.create_model(name)
    read = convert(theirs.state_dict())
    assert LAYOUTS[read.source] == LAYOUTS[layout]
    result = theirs.load_state_dict(convert(read.state_dict, to=layout).state_dict, strict=True)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
