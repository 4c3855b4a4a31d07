"""configs/README.md: its table of defaults and its examples are true."""

import importlib
import re
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm.config.check import check_config
from hrnet_mm.models import ARCHS, get_arch

ROOT = Path(__file__).parents[2]
README = (ROOT / 'configs/README.md').read_text()
LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')
EXAMPLES = re.findall(r'^```python\n(.*?)^```', README, re.MULTILINE | re.DOTALL)


def table():
    """The table of defaults: a column's name to a row's name to the cell."""
    lines = README.partition('<!-- defaults:begin -->\n')[2].partition('<!-- defaults:end -->')[0].splitlines()
    head, _, *rows = ([cell.strip().replace('`', '') for cell in line.strip('|').split('|')] for line in lines)
    return {name: {row[0]: row[i] for row in rows} for i, name in enumerate(head) if i}


def build(kind, scope, **settings):
    with DefaultScope.overwrite_default_scope(scope), torch.device('meta'):
        return MODELS.build({'type': kind, **settings})


def refuses(kind, scope, key, value):
    extra = get_arch('w18').to_extra()
    (extra if key == 'upsample' else extra['stage4'])[key] = value
    try:
        build(kind, scope, extra=extra)
    except ValueError as error:
        assert f'unknown key {key!r}' in str(error)  # noqa: PT017  # the other outcome is no failure
        return 'refused'
    return 'accepted'


def defaults(kind, scope):
    """Return the behavior of the class without settings, in the words of the table."""
    try:
        default = build(kind, scope).arch
        arch = next(name for name, known in ARCHS.items() if known == default)
    except ValueError:
        arch = 'required'
    net = build(kind, scope, arch='w18')
    init = net.init_cfg if isinstance(net.init_cfg, list) else [net.init_cfg]
    (convolutions,) = (entry['type'] for entry in init if 'Conv2d' in entry['layer'])
    return {
        'arch': arch,
        'norm_eval': str(net.norm_eval),
        'fuse_upsample': net.fuse_upsample,
        'align_corners': str(net.align_corners),
        'multiscale_output': str(len(net.out_channels) == 4),
        'initialization of convolutions': convolutions,
        'upsample in extra': refuses(kind, scope, 'upsample', {'mode': 'bilinear'}),
        'multiscale_output in extra.stage4': refuses(kind, scope, 'multiscale_output', True),
    }


@pytest.mark.parametrize('library', LIBRARIES)
def test_table_of_defaults(library):
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    assert defaults('HRNet', library) == table()[f'HRNet of {library}']
    assert defaults('hrnet_mm.HRNet', library) == table()['hrnet_mm.HRNet']


@pytest.mark.parametrize('library', LIBRARIES)
def test_other_defaults_are_equal(library):
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    nets = [build(kind, library, arch='w18') for kind in ('HRNet', 'hrnet_mm.HRNet')]
    in_table = {'norm_eval', 'fuse_upsample', 'align_corners', 'out_channels', 'strides', 'init_cfg'}
    in_table.add('upsample_cfg')  # mmpose's name for two of these
    others = [{k: v for k, v in vars(net).items() if not k.startswith('_') and k not in in_table} for net in nets]
    assert others[0] == others[1]
    assert {'arch', 'frozen_stages', 'zero_init_residual'} <= set(others[0])
    assert str(nets[0].stage3) == str(nets[1].stage3)  # kinds of layers, batch norm's settings


@pytest.mark.parametrize(
    ('library', 'name', 'own'), [('mmdet', 'HRFPN', 'HRNetV2pFPN'), ('mmpretrain', 'HRFuseScales', 'HRFuseScales')]
)
def test_necks_are_the_same_class(library, name, own):
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    assert type(build(name, library, arch='w18')) is type(build(f'hrnet_mm.{own}', library, arch='w18'))


def test_every_library_has_its_import_line():
    lines = re.findall(r'^\| (\w+) \| `(custom_imports = .*)` \|$', README, re.MULTILINE)
    assert [library for library, _ in lines] == list(LIBRARIES)
    for library, line in lines:
        assert Config.fromstring(line, '.py').custom_imports.imports == [f'hrnet_mm.drop_in.{library}']


@pytest.mark.parametrize('example', EXAMPLES, ids=['own data', 'own config'])
def test_examples_build(example, tmp_path):
    (tmp_path / 'config.py').write_text(example.replace('PATH/', f'{ROOT}/'))
    config = Config.fromfile(tmp_path / 'config.py')
    assert check_config(config) == []
    with DefaultScope.overwrite_default_scope(config.default_scope), torch.device('meta'):
        model = MODELS.build(config.model)
    assert type(model.backbone).__module__ == 'hrnet_mm.drop_in.mmdet'
    assert type(model.neck).__name__ == 'HRNetV2pFPN'


def test_links_lead_somewhere():
    links = re.findall(r'\]\(([^)]+)\)', README)
    assert len(links) >= 8
    assert [link for link in links if not (ROOT / 'configs' / link).exists()] == []
