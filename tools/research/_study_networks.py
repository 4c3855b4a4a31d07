"""The networks of the study: each builder turns one width into an OpenMMLab model config, with the library's own parts.

Widths are found by the study, so that the networks of a comparison have equal multiply-adds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mmdet.models  # noqa: F401  # its own classes before V1hPyramid
import mmpretrain.models  # noqa: F401  # and before PooledStreams
import mmseg.models  # noqa: F401  # 'mmseg.UNet' in a pose network
import torch
from mmdet.registry import MODELS as DETECTION_MODELS
from mmengine.hub import get_config
from mmengine.model import BaseModule
from mmpretrain.registry import MODELS as CLASSIFICATION_MODELS
from torch import Tensor, nn

import hrnet_mm.drop_in.mmseg.heads  # noqa: F401  # HRNetV2Head
from hrnet_mm.data.rendered.figures import CLASSES
from hrnet_mm.models import HRNetV2pFPN
from hrnet_mm.models.archs import Arch, Stage

Model = dict[str, Any]


@dataclass(frozen=True)
class Depth:
    """The depths of the networks of a scale: HRNet's modules and blocks, its first stage, and the ResNets."""

    modules: tuple[int, int, int]
    blocks: int
    stage1: tuple[int, int]  # bottlenecks, their inner channels
    basic: int  # a ResNet's depth
    bottleneck: int
    head: int  # channels of pyramids and of detection heads
    stem: int  # of the dilated ResNet, which needs an even number


PUBLISHED = Depth((1, 4, 3), 4, (4, 64), basic=34, bottleneck=50, head=256, stem=64)


def body(width: int, depth: Depth, block: str = 'BASIC', **options: Any) -> Model:
    """HRNet with the finest branch `width` channels wide (of a bottleneck's inner ones)."""
    widths = tuple(width * 2**i for i in range(4))
    stages = (Stage(m, block, (depth.blocks,) * n, widths[:n]) for n, m in enumerate(depth.modules, 2))
    arch = Arch(Stage(1, 'BOTTLENECK', depth.stage1[:1], depth.stage1[1:]), *stages)
    return dict(type='hrnet_mm.HRNet', arch=arch, **options)


# Pose: heatmaps of 17 keypoints.


def heat_maps(size: int, stride: int) -> Model:
    """The encoder of heatmaps with a side of `size` / `stride` pixels, for square crops of `size` pixels.

    The official code's sigma of 2 on a side of 64 is 1 here on 16; less than that does not reach the next pixel.
    """
    side = size // stride
    return dict(type='MSRAHeatmap', input_size=(size, size), heatmap_size=(side, side), sigma=max(1.0, side / 16))


def _pose(codec: Model, backbone: Model, channels: int, **head: Any) -> Model:
    loss = dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=1000.0)
    shared = dict(type='HeatmapHead', in_channels=channels, out_channels=17, loss=loss, decoder=codec)
    return dict(
        type='TopdownPoseEstimator',
        data_preprocessor=dict(type='PoseDataPreprocessor', mean=[120.0] * 3, std=[60.0] * 3, bgr_to_rgb=True),
        backbone=backbone,
        head=dict(deconv_out_channels=None) | shared | head,
        test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=True),
    )


def pose_v1(width: int, depth: Depth, codec: Model, exchange: str = 'all') -> Model:
    return _pose(codec, body(width, depth, exchange=exchange, multiscale_output=False), width)


def pose_stream(width: int, depth: Depth, codec: Model, stream: int) -> Model:
    """Heatmaps from a coarser stream, at its own size."""
    model = _pose(codec, body(width, depth), width * 2**stream)
    return model | dict(neck=dict(type='FeatureMapProcessor', select_index=stream))


def pose_v2(width: int, depth: Depth, codec: Model) -> Model:
    channels = 15 * width
    model = _pose(codec, body(width, depth), channels, conv_out_channels=(channels,), conv_kernel_sizes=(1,))
    return model | dict(neck=dict(type='FeatureMapProcessor', concat=True))


