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


def broken(tool, folder, seeds):
    with quick_reading():
        rows = [tool.soak(folder, seed) for seed in seeds]
    assert [row for row in rows if row['outcome'] == 'missed'] == []
    return rows


def test_some_broken_configs(tool, tmp_path):
    rows = broken(tool, tmp_path, range(1000, 1020))
    assert sum(row['outcome'] == 'found' for row in rows) > 8


@pytest.mark.slow
def test_two_hundred_broken_configs_are_as_listed(tool, tmp_path):
    rows = broken(tool, tmp_path, range(200))
    with tool.RESULTS.open(newline='') as opened:
        listed = [(row['seed'], row['place'], row['outcome']) for row in csv.DictReader(opened)]
    assert [(row['seed'], row['place'], row['outcome']) for row in rows] == listed
    assert {row['outcome'] for row in rows} == {'found', 'harmless', 'limit'}
