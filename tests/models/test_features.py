"""The maps of the backbone by timm's numbers, beside timm's own."""

import runpy
from pathlib import Path

import pytest
import torch
from torch import fx

import hrnet_mm
from hrnet_mm.errors import UserError
from hrnet_mm.models import Features
from hrnet_mm.weights import convert
from hrnet_mm.weights.load import part

timm = pytest.importorskip('timm')


@pytest.mark.parametrize('out_indices', [(0, 1, 2, 3, 4), (1, 4)])
def test_maps_are_timms(out_indices: tuple[int, ...]) -> None:
    theirs = timm.create_model('hrnet_w18_small', features_only=True, feature_location='', out_indices=out_indices)
    ours = hrnet_mm.create_model('hrnet_w18-small-v1', features_only=True, out_indices=out_indices)
    assert isinstance(ours, Features)
    ours.backbone.load_state_dict(part(convert(theirs.state_dict()).state_dict, 'backbone'))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected, found = theirs.eval()(x), ours.eval()(x)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    assert [m.shape[1] for m in found] == ours.feature_info.channels() == theirs.feature_info.channels()


def test_description_has_timms_values() -> None:
    theirs = timm.create_model('hrnet_w18', features_only=True, feature_location='').feature_info
    ours = hrnet_mm.create_model('hrnet_w18', features_only=True, out_indices=range(5)).feature_info
    assert len(ours) == len(theirs) == 5
    assert ours.channels() == [64, 18, 36, 72, 144]
    assert ours.reduction() == theirs.reduction() == [2, 4, 8, 16, 32]
    assert (ours.channels(2), ours.reduction([1, 3]), ours.channels(-1)) == (36, [4, 16], 144)
    assert ours.get_dicts(['reduction'], [1]) == theirs.get_dicts(['reduction'], [1]) == [{'reduction': 4}]
    assert ours[0]['module'] == 'relu'


@pytest.mark.parametrize(
    ('name', 'channels', 'strides'),
    [
        ('hrnet_test-w4', [4, 8, 16, 32], [4, 8, 16, 32]),
        ('hrnetv1_test-w4', [4], [4]),
        ('hrnetv2_test-w4', [60], [4]),
        ('hrnetv2p_test-w4', [256] * 5, [4, 8, 16, 32, 64]),
    ],
)
def test_a_backbone_describes_its_outputs(name: str, channels: list[int], strides: list[int]) -> None:
    info = hrnet_mm.create_model(name, features_only=True).feature_info
    assert (info.channels(), info.reduction()) == (channels, strides)


@pytest.mark.parametrize(
    ('name', 'settings', 'message'),
    [
        ('hrnet_test-w4', {'out_indices': (1, 5), 'features_only': True}, 'out_indices has 5; the maps have the numb'),
        ('hrnet_test-w4', {'out_indices': (1,)}, 'give features_only=True too'),
        (
            'hrnetv2_test-w4',
            {'out_indices': (1,), 'features_only': True},
            'test-w4 combines them; use hrnet_ARCH',
        ),
    ],
)
def test_mistakes(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        hrnet_mm.create_model(name, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize('name', ['hrnet_test-w4', 'hrnetv1_test-w4', 'hrnetv2_test-w4', 'hrnetv2p_test-w4'])
def test_networks_are_traced_by_fx(name: str) -> None:
    model = hrnet_mm.create_model(name).eval()
    traced = fx.symbolic_trace(model)
    for size in ((64, 64), (65, 97)):
        x = torch.randn(1, 3, *size)
        expected, found = model(x), traced(x)
        pairs = zip(expected, found, strict=True) if isinstance(expected, tuple) else [(expected, found)]
        assert all(torch.equal(one, other) for one, other in pairs)


def test_torch_hub_loads_every_network() -> None:
    repository = Path(__file__).parents[2]
    entries = {name for name, entry in runpy.run_path(str(repository / 'hubconf.py')).items() if callable(entry)}
    assert {name for name in entries if not name.startswith('_')} == {
        name.replace('-', '_') for name in hrnet_mm.list_models()
    }
    model = torch.hub.load(str(repository), 'hrnetv1_w18_small_v1', source='local', num_classes=4)
    assert model.eval()(torch.zeros(1, 3, 64, 48)).shape == (1, 4, 16, 12)
