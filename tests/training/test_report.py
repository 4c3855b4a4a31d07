"""What is suspicious about data and results, the errors of predictions, and the pictures and files about them."""

import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from own_folders import write_animals_coco, write_classes

from hrnet_mm.cli import main
from hrnet_mm.datasets import read_folder
from hrnet_mm.tasks import TASKS, pictures
from hrnet_mm.training.job import Measure
from hrnet_mm.training.report import Assessed
from hrnet_mm.training.suspicions import suspicions_after, suspicions_before


def measure(value, baseline, is_error=False):
    return Measure('NME' if is_error else 'top-1', value, baseline, 'always the same class', None, is_error)


@pytest.mark.parametrize(
    ('one', 'expected'),
    [
        (measure(99.5, 99.5), 'top-1 99.5 is no better than the trivial answer (always the same class: 99.5): nothing'),
        (measure(20.0, 30.0), 'top-1 20.0 is no better than the trivial answer'),
        (measure(8.9, 8.5, is_error=True), 'NME 8.9 is no better than the trivial answer (always the same class: 8.5)'),
        (measure(31.0, 25.0), 'top-1 31.0 is hardly better than the trivial answer'),  # 6 of the 75 that are left
        (measure(8.0, 8.5, is_error=True), 'NME 8.0 is hardly better'),
        (measure(float('nan'), 0.0), 'top-1 could not be measured'),
        (measure(33.0, 25.0), None),
        (measure(7.0, 8.5, is_error=True), None),
    ],
)
def test_a_result_is_compared_with_the_trivial_answer(one, expected):
    found = suspicions_after([one], None, [])
    assert (found == []) if expected is None else (len(found) == 1 and found[0].startswith(expected))


def test_classes_that_are_never_found_are_named():
    table = np.array([[8, 0, 0], [2, 0, 1], [0, 0, 0]])  # nothing is of the third class
    (sentence,) = suspicions_after([measure(80, 50)], table, ['cat', 'dog', 'bee'])
    assert sentence == "never found where it is: 'dog'; label more of it, or train longer"


def test_few_images_and_one_large_class_are_said(tmp_path):
    folder = read_folder(write_classes(tmp_path / 'mine', [('Dataset', 90), ('Examples', 5)]), 'classes')
    assert suspicions_before(folder) == [
        "one class holds 95% of the images ('Dataset', 72 of 76): a network that always says 'Dataset' is right as "
        'often; look at the other classes, or balance them'
    ]
    assert any('the folder Examples is taken for a class' in warning for warning in folder.warnings)
    few, coarse = suspicions_before(read_folder(write_animals_coco(tmp_path / 'few'), 'keypoints'))
    assert few.startswith('8 training images are few: expect a network that knows these images rather than others')
    assert coarse == '2 validation images are few: the metric is coarse (one image is 50% of it), so label more'


def test_the_error_of_a_class_is_what_its_score_lacks():
    sample = SimpleNamespace(
        gt_label=torch.tensor(1), pred_label=torch.tensor(0), pred_score=torch.tensor([0.75, 0.25])
    )
    error, table = TASKS['classification'].assess(sample, {'classes': ('a', 'b')})
    assert error == 0.75
    assert table.tolist() == [[0, 0], [1, 0]]


def test_the_error_of_pixels_leaves_out_the_unlabeled():
    sample = SimpleNamespace(
        gt_sem_seg=PixelData(data=torch.tensor([[[0, 1, 1, 255]]], dtype=torch.uint8)),
        pred_sem_seg=PixelData(data=torch.tensor([[[0, 1, 0, 1]]])),
    )
    error, table = TASKS['segmentation'].assess(sample, {'classes': ('background', 'a')})
    assert error == pytest.approx(1 / 3)
    assert table.tolist() == [[1, 0], [1, 1]]


def test_the_error_of_keypoints_is_a_share_of_the_longer_side():
    truth = SimpleNamespace(
        keypoints=np.array([[[10.0, 10], [50, 50], [7, 7]]]),
        keypoints_visible=np.array([[1.0, 1, 0]]),
        bboxes=np.array([[0.0, 0, 100, 50]]),
    )
    found = SimpleNamespace(keypoints=np.array([[[13.0, 14], [50, 60], [90, 90]]]))
    error, table = TASKS['pose'].assess(SimpleNamespace(gt_instances=truth, pred_instances=found), {})
    assert error == pytest.approx(0.075)
    np.testing.assert_allclose(table, [[0.05, 1], [0.1, 1], [0, 0]])


