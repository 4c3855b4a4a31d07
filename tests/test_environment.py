"""The report on the environment: versions in lines, and each defect with its repair."""

import importlib.metadata
import importlib.util

import pytest

from hrnet_mm import environment
from hrnet_mm.cli import main
from hrnet_mm.environment import inspect_environment


@pytest.fixture
def no_imports(monkeypatch):
    """The imports in separate processes take most of the time, and have a separate test."""
    monkeypatch.setattr(environment, '_import_problem', lambda module: '')


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


@pytest.mark.slow
def test_this_environment_is_sound(capsys):
    assert main(['doctor']) == 0
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.partition('  ')[0] for line in lines]
    assert subjects[:2] == ['Python', 'torch']
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
    assert environment._import_problem('torn') == 'import torn fails: ImportError: undefined symbol: torch'
    assert environment._import_problem('dead') == 'import dead fails: exit code 3'
    assert environment._import_problem('json') == ''


def test_an_mmcv_without_operators_is_a_problem(no_imports, monkeypatch):
    assert findings()['operators of mmcv'].state == 'compiled'
    monkeypatch.setattr(environment, 'is_compiled', lambda: False)
    finding = findings()['operators of mmcv']
    assert 'mmcv has no operators' in finding.problem
    assert 'hrnet_mm.ops.install()' in finding.repair
