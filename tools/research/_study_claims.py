"""Comparisons of the study: networks of equal multiply-adds, and the paper's claims about them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import _study_networks as networks
from _study_networks import Depth

MANY, FEW = 8, 4  # seeds without which a claim gets no verdict, in the first turn and later
RATES = dict.fromkeys(('pose', 'segmentation', 'classification'), (0.002, 0.006, 0.018)) | dict.fromkeys(
    ('detection', 'instances'), (0.0002, 0.0006, 0.002)
)
"""Learning rates that every network of a task is tried with. Detectors' RoI heads have no norms, and on a few training
images (test images had no part) a rate of 0.002 kept the boxes' loss where a tenth of it brought it down.
"""


@dataclass(frozen=True)
class Published:
    """The network of the paper that one of the study stands for, by the side of its image in pixels, `(H, W)`.

    `name` is a library's config; without one, it is the study's own builder at the width and depth of HRNet.
    """

    text: str
    size: tuple[int, int]
    width: int = 0
    name: str = ''


@dataclass(frozen=True)
class Network:
    """One network: its task, its builder, the side of its square input, and for pose the stride of its heatmaps."""

    task: str
    build: networks.Builder
    published: Published
    size: int
    stride: int = 4


@dataclass(frozen=True)
class Claim:
    """That the mean of `better` less the mean of `worse` is above zero; two of each say that a gain is larger.

    `paper` is its evidence, as printed. Where the paper claims no difference, it is to be below `margin` points.
    """

    text: str
    better: tuple[str, ...]
    worse: tuple[str, ...]
    paper: str
    margin: float = 0


@dataclass(frozen=True)
class Comparison:
    """Networks of equal multiply-adds, the first of which keeps its width, and claims about them.

    Attributes:
        title: Of its claims.
        networks: By name.
        claims: About them.
        turn: When its runs are made: all of lower turns come before. Turn 0 has slides 24, 28, 29, 46 and 49.
        bodies: Whether the multiply-adds of the bodies are equal, with the same head on each; else those of the whole
            networks are, and the head's share of them is near that of the published network.
    """

    title: str
    networks: tuple[str, ...]
    claims: tuple[Claim, ...]
    turn: int = 1
    bodies: bool = False

    @property
    def seeds(self) -> int:
        """The fewest that a verdict needs."""
        return MANY if self.turn == 0 else FEW


@dataclass(frozen=True)
class Recipe:
    """The length of a task's trainings; `copies` of each image are made beforehand (0: none)."""

    iterations: int
    batch: int
    copies: int


@dataclass(frozen=True)
class Scale:
    """The sizes of one form of the study: on a processor core, or on a graphics card."""

    depth: Depth
    classifier_depth: Depth
    widths: Mapping[str, int]  # of a comparison's first network, by its task or its name
    sizes: Mapping[str, int]
    smaller: int  # input sizes of pose beside the usual one
    larger: int
    recipes: Mapping[str, Recipe]


SCALES = {
    'small': Scale(
        depth=Depth((1, 3, 2), 1, (1, 16), basic=18, bottleneck=50, head=40, stem=16),
        classifier_depth=Depth((1, 1, 1), 1, (1, 16), basic=18, bottleneck=50, head=40, stem=16),
        widths={
            'pose': 11,
            'segmentation': 10,
            'detection': 8,
            'instances': 8,
            'HRNet body': 18,
            'HRNet body, bottlenecks': 9,
        },
        sizes=dict(pose=64, segmentation=64, detection=256, instances=256, classification=32),
        smaller=32,
        larger=96,
        recipes=dict(
            pose=Recipe(500, 16, 2),
            segmentation=Recipe(2000, 8, 2),
            detection=Recipe(1000, 2, 2),
            instances=Recipe(1000, 2, 2),
            classification=Recipe(300, 32, 6),
        ),
    ),
    'large': Scale(
        depth=Depth((1, 4, 3), 4, (4, 64), basic=18, bottleneck=50, head=160, stem=64),
        classifier_depth=Depth((1, 4, 3), 4, (4, 64), basic=34, bottleneck=50, head=160, stem=64),
        widths=dict.fromkeys(('pose', 'segmentation', 'detection', 'instances', 'HRNet body'), 18)
        | {'HRNet body, bottlenecks': 11},
        sizes=dict(pose=128, segmentation=128, detection=256, instances=256, classification=32),
        smaller=64,
        larger=192,
        recipes=dict(
            pose=Recipe(800, 64, 0),
            segmentation=Recipe(600, 16, 0),
            detection=Recipe(1000, 8, 0),
            instances=Recipe(1000, 8, 0),
            classification=Recipe(1000, 128, 0),
        ),
    ),
}


