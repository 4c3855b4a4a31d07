"""Every config and every layout of weights that can feed it: the converted file fills each parameter of the network."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import load_checkpoint
from shrink import shrinking_options
from torch import nn

from hrnet_mm.engine import read_config
from hrnet_mm.engine._mmengine import parse_setting
from hrnet_mm.engine.settings import apply_settings
from hrnet_mm.models.dense import DenseNetwork
from hrnet_mm.weights import CheckpointError, convert, write_checkpoint
from hrnet_mm.weights.key_maps import LAYOUTS
from hrnet_mm.weights.load import absent_biases

ROOT = Path(__file__).parents[2]
DONE = set()

DETECTORS = {'official-det', 'maskrcnn-benchmark', 'maskrcnn-benchmark-syncbn', 'mmdet'}
SOURCES = {
    'classification/hrnet': {'official-cls', 'official-cls-ssld', 'timm', 'timm-ssld', 'mmpretrain'},
    'detection/faster': DETECTORS,
    'detection/mask': DETECTORS,
    'detection/cascade': {'official-det', 'mmdet'},
    'detection/htc': {'official-det', 'mmdet'},
    'detection/fcos': {'official-fcos', 'official-det', 'mmdet'},
    'pose/td-hm_hrnet': {'official-pose', 'mmpose'},
    'pose/ae': {'higherhrnet', 'mmpose'},
    'pose/higherhrnet': {'higherhrnet', 'mmpose'},
    'face/td-hm': {'official-face', 'mmpose'},
    'segmentation/fcn': {'official-seg', 'official-seg-abn', 'mmseg'},
    'segmentation/ocrnet': {'official-ocr', 'official-ocr-abn', 'mmseg'},
}
"""The layouts of whole networks by the beginning of the configs' paths; the others have no known source."""


def build(config):
    model = config.model
    if config.default_scope == 'mmpretrain':
        model = {**model, 'data_preprocessor': config.data_preprocessor}
    return MODELS.build(copy.deepcopy(model))


def test_a_converted_file_fills_the_network(path, read):
    expected = next((layouts for start, layouts in SOURCES.items() if path.startswith(start)), None)
    if expected is None:
        return
    config = read(path)
    library = config.default_scope
    with torch.device('meta'):
        model = build(config)
    state = {name: torch.ones(()).expand(value.shape) for name, value in model.state_dict().items()}
    if (library, *sorted(state)) in DONE:  # names and layouts do not depend on widths
        return
    DONE.add((library, *sorted(state)))
    ours = convert(state, source=library)
    fed = set()
    for layout in LAYOUTS:
        try:
            theirs = convert(ours.state_dict, to=layout, source='hrnet_mm').state_dict
        except CheckpointError:
            continue
        if layout in ('hrnet_mm', 'backbone'):
            continue
        fed.add(layout)
        given = convert(theirs, to=library, source=layout).state_dict
        filled = {**given, **absent_biases(model, given)}
        learned = {name for name, _ in model.named_parameters()}
        assert learned <= filled.keys(), layout
        assert filled.keys() <= state.keys(), layout
        assert all(filled[name].shape == state[name].shape for name in filled), layout
    assert fed >= expected  # heads of pose, faces and segmentation have the same layers


@pytest.mark.parametrize(('width', 'parameters'), [(40, 53_546_138), (48, 73_380_762)])
def test_fcos_has_the_parameters_of_its_authors_code(width, parameters, read):
    config = read(f'detection/fcos_hrnetv2p-w{width}-gn-head_ms-640-800-4xb4-2x_coco.py')
    with torch.device('meta'):
        assert sum(p.numel() for p in build(config).parameters()) == parameters


FAMILIES = [
    ('classification/hrnet-w18_8xb32_in1k.py', 'official-cls'),
    ('classification/hrnet-w18_8xb32_in1k.py', 'timm-ssld'),
    ('classification/hrnet-w18_8xb32_in1k.py', 'mmpretrain'),
    ('detection/faster-rcnn_hrnetv2p-w18_1x_coco.py', 'official-det'),
    ('detection/mask-rcnn_hrnetv2p-w18_1x_coco.py', 'maskrcnn-benchmark'),
    ('detection/cascade-rcnn_hrnetv2p-w18_20e_coco.py', 'official-det'),
    ('detection/fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco.py', 'official-fcos'),
    ('pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py', 'official-pose'),
    ('pose/higherhrnet_hrnet-w32_4xb12-300e_coco-512x512.py', 'higherhrnet'),
    ('face/td-hm_hrnetv2-w18_1xb16-60e_wflw-256x256.py', 'official-face'),
    ('segmentation/fcn_hr18_4xb2-160k_cityscapes-512x1024.py', 'official-seg'),
    ('segmentation/ocrnet_hr', 'official-ocr-abn'),
]


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'layout'), FAMILIES, ids=[f'{name[:24]}-{layout}' for name, layout in FAMILIES])
def test_the_outputs_are_those_of_the_weights(name, layout, tmp_path):
    file = next(iter(sorted((ROOT / 'configs').glob(f'{name}*'))))
    config = read_config(file)
    options = (option.partition('=') for option in shrinking_options(config))
    apply_settings(config, {key: parse_setting(value) for key, _, value in options})
    library = config.default_scope
    with DefaultScope.overwrite_default_scope(library):
        trained, loaded = build(config), build(config)
    randomize(trained)
    theirs = convert(convert(trained.state_dict(), source=library).state_dict, to=layout, source='hrnet_mm').state_dict
    back = convert(theirs, to=library, source=layout).state_dict
    load_checkpoint(loaded, str(write_checkpoint(tmp_path / 'a.pth', back)))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected, given = (flat(DenseNetwork(model).double().eval()(x.double())) for model in (trained, loaded))
    assert len(expected) == len(given) > 0
    for a, b in zip(given, expected, strict=True):
        assert float((a - b).abs().max()) <= 2e-6 * float(b.abs().max())  # a folded bias is rounded to float32
    for key, value in trained.state_dict().items():
        if not key.startswith(('neck.0.', 'head.conv_layers.0.', 'head.conv_layers.1.')):  # where a bias is folded
            assert torch.equal(loaded.state_dict()[key], value), key


def randomize(model):
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.GroupNorm | nn.Conv2d | nn.Linear):
            if not isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.uniform_(module.weight, 0.5, 1.5)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 1.5)


def flat(outputs):
    if isinstance(outputs, torch.Tensor):
        return [outputs]
    return [tensor for output in outputs for tensor in flat(output)]
