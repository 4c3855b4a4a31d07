"""The report on the environment: versions in lines, and each defect with its repair."""

import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import sysconfig

import pytest
from forks import Forks

from hrnet_mm import environment
from hrnet_mm.cli import main
from hrnet_mm.environment import Finding, inspect_environment
from hrnet_mm.errors import UserError


@pytest.fixture
def no_gpu(monkeypatch):
    """The question for the GPU, too, imports torch in a separate process."""
    monkeypatch.setattr(environment, '_gpu', lambda: Finding('GPU', 'none'))


@pytest.fixture
def no_imports(no_gpu, monkeypatch):
    """The imports in separate processes take most of the time, and have a separate test."""
    monkeypatch.setattr(environment, '_trial_problem', lambda name: '')


@pytest.fixture
def versions(monkeypatch):
    """Set versions of projects; None removes one."""

    def set_versions(changed):
        given = importlib.metadata.version

        def version(project):
            found = changed[project] if project in changed else given(project)
            if found is None:
                raise importlib.metadata.PackageNotFoundError(project)
            return found

        monkeypatch.setattr(importlib.metadata, 'version', version)

    return set_versions


def findings():
    return {finding.subject: finding for finding in inspect_environment()}


@pytest.fixture
def forks(monkeypatch):
    """Try each package in a fork of a Python that has imported what all libraries import."""
    server = Forks('torchvision', 'cv2', 'mmengine.runner', 'mmcv.ops')
    monkeypatch.setattr(environment, '_run', server.run)
    yield
    server.close()


@pytest.mark.slow
@pytest.mark.usefixtures('forks')
def test_this_environment_is_sound(capsys):
    assert main(['doctor']) == 0
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.partition('  ')[0] for line in lines]
    assert subjects[:3] == ['Python', 'GPU', 'torch']
    assert {'mmengine', 'mmcv', 'operators of mmcv', 'mmdet', 'mmseg', 'mmpose', 'mmpretrain'} <= set(subjects)
    assert lines[-1] == '0 problems'


