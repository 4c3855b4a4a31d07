"""Checkpoints of training programs: the network within them is found, and what was taken or left is said."""

import logging
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import hrnet_mm
from hrnet_mm.cli import main
from hrnet_mm.factory import load_weights
from hrnet_mm.inference import open_network
from hrnet_mm.models import HRNetModel
from hrnet_mm.weights import CheckpointError, convert, state_dict_of
from hrnet_mm.weights.load import open_checkpoint

NAME = 'hrnet_test-w4'
X = torch.randn(1, 3, 64, 64)
State = dict[str, Tensor]


@cache
def network(seed: int) -> HRNetModel:
    torch.manual_seed(seed)
    model = HRNetModel(NAME, num_classes=3)
    model.init_weights()
    model.train()(torch.randn(4, 3, 64, 64))
    return model.eval()


def under(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


@pytest.fixture(scope='module')
def states() -> tuple[State, State]:
    """Raw and averaged weights in timm's layout, whose names have no prefix."""
    raw, average = (convert(network(seed).state_dict(), to='timm').state_dict for seed in (0, 1))
    return raw, average


@pytest.fixture(scope='module')
def ours() -> tuple[State, State]:
    return network(0).state_dict(), network(1).state_dict()


LOSS = {'loss_fn.weight': torch.ones(3)}
ONE = {
    'lightning': lambda s: {'state_dict': under('model.', s) | LOSS, 'pytorch-lightning_version': '2.5'},
    'lightning, another name': lambda s: {'state_dict': under('net.', s), 'epoch': 3},
    'lightning, compiled': lambda s: {'state_dict': under('model._orig_mod.', s) | {'train_metric.sum': torch.ones(1)}},
    'lightning, inner prefix': lambda s: {'state_dict': under('learner.model.', s) | {'criterion.weight': X}},
    'a loss beside it': lambda s: s | LOSS,
    'a loss behind the prefix': lambda s: under('module.', s | {'criterion.pos_weight': torch.ones(3)}),
    'deepspeed': lambda s: {'module': s, 'optimizer': {}},
}


@pytest.mark.parametrize('wrap', ONE.values(), ids=ONE)
@pytest.mark.parametrize('layout', ['timm', 'hrnet_mm'])
def test_the_whole_network_is_found(
    wrap: Callable[[State], Any], layout: str, states: Any, ours: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(wrap((states if layout == 'timm' else ours)[0]), tmp_path / 'a.pth')
    with caplog.at_level(logging.INFO):
        model = hrnet_mm.create_model(NAME, tmp_path / 'a.pth', num_classes=3)
    assert torch.equal(model(X), network(0)(X))
    assert 'random' not in caplog.text
    assert torch.equal(open_network(tmp_path / 'a.pth').network(X), network(0)(X))


TWO: dict[str, Callable[[State, State], Any]] = {
    'timm': lambda raw, ema: {'state_dict': raw, 'state_dict_ema': ema, 'epoch': 3},
    'torchvision': lambda raw, ema: {
        'model': raw,
        'model_ema': under('module.', ema) | {'n_averaged': torch.tensor(9)},
    },
    'plain torch': lambda raw, ema: {'state_dict': raw, 'ema_state_dict': ema},
    'mmengine': lambda raw, ema: {
        'state_dict': ema,
        'ema_state_dict': under('module.', raw) | {'steps': torch.tensor(9)},
    },
    'lightning': lambda raw, ema: {
        'state_dict': under('model.', ema),
        'current_model_state': under('model.', raw),
        'averaging_state': {'n_averaged': 9},
    },
    'within one dict': lambda raw, ema: {'state_dict': under('model.', raw) | under('ema_model.module.', ema)},
}


@pytest.mark.parametrize('wrap', TWO.values(), ids=TWO)
def test_raw_or_averaged_is_chosen_and_said(
    wrap: Callable[[State, State], Any], states: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'a.pth'
    torch.save(wrap(*states), path)
    for raw, seed, said in ((False, 1, 'averaged weights'), (True, 0, 'raw weights')):
        model = hrnet_mm.create_model(NAME, path, num_classes=3, raw=raw)
        assert torch.equal(model(X), network(seed)(X))
        assert said in load_weights(HRNetModel(NAME, 3), path, raw)
        conversion, _ = open_checkpoint(path, raw=raw)
        assert any(change.startswith(said) for change in conversion.changes)
        assert main(['verify-checkpoint', str(path), *['--raw'] * raw]) == 0
        assert f'changed    {said}' in capsys.readouterr().out
        out = tmp_path / 'b.pth'
        assert main(['convert', str(path), '--out', str(out), '--to', 'hrnet_mm', *['--raw'] * raw]) == 0
        assert f'changed {said}' in capsys.readouterr().out
        assert torch.equal(torch.load(out, weights_only=True)['head.fc.weight'], network(seed).head.fc.weight)


def test_one_set_is_not_called_averaged(states: Any) -> None:
    assert state_dict_of({'model_ema': states[0]}).keys() == states[0].keys()
    assert state_dict_of({'state_dict': states[0], 'state_dict_ema': None}, raw=True).keys() == states[0].keys()


def test_two_networks_are_not_guessed_between(states: Any, tmp_path: Path) -> None:
    torch.save(under('student.', states[0]) | under('teacher.', states[1]), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'keys are of several networks, student\., teacher\.; save'):
        open_checkpoint(tmp_path / 'a.pth')


HEADS: dict[str, Callable[[State], State]] = {
    'other names': lambda s: under('model.', {n.replace('classifier', 'my_head'): v for n, v in s.items()}),
    'beside the backbone': lambda s: (
        under('encoder.', {n: v for n, v in s.items() if not n.startswith(('incre', 'downs', 'final', 'class'))})
        | {'decoder.weight': torch.ones(3)}
    ),
}


@pytest.mark.parametrize('change', HEADS.values(), ids=HEADS)
def test_a_head_of_an_unknown_layout_is_not_left_random(
    change: Callable[[State], State], states: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'a.pth'
    torch.save({'state_dict': change(states[0]) | LOSS}, path)
    with pytest.raises(CheckpointError, match=r'other keys have none, such as .*would stay random; rename the keys'):
        hrnet_mm.create_model(NAME, path, num_classes=3)
    backbone = hrnet_mm.create_model(NAME, path, features_only=True)
    assert torch.equal(backbone.conv1.weight, network(0).backbone.conv1.weight)
    for arguments in ([str(path)], [NAME, '--weights', str(path)]):
        for command in (['verify-checkpoint'], ['export', '--out', str(tmp_path / 'a.pt2')]):
            assert main([*command, *arguments]) == 2
            assert 'other keys have none, such as' in capsys.readouterr().err
    assert not (tmp_path / 'a.pt2').exists()
    assert main(['verify-checkpoint', 'test-w4', '--weights', str(path)]) == 0


def test_a_random_head_is_not_exported(
    ours: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(ours[0], tmp_path / 'a.pth')
    out = tmp_path / 'a.pt2'
    arguments = ['export', NAME, '--weights', str(tmp_path / 'a.pth'), '--num-classes', '7', '--out', str(out)]
    assert main(arguments) == 2
    assert 'does not fill the head of hrnet_test-w4, which would be random' in capsys.readouterr().err
    assert not out.exists()
    hrnet_mm.create_model(NAME, tmp_path / 'a.pth', num_classes=7)  # asked for by the number of classes
    (record,) = (r for r in caplog.records if 'random' in r.getMessage())
    assert record.levelno == logging.WARNING
