"""Focal loss against a loop over the formula; mmcv compiles it for GPUs only."""

import math

import mmcv.ops
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

SETTINGS = [(2.0, 0.25), (1.5, 0.6), (0.0, 0.5)]


def case(lowest: int, highest: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(12, 4, dtype=torch.float64, generator=generator)
    target = torch.arange(12) % (highest - lowest + 1) + lowest
    return logits, target, torch.tensor([0.5, 2.0, 1.0, 3.0], dtype=torch.float64)


@pytest.mark.parametrize(('gamma', 'alpha'), SETTINGS)
@pytest.mark.parametrize('weighted', [False, True])
def test_sigmoid_focal_loss(weighted, gamma, alpha, in_python):
    in_python('focal_loss')
    logits, target, weight = case(0, 4)  # 4 is the background
    loss = mmcv.ops.sigmoid_focal_loss(logits, target, gamma, alpha, weight if weighted else None, 'none')
    for row, label in enumerate(target.tolist()):
        scale = float(weight[label]) if weighted and label < 4 else 1
        for column in range(4):
            p = 1 / (1 + math.exp(-float(logits[row, column])))
            if column == label:
                expected = -alpha * (1 - p) ** gamma * math.log(p)
            else:
                expected = -(1 - alpha) * p**gamma * math.log(1 - p)
            assert float(loss[row, column]) == pytest.approx(expected * scale, rel=1e-12)


@pytest.mark.parametrize(('gamma', 'alpha'), SETTINGS)
@pytest.mark.parametrize('weighted', [False, True])
def test_softmax_focal_loss(weighted, gamma, alpha, in_python):
    in_python('focal_loss')
    logits, target, weight = case(-1, 3)  # -1 is ignored
    loss = mmcv.ops.softmax_focal_loss(logits, target, gamma, alpha, weight if weighted else None, 'none')
    for row, label in enumerate(target.tolist()):
        powers = [math.exp(value) for value in logits[row].tolist()]
        p = powers[label] / sum(powers)
        expected = 0 if label < 0 else -alpha * (1 - p) ** gamma * math.log(p)
        assert float(loss[row]) == pytest.approx(expected * (float(weight[label]) if weighted else 1), rel=1e-12)


@pytest.mark.parametrize(('gamma', 'alpha'), SETTINGS)
@pytest.mark.parametrize('weighted', [False, True])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
@pytest.mark.parametrize('name', ['sigmoid_focal_loss', 'softmax_focal_loss'])
def test_gradients(name, reduction, weighted, gamma, alpha, in_python):
    in_python('focal_loss')
    logits, target, weight = case(*((0, 4) if name == 'sigmoid_focal_loss' else (-1, 3)))
    weight = weight if weighted else None
    loss = getattr(mmcv.ops, name)
    assert gradcheck(lambda x: loss(x, target, gamma, alpha, weight, reduction), logits.requires_grad_())


def test_certain_and_wrong(in_python):
    """The loss of a saturated logit is finite, also in half precision, where 1 - p is 0."""
    in_python('focal_loss')
    for dtype in (torch.float64, torch.float32, torch.float16):
        logits = torch.tensor([[60.0, -60.0]], dtype=dtype, requires_grad=True)
        loss = mmcv.ops.sigmoid_focal_loss(logits, torch.tensor([1]), 2.0, 0.25, None, 'sum')
        loss.backward()
        assert loss.isfinite()
        assert loss > 10
        assert logits.grad.isfinite().all()


def test_no_rows(in_python):
    in_python('focal_loss')
    for loss in (mmcv.ops.sigmoid_focal_loss, mmcv.ops.softmax_focal_loss):
        assert loss(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), 2.0, 0.25, None, 'sum') == 0
