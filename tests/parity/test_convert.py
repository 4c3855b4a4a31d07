"""Weights of other programs, converted, must give those programs' outputs; and back."""

import importlib
from collections.abc import Callable

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from hrnet_mm.models import HRNetModel, get_arch
from hrnet_mm.weights import convert

EXTRA = get_arch('test-w4').to_extra()
CHANNELS = get_arch('test-w4').out_channels
HEATMAPS = {'type': 'MSRAHeatmap', 'input_size': (48, 64), 'heatmap_size': (12, 16), 'sigma': 2.0}


def body(library: str, **kwargs: object) -> dict:
    return {'type': f'{library}.HRNet', 'extra': EXTRA, 'norm_cfg': {'type': 'BN'}, 'norm_eval': False, **kwargs}


def upstream(library: str, cfg: dict) -> nn.Module:
    """A model of the library's own classes, the drop-in's put aside."""
    registry = importlib.import_module(f'{library}.registry').MODELS
    importlib.import_module(f'{library}.models')
    names = {'HRNet': 'backbones.hrnet', 'HRFPN': 'necks.hrfpn', 'HRFuseScales': 'necks.hr_fuse'}
    now = {name: registry.get(name) for name in names if name in registry.module_dict}
    for name in now:
        theirs = getattr(importlib.import_module(f'{library}.models.{names[name]}'), name)
        registry.register_module(name=name, module=theirs, force=True)
    try:
        with DefaultScope.overwrite_default_scope(library):
            return registry.build(cfg)
    finally:
        for name, module in now.items():
            registry.register_module(name=name, module=module, force=True)


def classification() -> nn.Module:
    fuse = {'type': 'HRFuseScales', 'in_channels': CHANNELS}
    head = {'type': 'LinearClsHead', 'num_classes': 7, 'in_channels': 2048}
    neck = [fuse, {'type': 'GlobalAveragePooling'}]
    return upstream(
        'mmpretrain', {'type': 'ImageClassifier', 'backbone': body('mmpretrain'), 'neck': neck, 'head': head}
    )


def pose() -> nn.Module:
    head = {
        'type': 'HeatmapHead',
        'in_channels': 4,
        'out_channels': 7,
        'deconv_out_channels': None,
        'decoder': HEATMAPS,
    }
    return upstream('mmpose', {'type': 'TopdownPoseEstimator', 'backbone': body('mmpose'), 'head': head})


def face() -> nn.Module:
    extra = {
        **EXTRA,
        'stage4': {**EXTRA['stage4'], 'multiscale_output': True},
        'upsample': {'mode': 'bilinear', 'align_corners': False},
    }
    head = {
        'type': 'HeatmapHead',
        'in_channels': 60,
        'out_channels': 7,
        'deconv_out_channels': None,
        'conv_out_channels': (60,),
        'conv_kernel_sizes': (1,),
        'decoder': HEATMAPS,
    }
    neck = {'type': 'FeatureMapProcessor', 'concat': True}
    return upstream(
        'mmpose',
        {'type': 'TopdownPoseEstimator', 'backbone': body('mmpose', extra=extra), 'neck': neck, 'head': head},
    )


def segmentation() -> nn.Module:
    head = {
        'type': 'FCNHead',
        'in_channels': CHANNELS,
        'in_index': (0, 1, 2, 3),
        'channels': 60,
        'input_transform': 'resize_concat',
        'kernel_size': 1,
        'num_convs': 1,
        'concat_input': False,
        'dropout_ratio': -1,
        'num_classes': 7,
        'norm_cfg': {'type': 'BN'},
        'align_corners': False,
    }
    return upstream(
        'mmseg',
        {'type': 'EncoderDecoder', 'backbone': body('mmseg'), 'decode_head': head, 'test_cfg': {'mode': 'whole'}},
    )


def calibrated(model: nn.Module, run: Callable[[nn.Module], object]) -> nn.Module:
    """Random weights in float64, batch norms with random scales and the statistics of real activations."""
    model.double()
    for module in model.modules():
        module.training = True
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    with torch.no_grad():
        run(model)
    model.eval()
    return model


def theirs_forward(name: str, model: nn.Module, x: Tensor) -> Tensor:
    head = model.decode_head if name == 'mmseg' else model.head
    return head(model.extract_feat(x))


CASES = {
    'mmpretrain': ('mmpretrain', classification, 'hrnet'),
    'mmpose-V1': ('mmpose', pose, 'hrnetv1'),
    'mmpose-V2': ('mmpose', face, 'hrnetv2'),
    'mmseg': ('mmseg', segmentation, 'hrnetv2'),
}


@pytest.mark.parametrize('case', CASES)
def test_outputs_there_and_back(case: str) -> None:
    layout, make, readout = CASES[case]
    torch.manual_seed(0)
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    theirs = calibrated(make(), lambda m: theirs_forward(layout, m, x))
    ours = HRNetModel(f'{readout}_test-w4', num_classes=7).double().eval()
    converted = convert(theirs.state_dict(), source=layout)
    ours.load_state_dict(converted.state_dict, strict=True)
    with torch.no_grad():
        expected, got = theirs_forward(layout, theirs, x), ours(x)
    assert expected.isfinite().all()
    assert expected.std() > 1e-3
    difference = float((got - expected).abs().max() / expected.abs().max())
    print(f'{case}: {converted}; largest relative difference {difference:.1e}')
    assert difference <= 1e-10
    calibrated(ours, lambda m: m(x))
    back = convert(ours.state_dict(), to=layout)
    expected_keys = {n for n in theirs.state_dict() if not n.startswith('data_preprocessor')}
    assert back.state_dict.keys() == expected_keys
    theirs.load_state_dict(back.state_dict, strict=False)
    with torch.no_grad():
        torch.testing.assert_close(theirs_forward(layout, theirs, x), ours(x), rtol=1e-10, atol=1e-10)


def test_mmdet_pyramid_there_and_back() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    parts = nn.ModuleDict(
        {
            'backbone': upstream('mmdet', body('mmdet')),
            'neck': upstream('mmdet', {'type': 'HRFPN', 'in_channels': list(CHANNELS), 'out_channels': 256}),
        }
    )

    def run(m: nn.ModuleDict) -> list[Tensor]:
        return list(m['neck'](m['backbone'](x)))

    calibrated(parts, run)
    converted = convert(parts.state_dict(), source='mmdet')
    ours = HRNetModel('hrnetv2p_test-w4').double().eval()
    ours.load_state_dict(converted.state_dict, strict=True)
    with torch.no_grad():
        for a, b in zip(ours(x), run(parts), strict=True):
            assert float((a - b).abs().max() / b.abs().max()) <= 1e-10
    assert convert(ours.state_dict(), to='mmdet').state_dict.keys() == parts.state_dict().keys()