_POSE, _CITYSCAPES, _COCO, _IMAGENET = (256, 192), (512, 1024), (800, 1344), (224, 224)
_W32, _W48 = Published('W32', _POSE, 32), Published('W48', _CITYSCAPES, 48)
_SIMPLE = Published(
    'ResNet-50',
    _POSE,
    name='mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py',
)
_HOURGLASS = Published(
    'a stage of Hourglass',
    (256, 256),
    name='mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_hourglass52_8xb32-210e_coco-256x256.py',
)
_PSPNET = Published(
    'PSPNet, ResNet-101', _CITYSCAPES, name='mmseg::pspnet/pspnet_r101-d8_4xb2-40k_cityscapes-512x1024.py'
)
_UNET = Published('U-Net', _CITYSCAPES, name='mmseg::unet/unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024.py')
_V2P = Published('W32', _COCO, 32)
_FPN = Published('ResNet-101', _COCO, name='mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco.py')
_NONE = Published('', _IMAGENET)  # bodies are compared


def define_networks(scale: Scale) -> dict[str, Network]:
    """Every network by name; a width and a depth make a model of each."""

    def pose(build: Any, published: Published = _W32, stride: int = 4, size: int | None = None, **more: Any) -> Network:
        size = size or scale.sizes['pose']
        codec = networks.heat_maps(size, stride)
        return Network('pose', partial(build, depth=scale.depth, codec=codec, **more), published, size, stride)

    def other(task: str, build: Any, published: Published, **more: Any) -> Network:
        depth = scale.classifier_depth if task == 'classification' else scale.depth
        return Network(task, partial(build, depth=depth, **more), published, scale.sizes[task])

    by_size = {}
    for size in (scale.smaller, scale.larger):
        by_size[f'HRNetV1, {size} px'] = pose(networks.pose_v1, size=size)
        by_size[f'SimpleBaseline, {size} px'] = pose(networks.pose_simple_baseline, _SIMPLE, size=size)
    return {
        'HRNetV1': pose(networks.pose_v1),
        'exchange across stages': pose(networks.pose_v1, exchange='across'),
        'exchange at the end': pose(networks.pose_v1, exchange='final'),
        'SimpleBaseline': pose(networks.pose_simple_baseline, _SIMPLE),
        'U-Net': pose(networks.pose_unet, _HOURGLASS),
        '2x stream': pose(networks.pose_stream, stride=8, stream=1),
        '4x stream': pose(networks.pose_stream, stride=16, stream=2),
        'HRNetV2': pose(networks.pose_v2),
        **by_size,
        'segmentation V2': other('segmentation', networks.segmentation_v2, _W48),
        'segmentation V1h': other('segmentation', networks.segmentation_v1h, _W48),
        'segmentation V1': other('segmentation', networks.segmentation_v1, _W48),
        'dilated ResNet': other('segmentation', networks.segmentation_dilated, _PSPNET),
        'segmentation U-Net': other('segmentation', networks.segmentation_unet, _UNET),
        'Faster R-CNN V2p': other('detection', networks.detection_v2p, _V2P),
        'Faster R-CNN V1h': other('detection', networks.detection_v1h, _V2P),
        'Faster R-CNN ResNet-FPN': other('detection', networks.detection_resnet, _FPN),
        'Mask R-CNN V2p': other('instances', networks.detection_v2p, _V2P, kind='mask'),
        'Mask R-CNN ResNet-FPN': other('instances', networks.detection_resnet, _FPN, kind='mask'),
        'HRNet body': other('classification', networks.classifier_hrnet, _NONE),
        'ResNet body': other('classification', networks.classifier_resnet, _NONE),
        'HRNet body, bottlenecks': other('classification', networks.classifier_hrnet, _NONE, block='BOTTLENECK'),
        'ResNet body, bottlenecks': other('classification', networks.classifier_resnet, _NONE, block='BOTTLENECK'),
    }


