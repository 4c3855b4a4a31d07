"""The installer's answers, and what the matrix of versions asks of it."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from hrnet_mm.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def matrix():
    spec = importlib.util.spec_from_file_location('matrix', ROOT / 'tools' / 'research' / 'matrix.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['matrix'] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules['matrix']


def install(*arguments, **variables):
    command = ['bash', str(ROOT / 'tools' / 'install.sh'), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={'PATH': '/usr/bin:/bin', **variables})


def test_an_unknown_option():
    done = install('--compile')
    assert done.returncode == 1
    assert done.stderr == 'install: no such option: --compile; allowed: --compiled, --develop.\n'


def test_a_python_that_does_not_work(tmp_path):
    copy = tmp_path / 'tools'
    copy.mkdir()
    (copy / 'install.sh').write_text((ROOT / 'tools' / 'install.sh').read_text())
    (tmp_path / 'requirements').mkdir()
    (tmp_path / 'requirements' / 'constraints.txt').write_text('mmcv-lite==2.1.0\n')
    command = ['bash', str(copy / 'install.sh')]
    done = subprocess.run(
        command, capture_output=True, text=True, env={'PATH': '/usr/bin:/bin', 'PYTHON': '/bin/false'}
    )
    assert done.returncode == 1
    assert 'install: PYTHON=/bin/false is not a working Python 3.10 to 3.13; point PYTHON at one' in done.stderr


def test_nothing_in_the_default_installation_is_compiled():
    """mmcv and xtcocotools, which have no wheels, are the two packages that were."""
    requirements = '\n'.join(
        (ROOT / 'requirements' / f'{name}.txt').read_text()
        for name in ('runtime', 'mmdet', 'mmseg', 'mmpose', 'mmpretrain')
    )
    names = {line.split('#')[0].split('>')[0].strip() for line in requirements.splitlines()}
    assert 'mmcv-lite' in names
    assert not names & {'mmcv', 'xtcocotools', 'chumpy', 'mmpose'}


def test_the_constraints_of_a_cell(matrix, tmp_path):
    path = tmp_path / 'constraints.txt'
    path.write_text((ROOT / 'requirements' / 'constraints.txt').read_text())
    matrix.constrain(path, matrix.Cell('3.10', '2.6.0', '0.21.0', '1.26.4', '4.11.0.86'))
    lines = path.read_text().splitlines()
    assert {'torch==2.6.0', 'torchvision==0.21.0', 'numpy==1.26.4', 'opencv-python==4.11.0.86'} < set(lines)
    names = [line.split('=')[0].split('<')[0] for line in lines if not line.startswith('#')]
    assert len(set(names)) == len(names)
    assert 'mmcv-lite==2.1.0' in lines


def test_the_python_of_a_cell(matrix):
    here = matrix.this_cell()
    assert here.python == f'{sys.version_info.major}.{sys.version_info.minor}'
    found = matrix.find_python(here.python)
    assert subprocess.run([found, '--version'], capture_output=True, text=True).stdout.startswith(
        f'Python {here.python}'
    )
    with pytest.raises(UserError, match=r'no Python 3\.2 is on the PATH'):
        matrix.find_python('3.2')


def test_a_mistyped_cell(matrix, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['matrix', '3.11-torch2.11'])
    with pytest.raises(UserError, match=r"did you mean '3\.11-torch2\.11\.0'"):
        matrix.main()
