"""The public attributes of the libraries' classes, which users' code and the libraries' tests read, exist here too."""

import importlib
from typing import Any

import pytest
from torch import nn

from hrnet_mm.models import HRFuseScales, HRNetV2pFPN, get_arch

EXTRA = get_arch('test-w4').to_extra()
CHANNELS = [4, 8, 16, 32]
LIBRARIES = ['mmdet', 'mmseg', 'mmpose', 'mmpretrain']
OMITTED = {
    'HRNet': {'parse_arch'},
    # A branch and a block are initialized by the backbone, and have no config of their own.
    'HRModule': {'block_init_cfg', 'init_cfg', 'init_weights', 'is_init', 'relu', 'upsample_cfg'},
    # Plugins, dilation and deformable convolutions of ResNet, which no HRNet has.
    'block': {
        *('conv1_stride', 'conv2_stride', 'dcn', 'drop_path', 'forward_plugin', 'init_cfg', 'init_weights', 'inplanes'),
        *('is_init', 'make_block_plugins', 'mid_channels', 'planes', 'plugins', 'style', 'with_dcn', 'with_plugins'),
    },
}


def public(module: nn.Module) -> set[str]:
    return {name for name in dir(module) if not name.startswith('_')}


@pytest.fixture(scope='module', params=LIBRARIES)
def pair(request: pytest.FixtureRequest) -> tuple[str, nn.Module, nn.Module]:
    """The library's HRNet and the drop-in's."""
    library = request.param
    importlib.import_module(f'{library}.models')
    theirs = importlib.import_module(f'{library}.models.backbones.hrnet').HRNet(extra=EXTRA)
    return library, theirs, importlib.import_module(f'hrnet_mm.drop_in.{library}').HRNet(extra=EXTRA)


def test_names(pair: Any) -> None:
    _, theirs, ours = pair
    assert public(theirs) - public(ours) <= OMITTED['HRNet']
    for name, kind in (('stage3.0', 'HRModule'), ('stage3.0.branches.0.0', 'block'), ('layer1.0', 'block')):
        assert public(theirs.get_submodule(name)) - public(ours.get_submodule(name)) <= OMITTED[kind]


def test_values(pair: Any) -> None:
    library, theirs, ours = pair
    assert ours.norm1 is ours.bn1
    assert ours.norm2 is ours.bn2
    names = [
        'norm1_name',
        'norm2_name',
        'extra',
        'conv_cfg',
        'with_cp',
        'stage1_cfg',
        'zero_init_residual',
        'norm_eval',
    ]
    for name in [
        *names,
        *(['upsample_cfg'] if library == 'mmpose' else ['arch_zoo'] if library == 'mmpretrain' else []),
    ]:
        assert getattr(ours, name) == getattr(theirs, name), name
    for name, attributes in (
        ('stage3.0', ['num_branches', 'in_channels', 'multiscale_output', 'with_cp', 'conv_cfg']),
        ('stage4.0', ['num_branches', 'in_channels']),
        ('layer1.0', ['expansion', 'norm1_name', 'norm2_name', 'norm3_name', 'stride', 'dilation']),
        ('stage3.0.branches.1.0', ['expansion', 'norm1_name', 'norm2_name', 'stride', 'dilation']),
    ):
        mine, other = ours.get_submodule(name), theirs.get_submodule(name)
        for attribute in attributes:
            assert getattr(mine, attribute) == getattr(other, attribute), (name, attribute)
    block = ours.layer1[0]
    assert (block.norm1, block.norm2, block.norm3) == (block.bn1, block.bn2, block.bn3)
    assert isinstance(block, ours.blocks_dict['BOTTLENECK'])


def test_necks() -> None:
    hrfpn = importlib.import_module('mmdet.models.necks.hrfpn').HRFPN(CHANNELS, 256)
    assert public(hrfpn) - public(HRNetV2pFPN(CHANNELS)) == set()
    for name in ('num_ins', 'num_outs', 'pooling', 'conv_cfg', 'norm_cfg', 'with_cp'):
        assert getattr(HRNetV2pFPN(CHANNELS), name) == getattr(hrfpn, name), name
    fuse = importlib.import_module('mmpretrain.models.necks.hr_fuse').HRFuseScales(CHANNELS)
    assert public(fuse) - public(HRFuseScales(CHANNELS)) == set()
    assert HRFuseScales(CHANNELS).norm_cfg == fuse.norm_cfg
