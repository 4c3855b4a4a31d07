"""Parameters and multiply-adds (MACs) of every architecture, as published and as counted from the official code."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hrnet_mm.models import HRFuseScales, HRNet, HRNetModel, HRNetV1, HRNetV2
from hrnet_mm.models.cost import count_macs


class Chain(nn.Sequential):
    """Modules one after another, the first map of a tuple handed on where a plain layer follows."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self:
            x = module(x[0] if isinstance(x, tuple) and not isinstance(module, HRFuseScales) else x)
        return x


def backbone(arch: str) -> nn.Module:
    return HRNet(arch=arch)


def pose(arch: str, joints: int) -> nn.Module:
    net = HRNetV1(arch=arch)
    return Chain(net, nn.Conv2d(*net.out_channels, joints, 1))


def dense(arch: str, classes: int) -> nn.Module:
    net = HRNetV2(arch=arch)
    (channels,) = net.out_channels
    head = [nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, classes, 1)]
    return Chain(net, *head)


def classifier(arch: str) -> nn.Module:
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)]
    return Chain(HRNet(arch=arch), HRFuseScales(arch=arch, conv_bias=True), *pool)


# (builder, its arguments, input size, parameters, MACs / 2^30)
ROWS: list[tuple[Callable[..., nn.Module], tuple, tuple[int, int], int, float]] = [
    (backbone, ('w18',), (224, 224), 9562260, 3.057),
    (backbone, ('w30',), (224, 224), 25812276, 6.594),
    (backbone, ('w32',), (224, 224), 29305536, 7.350),
    (backbone, ('w40',), (224, 224), 45521216, 10.846),
    (backbone, ('w44',), (224, 224), 54974640, 12.880),
    (backbone, ('w48',), (224, 224), 65325120, 15.103),
    (backbone, ('w18-small-v2',), (224, 224), 3860720, 1.485),
    (HRNetV1, ('w18',), (256, 192), 9317892, 2.969),
    (HRNetV1, ('w32',), (256, 192), 28535552, 7.118),
    (HRNetV1, ('w48',), (256, 192), 63594912, 14.612),
    (classifier, ('w18',), (224, 224), 21299004, 3.989),
    (classifier, ('w30',), (224, 224), 37712220, 7.549),
    (classifier, ('w32',), (224, 224), 41232680, 8.308),
    (classifier, ('w40',), (224, 224), 57557160, 11.820),
    (classifier, ('w44',), (224, 224), 67064984, 13.861),
    (classifier, ('w48',), (224, 224), 77469864, 16.091),
    (classifier, ('w64',), (224, 224), 128059944, 26.911),
    (classifier, ('w18-small-v1',), (224, 224), 13187464, 1.492),
    (classifier, ('w18-small-v2',), (224, 224), 15597464, 2.417),
    (classifier, ('w44b',), (224, 224), 21931192, 3.901),
    (classifier, ('w76b',), (224, 224), 40783032, 7.303),
    (classifier, ('w96b',), (224, 224), 57481512, 10.246),
    (pose, ('w32', 17), (256, 192), 28536113, 7.120),
    (pose, ('w48', 17), (256, 192), 63595745, 14.614),
    (pose, ('w32', 17), (384, 288), 28536113, 16.020),
    (pose, ('w48', 17), (384, 288), 63595745, 32.882),
    (dense, ('w48', 19), (1024, 2048), 65859379, 696.176),
    (dense, ('w40', 19), (1024, 2048), 45894435, 498.674),
    (dense, ('w18', 19), (1024, 2048), 9641119, 137.278),
    (dense, ('w18-small-v2', 19), (1024, 2048), 3939579, 71.579),
    (dense, ('w48', 20), (473, 473), 65860100, 75.982),
    (dense, ('w48', 59), (480, 480), 65888219, 76.870),
    (dense, ('w18', 98), (256, 256), 9662528, 4.371),
    (dense, ('w18', 68), (256, 256), 9654398, 4.340),
]


@pytest.mark.slow
@pytest.mark.usefixtures('no_batch_norms')
@pytest.mark.parametrize(
    ('build', 'args', 'size', 'params', 'gimacs'),
    ROWS,
    ids=[f'{build.__name__}-{args[0]}-{size[0]}x{size[1]}' for build, args, size, _, _ in ROWS],
)
def test_parameters_and_macs(
    build: Callable[..., nn.Module], args: tuple, size: tuple[int, int], params: int, gimacs: float
) -> None:
    with torch.device('meta'), torch.no_grad():  # allocates nothing, so 1024x2048 costs milliseconds
        net = build(*args).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 3, *size))
    assert sum(p.numel() for p in net.parameters()) == params
    assert round(counter.get_total_flops() / 2 / 2**30, 3) == gimacs


def test_the_counts_of_this_package_are_pytorchs() -> None:
    model, x = HRNetModel('hrnet_test-w4').eval(), torch.randn(1, 3, 64, 96)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
        torch.bmm(x[0], x[0].mT)
    with count_macs(model) as cost:
        model(x)
        torch.bmm(x[0], x[0].mT)
    assert cost.products == 3 * 64 * 64 * 96
    assert cost.layers + cost.products == counter.get_total_flops() // 2
