"""Comparisons of the study: networks of equal multiply-adds, and the paper's claims about them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import _study_networks as networks
from _study_networks import Depth


@dataclass(frozen=True)
class Network:
    """One network: its task, its builder, the side of its square input, and for pose the stride of its heatmaps."""

    task: str
    build: networks.Builder
    size: int
    stride: int = 4


@dataclass(frozen=True)
class Claim:
    """That the mean of `better` less the mean of `worse` is above zero; two of each say that a gain is larger.

    `paper` is its evidence, as printed. Where the paper claims no difference, `equal` is set.
    """

    text: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    paper: str
    equal: bool = False


@dataclass(frozen=True)
class Comparison:
    """Networks of equal multiply-adds, the first of which keeps its width, and claims about them."""

    title: str
    networks: tuple[str, ...]
    claims: tuple[Claim, ...]


@dataclass(frozen=True)
class Recipe:
    """The length and learning rate of a task's trainings; `copies` of each image are made beforehand (0: none)."""

    iterations: int
    batch: int
    rate: float
    copies: int


@dataclass(frozen=True)
class Scale:
    """The sizes of one form of the study: on a processor core, the same with more steps, or on a graphics card."""

    depth: Depth
    classifier_depth: Depth
    widths: Mapping[str, int]  # of a comparison's first network, by its task or its name
    sizes: Mapping[str, int]
    smaller: int  # input sizes of pose beside the usual one
    larger: int
    recipes: Mapping[str, Recipe]


_SMALL = Scale(
    depth=Depth((1, 2, 2), 1, (1, 16), basic=18, bottleneck=50, head=32, stem=16),
    classifier_depth=Depth((1, 1, 1), 1, (1, 16), basic=18, bottleneck=50, head=32, stem=16),
    widths={
        'pose': 13,
        'segmentation': 11,
        'detection': 12,
        'instances': 12,
        'HRNet-C': 8,
        'HRNet-C, bottlenecks': 4,
    },
    sizes=dict(pose=64, segmentation=64, detection=96, instances=96, classification=32),
    smaller=32,
    larger=96,
    recipes=dict(
        pose=Recipe(200, 16, 3e-3, 2),
        segmentation=Recipe(200, 8, 1e-2, 400),
        detection=Recipe(150, 4, 3e-3, 300),
        instances=Recipe(150, 4, 3e-3, 300),
        classification=Recipe(100, 32, 3e-3, 6),
    ),
)

SCALES = {
    'small': _SMALL,
    'long': replace(
        _SMALL, recipes={task: replace(one, iterations=3 * one.iterations) for task, one in _SMALL.recipes.items()}
    ),
    'large': Scale(
        depth=Depth((1, 4, 3), 4, (4, 64), basic=18, bottleneck=50, head=64, stem=64),
        classifier_depth=Depth((1, 4, 3), 4, (4, 64), basic=34, bottleneck=50, head=64, stem=64),
        widths=dict.fromkeys(('pose', 'segmentation', 'detection', 'instances', 'HRNet-C'), 18)
        | {'HRNet-C, bottlenecks': 11},
        sizes=dict(pose=128, segmentation=128, detection=128, instances=128, classification=32),
        smaller=64,
        larger=192,
        recipes=dict(
            pose=Recipe(800, 64, 2e-3, 0),
            segmentation=Recipe(600, 16, 3e-3, 0),
            detection=Recipe(400, 8, 2e-3, 0),
            instances=Recipe(400, 8, 2e-3, 0),
            classification=Recipe(1000, 128, 3e-3, 0),
        ),
    ),
}