@pytest.mark.parametrize(
    ('project', 'version', 'problem', 'repair'),
    [
        ('mmdet', '3.9.0', 'mmdet is 3.9.0; expected <3.4,>=3.3', "pip install 'mmdet<3.4,>=3.3'"),
        ('mmsegmentation', '1.3.0', 'mmseg is 1.3.0; expected <1.3,>=1.2.2', "'mmsegmentation<1.3,>=1.2.2'"),
        ('setuptools', '82.0.0', 'setuptools is 82.0.0; expected <82', "pip install 'setuptools<82'"),
        ('mmengine', None, 'mmengine is missing; expected mmengine>=0.10.7', "pip install 'mmengine>=0.10.7'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_repair(project, version, problem, repair, no_imports, versions, capsys):
    versions({project: version})
    assert main(['doctor']) == 1
    out = capsys.readouterr().out
    assert problem in out
    assert repair in out
    assert out.endswith('1 problem\n')


def test_a_library_that_is_not_installed_is_no_problem(no_imports, versions, monkeypatch):
    versions({'mmpose': None, 'xtcocotools': None})
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if name == 'mmpose' else found(name))
    for name in ('mmpose', 'xtcocotools'):
        assert findings()[name].state == 'not installed'
        assert not findings()[name].problem


def test_forks_have_versions_of_their_own(no_imports, versions):
    versions({'mmdet': None, 'onedl-mmdetection': '3.5.1', 'mmsegmentation': None, 'onedl-mmsegmentation': '1.4.2'})
    assert findings()['mmdet'].state == '3.5.1 (onedl-mmdetection)'
    assert not findings()['mmdet'].problem
    assert not findings()['mmseg'].problem


def test_an_import_that_fails_is_quoted(tmp_path, monkeypatch):
    (tmp_path / 'torn.py').write_text("raise ImportError('undefined symbol: torch')")
    (tmp_path / 'dead.py').write_text('import os\nos._exit(3)')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    assert environment._trial_problem('torn') == '`import torn` fails: ImportError: undefined symbol: torch'
    assert environment._trial_problem('dead') == '`import dead` fails: exit code 3'
    assert environment._trial_problem('json') == ''


@pytest.mark.parametrize(('broken', 'tried'), [('', False), ('mmdet', True)])
def test_what_every_library_imports_is_tried_to_find_the_reason(broken, tried, no_gpu, monkeypatch):
    names = []
    monkeypatch.setattr(environment, '_trial_problem', lambda name: names.append(name) or 'torn' * (name == broken))
    assert [name for name, finding in findings().items() if finding.problem] == [broken] * bool(broken)
    assert ('torch' in names) is tried
    assert names.count('mmdet') == 1


def test_the_operators_of_mmcv(no_imports, monkeypatch):
    monkeypatch.setattr(environment, 'is_compiled', lambda: True)
    assert findings()['operators of mmcv'].state == 'compiled'
    monkeypatch.setattr(environment, 'is_compiled', lambda: False)
    finding = findings()['operators of mmcv']
    assert finding.state.startswith('39 in Python (boxes, carafe,')
    assert '73 missing (rotated boxes (mmrotate),' in finding.state
    assert not finding.problem
    monkeypatch.setattr(environment, 'is_active', lambda: False)
    finding = findings()['operators of mmcv']
    assert 'mmcv has no operators' in finding.problem
    assert 'hrnet_mm.pth' in finding.repair


def test_two_packages_in_one_folder(no_imports, versions):
    versions({'mmcv': '2.1.0', 'mmcv-lite': '2.1.0'})
    finding = findings()['mmcv']
    assert finding.problem == 'mmcv and mmcv-lite are installed into the same folder'
    assert finding.repair == 'pip uninstall mmcv mmcv-lite, then install one of them'
    assert not finding.install


@pytest.fixture
def commands(monkeypatch):
    """Collect the commands of a repair, which succeed or fail as told."""
    run, collected = subprocess.run, []

    def fake(command, **options):
        if 'install' not in command:
            return run(command, **options)
        collected.append(command)
        return subprocess.CompletedProcess(command, fake.exit_code)

    fake.exit_code, fake.collected = 0, collected
    monkeypatch.setattr(subprocess, 'run', fake)
    return fake


def test_a_repair_installs_what_a_library_needs(no_imports, versions, commands, capsys):
    projects = ('mmdet', 'mmpose', 'xtcocotools', 'munkres')
    versions(dict.fromkeys(projects))
    assert main(['doctor', '--fix', 'mmpose']) == 1  # because nothing was installed in truth
    pip = [sys.executable, '-m', 'pip', 'install']
    folder = sysconfig.get_path('purelib')
    assert commands.collected[:3] == [
        [*pip, 'mmdet<3.4,>=3.3', 'munkres'],
        [*pip, '--no-deps', 'mmpose<1.4,>=1.3.2'],
        [
            *(*pip, '--platform', 'manylinux1_x86_64', '--upgrade', '--no-deps', '--only-binary', ':all:'),
            *('--python-version', '3.9', '--target', folder, 'xtcocotools>=1.14.3'),
        ],
    ]
    out = capsys.readouterr().out
    assert f"$ {sys.executable} -m pip install --no-deps 'mmpose<1.4,>=1.3.2'" in out
    assert out.endswith('4 problems\n')


def test_a_repair_by_uv(no_imports, versions, commands, monkeypatch):
    versions({'ftfy': None, 'pip': None})
    monkeypatch.setattr(shutil, 'which', lambda name: f'/bin/{name}')
    main(['doctor', '--fix'])
    assert commands.collected[0] == ['/bin/uv', 'pip', 'install', '--python', sys.executable, 'ftfy']
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    with pytest.raises(UserError, match='has no pip, and uv is not on the PATH'):
        environment.repair_environment()


def test_a_repair_that_fails(no_imports, versions, commands, capsys):
    versions({'ftfy': None})
    commands.exit_code = 1
    assert main(['doctor', '--fix']) == 2
    assert '-m pip install ftfy` failed with exit code 1, for the reason above.' in capsys.readouterr().err
    assert len(commands.collected) == 1


def test_nothing_to_repair(no_imports, commands):
    assert main(['doctor', '--fix']) == 0
    assert not commands.collected


def test_broken_functions_of_xtcocotools(no_gpu, monkeypatch, commands):
    """Its compiled file for numpy 1 can be imported on numpy 2, and fails when it is called."""
    monkeypatch.setattr(environment, '_trial_problem', lambda name: 'no NPY_OWNDATA' if name == 'xtcocotools' else '')
    finding = findings()['xtcocotools']
    assert finding.problem == 'no NPY_OWNDATA'
    assert '--target' in finding.install


def test_a_mistyped_library(capsys):
    assert main(['doctor', 'mmpos']) == 2
    assert "doctor mmpos: no such library; did you mean 'mmpose'?" in capsys.readouterr().err