def test_objects_are_matched_once_by_their_boxes():
    """Of three objects one is found twice, one as another class, one not; and one is found where nothing is."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    truth = InstanceData(bboxes=boxes, labels=torch.tensor([0, 1, 1]))
    found = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 10, 9], [0, 0, 9, 10], [20, 0, 30, 10], [70, 0, 80, 10], [40, 0, 50, 10]]),
        labels=torch.tensor([0, 0, 0, 1, 1]),
        scores=torch.tensor([0.9, 0.8, 0.7, 0.6, 0.4]),  # the last is not shown
    )
    sample = SimpleNamespace(gt_instances=truth, pred_instances=found)
    error, table = TASKS['instances'].assess(sample, {'classes': ('a', 'b')})
    assert table.tolist() == [[1, 0, 0], [1, 0, 1], [1, 1, 0]]
    assert error == pytest.approx(1 - 2 * 1 / (3 + 4))
    nothing = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long), scores=torch.zeros(0))
    error, table = TASKS['instances'].assess(
        SimpleNamespace(gt_instances=truth, pred_instances=nothing), {'classes': 'ab'}
    )
    assert (error, table.tolist()) == (1.0, [[0, 0, 1], [0, 0, 2], [0, 0, 0]])
    error, _ = TASKS['instances'].assess(
        SimpleNamespace(gt_instances=nothing, pred_instances=nothing), {'classes': 'ab'}
    )
    assert error == 0


def test_the_worst_predictions_are_kept_and_the_tables_are_summed():
    errors = [0.1, 0.9, 0.0, 0.5] + [0.2] * 10
    task = SimpleNamespace(shown_images=2, assess=lambda sample, metainfo: (sample['error'], np.eye(2)))
    assessed = Assessed(task, {'classes': ('a', 'b')})
    samples = [{'error': error, 'number': i} for i, error in enumerate(errors)]
    for start in range(0, len(samples), 4):
        assessed.add(samples[start : start + 4])
    assert [sample['number'] for _, sample in assessed.worst] == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert assessed.table.tolist() == [[14, 0], [0, 14]]
    assert len(assessed.shown) == 4  # the first batch


def test_tables_are_drawn(tmp_path):
    """A diagonal is dark, what never occurs is empty."""
    pictures.draw_confusion(tmp_path / 'confusion.png', 'mine', np.diag([3.0, 5, 0]), ['cat', 'dog', 'bee'])
    pictures.draw_point_errors(tmp_path / 'points.png', 'mine', np.array([1.0, np.nan, 9.0]), ['nose', 'ear', 'tail'])
    for name in ('confusion', 'points'):
        picture = cv2.imread(str(tmp_path / f'{name}.png'))
        blue = (picture[..., 0] > 80) & (picture[..., 2] < 60)
        assert 0.01 < blue.mean() < 0.5


@pytest.mark.slow
@pytest.mark.usefixtures('_quick_processes')
def test_a_training_says_everything_in_its_files(tmp_path, capsys):
    folder = write_classes(tmp_path / 'my tones')
    argv = ['train', '--data', str(folder), '--arch', 'test-w8', '--epochs', '1', '--work-dir', str(tmp_path / 'out')]
    assert main(argv) == 0
    out = capsys.readouterr().out
    place = tmp_path / 'out' / 'classification'
    metrics = json.loads((place / 'metrics.json').read_text())
    (first,) = metrics['metrics']
    assert (first['metric'], first['trivial'], first['trivial_is']) == ('top-1', 66.6667, 'always the same class')
    assert np.sum(metrics['confusion']['truth_by_prediction']) == 3
    assert metrics['confusion']['names'] == ['dark', 'light']
    assert metrics['network'] == 'hrnet_test-w8'
    assert 'torch' in metrics['versions']
    card = (place / 'classification_my_tones_card.md').read_text()
    for warning in (*metrics['warnings']['before'], *metrics['warnings']['after']):
        assert f'classification: warning: {warning}' in out.splitlines()
        assert f'* {warning}' in card.splitlines()
    assert '| dark | 8 | 2 |' in card.splitlines()
    assert 'Apache-2.0' in card
    for name in ('curves', 'confusion'):
        file = f'classification_my_tones_{name}.png'
        assert cv2.imread(str(place / file)).std() > 10
        assert f']({file})' in card
    assert metrics['worst'] == [] or Path(folder, metrics['worst'][0]['image']).is_file()