def define_networks(scale: Scale) -> dict[str, Network]:
    """Every network by name; a width and a depth make a model of each."""

    def pose(build: Any, stride: int = 4, size: int | None = None, **options: Any) -> Network:
        size = size or scale.sizes['pose']
        codec = networks.heat_maps(size, stride)
        return Network('pose', partial(build, depth=scale.depth, codec=codec, **options), size, stride)

    def other(task: str, build: Any, **options: Any) -> Network:
        depth = scale.classifier_depth if task == 'classification' else scale.depth
        return Network(task, partial(build, depth=depth, **options), scale.sizes[task])

    by_size = {
        f'{name}, {size} px': pose(build, size=size)
        for size in (scale.smaller, scale.larger)
        for name, build in (('HRNetV1', networks.pose_v1), ('SimpleBaseline', networks.pose_simple_baseline))
    }
    return {
        'HRNetV1': pose(networks.pose_v1),
        'exchange across stages': pose(networks.pose_v1, exchange='across'),
        'exchange at the end': pose(networks.pose_v1, exchange='final'),
        'SimpleBaseline': pose(networks.pose_simple_baseline),
        'U-Net': pose(networks.pose_unet),
        '2x stream': pose(networks.pose_stream, stride=8, stream=1),
        '4x stream': pose(networks.pose_stream, stride=16, stream=2),
        'HRNetV2': pose(networks.pose_v2),
        **by_size,
        'segmentation V2': other('segmentation', networks.segmentation_v2),
        'segmentation V1h': other('segmentation', networks.segmentation_v1h),
        'segmentation V1': other('segmentation', networks.segmentation_v1),
        'dilated ResNet': other('segmentation', networks.segmentation_dilated),
        'segmentation U-Net': other('segmentation', networks.segmentation_unet),
        'Faster R-CNN V2p': other('detection', networks.detection_v2p),
        'Faster R-CNN V1h': other('detection', networks.detection_v1h),
        'Faster R-CNN ResNet-FPN': other('detection', networks.detection_resnet),
        'Mask R-CNN V2p': other('instances', networks.detection_v2p, kind='mask'),
        'Mask R-CNN ResNet-FPN': other('instances', networks.detection_resnet, kind='mask'),
        'HRNet-C': other('classification', networks.classifier_hrnet),
        'ResNet': other('classification', networks.classifier_resnet),
        'HRNet-C, bottlenecks': other('classification', networks.classifier_hrnet, block='BOTTLENECK'),
        'ResNet, bottlenecks': other('classification', networks.classifier_resnet, block='BOTTLENECK'),
    }


def _claim(better: str, worse: str, paper: str, equal: bool = False) -> Claim:
    return Claim(f'{better} {"=" if equal else ">"} {worse}', (better,), (worse,), paper, equal)


