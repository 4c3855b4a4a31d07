"""tools/research/config_soak.py: each of 200 randomly broken configs is found, harmless, or a limit that is listed."""

import csv
import importlib.util
from pathlib import Path

import pytest

from hrnet_mm.engine import quick_reading

FILE = Path(__file__).parents[2] / 'tools/research/config_soak.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('config_soak', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def broken(tool, folder, seeds, trains):
    with quick_reading():
        rows = [tool.soak(folder, seed, trains) for seed in seeds]
    assert [row for row in rows if row['outcome'] == 'missed'] == []
    return rows


def test_some_broken_configs(tool, tmp_path):
    rows = broken(tool, tmp_path, range(1000, 1020), trains=True)
    assert sum(row['outcome'] == 'found' for row in rows) > 8
    assert all('; equal: loss ' in row['sentence'] for row in rows if row['outcome'] == 'harmless')


@pytest.mark.slow
def test_two_hundred_broken_configs_are_as_listed(tool, tmp_path):
    rows = broken(tool, tmp_path, range(200), trains=False)
    with tool.RESULTS.open(newline='') as opened:
        listed = [(row['seed'], row['place'], row['outcome']) for row in csv.DictReader(opened)]
    assert [(row['seed'], row['place'], row['outcome']) for row in rows] == listed
    assert {row['outcome'] for row in rows} == {'found', 'harmless', 'limit'}


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # mmdet's masks, on numpy 2
def test_a_change_that_trains_otherwise_is_not_harmless(tool, tmp_path, monkeypatch):
    """Were the learning rate taken for a place without effect, the losses would tell."""
    monkeypatch.setattr(tool, 'NO_EFFECT', [('optim_wrapper.*', 'what has an effect')])
    monkeypatch.setattr(tool, 'SECTIONS', {'optim_wrapper': 1})
    row = tool.soak(tmp_path, 11)
    assert row['place'] == 'optim_wrapper.optimizer.lr'
    assert row['outcome'] == 'missed'
    assert row['sentence'].startswith('what has an effect, but ')