def pose_simple_baseline(width: int, depth: Depth, codec: Model) -> Model:
    """ResNet and three deconvolutions, whose share of the MACs is that of the paper's with ResNet-50."""
    resnet = dict(type='ResNet', depth=depth.basic, stem_channels=width, base_channels=width)
    deconvs = dict(deconv_out_channels=(3 * width,) * 3, deconv_kernel_sizes=(4,) * 3)
    return _pose(codec, resnet, 8 * width, **deconvs)


def pose_unet(width: int, depth: Depth, codec: Model) -> Model:
    """mmseg's U-Net from half the resolution down and back up, read at a quarter."""
    unet = dict(type='mmseg.UNet', base_channels=width, strides=(2, 1, 1, 1, 1))
    model = _pose(codec, unet | dict(upsample_cfg=dict(type='mmseg.InterpConv')), width)
    return model | dict(neck=dict(type='FeatureMapProcessor', select_index=4, scale_factor=0.5))


# Segmentation: parts of people, and background.


def _segmentation(backbone: Model, head: Model) -> Model:
    shared = dict(num_classes=len(CLASSES), dropout_ratio=0, norm_cfg=dict(type='BN'), align_corners=False)
    return dict(
        type='EncoderDecoder',
        data_preprocessor=dict(
            type='SegDataPreProcessor', mean=[120.0] * 3, std=[60.0] * 3, size_divisor=1, test_cfg=dict(size_divisor=1)
        ),
        backbone=backbone,
        decode_head=head | shared,
        test_cfg=dict(mode='whole'),
    )


def segmentation_v1(width: int, depth: Depth) -> Model:
    head = dict(type='FCNHead', in_channels=width, in_index=0, channels=width, num_convs=0, concat_input=False)
    return _segmentation(body(width, depth, fuse_upsample='bilinear', multiscale_output=False), head)


def segmentation_v1h(width: int, depth: Depth) -> Model:
    """The finest stream widened to V2's channels by a 1x1 convolution."""
    head = dict(type='FCNHead', in_channels=width, in_index=0, channels=15 * width, num_convs=1, kernel_size=1)
    head |= dict(concat_input=False)
    return _segmentation(body(width, depth, fuse_upsample='bilinear', multiscale_output=False), head)


def segmentation_v2(width: int, depth: Depth) -> Model:
    head = dict(type='hrnet_mm.HRNetV2Head', in_channels=[width * 2**i for i in range(4)], channels=15 * width)
    return _segmentation(body(width, depth, fuse_upsample='bilinear'), head)


def segmentation_dilated(width: int, depth: Depth) -> Model:
    """mmseg's FCN on a dilated ResNet of stride 8; its head has the share of the MACs of PSPNet with ResNet-101."""
    resnet = dict(type='ResNetV1c', depth=depth.basic, stem_channels=depth.stem, base_channels=width)
    resnet |= dict(dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), contract_dilation=True, norm_cfg=dict(type='BN'))
    head = dict(type='FCNHead', in_channels=8 * width, in_index=3, channels=5 * width, num_convs=2)
    return _segmentation(resnet, head)


def segmentation_unet(width: int, depth: Depth) -> Model:
    """mmseg's FCN on U-Net, as `fcn_unet_s5-d16`."""
    head = dict(type='FCNHead', in_channels=width, in_index=4, channels=width, num_convs=1, concat_input=False)
    return _segmentation(dict(type='UNet', base_channels=width), head)


# Detection and instance segmentation of people: mmdet's R-CNNs with narrower heads, equal in every network.

# Anchors and the scale that assigns boxes to pyramid levels are this much smaller than published, so that people of
# 16 to 256 pixels have the levels of people of 43 to 683 pixels there.
REDUCTION = 3 / 8