def define_comparisons(scale: Scale) -> dict[str, Comparison]:
    """Every comparison by name, the most important first."""
    small, usual, large = scale.smaller, scale.sizes['pose'], scale.larger

    def gain(size: int) -> tuple[str, str]:
        name = '' if size == usual else f', {size} px'
        return f'HRNetV1{name}', f'SimpleBaseline{name}'

    def gain_grows(smaller: int, larger: int, paper: str) -> Claim:
        (ours, theirs), (ours_larger, theirs_larger) = gain(smaller), gain(larger)
        text = f'the gain at {smaller} px > at {larger} px'
        return Claim(text, (ours, theirs_larger), (theirs, ours_larger), paper)

    printed = '+6.3 AP at 128x96, +4.0 at 256x192'
    sizes = tuple(
        Comparison(
            f'HRNet and SimpleBaseline at {size} x {size} pixels (CVPR figure 6)',
            gain(size),
            (_claim(*gain(size), paper),),
        )
        for size, paper in ((small, '+6.3 AP at 128x96'), (large, 'smaller at larger inputs'))
    )
    return {
        'exchange': Comparison(
            'Where exchange units are (slide 28, TPAMI table XII)',
            ('HRNetV1', 'exchange across stages', 'exchange at the end'),
            (
                _claim('HRNetV1', 'exchange across stages', '73.4 > 71.9 AP'),
                _claim('exchange across stages', 'exchange at the end', '71.9 > 70.8 AP'),
                _claim('HRNetV1', 'exchange at the end', '73.4 > 70.8 AP'),
            ),
        ),
        'recovery': Comparison(
            'HRNet, and networks that recover resolution (slide 24, TPAMI table I)',
            ('HRNetV1', 'SimpleBaseline', 'U-Net'),
            (
                _claim('HRNetV1', 'SimpleBaseline', '74.4 > 70.4 AP (7.1 and 8.9 GFLOPs)'),
                _claim('HRNetV1', 'U-Net', '73.4 > 66.9 AP (8-stage Hourglass, 14.3 GFLOPs)'),
            ),
        ),
        'streams': Comparison(
            'Which branch the heatmaps come from (slide 29, CVPR figure 5)',
            ('HRNetV1', '2x stream', '4x stream'),
            (
                _claim('HRNetV1', '2x stream', '74.4 > 68.9 AP'),
                _claim('2x stream', '4x stream', '68.9 > 55.0 AP'),
            ),
        ),
        'pose-readout': Comparison(
            'V1 and V2 for pose (TPAMI section VII)',
            ('HRNetV1', 'HRNetV2'),
            (_claim('HRNetV2', 'HRNetV1', '73.6 and 73.4 AP: about equal', equal=True),),
        ),
        'segmentation-readout': Comparison(
            'V1, V1h and V2 for segmentation (slide 49, TPAMI figure 10)',
            ('segmentation V2', 'segmentation V1h', 'segmentation V1'),
            (
                _claim('segmentation V2', 'segmentation V1', 'V2 better (a bar chart without numbers)'),
                _claim('segmentation V2', 'segmentation V1h', 'V2 better (a bar chart without numbers)'),
                _claim('segmentation V1h', 'segmentation V1', 'a little better (a bar chart without numbers)'),
            ),
        ),
        'segmentation-peers': Comparison(
            'HRNetV2, and dilated ResNet or U-Net (slide 34, TPAMI table III)',
            ('segmentation V2', 'dilated ResNet', 'segmentation U-Net'),
            (
                _claim(
                    'segmentation V2',
                    'dilated ResNet',
                    '80.2 > 79.7 mIoU (PSPNet, 4.1 times the GFLOPs)',
                ),
                _claim(
                    'segmentation V2',
                    'segmentation U-Net',
                    '80.2 > 75.5 mIoU (UNet++, 1.5 times the GFLOPs)',
                ),
            ),
        ),
        'classification': Comparison(
            'HRNet-C and ResNet, basic blocks (slide 46, TPAMI table XV)',
            ('HRNet-C', 'ResNet'),
            (_claim('HRNet-C', 'ResNet', '76.9 > 75.4 top-1 (W18-C, ResNet-38)'),),
        ),
        'classification-bottleneck': Comparison(
            'HRNet-C and ResNet, bottlenecks (slide 46, TPAMI table XV)',
            ('HRNet-C, bottlenecks', 'ResNet, bottlenecks'),
            (_claim('HRNet-C, bottlenecks', 'ResNet, bottlenecks', '77.0 > 76.7 top-1 (W44-C, ResNet-50)'),),
        ),
        'detection': Comparison(
            'V2p, V1h and ResNet-FPN in Faster R-CNN (slides 41 and 49, TPAMI figure 10)',
            ('Faster R-CNN V2p', 'Faster R-CNN V1h', 'Faster R-CNN ResNet-FPN'),
            (
                _claim('Faster R-CNN V2p', 'Faster R-CNN V1h', 'V2p better (a bar chart without numbers)'),
                _claim('Faster R-CNN V2p', 'Faster R-CNN ResNet-FPN', '41.1 > 40.3 box AP (W32, ResNet-101, 2x)'),
            ),
        ),
        'instances': Comparison(
            'V2p and ResNet-FPN in Mask R-CNN (slide 43, TPAMI table X)',
            ('Mask R-CNN V2p', 'Mask R-CNN ResNet-FPN'),
            (
                _claim(
                    'Mask R-CNN V2p',
                    'Mask R-CNN ResNet-FPN',
                    '42.3 > 41.0 box AP (W32, ResNet-101, 2x)',
                ),
            ),
        ),
        'size-small': sizes[0],
        'size-large': sizes[1],
        'size': Comparison(
            'HRNet less SimpleBaseline at three input sizes (CVPR figure 6)',
            (),
            (
                gain_grows(small, usual, printed),
                gain_grows(usual, large, printed),
                gain_grows(small, large, printed),
            ),
        ),
    }
