"""Command-line settings: accepted and refused values, and their effect on a config."""

import argparse
import sys

import pytest
from mmengine.config import Config

from hrnet_mm.engine.settings import SettingsAction, apply_settings


def read(*settings):
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=SettingsAction)
    return parser.parse_args(['--cfg-options', *settings]).cfg_options


@pytest.fixture
def config():
    stages = [{'channels': (4, 8)}, {'channels': [16, 32]}]
    return Config(
        {'model': {'type': 'A', 'stages': stages, 'depth': 3}, 'train_cfg': {'max_epochs': 2}, 'val_cfg': None}
    )


def test_values_are_read_as_mmengine_reads_them():
    settings = ['a=1', 'b=[(4,8),(16,32)]', 'c=x,y', 'd=name(1)', 'e=a=b', 'f="[1,2]"', 'g=None', 'h=']
    assert read(*settings) == {
        'a': 1,
        'b': [(4, 8), (16, 32)],
        'c': ['x', 'y'],
        'd': 'name(1)',
        'e': 'a=b',
        'f': [1, 2],
        'g': None,
        'h': '',
    }


@pytest.mark.parametrize(
    ('setting', 'expected'),
    [
        ('train_cfg.max_epochs', 'KEY=VALUE'),
        ('=1', 'KEY=VALUE'),
        ("a={'b': 1}", 'one a.KEY=VALUE for each key of a dict'),
        ("a={'b': 1, 'c': [2, 3]}", 'one a.KEY=VALUE for each key of a dict'),
        ("a=[1, {'b': 1}]", 'one a.KEY=VALUE for each key of a dict'),
        ('a=[1', 'matching brackets'),
        ('a=[1,2', 'matching brackets'),
        ('a=[1,2]]', 'matching brackets'),
        ('a=[1,2)', 'matching brackets'),
        ('a=(1,2),(3,4)', 'matching brackets'),
    ],
)
def test_what_is_misread_is_refused_in_one_sentence(setting, expected, capsys):
    with pytest.raises(SystemExit) as end:
        read('other=1', setting)
    assert end.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert f'argument --cfg-options: {setting!r} is not a setting; expected {expected}' in last


def test_settings_replace_and_add(config):
    stages = config.model.stages
    settings = {'model.stages.1.channels.0': 7, 'model.stages.0.channels.1': 9, 'model.neck.type': 'B', 'resume': True}
    apply_settings(config, settings)
    assert config.model.stages == [{'channels': (4, 9)}, {'channels': [7, 32]}]
    assert config.model.neck.type == 'B'
    assert config.resume is True
    assert stages[1]['channels'] == [16, 32]  # may be in another place of the config too


def test_delete_empties_before_others_fill(config):
    apply_settings(config, {'model.type': 'B', 'model._delete_': True, 'train_cfg._delete_': False})
    assert config.model == {'type': 'B'}
    assert config.train_cfg == {'max_epochs': 2}


@pytest.mark.parametrize(
    ('key', 'message'),
    [
        ('model.stages.2.channels', r'2 is not a place in a list of 2; expected 0 to 1'),
        ('model.stages.first.channels', r'first is not a place in a list of 2'),
        ('train_cfg.max_epochs.end', r'end is below 2; expected a dict or a list there'),
        ('val_cfg.interval', r'interval is below None'),
    ],
)
def test_a_place_that_cannot_be_is_named(key, message, config):
    with pytest.raises(ValueError, match=rf'{key}: {message}'):
        apply_settings(config, {key: 1})


def test_custom_imports_are_imported(config, tmp_path, monkeypatch):
    (tmp_path / 'imported_by_a_setting.py').touch()
    monkeypatch.syspath_prepend(tmp_path)
    apply_settings(config, {'custom_imports.imports': ['imported_by_a_setting']})
    assert sys.modules.pop('imported_by_a_setting')
    with pytest.raises(ValueError, match=r'custom_imports: .*absent_module'):
        apply_settings(config, {'custom_imports.imports': ['absent_module']})