def _detector(kind: str, backbone: Model, neck: Model, depth: Depth) -> Model:
    config = get_config(f'mmdet::_base_/models/{kind}-rcnn_r50_fpn.py')
    changes = {
        'data_preprocessor.mean': [120.0] * 3,
        'data_preprocessor.std': [60.0] * 3,
        'rpn_head.in_channels': depth.head,
        'rpn_head.feat_channels': depth.head,
        'rpn_head.anchor_generator.scales': [8 * REDUCTION],
        'roi_head.bbox_roi_extractor.finest_scale': 56 * REDUCTION,
        'roi_head.bbox_roi_extractor.out_channels': depth.head,
        'roi_head.bbox_head.in_channels': depth.head,
        'roi_head.bbox_head.fc_out_channels': 4 * depth.head,
        'roi_head.bbox_head.num_classes': 1,
        'train_cfg.rpn_proposal.nms_pre': 300,
        'train_cfg.rpn_proposal.max_per_img': 100,
        'train_cfg.rcnn.sampler.num': 64,
        'test_cfg.rpn.nms_pre': 500,
        'test_cfg.rpn.max_per_img': 300,
        'test_cfg.rcnn.max_per_img': 30,
    }
    if kind == 'mask':
        changes |= {
            'roi_head.mask_roi_extractor.out_channels': depth.head,
            'roi_head.mask_roi_extractor.finest_scale': 56 * REDUCTION,
            'roi_head.mask_head.num_convs': 2,
            'roi_head.mask_head.in_channels': depth.head,
            'roi_head.mask_head.conv_out_channels': depth.head,
            'roi_head.mask_head.num_classes': 1,
        }
    config.merge_from_dict({f'model.{name}': value for name, value in changes.items()})
    model: Model = config.model
    model['backbone'], model['neck'] = backbone, neck | dict(out_channels=depth.head)
    return model


@DETECTION_MODELS.register_module()
class V1hPyramid(BaseModule):
    """V1h for detection: the finest stream widened to V2's channels by a 1x1 convolution, then V2p's pyramid of it."""

    def __init__(self, width: int, out_channels: int) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(4)]
        self.widen = nn.Conv2d(width, sum(widths), 1)
        self.pyramid = HRNetV2pFPN(widths, out_channels)

    def forward(self, xs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One map `(N, C, H, W)` to five, from its size to a sixteenth."""
        return self.pyramid(torch.split(self.widen(xs[0]), list(self.pyramid.in_channels), dim=1))


def detection_v2p(width: int, depth: Depth, kind: str = 'faster') -> Model:
    neck = dict(type='hrnet_mm.HRNetV2pFPN', in_channels=[width * 2**i for i in range(4)])
    return _detector(kind, body(width, depth), neck, depth)


def detection_v1h(width: int, depth: Depth) -> Model:
    return _detector('faster', body(width, depth, multiscale_output=False), dict(type='V1hPyramid', width=width), depth)


def detection_resnet(width: int, depth: Depth, kind: str = 'faster') -> Model:
    resnet = dict(type='ResNet', depth=depth.basic, stem_channels=width, base_channels=width, norm_eval=False)
    neck = dict(type='FPN', in_channels=[width * 2**i for i in range(4)], num_outs=5)
    return _detector(kind, resnet, neck, depth)


# Classification: the body of HRNet-C and a ResNet, each with the same linear classifier of all its streams or stages.


@CLASSIFICATION_MODELS.register_module()
class PooledStreams(nn.Module):
    """The means of all maps over their pixels, side by side."""

    def forward(self, xs: tuple[Tensor, ...]) -> tuple[Tensor]:
        """Maps `(N, C_i, H_i, W_i)` to `(N, sum of C_i)`, in a tuple, which is what heads of mmpretrain read."""
        return (torch.cat([x.mean((2, 3)) for x in xs], dim=1),)


def _classifier(backbone: Model, channels: int) -> Model:
    head = dict(type='LinearClsHead', in_channels=channels, num_classes=10, topk=(1,))
    return dict(
        type='ImageClassifier',
        data_preprocessor=dict(num_classes=10, mean=[33.4], std=[78.5]),
        backbone=backbone,
        neck=dict(type='PooledStreams'),
        head=head | dict(loss=dict(type='CrossEntropyLoss')),
    )


def classifier_hrnet(width: int, depth: Depth, block: str = 'BASIC') -> Model:
    network = body(width, depth, block, in_channels=1)
    return _classifier(network, sum(network['arch'].out_channels))


def classifier_resnet(width: int, depth: Depth, block: str = 'BASIC') -> Model:
    number, expansion = (depth.basic, 1) if block == 'BASIC' else (depth.bottleneck, 4)
    resnet = dict(type='ResNet', in_channels=1, depth=number, stem_channels=width, base_channels=width)
    return _classifier(resnet | dict(out_indices=(0, 1, 2, 3)), 15 * width * expansion)


Builder = Callable[..., Any]
