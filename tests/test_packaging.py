"""An installed package: only the stated imports, and everything that MIM needs."""

import re
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml

from hrnet_mm.compat import STARTUP

ROOT = Path(__file__).parents[1]
LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')


def run_python(code):
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def requirement_lines(name):
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text().splitlines()
    return {re.sub(r'\s', '', line.split('#')[0]) for line in lines if line.split('#')[0].strip()}


@pytest.mark.slow
def test_works_without_any_library():
    run_python(f"""
import sys
sys.modules.update(dict.fromkeys({('mmcv', *LIBRARIES)!r}))  # None: importing it raises ImportError
import torch
import hrnet_mm
from hrnet_mm.models import HRNet
outputs = HRNet(arch='test-w4')(torch.zeros(1, 3, 64, 64))
assert [tuple(output.shape[1:]) for output in outputs] == [(4, 16, 16), (8, 8, 8), (16, 4, 4), (32, 2, 2)]
""")


@pytest.mark.parametrize('module', ['hrnet_mm', 'hrnet_mm.models', 'hrnet_mm.registry', 'hrnet_mm.engine'])
def test_import_is_modest(module):
    loaded = run_python(f'import sys, {module}; print(*{{name.split(".")[0] for name in sys.modules}})').split()
    assert not {'mmcv', 'torchvision', *LIBRARIES} & set(loaded)


@pytest.fixture(scope='module')
def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_wheel_holds_what_mim_looks_for(contents):
    in_wheel = {name.removeprefix('hrnet_mm/.mim/') for name in contents if name.startswith('hrnet_mm/.mim/')}
    configs = {str(file.relative_to(ROOT)) for file in ROOT.glob('configs/**/*.*') if '__pycache__' not in file.parts}
    assert in_wheel == {'tools/train.py', 'tools/test.py', 'model-index.yml', *configs}


def test_wheel_holds_the_package_and_nothing_else(contents):
    modules = {str(file.relative_to(ROOT)) for file in ROOT.glob('hrnet_mm/**/*.py')}
    assert {name for name in contents if name.endswith('.py') and '/.mim/' not in name} == modules
    assert 'hrnet_mm/py.typed' in contents
    assert {name.split('/')[0].split('-')[0] for name in contents} == {'hrnet_mm', 'hrnet_mm.pth'}
    assert contents['hrnet_mm.pth'].decode() == STARTUP


def test_wheel_states_the_requirements_files(contents):
    (metadata,) = (message_from_bytes(data) for name, data in contents.items() if name.endswith('/METADATA'))
    stated: dict[str, set[str]] = {}
    for line in metadata.get_all('Requires-Dist'):
        requirement, _, extra = line.partition('; extra == ')
        stated.setdefault(extra.strip('"\''), set()).add(_sorted_specifiers(requirement))
    extras = {file.stem for file in ROOT.glob('requirements/*.txt')} - {'build', 'constraints', 'runtime'}
    assert set(stated) == {'', 'all', *extras}
    for extra in extras:
        assert stated[extra] == {_sorted_specifiers(line) for line in requirement_lines(extra)}
    assert stated[''] == {_sorted_specifiers(line) for line in requirement_lines('runtime')}
    assert stated['all'] == set().union(*(stated[name] for name in LIBRARIES))


def _sorted_specifiers(requirement):
    name, specifiers = re.fullmatch(r'([\w.-]+)(.*)', requirement.strip()).groups()
    return name + ','.join(sorted(specifiers.replace(' ', '').split(',')))


def test_checkout_holds_no_copy_of_its_own_configs():
    assert not (ROOT / 'hrnet_mm' / '.mim').exists()


def test_every_metafile_is_imported_and_names_existing_configs():
    imported = yaml.safe_load((ROOT / 'model-index.yml').read_text())['Import']
    assert sorted(imported) == sorted(str(file.relative_to(ROOT)) for file in ROOT.glob('configs/**/metafile.yml'))
    models = [model for name in imported for model in yaml.safe_load((ROOT / name).read_text())['Models']]
    assert [model['Name'] for model in models] == [Path(model['Config']).stem for model in models]
    assert all((ROOT / model['Config']).is_file() for model in models)


def test_mim_finds_every_config_by_its_name():
    names = [file.name for file in ROOT.glob('configs/**/*.py') if '_base_' not in file.parts]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.slow
def test_every_module_is_imported_without_those_that_windows_lacks(tmp_path):
    run_python(f"""
import importlib, os, pkgutil, sys
os.environ['USERNAME'] = 'somebody'  # as Windows sets it
sys.modules.update(dict.fromkeys(['fcntl', 'grp', 'pwd', 'termios', 'tty']))
import hrnet_mm
for module in pkgutil.walk_packages(hrnet_mm.__path__, 'hrnet_mm.'):
    importlib.import_module(module.name)
from pathlib import Path
from hrnet_mm.inference.predictions import Predictions
predictions = Predictions(Path({str(tmp_path)!r}), 0, 1)
predictions.add({{'image': 'a.png'}})
predictions.close()
""")


@pytest.mark.slow
def test_an_installed_wheel_supplies_every_process_until_it_is_removed(wheel, tmp_path):
    python, pip = tmp_path / 'venv' / 'bin' / 'python', [sys.executable, '-m', 'pip', '--python']
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', tmp_path / 'venv'], check=True)
    first_finder = [python, '-c', "import sys; print(getattr(sys.meta_path[0], '__module__', 'none of ours'))"]

    def found():
        done = subprocess.run(first_finder, capture_output=True, text=True, check=True)
        assert not done.stderr
        return done.stdout.strip()

    subprocess.run([*pip, python, 'install', '--quiet', '--no-deps', '--no-index', wheel], check=True)
    assert found() == 'hrnet_mm.compat'
    subprocess.run([*pip, python, 'uninstall', '--quiet', '--yes', 'hrnet_mm'], check=True)
    assert found() != 'hrnet_mm.compat'
    assert not list(tmp_path.rglob('hrnet_mm*'))
