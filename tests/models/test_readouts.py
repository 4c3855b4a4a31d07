import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from hrnet_mm.models import HRFuseScales, HRNet, HRNetModel, HRNetV1, HRNetV1hFPN, HRNetV2, HRNetV2p, HRNetV2pFPN
from hrnet_mm.weights import convert, write_checkpoint


def streams(arch: str = 'test-w4', size: tuple[int, int] = (64, 96), n: int = 2) -> list[Tensor]:
    """Four maps as HRNet gives them, in float64."""
    torch.manual_seed(0)
    with torch.no_grad():
        return [m.double() for m in HRNet(arch=arch).eval()(torch.randn(n, 3, *size))]


@pytest.mark.parametrize('size', [(64, 64), (65, 97), (256, 192), (100, 76), (31, 45)])
def test_shapes_are_as_declared(size: tuple[int, int]) -> None:
    h, w = -(-size[0] // 4), -(-size[1] // 4)
    x = torch.randn(2, 3, *size)
    for kind, channels in [(HRNetV1, 4), (HRNetV2, 60)]:
        readout = kind(arch='test-w4').eval()
        (y,) = readout(x)
        assert y.shape == (2, channels, h, w)
        assert (readout.out_channels, readout.strides) == ((channels,), (4,))
    pyramid = HRNetV2p(arch='test-w4').eval()
    levels = pyramid(x)
    assert pyramid.out_channels == (256,) * 5
    assert pyramid.strides == (4, 8, 16, 32, 64)
    # A side of one pixel cannot be halved.
    assert [tuple(m.shape) for m in levels] == [(2, 256, max(1, h >> i), max(1, w >> i)) for i in range(5)]


@pytest.mark.parametrize('align_corners', [False, True])
def test_v2_is_the_concatenation(align_corners: bool) -> None:
    torch.manual_seed(0)
    readout = HRNetV2(arch='test-w4', fuse_upsample='bilinear', align_corners=align_corners).eval()
    plain = HRNet(arch='test-w4', fuse_upsample='bilinear', align_corners=align_corners).eval()
    plain.load_state_dict(readout.state_dict(), strict=True)
    x = torch.randn(1, 3, 64, 96)
    maps = plain(x)
    larger = [F.interpolate(m, (16, 24), mode='bilinear', align_corners=align_corners) for m in maps[1:]]
    torch.testing.assert_close(readout(x)[0], torch.cat([maps[0], *larger], 1), rtol=0, atol=0)


def pyramid_as_published(fpn: HRNetV2pFPN, xs: list[Tensor], pool: Callable[..., Tensor]) -> list[Tensor]:
    """Enlarge, concatenate, convolve, pool by 2, 4, 8, ...: the order of the paper and of the official code."""
    factors = [1, 2, 4, 8]
    larger = [
        F.interpolate(x, scale_factor=f, mode='bilinear') if f > 1 else x for f, x in zip(factors, xs, strict=False)
    ]
    mixed = fpn.reduction_conv([torch.cat(larger, 1)])
    pooled = [mixed if i == 0 else pool(mixed, 2**i) for i in range(len(fpn.out_channels))]
    convs = list(fpn.fpn_convs) * (len(pooled) if len(fpn.fpn_convs) == 1 else 1)
    return [conv(p) for conv, p in zip(convs, pooled, strict=True)]


@pytest.mark.parametrize('pooling_type', ['AVG', 'MAX'])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('num_outs', [1, 4, 5, 6])
@pytest.mark.parametrize('share_conv', [False, True])
def test_pyramid_equals_the_published_order(pooling_type: str, stride: int, num_outs: int, share_conv: bool) -> None:
    fpn = HRNetV2pFPN(
        arch='test-w4',
        out_channels=12,
        num_outs=num_outs,
        pooling_type=pooling_type,
        stride=stride,
        share_conv=share_conv,
    ).double()
    assert len(fpn.fpn_convs) == (1 if share_conv else num_outs)
    xs = streams(size=(128, 224))  # 32 pixels high at stride 4: the sixth level is one pixel high
    levels = fpn(xs)
    pool = {'AVG': F.avg_pool2d, 'MAX': F.max_pool2d}[pooling_type]
    for a, b in zip(levels, pyramid_as_published(fpn, xs, pool), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert fpn.strides == tuple(4 * stride * 2**i for i in range(num_outs))


def test_pyramid_with_normalization_and_checkpointing() -> None:
    torch.manual_seed(0)
    fpn = HRNetV2pFPN(arch='test-w4', out_channels=12, norm_cfg={'type': 'BN'}, with_cp=True).double()
    plain = HRNetV2pFPN(arch='test-w4', out_channels=12, norm_cfg={'type': 'BN'}).double()
    plain.load_state_dict(fpn.state_dict(), strict=True)
    xs = [x.requires_grad_() for x in streams(size=(128, 128))]
    grads = []
    for neck in (fpn, plain):
        loss = sum(m.square().sum() for m in neck(xs))
        grads.append(torch.autograd.grad(loss, [*xs, *neck.parameters()]))
    for a, b in [*zip(*grads, strict=True), *zip(fpn.buffers(), plain.buffers(), strict=True)]:
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    fpn.eval()
    for a, b in zip(fpn(xs), pyramid_as_published(fpn, list(xs), F.avg_pool2d), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('count', [1, 2, 3])
def test_pyramid_of_fewer_branches(count: int) -> None:
    xs = streams()[:count]
    fpn = HRNetV2pFPN([x.shape[1] for x in xs], out_channels=12).double()
    for a, b in zip(fpn(xs), pyramid_as_published(fpn, list(xs), F.avg_pool2d), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_v1h_widens_the_finest_branch() -> None:
    xs = streams()
    fpn = HRNetV1hFPN('test-w4', out_channels=12).double()
    assert tuple(fpn.widen_conv.weight.shape) == (60, 4, 1, 1)
    of_all = HRNetV2pFPN(arch='test-w4', out_channels=12).double()
    assert of_all.load_state_dict(fpn.state_dict(), strict=False).unexpected_keys == [
        'widen_conv.weight',
        'widen_conv.bias',
    ]
    wide = F.conv2d(xs[0], fpn.widen_conv.weight, fpn.widen_conv.bias)
    for a, b in zip(fpn(xs[:1]), of_all(wide.split([4, 8, 16, 32], dim=1)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_pyramid_mixes_with_an_eighth_of_the_macs() -> None:
    with torch.device('meta'):
        fpn = HRNetV2pFPN(arch='w32')
        xs = [torch.empty(1, 32 * 2**i, 200 >> i, 304 >> i) for i in range(4)]
        with FlopCounterMode(display=False) as counter:
            fpn(xs)
        pixels = [(200 >> i) * (304 >> i) for i in range(5)]
        levels = 2 * sum(pixels) * 256 * 256 * 9
    assert counter.get_total_flops() - levels == 2 * pixels[0] * 15 * 32 * 256 / 8


def test_gradients_reach_every_parameter() -> None:
    x = torch.randn(2, 3, 64, 64)
    classifier = nn.Sequential(HRNet(arch='test-w4'), HRFuseScales(arch='test-w4', conv_bias=True))
    for net in [HRNetV1(arch='test-w4'), HRNetV2(arch='test-w4'), HRNetV2p(arch='test-w4'), classifier]:
        sum(m.square().sum() for m in net(x)).backward()
        # A bias in front of a batch norm has no effect on the output: its gradient is there, and zero to rounding.
        assert [n for n, p in net.named_parameters() if p.grad is None] == []


def test_classification_key_counts() -> None:
    with torch.device('meta'):
        official = HRFuseScales(arch='w18', conv_bias=True)
        openmmlab = HRFuseScales(in_channels=[18, 36, 72, 144])
    # The official network's 1956 keys: 1830 of the backbone, 124 here, 2 of the classifier.
    assert len(official.state_dict()) == 124
    biases = set(official.state_dict()) - set(openmmlab.state_dict())
    assert biases == {*(f'downsample_layers.{i}.conv.bias' for i in range(3)), 'final_layer.conv.bias'}


@pytest.mark.parametrize('size', [(64, 96), (65, 97), (31, 31)])
def test_classification_fusion_takes_any_size(size: tuple[int, int]) -> None:
    fuse = HRFuseScales(arch='test-w4', out_channels=8).double().eval()
    (y,) = fuse(streams(size=size))
    assert y.shape == (2, 8, -(-size[0] // 32), -(-size[1] // 32))
    assert (fuse.out_channels, fuse.strides) == ((8,), (32,))


def test_group_norm_reaches_the_bottlenecks() -> None:
    fuse = HRFuseScales(arch='test-w4', norm_cfg={'type': 'GN', 'num_groups': 4})
    assert not any(isinstance(m, nn.BatchNorm2d) for m in fuse.modules())
    assert sum(isinstance(m, nn.GroupNorm) for m in fuse.modules()) == 4 * 4 + 3 + 1


@pytest.mark.parametrize(
    ('build', 'message'),
    [
        (lambda: HRNetV2pFPN(), 'in_channels must hold the channels of the branches, got None; or give arch'),
        (lambda: HRFuseScales([18, 36, 72]), r'channels of the four branches, got \[18, 36, 72\]'),
        (
            lambda: HRNetV2pFPN([18, 36, 72, 144], arch='w32'),
            r"\[18, 36, 72, 144\] contradicts arch 'w32', whose branches have \[32, 64, 128, 256\]",
        ),
        (lambda: HRFuseScales([18, 36, 72, 144], arch='w32'), r"contradicts arch 'w32'"),
        (lambda: HRNetV2pFPN(arch='w18', pooling_type='AVERAGE'), "unknown pooling_type 'AVERAGE'.*Allowed: AVG, MAX"),
        (lambda: HRNetV2pFPN(arch='w18', num_outs=0), 'num_outs must be at least 1, got 0'),
        (lambda: HRNetV2(arch='w18', multiscale_output=False), 'HRNetV2 reads all four branches'),
        (lambda: HRNetV2p(arch='w18', multiscale_output=False), 'HRNetV2p reads all four branches'),
        (lambda: HRNetV1(arch='w18', multiscale_output=True), "use type='HRNet'"),
    ],
)
def test_bad_arguments(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), torch.device('meta'):
        build()


@pytest.mark.parametrize('kind', [HRNetV2pFPN, HRFuseScales])
def test_other_streams_than_built_for_are_refused(kind: Callable[..., nn.Module]) -> None:
    neck = kind(arch='test-w4')
    with pytest.raises(ValueError, match=r'built for branches of \[4, 8, 16, 32\] channels, got \[4, 8, 16\]'):
        neck([torch.randn(1, c, 8, 8) for c in (4, 8, 16)])
    with pytest.raises(ValueError, match='got Tensor'):
        neck(torch.randn(1, 4, 8, 8))


@pytest.mark.parametrize('align_corners', [False, True])
def test_dense_scores_are_those_of_the_concatenated_map(align_corners: bool) -> None:
    torch.manual_seed(0)
    model = HRNetModel('hrnetv2_test-w4', 5, align_corners=align_corners).eval().double()
    assert model.head is not None
    x = torch.randn(2, 3, 66, 98, dtype=torch.float64)
    # The mixing convolution of one map, the concatenated one, is the plain convolution.
    expected = model.head(model.forward_features(x))
    torch.testing.assert_close(model(x), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@pytest.mark.usefixtures('no_batch_norms')
def test_dense_scores_need_no_convolution_of_the_concatenated_map() -> None:
    with torch.device('meta'), torch.no_grad():
        model, x = HRNetModel('hrnetv2_w48', 19).eval(), torch.empty(1, 3, 512, 1024)
        assert model.head is not None
        with FlopCounterMode(display=False) as whole:
            model(x)
        with FlopCounterMode(display=False) as before:
            model.head(model.forward_features(x))
    saved = (before.get_total_flops() - whole.get_total_flops()) // 2
    assert saved == 720 * 720 * 128 * 256 * 7 // 8


@pytest.mark.parametrize('layout', ['backbone', 'official-cls', 'official-det', 'mmdet', 'own', 'detector'])
def test_v2p_loads_a_backbone_of_any_layout_and_a_pyramid_where_there_is_one(tmp_path, layout):
    torch.manual_seed(1)
    model = HRNetModel('hrnet_test-w4' if layout == 'official-cls' else 'hrnetv2p_test-w4')
    model.init_weights()
    state = model.state_dict()
    has_pyramid = layout in ('official-det', 'mmdet', 'own', 'detector')
    if layout in ('own', 'detector'):  # as HRNetV2p itself is saved, alone or below a detector
        own = {re.sub('^neck', 'pyramid', re.sub(r'^backbone\.', '', name)): value for name, value in state.items()}
        heads = {'rpn_head.rpn_conv.weight': torch.ones(1)}
        given = own if layout == 'own' else {**{f'backbone.{name}': value for name, value in own.items()}, **heads}
    else:
        given = convert(state, to=layout, backbone_only=not has_pyramid and layout == 'backbone').state_dict
    write_checkpoint(tmp_path / 'a.pth', given)
    torch.manual_seed(2)
    backbone = HRNetV2p('test-w4', pretrained=str(tmp_path / 'a.pth'))
    before = backbone.pyramid.reduction_conv.conv.weight.clone()
    backbone.init_weights()
    body = {name: value for name, value in backbone.state_dict().items() if not name.startswith('pyramid.')}
    assert all(torch.equal(value, state[f'backbone.{name}']) for name, value in body.items())
    pyramid = backbone.pyramid.state_dict()
    if has_pyramid:
        assert all(torch.equal(value, state[f'neck.{name}']) for name, value in pyramid.items())
        x = torch.randn(1, 3, 64, 64)
        with torch.no_grad():
            assert all(map(torch.equal, backbone.eval()(x), model.eval()(x)))
    else:
        assert not torch.equal(pyramid['reduction_conv.conv.weight'], before)  # Xavier, not torch's own
        assert not pyramid['fpn_convs.0.conv.bias'].any()


@pytest.mark.parametrize('name', ['hrnetv1_test-w4', 'hrnetv2_test-w4', 'hrnetv2p_test-w4', 'hrnet_test-w4'])
def test_a_traced_graph_takes_other_sizes(name: str) -> None:
    model = HRNetModel(name, **({} if 'v2p' in name else {'num_classes': 3})).eval()
    traced = fx.symbolic_trace(model)
    with torch.no_grad():
        for size in ((64, 64), (70, 90)):
            x = torch.randn(1, 3, *size)
            for a, b in zip(maps_of(model(x)), maps_of(traced(x)), strict=True):
                assert torch.equal(a, b)


def maps_of(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)
