"""The report on the environment: what is right is a line, what is broken is named with its repair."""

import importlib.metadata
import importlib.util

import pytest

from hrnet_mm import environment
from hrnet_mm.cli import main
from hrnet_mm.environment import inspect_environment


@pytest.fixture
def no_imports(monkeypatch):
    """The imports in processes of their own take most of the time, and have a test of their own."""
    monkeypatch.setattr(environment, '_import_problem', lambda module: '')


def versions(monkeypatch, **changed):
    given = importlib.metadata.version

    def version(project):
        if project in changed:
            if changed[project] is None:
                raise importlib.metadata.PackageNotFoundError(project)
            return changed[project]
        return given(project)

    monkeypatch.setattr(importlib.metadata, 'version', version)


@pytest.mark.slow
def test_this_environment_is_sound(capsys):
    assert main(['doctor']) == 0
    lines = capsys.readouterr().out.splitlines()
    subjects = [line.partition('  ')[0] for line in lines]
    assert subjects[:2] == ['Python', 'torch']
    assert {'mmengine', 'mmcv', 'operators of mmcv', 'mmdet', 'mmseg', 'mmpose', 'mmpretrain'} <= set(subjects)
    assert lines[-1] == '0 problems'


def test_a_version_out_of_range_is_named_with_its_repair(no_imports, monkeypatch, capsys):
    versions(monkeypatch, mmdet='3.9.0')
    assert main(['doctor']) == 1
    out = capsys.readouterr().out
    assert 'mmdet is 3.9.0; expected <3.4,>=3.3' in out
    assert "repair: pip install 'mmdet<3.4,>=3.3'" in out
    assert out.endswith('1 problem\n')


def test_a_missing_requirement_is_named_and_a_missing_library_is_not(no_imports, monkeypatch):
    versions(monkeypatch, safetensors=None, mmengine=None)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if name == 'mmpose' else found(name))
    findings = {finding.subject: finding for finding in inspect_environment()}
    assert findings['mmengine'].problem == 'mmengine is missing; expected mmengine>=0.10.7'
    assert findings['mmpose'].state == 'not installed'
    assert not findings['mmpose'].problem


def test_an_import_that_fails_is_quoted(tmp_path, monkeypatch):
    (tmp_path / 'torn.py').write_text("raise ImportError('undefined symbol: torch')")
    (tmp_path / 'dead.py').write_text('import os\nos._exit(3)')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    assert environment._import_problem('torn') == 'import torn fails: ImportError: undefined symbol: torch'
    assert environment._import_problem('dead') == 'import dead fails: exit code 3'
    assert environment._import_problem('json') == ''


def test_an_mmcv_without_operators_is_a_problem(tmp_path, monkeypatch, no_imports):
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').touch()
    spec = importlib.util.spec_from_file_location('mmcv', tmp_path / 'mmcv' / '__init__.py')
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        'find_spec',
        lambda name: (
            {'mmcv': spec, 'mmcv._ext': None}.get(name, ...) or None if name.startswith('mmcv') else found(name)
        ),
    )
    assert environment._operators().problem == 'mmcv has no operators'