def _claim(better: str, worse: str, paper: str, margin: float = 0) -> Claim:
    return Claim(f'{better} {"=" if margin else ">"} {worse}', (better,), (worse,), paper, margin)


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
            turn=0,
        ),
        'recovery': Comparison(
            'HRNet, and networks that recover resolution (slide 24, TPAMI table I)',
            ('HRNetV1', 'SimpleBaseline', 'U-Net'),
            (
                _claim('HRNetV1', 'SimpleBaseline', '74.4 > 70.4 AP (7.1 and 8.9 GFLOPs)'),
                _claim('HRNetV1', 'U-Net', '73.4 > 66.9 AP (8-stage Hourglass, 14.3 GFLOPs)'),
            ),
            turn=0,
        ),
        'streams': Comparison(
            'Which branch the heatmaps come from (slide 29, CVPR figure 5)',
            ('HRNetV1', '2x stream', '4x stream'),
            (
                _claim('HRNetV1', '2x stream', '74.4 > 68.9 AP'),
                _claim('2x stream', '4x stream', '68.9 > 55.0 AP'),
            ),
            turn=0,
        ),
        'pose-readout': Comparison(
            'V1 and V2 for pose (TPAMI section VII)',
            ('HRNetV1', 'HRNetV2'),
            (_claim('HRNetV2', 'HRNetV1', '73.6 and 73.4 AP: about equal', margin=1),),
        ),
        'segmentation-readout': Comparison(
            'V1, V1h and V2 for segmentation (slide 49, TPAMI figure 10)',
            ('segmentation V2', 'segmentation V1h', 'segmentation V1'),
            (
                _claim('segmentation V2', 'segmentation V1', 'V2 better (a bar chart without numbers)'),
                _claim('segmentation V2', 'segmentation V1h', 'V2 better (a bar chart without numbers)'),
                _claim('segmentation V1h', 'segmentation V1', 'a little better (a bar chart without numbers)'),
            ),
            turn=0,
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
            'Bodies of HRNet-C and ResNet, basic blocks (slide 46, TPAMI table XV)',
            ('HRNet body', 'ResNet body'),
            (_claim('HRNet body', 'ResNet body', '76.9 > 75.4 top-1 (W18-C, ResNet-38)'),),
            turn=0,
            bodies=True,
        ),
        'classification-bottleneck': Comparison(
            'Bodies of HRNet-C and ResNet, bottlenecks (slide 46, TPAMI table XV)',
            ('HRNet body, bottlenecks', 'ResNet body, bottlenecks'),
            (_claim('HRNet body, bottlenecks', 'ResNet body, bottlenecks', '77.0 > 76.7 top-1 (W44-C, ResNet-50)'),),
            turn=0,
            bodies=True,
        ),
        'detection': Comparison(
            'V2p, V1h and ResNet-FPN in Faster R-CNN (slides 41 and 49, TPAMI figure 10)',
            ('Faster R-CNN V2p', 'Faster R-CNN V1h', 'Faster R-CNN ResNet-FPN'),
            (
                _claim('Faster R-CNN V2p', 'Faster R-CNN V1h', 'V2p better (a bar chart without numbers)'),
                _claim('Faster R-CNN V2p', 'Faster R-CNN ResNet-FPN', '41.1 > 40.3 box AP (W32, ResNet-101, 2x)'),
            ),
            turn=0,
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
            turn=2,
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
