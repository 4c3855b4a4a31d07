"""Parameters and multiply-adds (MACs) of every architecture, as published and as counted from the official code."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hrnet_mm.models import HRFuseScales, HRNet, HRNetV1, HRNetV2

PUBLISHED = Path(__file__).parents[3] / 'shared/facts/published_results.yaml'


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


# (name in the table of published results, builder, its arguments, input size, parameters, MACs / 2^30)
ROWS: list[tuple[str | None, Callable[..., nn.Module], tuple, tuple[int, int], int, float]] = [
    ('backbone W18, four outputs (V2/V2p/cls)', backbone, ('w18',), (224, 224), 9562260, 3.057),
    ('backbone W30, four outputs (V2/V2p/cls)', backbone, ('w30',), (224, 224), 25812276, 6.594),
    ('backbone W32, four outputs (V2/V2p/cls)', backbone, ('w32',), (224, 224), 29305536, 7.350),
    ('backbone W40, four outputs (V2/V2p/cls)', backbone, ('w40',), (224, 224), 45521216, 10.846),
    ('backbone W44, four outputs (V2/V2p/cls)', backbone, ('w44',), (224, 224), 54974640, 12.880),
    ('backbone W48, four outputs (V2/V2p/cls)', backbone, ('w48',), (224, 224), 65325120, 15.103),
    ('backbone W18-Small-v2, four outputs', backbone, ('w18-small-v2',), (224, 224), 3860720, 1.485),
    ('backbone W18, single output (V1)', HRNetV1, ('w18',), (256, 192), 9317892, 2.969),
    ('backbone W32, single output (V1)', HRNetV1, ('w32',), (256, 192), 28535552, 7.118),
    ('backbone W48, single output (V1)', HRNetV1, ('w48',), (256, 192), 63594912, 14.612),
    ('cls W18-C (biased head convs)', classifier, ('w18',), (224, 224), 21299004, 3.989),
    (None, classifier, ('w30',), (224, 224), 37712220, 7.549),
    ('cls W32-C (biased head convs)', classifier, ('w32',), (224, 224), 41232680, 8.308),
    ('cls W40-C (biased head convs)', classifier, ('w40',), (224, 224), 57557160, 11.820),
    (None, classifier, ('w44',), (224, 224), 67064984, 13.861),
    ('cls W48-C (biased head convs)', classifier, ('w48',), (224, 224), 77469864, 16.091),
    (None, classifier, ('w64',), (224, 224), 128059944, 26.911),
    (None, classifier, ('w18-small-v1',), (224, 224), 13187464, 1.492),
    ('cls W18-C-Small-v2', classifier, ('w18-small-v2',), (224, 224), 15597464, 2.417),
    ('cls W44-C bottleneck (inner width 11)', classifier, ('w44b',), (224, 224), 21931192, 3.901),
    ('cls W76-C bottleneck (inner width 19)', classifier, ('w76b',), (224, 224), 40783032, 7.303),
    ('cls W96-C bottleneck (inner width 24)', classifier, ('w96b',), (224, 224), 57481512, 10.246),
    ('pose V1 W32, 17 joints', pose, ('w32', 17), (256, 192), 28536113, 7.120),
    ('pose V1 W48, 17 joints', pose, ('w48', 17), (256, 192), 63595745, 14.614),
    ('pose V1 W32, 17 joints', pose, ('w32', 17), (384, 288), 28536113, 16.020),
    ('pose V1 W48, 17 joints', pose, ('w48', 17), (384, 288), 63595745, 32.882),
    ('seg V2 W48, 19 classes', dense, ('w48', 19), (1024, 2048), 65859379, 696.176),
    ('seg V2 W40, 19 classes', dense, ('w40', 19), (1024, 2048), 45894435, 498.674),
    ('seg V2 W18, 19 classes', dense, ('w18', 19), (1024, 2048), 9641119, 137.278),
    ('seg V2 W18-Small-v2, 19 classes', dense, ('w18-small-v2', 19), (1024, 2048), 3939579, 71.579),
    ('seg V2 W48, 20 classes (LIP)', dense, ('w48', 20), (473, 473), 65860100, 75.982),
    ('seg V2 W48, 59 classes (PASCAL-Context)', dense, ('w48', 59), (480, 480), 65888219, 76.870),
    ('face V2 W18, 98 points (WFLW)', dense, ('w18', 98), (256, 256), 9662528, 4.371),
    ('face V2 W18, 68 points (300W)', dense, ('w18', 68), (256, 256), 9654398, 4.340),
]


@pytest.mark.parametrize(
    ('build', 'args', 'size', 'params', 'gimacs'),
    [row[1:] for row in ROWS],
    ids=[f'{row[1].__name__}-{row[2][0]}-{row[3][0]}x{row[3][1]}' for row in ROWS],
)
def test_parameters_and_macs(
    build: Callable[..., nn.Module], args: tuple, size: tuple[int, int], params: int, gimacs: float
) -> None:
    with torch.device('meta'):  # allocates nothing, so 1024x2048 costs milliseconds
        net = build(*args).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(1, 3, *size))
    assert sum(p.numel() for p in net.parameters()) == params
    assert round(counter.get_total_flops() / 2 / 2**30, 3) == gimacs


@pytest.mark.skipif(not PUBLISHED.exists(), reason='the table of published results is not at hand')
def test_rows_are_the_published_tables() -> None:
    table = yaml.safe_load(PUBLISHED.read_text())['computed_complexity']
    theirs = {
        (row['model'], row['size'], row['params'], row['gimac_2p30'])
        for row in table
        if row['size'] != '-'  # detectors: no input size, and their heads are not this package's
    }
    ours = {(name, f'{h}x{w}', params, gimacs) for name, _, _, (h, w), params, gimacs in ROWS if name}
    assert ours == theirs
