"""The study as its command runs it, on one short video."""

import csv
import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

FILE = Path(__file__).parents[2] / 'tools' / 'research' / 'track_study.py'


@pytest.mark.slow
def test_the_study_measures_every_variant(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location('track_study', FILE)
    study = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, 'track_study', study)  # dataclasses look their module up
    spec.loader.exec_module(study)
    pattern = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    monkeypatch.setattr(study, 'read_photographs', lambda *_: [cv2.resize(pattern, (640, 480))])
    options = ['--videos', '1', '--frames', '16', '--people', '3', '--seeds', '2', '--steps', '2']
    files = ['--csv', str(tmp_path / 'study.csv'), '--picture', str(tmp_path / 'study.png')]
    monkeypatch.setattr('sys.argv', ['track_study', *options, *files])
    study.main()
    rows = list(csv.DictReader((tmp_path / 'study.csv').read_text().splitlines()))
    assert [row['variant'] for row in rows] == list(study.VARIANTS)
    assert {row['frames'] for row in rows} == {'8'}
    assert all(20 < float(row['mAP']) <= 100 and float(row['MOTA']) <= 100 for row in rows)
    assert float(rows[0]['MOTA_gain']) == 0
    # The same boxes reach every variant, and propagated ones can only add to them.
    assert float(rows[1]['missed']) <= float(rows[0]['missed'])
    assert float(rows[5]['missed']) < float(rows[0]['missed'])  # true boxes miss nobody
    assert cv2.imread(str(tmp_path / 'study.png')).shape == (2 * (24 + 192), 4 * 288, 3)
