"""tools/research/data_soak.py: each of 200 randomly broken folders is found, harmless, or a limit that is listed."""

import csv
import importlib.util
from collections import Counter
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / 'tools/research/data_soak.py'


@pytest.fixture(scope='module')
def tool():
    spec = importlib.util.spec_from_file_location('data_soak', FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def broken(tool, folder, seeds):
    rows = [tool.soak(folder, seed) for seed in seeds]
    assert [row for row in rows if row['outcome'] == 'missed'] == []
    return rows


def test_some_broken_folders(tool, tmp_path):
    rows = broken(tool, tmp_path, range(1000, 1030))
    assert sum(row['outcome'] == 'found' for row in rows) > 12


@pytest.mark.slow
def test_two_hundred_broken_folders_are_as_counted(tool, tmp_path):
    counts = Counter((row['format'], row['change'], row['outcome']) for row in broken(tool, tmp_path, range(200)))
    with tool.RESULTS.open(newline='') as opened:
        listed = {(row['format'], row['change'], row['outcome']): int(row['count']) for row in csv.DictReader(opened)}
    assert counts == listed
    assert {outcome for *_, outcome in counts} == {'found', 'harmless', 'limit'}
