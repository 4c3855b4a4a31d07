"""Every layout, there and back; where a layout's own program can be installed, its outputs are in tests/parity."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.models import HRFuseScales, HRNet, HRNetModel, HRNetV1, HRNetV2p
from hrnet_mm.models.heads import higher_layers, higher_outputs
from hrnet_mm.weights import CheckpointError, convert, detect
from hrnet_mm.weights.key_maps import LAYOUTS
from hrnet_mm.weights.load import part

ARCH = 'test-w4'


def randomized(module: nn.Module) -> dict[str, Tensor]:
    """Weights with batch norms as after training: no tensor is constant, every scale positive, counters zero."""
    generator = torch.Generator().manual_seed(0)
    state = module.state_dict()
    for name, value in state.items():
        if name.endswith('num_batches_tracked'):
            continue
        value.copy_(torch.randn(value.shape, generator=generator))
        if name.endswith('running_var') or (name.endswith('.weight') and value.ndim == 1):
            value.abs_().add_(0.01)
    return state


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


def classifier() -> dict[str, Tensor]:
    return randomized(HRNetModel(f'hrnet_{ARCH}', num_classes=5))


def pose() -> dict[str, Tensor]:
    return randomized(HRNetModel(f'hrnetv1_{ARCH}', num_classes=5))


def dense() -> dict[str, Tensor]:
    return randomized(HRNetModel(f'hrnetv2_{ARCH}', num_classes=5))


def body() -> dict[str, Tensor]:
    return prefixed('backbone.', randomized(HRNet(arch=ARCH)))


def pyramid() -> dict[str, Tensor]:
    state = HRNetV2p(arch=ARCH, pyramid={'out_channels': 8})
    return {
        (n.replace('pyramid.', 'neck.') if n.startswith('pyramid.') else f'backbone.{n}'): v
        for n, v in randomized(state).items()
    }


def conv_norm(name: str, c_in: int, c_out: int, kernel: int) -> dict[str, Tensor]:
    layers = nn.Sequential()
    layers.conv = nn.Conv2d(c_in, c_out, kernel, bias=False)
    layers.bn = nn.BatchNorm2d(c_out)
    return prefixed(f'{name}.', randomized(layers))


def layer(name: str, *shape: int, bias: bool = True) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(len(name))
    weight = {f'{name}.weight': torch.randn(shape, generator=generator)}
    return weight | ({f'{name}.bias': torch.randn(shape[0], generator=generator)} if bias else {})


def ocr() -> dict[str, Tensor]:
    block = 'ocr_head.object_context_block'
    state = body() | conv_norm('aux_head.convs.0', 60, 60, 1) | layer('aux_head.final_layer', 5, 60, 1, 1)
    state |= conv_norm('ocr_head.bottleneck', 60, 8, 3) | layer('ocr_head.conv_seg', 5, 8, 1, 1)
    for name in [
        'query_project.0',
        'query_project.1',
        'key_project.0',
        'key_project.1',
        'value_project',
        'out_project',
    ]:
        state |= conv_norm(f'{block}.{name}', 8, 8, 1)
    return state | conv_norm(f'{block}.bottleneck', 16, 8, 1)


def faster(classes: int = 3) -> dict[str, Tensor]:
    head = 'roi_head.bbox_head'
    state = pyramid() | layer('rpn_head.rpn_conv', 8, 8, 3, 3) | layer('rpn_head.rpn_cls', 3, 8, 1, 1)
    state |= (
        layer('rpn_head.rpn_reg', 12, 8, 1, 1)
        | layer(f'{head}.shared_fcs.0', 16, 8)
        | layer(f'{head}.shared_fcs.1', 16, 16)
    )
    return state | layer(f'{head}.fc_cls', classes + 1, 16) | layer(f'{head}.fc_reg', 4 * classes, 16)


def mask(classes: int = 3) -> dict[str, Tensor]:
    state = faster(classes)
    for k in range(4):
        state |= layer(f'roi_head.mask_head.convs.{k}.conv', 8, 8, 3, 3)
    state |= layer('roi_head.mask_head.upsample', 8, 8, 2, 2)
    return state | layer('roi_head.mask_head.conv_logits', classes, 8, 1, 1)


def cascade() -> dict[str, Tensor]:
    state = pyramid() | layer('rpn_head.rpn_conv', 8, 8, 3, 3)
    for k in range(3):
        state |= layer(f'roi_head.bbox_head.{k}.fc_cls', 4, 16) | layer(f'roi_head.bbox_head.{k}.fc_reg', 4, 16)
    return state


def fcos() -> dict[str, Tensor]:
    state = pyramid()
    for tower in ['cls', 'reg']:
        for k in range(4):
            state |= layer(f'bbox_head.{tower}_convs.{k}.conv', 8, 8, 3, 3) | layer(
                f'bbox_head.{tower}_convs.{k}.gn', 8
            )
    for name, channels in [('conv_cls', 3), ('conv_reg', 4), ('conv_centerness', 1)]:
        state |= layer(f'bbox_head.{name}', channels, 8, 3, 3)
    return state | {f'bbox_head.scales.{k}.scale': torch.tensor(float(k)) for k in range(5)}


def higher() -> dict[str, Tensor]:
    state = {n: v for n, v in pose().items() if not n.startswith('head.')}
    return state | prefixed('head.', randomized(higher_modules()))


def higher_modules() -> nn.Module:
    layers = higher_layers(4, 5, 5, [8], 2)
    return nn.ModuleDict(dict(zip(('final_layers', 'deconv_layers'), layers, strict=True)))


def refined() -> dict[str, Tensor]:
    state = {n: v for n, v in pose().items() if not n.startswith('head.')}
    for maps, channels in [('heatmap_head', 5), ('locref_head', 10)]:
        state |= layer(f'head.{maps}.deconv_layers.0', 4, channels, 3, 3, bias=False)
        state[f'head.{maps}.deconv_layers.0.bias'] = torch.arange(float(channels))
    return state


def refined_boxes() -> dict[str, Tensor]:
    state = {n: v for n, v in pose().items() if not n.startswith('head.')}
    return state | layer('head.heatmap_head.final_conv', 5, 4, 1, 1) | layer('head.locref_head.final_conv', 10, 4, 1, 1)


def cii() -> dict[str, Tensor]:
    state = body() | layer('head.fc', 5, 16)
    for branch, blocks in enumerate([3, 2, 1, 1]):
        for k in range(blocks):
            state |= conv_norm(f'cii_head.{branch}.{k}.0', 4, 4, 1)
    return state


CASES: list[tuple[str, Callable[[], dict[str, Tensor]]]] = [
    ('backbone', body),
    ('official-cls', classifier),
    ('official-cls-ssld', classifier),
    ('timm', classifier),
    ('timm-ssld', classifier),
    ('mmpretrain', classifier),
    ('official-cii', cii),
    ('official-pose', pose),
    ('higherhrnet', higher),
    ('mmpose', higher),
    ('deeplabcut', refined),
    ('deeplabcut', refined_boxes),
    ('hrnet_mm', higher),
    ('mmpose', pose),
    ('mmpose', dense),
    ('official-face', dense),
    ('official-seg', dense),
    ('official-seg-abn', dense),
    ('mmseg', dense),
    ('official-ocr', ocr),
    ('official-ocr-abn', ocr),
    ('mmseg', ocr),
    ('official-det', faster),
    ('official-det', mask),
    ('official-det', cascade),
    ('official-det', fcos),
    ('maskrcnn-benchmark', faster),
    ('maskrcnn-benchmark', mask),
    ('maskrcnn-benchmark-syncbn', mask),
    ('official-fcos', fcos),
    ('mmdet', mask),
    ('mmdet', cascade),
    ('mmdet', fcos),
    ('hrnet_mm', dense),
]


@pytest.mark.parametrize(('layout', 'make'), CASES, ids=[f'{name}-{make.__name__}' for name, make in CASES])
def test_there_and_back_is_bit_equal(layout: str, make: Callable[[], dict[str, Tensor]]) -> None:
    ours = make()
    before = {name: value.clone() for name, value in ours.items()}
    there = convert(ours, to=layout, source='hrnet_mm')
    assert there.used == len(ours)
    assert LAYOUTS[detect(there.state_dict)] == LAYOUTS[layout] or layout in ('mmpose', 'mmdet')  # as this package's
    back = convert(there.state_dict, source=layout)
    assert back.used + sum(back.dropped.values()) >= len(there.state_dict) - len(back.state_dict)
    assert back.state_dict.keys() == ours.keys()
    for name, value in before.items():
        assert torch.equal(back.state_dict[name], value), name
        assert torch.equal(ours[name], value), f'{name} was changed in place'
    detected = convert(there.state_dict)
    assert detected.state_dict.keys() == ours.keys()
    assert all(torch.equal(detected.state_dict[name], value) for name, value in before.items())


def test_every_layout_has_a_case() -> None:
    assert {name for name, _ in CASES} == set(LAYOUTS)


@pytest.mark.parametrize('arch', ['w18', 'w30', 'w32', 'w40', 'w44', 'w48', 'w64', 'w18-small-v1', 'w44b'])
def test_official_key_counts(arch: str) -> None:
    expected = {'w18-small-v1': 426, 'w44b': 2454}.get(arch, 1830)
    with torch.device('meta'):
        classifier = convert(HRNetModel(f'hrnet_{arch}').state_dict(), to='official-cls')
        dense = convert(HRNetModel(f'hrnetv2_{arch}', num_classes=19).state_dict(), to='official-seg')
        pose = convert(HRNetModel(f'hrnetv1_{arch}', num_classes=17).state_dict(), to='official-pose')
    assert len(classifier.state_dict) == expected + 126
    assert len(dense.state_dict) == expected + 9
    if expected == 1830:
        assert len(classifier.state_dict) == 1956
        assert len(dense.state_dict) == 1839
        assert len(pose.state_dict) == 1754


def test_the_pose_repositorys_imagenet_file_has_2000_keys() -> None:
    with torch.device('meta'):
        state = HRNet(arch='w32').state_dict()
        for branch, blocks in enumerate([3, 2, 1, 1]):
            for k in range(blocks):
                for part in ['conv1', 'conv2', 'conv3', 'downsample.0']:
                    state[f'head.{branch}.{k}.0.{part}.weight'] = torch.empty(1)
                for part in ['bn1', 'bn2', 'bn3', 'downsample.1']:
                    norm = nn.BatchNorm2d(1).state_dict()
                    state |= {f'head.{branch}.{k}.0.{part}.{key}': value for key, value in norm.items()}
        state |= {f'classifier.{key}': torch.empty(1) for key in ('weight', 'bias')}
    assert len(state) == 2000
    result = convert(state, to='backbone', backbone_only=True)
    assert result.source == 'official-cii'
    assert result.used == len(result.state_dict) == 1830
    assert '170 dropped (heads, as requested)' in str(result)


@pytest.mark.parametrize(('layout', 'make'), CASES, ids=[f'{name}-{make.__name__}' for name, make in CASES])
def test_back_and_there_has_the_keys_that_were_given(layout: str, make: Callable[[], dict[str, Tensor]]) -> None:
    theirs = convert(make(), to=layout, source='hrnet_mm').state_dict
    converted = convert(theirs)
    back = convert(converted.state_dict, to=layout, source='hrnet_mm')
    assert back.state_dict.keys() == theirs.keys()
    assert all(value.shape == theirs[name].shape for name, value in back.state_dict.items())
    kept = 'no place' if layout in ('mmpose', 'mmdet') else converted.source  # whose names are this package's
    assert LAYOUTS.get(kept, LAYOUTS[layout]) == LAYOUTS[layout]


def test_weights_without_biases_stay_without() -> None:
    theirs = convert(classifier(), to='timm-ssld').state_dict
    assert not any(name.startswith(('downsamp_modules', 'final_layer')) and name.endswith('0.bias') for name in theirs)
    read = convert(theirs)
    assert (read.source, read.changes) == ('official-cls-ssld', [])
    assert convert(read.state_dict, to='timm-ssld').state_dict.keys() == theirs.keys()
    others = convert(read.state_dict, to='timm')
    assert len(others.state_dict) == len(theirs) + 4
    assert str(others).endswith('4 zero biases added; timm-ssld has none')


@pytest.mark.parametrize('layout', ['mmpretrain', 'hrnet_mm'])
def test_learned_biases_of_a_classifier_are_folded_wherever_they_go(layout: str) -> None:
    prefix = 'neck.0.' if layout == 'mmpretrain' else 'neck.'
    state = convert(classifier(), to=layout).state_dict
    fuse = HRFuseScales(arch=ARCH, conv_bias=True).eval()
    randomized(fuse)
    state |= prefixed(prefix, fuse.state_dict())
    result = convert(state)
    assert result.changes == ['4 biases folded into the norms after them']
    ours = HRFuseScales(arch=ARCH).eval()
    ours.load_state_dict(part(result.state_dict, 'neck'), strict=True)
    maps = [torch.randn(1, c, 64 // 2**i, 64 // 2**i, dtype=torch.float64) for i, c in enumerate([4, 8, 16, 32])]
    folded = ours.state_dict()['final_layer.bn.running_mean'].clone()
    with torch.no_grad():
        given, expected = ours.double()(maps)[0], fuse.double()(maps)[0]
    assert float((given - expected).abs().max()) <= 1e-5 * float(expected.abs().max())
    official = convert(state, to='timm')
    assert torch.equal(official.state_dict['final_layer.1.running_mean'], folded)


def test_towers_without_biases_get_those_of_the_official_code() -> None:
    bare = {n: v for n, v in fcos().items() if not (n.startswith('bbox_head') and n.endswith('conv.bias'))}
    result = convert(bare, to='official-fcos', source='hrnet_mm')
    assert (len(fcos()) - len(bare), result.changes) == (8, ['8 zero biases added'])
    assert convert(fcos(), to='official-fcos', source='hrnet_mm').state_dict.keys() == result.state_dict.keys()
    assert not result.state_dict['rpn.head.cls_tower.0.bias'].any()


def test_higherhrnets_head_gives_the_same_outputs() -> None:
    backbone, head = HRNetV1(arch=ARCH).eval(), higher_modules().eval()
    randomized(head)
    # As the official class names them: backbone and head side by side.
    theirs = backbone.state_dict() | head.state_dict()
    result = convert(theirs)
    assert (result.source, result.used, result.dropped) == ('higherhrnet', len(theirs), {})
    ours = higher_modules().eval()
    ours.load_state_dict(part(result.state_dict, 'head'), strict=True)
    x = torch.randn(1, 4, 8, 8)
    for mine, expected in zip(higher_outputs(x, *ours.values()), higher_outputs(x, *head.values()), strict=True):
        assert torch.equal(mine, expected)


def test_an_eps_is_dropped_or_added_to_the_variance() -> None:
    theirs = convert(mask(), to='maskrcnn-benchmark', source='hrnet_mm').state_dict
    norms = [name.removesuffix('.running_var') for name in theirs if name.endswith('.running_var')]
    assert sum(name.endswith('.eps') for name in theirs) == len(norms)
    assert torch.equal(theirs['backbone.body.bn1.eps'], torch.ones(64) / 1e5)
    theirs['backbone.body.bn1.eps'] = torch.full((64,), 1e-3)
    result = convert(theirs, to='mmdet')
    assert result.source == 'maskrcnn-benchmark'
    assert not any(name.endswith('.eps') for name in result.state_dict)
    assert result.used == len(theirs) - len(norms)
    assert result.dropped == {"batch norms' eps, which this package has as 1e-5": len(norms)}
    assert result.changes[0] == '1 values of eps other than 1e-5 added to the variances'
    norm = nn.BatchNorm2d(64).eval()
    norm.load_state_dict(part(result.state_dict, 'backbone.bn1'))
    x, key = torch.randn(1, 64, 4, 4), 'backbone.body.bn1'
    scale = theirs[f'{key}.weight'] * (theirs[f'{key}.running_var'] + theirs[f'{key}.eps']).rsqrt()
    shift = theirs[f'{key}.bias'] - theirs[f'{key}.running_mean'] * scale
    torch.testing.assert_close(norm(x), x * scale[:, None, None] + shift[:, None, None])


def test_a_bias_is_folded_by_hand() -> None:
    conv, norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4).eval()
    randomized(norm)
    state = {n.removeprefix('backbone.'): v for n, v in body().items()}
    state |= prefixed('last_layer.0.', conv.state_dict()) | prefixed('last_layer.1.', norm.state_dict())
    state |= layer('last_layer.3', 2, 4, 1, 1)
    result = convert(prefixed('model.', state) | {'loss.criterion.weight': torch.ones(19)})
    assert result.source == 'official-seg'
    assert '1 biases folded' in str(result)
    assert "1 dropped (the loss's class weights)" in str(result)
    plain, moved = nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4).eval()
    plain.load_state_dict({'weight': result.state_dict['head.convs.0.conv.weight']})
    moved.load_state_dict({k: result.state_dict[f'head.convs.0.bn.{k}'] for k in moved.state_dict()})
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(moved(plain(x)), norm(conv(x)))


def test_inplace_abn_by_hand() -> None:
    state = {n: v for n, v in convert(dense(), to='official-seg').state_dict.items() if 'num_batches' not in n}
    state['model.bn1.weight'] = torch.linspace(-2, 2, 64)
    result = convert(state)
    assert result.source == 'official-seg-abn'
    torch.testing.assert_close(result.state_dict['backbone.bn1.weight'], torch.linspace(-2, 2, 64).abs() + 1e-5)
    # A convolution's weights are not a norm's.
    assert torch.equal(result.state_dict['backbone.conv1.weight'], state['model.conv1.weight'])


def test_background_moves_by_hand() -> None:
    ours = mask(classes=2)
    theirs = convert(ours, to='official-det', source='hrnet_mm').state_dict
    cls, reg, logits = (
        theirs[f'{n}.weight'] for n in ('bbox_head.fc_cls', 'bbox_head.fc_reg', 'mask_head.conv_logits')
    )
    mine = ours['roi_head.bbox_head.fc_cls.weight']
    assert torch.equal(cls, torch.stack([mine[2], mine[0], mine[1]]))
    assert reg.shape[0] == 12
    assert not reg[:4].any()
    assert torch.equal(reg[4:], ours['roi_head.bbox_head.fc_reg.weight'])
    assert logits.shape[0] == 3
    assert torch.equal(logits[1:], ours['roi_head.mask_head.conv_logits.weight'])
    # FCOS has no background class.
    assert torch.equal(
        convert(fcos(), to='official-det', source='hrnet_mm').state_dict['bbox_head.fcos_cls.weight'],
        fcos()['bbox_head.conv_cls.weight'],
    )


@pytest.mark.parametrize('layout', ['official-seg-abn', 'maskrcnn-benchmark'])
def test_batch_counters_are_what_old_layouts_cannot_keep(layout: str) -> None:
    ours = dense() if layout == 'official-seg-abn' else faster()
    ours['backbone.bn1.num_batches_tracked'] += 7
    back = convert(convert(ours, to=layout, source='hrnet_mm').state_dict).state_dict
    differ = [name for name, value in ours.items() if not torch.equal(back[name], value)]
    assert differ == ['backbone.bn1.num_batches_tracked']
    assert back['backbone.bn1.num_batches_tracked'] == 0


def test_frozen_norms_without_counters_get_them() -> None:
    theirs = convert(faster(), to='maskrcnn-benchmark', source='hrnet_mm').state_dict
    assert not any('num_batches_tracked' in n for n in theirs)
    theirs['rpn.anchor_generator.cell_anchors.0'] = torch.zeros(3, 4)
    result = convert(prefixed('', theirs))
    assert 'batch counters added' in str(result)
    assert result.source == 'maskrcnn-benchmark'
    assert '1 dropped (anchors, which are computed)' in str(result)


def test_an_unknown_key_fails_with_counts_and_the_nearest() -> None:
    state = convert(classifier(), to='official-cls').state_dict
    state['incre_module.0.0.conv1.weight'] = torch.zeros(1)
    with pytest.raises(
        CheckpointError, match=r'1 of \d+ keys are not of the layout official-cls.*nearest: incre_modules'
    ):
        convert(state, source='official-cls')
    with pytest.raises(CheckpointError, match='fit no known layout'):
        convert(state)


def test_a_key_twice_fails() -> None:
    state = convert(dense(), to='official-seg').state_dict
    state['conv1.weight'] = state['model.conv1.weight']
    with pytest.raises(CheckpointError, match=r'two keys of the checkpoint map to backbone\.conv1\.weight'):
        convert(state, source='official-seg')


def test_a_head_without_a_place_fails() -> None:
    with pytest.raises(CheckpointError, match=r'mmseg .* has no place for .* keys, such as neck'):
        convert(classifier(), to='mmseg')
    result = convert(classifier(), to='mmseg', backbone_only=True)
    assert all(n.startswith('backbone.') for n in result.state_dict)


@pytest.mark.parametrize('name', ['to', 'source'])
def test_unknown_layouts_are_named(name: str) -> None:
    with pytest.raises(CheckpointError, match="unknown layout 'oficial-cls'; did you mean 'official-cls'"):
        convert(body(), **{'to': 'hrnet_mm', name: 'oficial-cls'})


def test_two_answers_are_not_guessed_between(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(LAYOUTS['official-seg'], about='same names, other norms', biased=())
    monkeypatch.setitem(LAYOUTS, 'other-seg', other)
    with pytest.raises(
        CheckpointError, match=r'fit several layouts: official-seg \(.*; other-seg \(same names, other norms'
    ):
        detect(convert(dense(), to='official-seg').state_dict)


def test_scales_that_inplace_abn_cannot_hold_are_refused() -> None:
    state = dense()
    state['backbone.bn1.weight'][0] = -1
    with pytest.raises(CheckpointError, match=r'backbone\.bn1\.weight has scales below 1e-5'):
        convert(state, to='official-seg-abn')
