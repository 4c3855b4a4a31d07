import copy
from typing import Any

import pytest
import torch
from mmengine.model import PretrainedInit
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from hrnet_mm.models import ARCHS, HRNet, HRNetV1, get_arch
from hrnet_mm.models.hrnet import ExchangeUnit
from hrnet_mm.models.layers import BasicBlock, Bottleneck
from hrnet_mm.weights import CheckpointError


def net(**kwargs: Any) -> HRNet:
    torch.manual_seed(0)
    return HRNet(**{'arch': 'test-w4', **kwargs})


def image(*size: int, n: int = 2, channels: int = 3) -> torch.Tensor:
    return torch.randn(n, channels, *size, generator=torch.Generator().manual_seed(1))


def norms(module: nn.Module) -> list[_BatchNorm]:
    return [m for m in module.modules() if isinstance(m, _BatchNorm)]


def test_key_counts_are_the_official_checkpoints() -> None:
    with torch.device('meta'):
        for arch in ['w18', 'w32', 'w48', 'w64']:
            assert len(HRNet(arch=arch).state_dict()) == 1830
            assert len(HRNetV1(arch=arch).state_dict()) == 1752


def test_names_are_the_official_checkpoints() -> None:
    keys = set(net(arch='w18').state_dict())
    # One of each kind of the key rules; the whole set is compared with timm's in tests/parity.
    assert {
        'conv1.weight',
        'bn2.running_var',
        'layer1.0.conv3.weight',
        'layer1.0.downsample.1.weight',
        'transition1.0.0.weight',
        'transition1.1.0.1.bias',
        'transition2.2.0.0.weight',
        'transition3.3.0.0.weight',
        'stage2.0.branches.1.3.bn2.weight',
        'stage3.3.fuse_layers.0.2.1.num_batches_tracked',
        'stage4.2.fuse_layers.3.0.2.0.weight',
        'stage4.2.fuse_layers.3.0.1.1.weight',
    } <= keys
    assert {key.split('.')[0] for key in keys} == {
        *['conv1', 'bn1', 'conv2', 'bn2', 'layer1', 'stage2', 'stage3', 'stage4'],
        *['transition1', 'transition2', 'transition3'],
    }


