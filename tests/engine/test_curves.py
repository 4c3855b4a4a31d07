"""The curves of a training: TensorBoard's files, and a picture."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.visualization import Visualizer
from mmengine.visualization.vis_backend import LocalVisBackend, TensorboardVisBackend

from hrnet_mm.engine import TensorBoardHook
from hrnet_mm.engine.curves import draw_curves

JOB = {'checkpoint': {'interval': 3, 'by_epoch': False}}  # 4 epochs of 5 iterations, each with a validation
BLUE = (180, 119, 31)  # matplotlib's first colour, in B, G, R


@pytest.mark.slow
def test_curves_of_a_run_that_was_killed_twice_are_whole(trainings: Any, tmp_path: Path) -> None:
    straight, killed = tmp_path / 'straight' / 'run', tmp_path / 'killed' / 'run'
    assert trainings.run(straight, **JOB) == [0]
    for moment in ([7], [13]):
        assert trainings.run(killed, kill_at=moment, **JOB) == [-9]
        assert not (killed / 'curves.png').exists()
    assert trainings.run(killed, **JOB) == [0]
    logged = torch.load(killed / 'end_0.pth')['logged']
    assert len(logged['train/loss'][0]) == 20
    assert logged['curves/iteration_of/mean'][0].tolist() == [5, 10, 15, 20]
    assert (straight / 'curves.png').read_bytes() == (killed / 'curves.png').read_bytes()


@pytest.mark.filterwarnings('ignore::DeprecationWarning')  # tensorboard's reader, on numpy 2
def test_tensorboard_shows_what_was_logged(trainings: Any, tmp_path: Path) -> None:
    pytest.importorskip('tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert trainings.run(tmp_path, length=2) == [0]
    (file,) = tmp_path.rglob('events.out.tfevents.*')
    events = EventAccumulator(str(file)).Reload()
    logged = torch.load(tmp_path / 'end_0.pth')['logged']
    losses, metrics = (events.Scalars(name) for name in ('loss', 'mean'))
    assert [event.step for event in losses] == list(range(1, 11))
    assert [event.value for event in metrics] == pytest.approx(logged['val/mean'][0].tolist())
    assert 'config/text_summary' in events.Tags()['tensors']


def test_both_are_left_out_on_request(trainings: Any, tmp_path: Path) -> None:
    assert trainings.run(tmp_path, length=1, hooks={'tensorboard': None, 'curves': None}) == [0]
    assert not list(tmp_path.rglob('events.out.tfevents.*'))
    assert not (tmp_path / 'curves.png').exists()


@pytest.mark.parametrize(
    ('installed', 'has_own', 'expected'),
    [(True, False, [LocalVisBackend, TensorboardVisBackend]), (False, False, [LocalVisBackend]),
     (True, True, [TensorboardVisBackend])],
)  # fmt: skip
def test_one_backend_where_it_is_installed(
    installed: bool, has_own: bool, expected: list[type], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    if installed:
        pytest.importorskip('tensorboard')
    else:
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if name == 'tensorboard' else found(name))
    kind = 'TensorboardVisBackend' if has_own else 'LocalVisBackend'
    visualizer = Visualizer(vis_backends=[{'type': kind}], save_dir=str(tmp_path))
    runner = SimpleNamespace(visualizer=visualizer, log_dir=str(tmp_path), cfg=Config({'a': 1}))
    for _ in range(2):  # the second run of a process, too
        TensorBoardHook().before_train(runner)
    assert [type(backend) for backend in visualizer._vis_backends.values()] == expected
    visualizer.close()


def test_losses_are_above_on_a_logarithmic_scale_and_metrics_below(tmp_path: Path) -> None:
    at = np.arange(1.0, 201)
    losses = {'loss_part': (at, np.full(200, np.nan)), 'loss': (at, 100 * 0.95**at)}
    losses['loss'][1][[3, 50]] = 0, np.inf
    draw_curves(tmp_path / 'losses.png', losses, {})
    draw_curves(tmp_path / 'both.png', losses, {'mIoU': (at[49::50], np.array([1.0, 2, 3, np.nan]))})
    alone, both = (cv2.imread(str(tmp_path / f'{name}.png')) for name in ('losses', 'both'))
    assert both.shape == (2 * alone.shape[0], alone.shape[1], 3)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['both.png', 'losses.png']
    # An exponential decay is a straight line; the legend is right of it.
    y, x = np.nonzero((alone == BLUE).all(-1))
    on_the_left = x < 0.8 * alone.shape[1]
    assert np.corrcoef(x[on_the_left], y[on_the_left])[0, 1] > 0.999


def test_a_training_of_one_iteration_is_drawn(tmp_path: Path) -> None:
    draw_curves(tmp_path / 'one.png', {'loss': (np.ones(1), np.ones(1))}, {'AP': (np.ones(1), np.zeros(1))})
    assert (cv2.imread(str(tmp_path / 'one.png')) == BLUE).all(-1).any()
