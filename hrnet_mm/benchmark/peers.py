"""Peers for the benchmark: HRNet in timm and the OpenMMLab libraries, ResNet-50, and any library's config.

A peer that is an HRNet has the weights of this package's, so that the outputs can be compared as well as the times.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from ..errors import UserError, did_you_mean
from ..inference import open_network
from ..models.dense import Body, DenseNetwork
from ..models.network import HRNetModel
from ..weights.convert import convert

__all__ = ['PEERS', 'build_peer']


def build_peer(name: str, model: nn.Module) -> nn.Module:
    """Build a peer of a network, in evaluation mode.

    Args:
        name: A name of `PEERS`; or a config such as `mmpose::...`, of which the backbone, neck and dense head are
            built, with random weights.
        model: The network of this package.

    Raises:
        UserError: The name is unknown, or the peer has no such network.
    """
    if '::' in name or name.endswith('.py'):
        return open_network(name).as_tensors()
    if name not in PEERS:
        raise UserError(f"unknown peer {name!r}{did_you_mean(name, PEERS)}, or a config such as 'mmpose::...'")
    if not isinstance(model, HRNetModel):
        raise UserError(f'{name} is a peer of networks by name, such as hrnetv1_w32; compare others with a config')
    peer = PEERS[name](model)
    if peer is None:
        raise UserError(f'{name} has no peer of {model.name!r} with {model.num_classes} classes')
    return peer.eval()


def _timm(model: HRNetModel) -> nn.Module | None:
    import timm

    if model.readout != 'hrnet':
        return None
    peer: nn.Module = timm.create_model(model.name, num_classes=model.num_classes, in_chans=model.in_channels)
    peer.load_state_dict(convert(model.state_dict(), to='official-cls').state_dict, strict=False)
    return peer


def _mmpose(model: HRNetModel) -> nn.Module | None:
    from mmpose.models.backbones import HRNet
    from mmpose.models.heads import HeatmapHead

    if model.readout != 'hrnetv1':
        return None
    head = HeatmapHead(*model.backbone.out_channels, model.num_classes, None) if model.num_classes else None
    return _with_weights('mmpose', model, backbone=_body(HRNet, model), head=head)


def _mmdet(model: HRNetModel) -> nn.Module | None:
    from mmdet.models.backbones import HRNet
    from mmdet.models.necks import HRFPN

    if model.readout != 'hrnetv2p':
        return None
    neck = HRFPN(list(model.backbone.out_channels), 256)
    return _with_weights('mmdet', model, backbone=_body(HRNet, model, multiscale_output=True), neck=neck)


def _mmseg(model: HRNetModel) -> nn.Module | None:
    from mmengine.registry import DefaultScope
    from mmseg.models.backbones import HRNet
    from mmseg.models.decode_heads import FCNHead

    if model.readout != 'hrnetv2' or not model.num_classes:
        return None
    widths = model.backbone.arch.out_channels
    with DefaultScope.overwrite_default_scope('mmseg'):
        head = FCNHead(
            in_channels=widths,
            in_index=(0, 1, 2, 3),
            input_transform='resize_concat',
            channels=sum(widths),
            kernel_size=1,
            num_convs=1,
            concat_input=False,
            dropout_ratio=-1,
            num_classes=model.num_classes,
            norm_cfg={'type': 'BN'},
            align_corners=False,
        )
    return _with_weights('mmseg', model, backbone=_body(HRNet, model, multiscale_output=True), decode_head=head)


def _mmpretrain(model: HRNetModel) -> nn.Module | None:
    from mmpretrain.models.backbones import HRNet
    from mmpretrain.models.heads import LinearClsHead
    from mmpretrain.models.necks import GlobalAveragePooling, HRFuseScales

    if model.readout != 'hrnet' or not model.num_classes:
        return None
    body = HRNet(extra=model.backbone.arch.to_extra(), in_channels=model.in_channels, multiscale_output=True)
    neck = nn.Sequential(HRFuseScales(model.backbone.out_channels), GlobalAveragePooling())
    head = LinearClsHead(model.num_classes, 2048)
    return _with_weights('mmpretrain', model, backbone=body, neck=neck, head=head)


def _resnet50(model: HRNetModel) -> nn.Module:
    """The ResNet-50 that the library of the task ships; for V2p, which has no head, without its heads."""
    config = {
        'hrnet': 'mmpretrain::resnet/resnet50_8xb32_in1k.py',
        'hrnetv1': 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py',
        'hrnetv2': 'mmseg::fcn/fcn_r50-d8_4xb2-80k_cityscapes-512x1024.py',
        'hrnetv2p': 'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    }[model.readout]
    opened = open_network(config)
    return Body(opened.network) if model.readout == 'hrnetv2p' else opened.as_tensors()


PEERS: dict[str, Callable[[HRNetModel], nn.Module | None]] = {
    'timm': _timm,
    'mmpose': _mmpose,
    'mmdet': _mmdet,
    'mmseg': _mmseg,
    'mmpretrain': _mmpretrain,
    'resnet50': _resnet50,
}
"""Functions from a network to its peer; None where the library has none."""


def _body(cls: Any, model: HRNetModel, **kwargs: Any) -> nn.Module:
    body: nn.Module = cls(model.backbone.arch.to_extra(), in_channels=model.in_channels, **kwargs)
    return body


def _with_weights(library: str, model: HRNetModel, **parts: nn.Module | None) -> nn.Module:
    """The library's parts with our weights."""
    peer = nn.ModuleDict({name: part for name, part in parts.items() if part is not None})
    given = convert(model.state_dict(), to=library).state_dict
    own = peer.state_dict()
    missing = own.keys() - given.keys()
    assert not missing, f'{library} has keys that ours do not give: {sorted(missing)[:3]}'
    peer.load_state_dict({name: given[name] for name in own})
    return DenseNetwork(peer)