@pytest.mark.parametrize('size', [(64, 64), (65, 97), (100, 76), (33, 47), (31, 31), (256, 192), (7, 250)])
@pytest.mark.parametrize('fuse_upsample', ['nearest', 'bilinear'])
def test_any_input_size(size: tuple[int, int], fuse_upsample: str) -> None:
    backbone = net(fuse_upsample=fuse_upsample).eval()
    maps = backbone(image(*size))
    assert isinstance(maps, tuple)
    expected = [
        (2, c, -(-size[0] // s), -(-size[1] // s)) for c, s in zip(backbone.out_channels, backbone.strides, strict=True)
    ]
    assert [tuple(m.shape) for m in maps] == expected
    assert backbone.size_divisibility == 1


@pytest.mark.usefixtures('no_batch_norms')
@pytest.mark.parametrize('arch', [*ARCHS, 'w5'])
def test_declared_outputs_on_the_meta_device(arch: str) -> None:
    with torch.device('meta'), torch.no_grad():
        backbone = HRNet(arch=arch)
        maps = backbone(torch.empty(2, 3, 64, 96))
    assert tuple(m.shape[1] for m in maps) == backbone.out_channels
    assert backbone.strides == (4, 8, 16, 32)


@pytest.mark.parametrize(('exchange', 'units'), [('all', 8), ('across', 3), ('final', 1)])
@pytest.mark.parametrize('multiscale_output', [True, False])
def test_exchange_ablation(exchange: str, units: int, multiscale_output: bool) -> None:
    with torch.device('meta'):
        backbone = HRNet(arch='w18', exchange=exchange, multiscale_output=multiscale_output)
    found = {name: m for name, m in backbone.named_modules() if isinstance(m, ExchangeUnit)}
    assert len(found) == units
    assert 'stage4.2.fuse_layers' in found
    assert len(found['stage4.2.fuse_layers']) == (4 if multiscale_output else 1)


@pytest.mark.parametrize('exchange', ['all', 'across', 'final'])
@pytest.mark.parametrize('multiscale_output', [True, False])
@pytest.mark.parametrize('block', ['BASIC', 'BOTTLENECK'])
def test_gradients_reach_every_parameter(exchange: str, multiscale_output: bool, block: str) -> None:
    extra = get_arch('test-w4').to_extra()
    for i in (2, 3, 4):
        extra[f'stage{i}']['block'] = block
    backbone = net(arch=None, extra=extra, exchange=exchange, multiscale_output=multiscale_output)
    sum(m.square().sum() for m in backbone(image(64, 64))).backward()
    assert [n for n, p in backbone.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_product_and_bilinear_ablations() -> None:
    x = image(64, 96)
    maps = net(arch='w18')(x)
    for kwargs in ({'fusion': 'product'}, {'downsample': 'bilinear'}):
        ablation = net(arch='w18', **kwargs)
        other = ablation(x)
        assert [m.shape for m in other] == [m.shape for m in maps]
        assert not torch.allclose(other[0], maps[0], rtol=1e-2)
        sum(m.sum() for m in other).backward()
        assert all(p.grad is not None for p in ablation.parameters())
    unit = net(downsample='bilinear').stage2[0].fuse_layers
    assert unit[1][0][0].kernel_size == (1, 1)


def test_exchange_unit_by_hand() -> None:
    torch.manual_seed(0)
    unit = ExchangeUnit((2, 4), 2, conv_cfg=None, norm_cfg={'type': 'BN'}).eval()
    fine, coarse = torch.randn(1, 2, 8, 12), torch.randn(1, 4, 4, 6)
    out = unit((fine, coarse))
    raised = unit[0][1](coarse).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(out[0], (fine + raised).relu())
    torch.testing.assert_close(out[1], (unit[1][0](fine) + coarse).relu())
    product = ExchangeUnit((2, 4), 1, fusion='product', conv_cfg=None, norm_cfg={'type': 'BN'}).eval()
    product.load_state_dict({k: v for k, v in unit.state_dict().items() if k.startswith('0.')}, strict=True)
    torch.testing.assert_close(product((fine, coarse))[0], (fine * raised).relu())


def test_checkpointing_changes_nothing() -> None:
    plain, checkpointed = net().double(), net(with_cp=True).double()
    x = image(64, 64).double().requires_grad_()
    results = []
    for backbone in (plain, checkpointed):
        x.grad = None
        sum(m.square().sum() for m in backbone(x)).backward()
        results.append([x.grad, *(p.grad for p in backbone.parameters()), *backbone.buffers()])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_checkpointing_reaches_every_block() -> None:
    blocks = [m for m in net(arch='w18', with_cp=True).modules() if isinstance(m, BasicBlock | Bottleneck)]
    assert len(blocks) == 4 + 4 * (1 * 2 + 4 * 3 + 3 * 4)
    assert all(m.with_cp for m in blocks)


@pytest.mark.parametrize('frozen', range(-1, 5))
def test_frozen_stages_stay_frozen(frozen: int) -> None:
    backbone = net(frozen_stages=frozen)
    assert backbone.train() is backbone
    groups = [
        ['conv1', 'bn1', 'conv2', 'bn2'],
        ['layer1', 'transition1'],
        ['stage2', 'transition2'],
        ['stage3', 'transition3'],
        ['stage4'],
    ]
    for i, names in enumerate(groups):
        for name in names:
            module = backbone.get_submodule(name)
            assert all(p.requires_grad == (i > frozen) for p in module.parameters())
            assert all(m.training == (i > frozen) for m in module.modules())
    before = copy.deepcopy(backbone.state_dict())
    if frozen < 4:
        backbone(image(64, 64))[0].sum().backward()
    changed = {k.split('.')[0] for k, v in backbone.state_dict().items() if not torch.equal(v, before[k])}
    assert changed.isdisjoint(name for names in groups[: frozen + 1] for name in names)


def test_norm_eval_keeps_statistics() -> None:
    backbone = net(norm_eval=True)
    assert backbone.train() is backbone
    assert backbone.training
    assert not any(m.training for m in norms(backbone))
    before = [m.running_mean.clone() for m in norms(backbone)]
    backbone(image(64, 64))
    assert all(torch.equal(m.running_mean, b) for m, b in zip(norms(backbone), before, strict=True))
    assert backbone.eval() is backbone
    assert all(m.training for m in norms(net().train()))


@pytest.mark.slow
def test_zero_init_residual_reaches_every_block() -> None:
    backbone = net(arch='w18', zero_init_residual=True)
    backbone.init_weights()
    zeroed = [n for n, p in backbone.named_parameters() if n.endswith(('bn2.weight', 'bn3.weight')) and not p.any()]
    assert len(zeroed) == 108  # 4 bottlenecks of layer1 (bn3) and 104 basic blocks (bn2)
    plain = net(arch='w18')
    plain.init_weights()
    assert all(m.weight.eq(1).all() for m in norms(plain))


def test_pretrained_weights_are_not_zeroed(tmp_path: Any) -> None:
    source = net()
    torch.save(source.state_dict(), tmp_path / 'w.pth')
    backbone = net(zero_init_residual=True, pretrained=str(tmp_path / 'w.pth'))
    backbone.init_weights()
    for a, b in zip(backbone.state_dict().values(), source.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize('kind', ['Pretrained', PretrainedInit])
@pytest.mark.parametrize('is_list', [False, True])
def test_a_checkpoint_in_init_cfg_must_fill_the_backbone(kind: Any, is_list: bool, tmp_path: Any) -> None:
    weights = net().state_dict()
    del weights['conv1.weight']
    torch.save(weights, tmp_path / 'w.pth')
    init = {'type': kind, 'checkpoint': str(tmp_path / 'w.pth')}
    backbone = net(init_cfg=[init] if is_list else init)
    with pytest.raises(CheckpointError):
        backbone.init_weights()


@pytest.mark.parametrize(
    'norm_cfg',
    [
        {'type': 'GN', 'num_groups': 2},
        {'type': nn.GroupNorm, 'num_groups': 2},
        {'type': 'SyncBN'},
        {'type': 'IN', 'affine': True},
        {'type': nn.InstanceNorm2d, 'affine': True},
    ],
)
def test_norm_cfg_reaches_every_layer(norm_cfg: dict[str, Any]) -> None:
    kinds = {'GN': nn.GroupNorm, 'SyncBN': nn.SyncBatchNorm, 'IN': nn.InstanceNorm2d}
    before = copy.copy(norm_cfg)
    backbone = net(arch='w18', norm_cfg=norm_cfg)
    assert norm_cfg == before
    kind = kinds.get(norm_cfg['type'], norm_cfg['type'])
    assert sum(type(m) is kind for m in backbone.modules()) == 305
    assert not any(type(m) is nn.BatchNorm2d for m in backbone.modules())


def test_norm_arguments_arrive() -> None:
    backbone = net(norm_cfg={'type': 'BN', 'momentum': 0.01, 'eps': 1e-3, 'requires_grad': False})
    assert all(m.momentum == 0.01 and m.eps == 1e-3 and not m.weight.requires_grad for m in norms(backbone))


@pytest.mark.parametrize('marker', [{'_scope_': 'mmseg'}, {'_delete_': True}])
def test_markers_of_config_files_are_no_arguments(marker: dict[str, Any]) -> None:
    backbone = net(norm_cfg={'type': 'BN', **marker}, conv_cfg={'type': 'Conv2d', **marker})
    assert backbone.state_dict().keys() == net().state_dict().keys()


@pytest.mark.parametrize('kind', ['Conv2d', nn.Conv2d])
def test_conv_cfg_and_in_channels(kind: Any) -> None:
    backbone = net(conv_cfg={'type': kind, 'padding_mode': 'reflect'}, in_channels=4)
    convs = [m for m in backbone.modules() if isinstance(m, nn.Conv2d)]
    assert all(m.padding_mode == 'reflect' for m in convs)
    assert backbone(image(64, 64, channels=4))[0].shape == (2, 4, 16, 16)


def test_upsampling_modes_share_weights_but_not_outputs() -> None:
    nearest, bilinear = net(arch='w18').eval(), net(arch='w18', fuse_upsample='bilinear').eval()
    aligned = net(arch='w18', fuse_upsample='bilinear', align_corners=True).eval()
    for other in (bilinear, aligned):
        other.load_state_dict(nearest.state_dict(), strict=True)
    x = image(64, 64)
    with torch.no_grad():
        a, b, c = (m(x)[0] for m in (nearest, bilinear, aligned))
    for p, q in [(a, b), (b, c), (a, c)]:
        assert (p - q).norm() / p.norm() > 1e-3


def test_widths_may_change_between_stages() -> None:
    extra = get_arch('test-w4').to_extra()
    extra['stage3']['num_channels'] = (6, 8, 20)
    extra['stage4']['num_channels'] = (6, 10, 20, 40)
    backbone = net(arch=None, extra=extra)
    assert [m.shape[1] for m in backbone(image(64, 64))] == [6, 10, 20, 40]


def test_inputs_and_arguments_are_not_changed() -> None:
    extra = get_arch('test-w4').to_extra()
    init_cfg = [{'type': 'Kaiming', 'layer': 'Conv2d'}]
    before = copy.deepcopy((extra, init_cfg))
    backbone = net(arch=None, extra=extra, init_cfg=init_cfg)
    backbone.init_weights()
    assert (extra, init_cfg) == before
    maps = list(backbone.transition1((backbone.layer1(torch.randn(2, 64, 16, 16)),)))
    kept = [m.clone() for m in maps]
    backbone.eval().stage2(tuple(maps))
    assert all(torch.equal(a, b) for a, b in zip(maps, kept, strict=True))


def test_two_networks_share_nothing() -> None:
    first, second = net(), net()
    assert first.init_cfg is not second.init_cfg
    assert first.init_cfg[0] is not second.init_cfg[0]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'arch': 'w23b'}, 'unknown arch'),
        ({'in_channels': 0}, 'in_channels must be at least 1, got 0'),
        ({'frozen_stages': 5}, r'frozen_stages must be -1 \(nothing\) to 4 \(everything\), got 5'),
        ({'fuse_upsample': 'bilinaer'}, "did you mean 'bilinear'"),
        ({'align_corners': True}, "use fuse_upsample='bilinear'"),
        ({'exchange': 'none'}, 'Allowed: all, across, final'),
        ({'fusion': 'concat'}, 'Allowed: sum, product'),
        ({'downsample': 'pool'}, 'Allowed: strided, bilinear'),
        ({'norm_cfg': {'type': 'BNN'}}, "unknown norm_cfg type 'BNN'; did you mean 'BN'"),
        ({'norm_cfg': {'momentum': 0.1}}, 'norm_cfg needs a type'),
        ({'conv_cfg': {'type': 'Conv9d'}}, "unknown conv_cfg type 'Conv9d'"),
        ({'pretrained': 'a.pth', 'init_cfg': {'type': 'Kaiming'}}, 'give pretrained or init_cfg, not both'),
    ],
)
def test_bad_arguments(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        net(**kwargs)


@pytest.mark.slow
def test_exports_as_one_graph() -> None:
    backbone = net().eval()
    x = image(65, 97, n=1)
    exported = torch.export.export(backbone, (x,), strict=True).module()
    for a, b in zip(exported(x), backbone(x), strict=True):
        torch.testing.assert_close(a, b)
