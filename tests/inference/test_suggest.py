"""Images to label next: uncertain ones, no near-copies, none that is labeled."""

import csv

import cv2
import numpy as np
import pytest
from mmengine.registry import MODELS, DefaultScope
from own_folders import write_classes

from hrnet_mm.cli import main
from hrnet_mm.inference.suggest import choose
from hrnet_mm.tasks import config_of
from hrnet_mm.weights import ModelSpec, write_checkpoint

NONE = np.zeros((0, 2))


def test_the_most_uncertain_of_equally_far_ones_is_first():
    places = np.array([[0.0, 0], [10, 0], [0, 10]])
    assert choose(np.array([0.1, 0.9, 0.5]), places, NONE, 3) == [1, 2, 0]


def test_copies_are_not_chosen_together():
    places = np.array([[0.0, 0], [0, 0.01], [10, 0], [10, 0.01], [0, 10]])
    assert choose(np.array([0.9, 0.8, 0.7, 0.6, 0.1]), places, NONE, 5) == [0, 3, 4]


def test_copies_of_labeled_ones_are_not_chosen():
    places = np.array([[0.0, 0], [10, 0], [0, 10]])
    assert choose(np.array([0.9, 0.5, 0.1]), places, np.array([[0.0, 0.01]]), 2) == [1, 2]
    assert choose(np.array([0.9]), places[:1], places[:1], 1) == []


def test_certain_ones_are_no_candidates():
    places = np.array([[float(i), 0] for i in range(20)] + [[1000.0, 0]])
    assert 20 not in choose(np.array([0.9] * 20 + [0.0]), places, NONE, 2)


@pytest.fixture
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = ModelSpec(
        **{'task': 'classification', 'network': 'hrnet_test-w8', 'input_size': (64, 64), 'mean': (0,) * 3},
        **{'std': (255,) * 3, 'resize': {'shorter_side': 64}, 'classes': ('dark', 'light')},
        calibration={'temperature': 2.0},
    )
    config = config_of(spec)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    write_checkpoint('w.pth', model.state_dict(), spec=spec.to_json())
    write_classes(tmp_path / 'mine')
    (tmp_path / 'new' / 'some').mkdir(parents=True)
    rows = np.arange(64)[:, None, None]
    for i in range(6):
        stripes = np.where(rows // 2**i % 2, 255 - 30 * i, 40 * i) * np.ones((1, 64, 3))
        cv2.imwrite(str(tmp_path / 'new' / 'some' / f'{i}.png'), stripes)


@pytest.mark.usefixtures('_here')
def test_command(tmp_path, capsys):
    (tmp_path / 'new' / 'some' / 'no.png').write_text('no image')
    argv = ['suggest', 'new', 'mine', '--model', 'w.pth', '--labeled', 'mine', '--count', '3', '--out', 'out']
    assert main(argv) == 0
    printed = capsys.readouterr()
    assert 'calibrated: the scores of classes are probabilities' in printed.out
    assert 'no.png: ' in printed.err
    with open('out/suggestions.csv', newline='') as opened:
        rows = list(csv.DictReader(opened))
    assert [row['rank'] for row in rows] == [str(i) for i in range(1, len(rows) + 1)]
    assert all(row['image'].startswith('new') for row in rows)
    uncertainties = [float(row['uncertainty']) for row in rows]
    assert uncertainties == sorted(uncertainties, reverse=True)
    assert (tmp_path / 'out' / 'suggestions.txt').read_text().split() == [row['image'] for row in rows]
    assert cv2.imread('out/suggestions.png').std() > 5
    assert sorted(file.name for file in (tmp_path / 'out').iterdir()) == [
        f'suggestions.{one}' for one in ('csv', 'png', 'txt')
    ]


@pytest.mark.usefixtures('_here')
@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['mine', '--labeled', 'mine'], 'has no image that is not labeled in mine'),
        (['mine', '--count', '0'], '--count must be 1 or more, got 0'),
        (['nowhere'], 'no such file or folder'),
    ],
)
def test_mistakes(argv, message, capsys):
    assert main(['suggest', *argv, '--model', 'w.pth']) == 2
    assert message in capsys.readouterr().err
