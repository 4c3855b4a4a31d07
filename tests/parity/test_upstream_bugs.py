"""Defects of the four copies that this package does not repeat: each test shows theirs, then ours.

A test that fails because upstream got better is good news: delete it.
"""

import importlib
import inspect
from typing import Any

import pytest
import torch
from torch import nn

from hrnet_mm.models import HRFuseScales, HRNet, HRNetV2pFPN, get_arch

LIBRARIES = ['mmdet', 'mmseg', 'mmpose', 'mmpretrain']
EXTRA = get_arch('test-w4').to_extra()


def upstream(library: str, **kwargs: Any) -> nn.Module:
    kind = importlib.import_module(f'{library}.models.backbones.hrnet').HRNet
    extra = get_arch('test-w4').to_extra()
    if library == 'mmpose':
        extra['stage4']['multiscale_output'] = True
    return kind(extra=extra, norm_eval=False, **kwargs)


def ours(**kwargs: Any) -> HRNet:
    return HRNet(extra=EXTRA, **kwargs)


@pytest.mark.parametrize('library', LIBRARIES)
def test_train_and_eval_return_nothing(library: str) -> None:
    assert upstream(library).eval() is None
    net = ours()
    assert net.eval() is net
    assert net.train() is net


@pytest.mark.parametrize('library', ['mmdet', 'mmpose', 'mmpretrain'])
@pytest.mark.parametrize('size', [(100, 76), (33, 47), (65, 97)])
def test_sizes_that_32_does_not_divide_fail(library: str, size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    with pytest.raises(RuntimeError, match='must match the size'):
        upstream(library)(x)
    assert len(ours()(x)) == 4


@pytest.mark.parametrize('library', ['mmdet', 'mmseg', 'mmpretrain'])
def test_zero_init_residual_does_nothing(library: str) -> None:
    def zeroed(net: nn.Module) -> int:
        net.init_weights()
        return sum(not p.any() for n, p in net.named_parameters() if n.endswith(('bn2.weight', 'bn3.weight')))

    assert zeroed(upstream(library, zero_init_residual=True)) == 0
    assert zeroed(ours(zero_init_residual=True)) == 1 + 2 + 3 + 4


def test_mmpretrain_builds_layer1_without_the_settings() -> None:
    norm_cfg = {'type': 'GN', 'num_groups': 2}

    def left(net: nn.Module) -> int:
        return sum(isinstance(m, nn.BatchNorm2d) for m in net.modules())

    assert left(upstream('mmpretrain', norm_cfg=norm_cfg)) == 3
    assert left(ours(norm_cfg=norm_cfg)) == 0
    assert not upstream('mmpretrain', with_cp=True).layer1[0].with_cp
    assert ours(with_cp=True).layer1[0].with_cp


def test_mmpretrain_fusion_ignores_norm_cfg_in_its_bottlenecks() -> None:
    kind = importlib.import_module('mmpretrain.models.necks.hr_fuse').HRFuseScales
    norm_cfg = {'type': 'GN', 'num_groups': 4}
    theirs = kind(in_channels=(4, 8, 16, 32), norm_cfg=norm_cfg)
    assert sum(isinstance(m, nn.BatchNorm2d) for m in theirs.modules()) == 16
    mine = HRFuseScales(in_channels=(4, 8, 16, 32), norm_cfg=norm_cfg)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in mine.modules())


def test_mmdet_pyramid_ignores_norm_cfg_and_refuses_small_maps_and_tuples() -> None:
    kind = importlib.import_module('mmdet.models.necks.hrfpn').HRFPN
    channels = [4, 8, 16, 32]
    theirs = kind(channels, 8, norm_cfg={'type': 'BN'})
    assert not any(isinstance(m, nn.BatchNorm2d) for m in theirs.modules())
    assert sum(isinstance(m, nn.BatchNorm2d) for m in HRNetV2pFPN(channels, 8, norm_cfg={'type': 'BN'}).modules()) == 6
    small = [torch.randn(1, c, 8 >> i, 8 >> i) for i, c in enumerate(channels)]
    with pytest.raises(RuntimeError, match='Output size is too small'):
        theirs(small)
    assert len(HRNetV2pFPN(channels, 8)(small)) == 5
    with pytest.raises(AssertionError):
        kind(tuple(channels), 8)
    assert HRNetV2pFPN(tuple(channels), 8).in_channels == tuple(channels)


@pytest.mark.parametrize('library', LIBRARIES)
def test_module_overwrites_the_list_of_inputs(library: str) -> None:
    given = [torch.randn(2, 4, 8, 8), torch.randn(2, 8, 4, 4)]
    for net, overwritten in [(upstream(library), True), (ours(), False)]:
        maps = list(given)
        net.stage2[0](maps)
        assert (maps[0] is not given[0]) == overwritten


@pytest.mark.filterwarnings('ignore:torch.utils.checkpoint')  # upstream does not say which of torch's two ways it wants
@pytest.mark.parametrize('library', LIBRARIES)
def test_checkpointing_counts_a_batch_twice(library: str) -> None:
    def counted(net: nn.Module) -> int:
        net(torch.randn(2, 3, 64, 64))[0].sum().backward()
        return int(net.stage2[0].branches[0][0].bn1.num_batches_tracked)

    assert counted(upstream(library, with_cp=True)) == 2
    assert counted(ours(with_cp=True)) == 1


@pytest.mark.parametrize('library', ['mmdet', 'mmseg', 'mmpose'])
def test_widths_cannot_change_between_stages(library: str) -> None:
    extra = get_arch('test-w4').to_extra()
    extra['stage3']['num_channels'] = (6, 8, 16)
    extra['stage4']['num_channels'] = (6, 8, 16, 32)
    kind = importlib.import_module(f'{library}.models.backbones.hrnet').HRNet
    with pytest.raises(RuntimeError, match='channels'):
        kind(extra=extra, norm_eval=False)(torch.randn(2, 3, 64, 64))
    assert HRNet(extra=extra)(torch.randn(2, 3, 64, 64))[0].shape[1] == 6


def test_mmsegs_second_resize_only_matters_where_32_does_not_divide() -> None:
    """mmseg enlarges by a factor and then again to the target's size: two interpolations where the sizes differ."""
    torch.manual_seed(0)
    theirs = upstream('mmseg')
    mine = ours(fuse_upsample='bilinear')
    mine.load_state_dict(theirs.state_dict(), strict=True)
    theirs.eval(), mine.eval()
    with torch.no_grad():
        for size, equal in [((64, 96), True), ((65, 97), False)]:
            x = torch.randn(1, 3, *size)
            assert torch.equal(theirs(x)[0], mine(x)[0]) == equal


def test_mmpretrains_docstring_example_fails() -> None:
    kind = importlib.import_module('mmpretrain.models.backbones.hrnet').HRNet
    assert 'HRNet(extra' in inspect.getdoc(kind)
    with pytest.raises((TypeError, AttributeError)):
        kind(EXTRA, in_channels=1)
