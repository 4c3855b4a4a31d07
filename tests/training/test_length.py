"""The length of a training on a folder: steps and validations are fixed before the first step."""

import pytest
import torch
from own_folders import write_animals_coco, write_regions

from hrnet_mm.datasets import read_folder
from hrnet_mm.tasks import TASKS, config_path
from hrnet_mm.training import hooks
from hrnet_mm.training.job import Job, Own
from hrnet_mm.training.length import (
    Length,
    length_in_seconds,
    length_in_steps,
    steps_of_epochs,
    steps_of_validation,
)
from hrnet_mm.training.record import begin, read_record
from hrnet_mm.training.worker import train_and_test


@pytest.mark.parametrize(
    ('steps', 'cost', 'expected'),
    [
        (1000, 10.0, Length(1000, 100)),  # fifteen would fit into 15 % of the steps; ten are made
        (1000, 50.0, Length(1000, 334)),  # three fit
        (1000, 100.0, Length(1000, None)),  # one fits, and at the end is the test
        (3, 0.1, Length(3, 1)),
    ],
)
def test_validations_take_a_small_part_of_the_steps(steps, cost, expected):
    assert length_in_steps(steps, cost) == expected


def test_steps_and_validations_fill_the_time():
    length = length_in_seconds(300, 0.5, 6.0)  # as many seconds as 600 steps
    assert length == Length(540, 54)  # ten validations of 6 steps
    assert (length.steps + 10 * 6.0) * 0.5 == 300
    assert length_in_seconds(1, 3.0, 6.0) == Length(1, None)


def test_a_validation_is_counted_in_pixels(tmp_path):
    folder = read_folder(write_animals_coco(tmp_path / 'points'), 'keypoints')
    measured = TASKS['pose'].measure(folder)
    # 2 images and their mirror images, which need no gradients; a step has 16.
    assert steps_of_validation(folder, measured, 16) == pytest.approx(2 * 2 / (3 * 16))
    folder = read_folder(write_regions(tmp_path / 'regions'), 'boxes')
    measured = TASKS['instances'].measure(folder)
    scale = measured['resize']['scale_factor']
    whole = 2 * 80 * 64 * scale**2
    assert steps_of_validation(folder, measured, 4) == pytest.approx(whole / (3 * 4 * 256 * 256))


def test_epochs_are_passes_through_instances(tmp_path):
    folder = read_folder(write_animals_coco(tmp_path / 'points'), 'keypoints')
    assert steps_of_epochs(Own(folder, epochs=3), 16) == 2  # 24 instances
    assert steps_of_epochs(Own(folder, minutes=3), 16) is None


@pytest.mark.slow
def test_the_measurement_of_a_step_changes_nothing(tmp_path, monkeypatch):
    """Two steps by the clock end with the weights and the logs of two steps by their number."""
    folder = read_folder(write_animals_coco(tmp_path / 'mine'), 'keypoints')
    measured = []

    def length(seconds, of_step, cost):
        measured.append((seconds, of_step))
        return Length(2, 1)

    monkeypatch.setattr(hooks, 'length_in_seconds', length)
    found, said = [], []
    for name, settings in (('minutes', {'minutes': 1.0}), ('epochs', {'epochs': 3})):
        job = Job('pose', config_path('pose'), tmp_path / name, 0, own=Own(folder, arch='test-w8', **settings))
        begin(job)
        result = train_and_test(job, said.append)
        assert result.iterations == 2
        record = read_record(job.work_dir)
        assert (record['steps'], record['interval'], record['is_finished']) == (2, 1, True)
        found.append(torch.load(result.weights, weights_only=True))
    ((seconds, of_step),) = measured
    assert 50 < seconds + of_step < 60 + of_step
    (sentence,) = [one.text for one in said if one.phase == 'measured']
    assert sentence == f'2 steps of {of_step:.2g} s, as measured, fill the time'
    assert all(torch.equal(value, found[1]['state_dict'][name]) for name, value in found[0]['state_dict'].items())
    logged = [one['message_hub']['log_scalars'] for one in found]
    assert logged[0].keys() == logged[1].keys()
    assert str(logged[0]['train/grad_norm']) == str(logged[1]['train/grad_norm'])
