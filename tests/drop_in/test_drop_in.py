"""The classes that `type='HRNet'` builds after the drop-in line, library by library."""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from forks import Forks
from torch import nn

from hrnet_mm import models
from hrnet_mm.models import get_arch

LIBRARIES = ['mmdet', 'mmseg', 'mmpose', 'mmpretrain']


def dropped_in(library: str) -> Any:
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    return importlib.import_module(f'{library}.registry').MODELS


def build(library: str, **cfg: Any) -> nn.Module:
    return dropped_in(library).build({'type': 'HRNet', 'extra': get_arch('test-w4').to_extra(), **cfg})


@pytest.fixture(scope='module')
def forks() -> Iterator[Forks]:
    """Processes without the libraries, whose registries are changed in this one."""
    server = Forks('torchvision', 'mmengine.runner', 'mmcv.ops')
    yield server
    server.close()


@pytest.mark.parametrize('library', LIBRARIES)
def test_every_keyword_of_upstream_is_accepted(library: str) -> None:
    upstream = importlib.import_module(f'{library}.models.backbones.hrnet').HRNet
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(upstream).parameters.items()
        if parameter.default is not inspect.Parameter.empty and name not in ('arch', 'extra')
    }
    assert {'in_channels', 'norm_cfg', 'norm_eval', 'with_cp', 'zero_init_residual', 'init_cfg'} <= set(defaults)
    assert isinstance(build(library, **defaults), models.HRNet)


@pytest.mark.parametrize('library', LIBRARIES)
def test_defaults_are_the_librarys(library: str) -> None:
    net = build(library)
    kind = importlib.import_module(f'{library}.models.backbones.hrnet').HRNet
    upstream = kind(extra=get_arch('test-w4').to_extra())
    assert net.norm_eval == upstream.norm_eval == (library == 'mmdet')
    assert net.fuse_upsample == ('bilinear' if library == 'mmseg' else 'nearest')
    assert len(net.out_channels) == (1 if library == 'mmpose' else 4)
    torch.manual_seed(0)
    net.init_weights()
    upstream.init_weights()
    ours, theirs = net.stage2[0].branches[1][0].conv1.weight, upstream.stage2[0].branches[1][0].conv1.weight
    assert float((ours.std() / theirs.std()).detach()) == pytest.approx(1, abs=0.2)
    maps = net.eval()(torch.randn(1, 3, 64, 64))
    assert isinstance(maps, tuple)
    assert len(maps) == len(net.out_channels)


@pytest.mark.parametrize('library', LIBRARIES)
def test_arch_names_work_as_extra_does(library: str) -> None:
    net = dropped_in(library).build({'type': 'HRNet', 'arch': 'test-w4'})
    assert net.arch == build(library).arch


def test_mmpretrain_builds_w32_by_default() -> None:
    with torch.device('meta'):
        assert dropped_in('mmpretrain').build({'type': 'HRNet'}).arch == get_arch('w32')


def test_mmpose_reads_its_own_keys_of_extra() -> None:
    extra = get_arch('test-w4').to_extra()
    extra['stage4']['multiscale_output'] = True
    extra['upsample'] = {'mode': 'bilinear', 'align_corners': False}
    net = build('mmpose', extra=extra)
    assert len(net.out_channels) == 4
    assert (net.fuse_upsample, net.align_corners) == ('bilinear', False)
    assert extra['stage4']['multiscale_output']
    assert 'upsample' in extra
    with pytest.raises(ValueError, match="unknown key 'upsmaple'"):
        build('mmpose', extra={**get_arch('test-w4').to_extra(), 'upsmaple': {}})


def test_a_registered_convolution_reaches_every_layer() -> None:
    net = build('mmdet', conv_cfg={'type': 'ConvWS'})
    assert not any(type(m) is nn.Conv2d for m in net.modules())
    assert net.eval()(torch.randn(1, 3, 64, 64))[0].shape == (1, 4, 16, 16)


@pytest.mark.parametrize('library', LIBRARIES)
def test_a_misspelt_argument_is_refused(library: str) -> None:
    with pytest.raises(TypeError, match='frozen_stage'):
        build(library, frozen_stage=1)


@pytest.mark.slow
@pytest.mark.parametrize('library', LIBRARIES)
def test_the_scoped_name_needs_no_line_and_the_plain_one_a_line_in_a_config(
    library: str, forks: Forks, tmp_path: Any
) -> None:
    """In one new process, in this order."""
    names = ['HRNet', 'HRNetV1', 'HRNetV2', 'HRNetV2p', 'HRNetV2pFPN', 'HRFuseScales']
    config = tmp_path / 'config.py'
    config.write_text(
        f'default_scope = {library!r}\n'
        f"custom_imports = dict(imports=['hrnet_mm.drop_in.{library}'], allow_failed_imports=False)\n"
        "model = dict(type='HRNet', arch='test-w4')\n"
    )
    done = forks.run(
        'import sys\n'
        "assert not {'mmdet', 'mmseg', 'mmpose', 'mmpretrain', 'hrnet_mm.models'} & set(sys.modules)\n"
        f'from {library}.registry import MODELS\n'
        'from mmengine.registry import DefaultScope\n'
        f'with DefaultScope.overwrite_default_scope({library!r}):\n'
        f'    for name in {names}:\n'
        "        print(type(MODELS.build(dict(type='hrnet_mm.' + name, arch='test-w4'))).__qualname__)\n"
        f'assert not {set(map("hrnet_mm.drop_in.{}".format, LIBRARIES))} & set(sys.modules)\n'
        'from mmengine import Config\n'
        f'config = Config.fromfile({str(config)!r})\n'
        f'from {library}.utils import register_all_modules\n'
        'register_all_modules()\n'  # what the library's own scripts do later must not undo it
        'print(type(MODELS.build(config.model)).__module__)\n'
    )
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert words[: len(names)] == names
    assert words[-1] == f'hrnet_mm.drop_in.{library}'


def test_public_names_are_frozen() -> None:
    assert models.__all__ == [
        *['ARCHS', 'Arch', 'FeatureInfo', 'Features', 'HRFuseScales', 'HRNet', 'HRNetModel', 'HRNetV1', 'HRNetV1hFPN'],
        *['HRNetV2', 'HRNetV2p', 'HRNetV2pFPN', 'Stage', 'get_arch'],
    ]
