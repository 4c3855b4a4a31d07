"""Sigmoid and softmax focal loss (https://arxiv.org/abs/1708.02002), for one label per row.

`input` is `(N, C)` and `target` `(N,)`; in the sigmoid loss the label C is the background. `weight` is one number
for each class, `(C,)`, or empty.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# mmcv's kernels bound the argument of the logarithm by it.
SMALLEST = torch.finfo(torch.float32).tiny


def sigmoid_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of each logit, `(N, C)`."""
    p = _in_float32(input).sigmoid()
    positive = -alpha * (1 - p) ** gamma * _log(p)
    negative = -(1 - alpha) * p**gamma * _log(1 - p)
    output.copy_(torch.where(_one_hot(target, input), positive, negative) * _class_weight(weight, target)[:, None])


def sigmoid_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each loss by its logit, `(N, C)`."""
    p = _in_float32(input).sigmoid()
    positive = -alpha * (1 - p) ** gamma * (1 - p - gamma * p * _log(p))
    negative = -(1 - alpha) * p**gamma * (gamma * (1 - p) * _log(1 - p) - p)
    grad_input.copy_(torch.where(_one_hot(target, input), positive, negative) * _class_weight(weight, target)[:, None])


def softmax_focal_loss_forward(
    input: Tensor, target: Tensor, weight: Tensor, output: Tensor, gamma: float, alpha: float
) -> None:
    """Write the loss of each row, `(N,)`; `input` is the softmax, and a row with a negative label counts 0."""
    p, scale = _of_label(input, target, weight)
    output.copy_(-alpha * (1 - p) ** gamma * _log(p) * scale)


def softmax_focal_loss_backward(
    input: Tensor, target: Tensor, weight: Tensor, buff: Tensor, grad_input: Tensor, gamma: float, alpha: float
) -> None:
    """Write the derivative of each loss by the logits, `(N, C)`."""
    p, scale = _of_label(input, target, weight)
    buff.copy_(alpha * (gamma * (1 - p) ** (gamma - 1) * p * _log(p) - (1 - p) ** gamma) * scale)
    grad_input.copy_(buff[:, None] * (_one_hot(target, input).to(input.dtype) - input))


def _of_label(softmax: Tensor, target: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row: the probability of its label, and the weight of its loss."""
    label = target.clamp(min=0)
    probability = _in_float32(softmax).gather(1, label[:, None])[:, 0]
    return probability, _class_weight(weight, label) * (target >= 0)


def _one_hot(target: Tensor, input: Tensor) -> Tensor:
    return target[:, None] == torch.arange(input.shape[1], device=input.device)


def _class_weight(weight: Tensor, target: Tensor) -> Tensor:
    if not weight.numel():
        return weight.new_ones(1)
    # The background has no weight of its own, and mmcv reads behind the end of the tensor.
    return F.pad(weight, (0, 1), value=1)[target]


def _log(probability: Tensor) -> Tensor:
    return probability.clamp(min=SMALLEST).log()


def _in_float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
