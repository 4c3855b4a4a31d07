"""mmdet head `type='CenterNetTripletHead'`: CenterNet with keypoint triplets, for mmdet's `type='CornerNet'`.

`hrnet_mm.drop_in.mmdet` registers it. mmdet's own `CenterNet` heads are other methods.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import mmdet.models  # noqa: F401  # mmdet must register its own classes first
import torch
from mmdet.models.dense_heads import CornerHead
from mmdet.models.utils import gaussian_radius
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.model import bias_init_with_prob
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...models.heads import CascadeCornerPool, CenterPool, Peaks, draw_gaussian, find_peaks, match_triplets
from ...models.layers import conv_norm
from ...registry import MODELS as OWN_MODELS

__all__ = ['CenterNetTripletHead']

Maps = dict[str, Tensor]

_CHANNELS = 256
_POINTS = ('tl', 'br', 'ct')
_MIN_OVERLAP = 0.3  # as for mmdet's corners; the authors' 0.7 gives similar radii in their other formula
_TEST_CFG = {
    'topk': 70,
    'local_maximum_kernel': 3,
    'distance_threshold': 0.5,
    'nms': {'type': 'soft_nms', 'iou_threshold': 0.5, 'method': 'gaussian'},
    'max_per_img': 100,
}


@OWN_MODELS.register_module()
@MODELS.register_module()
class CenterNetTripletHead(CornerHead):
    """CenterNet's head on the finest input map, HRNetV2's or HRNetV2p's at stride 4.

    It predicts heatmaps and offsets of top-left corners, bottom-right corners and centers, and embeddings of the
    corners. Source: Duan et al., ICCV 2019; loss weights as in their CenterNet repository.

    Args:
        num_classes: The number of classes.
        in_channels: Channels of the input map.
        loss_embedding: The config of the embedding loss.
        test_cfg: `topk` (peaks of each kind, 70), `local_maximum_kernel` (3), `distance_threshold` of embeddings (0.5),
            `nms` (soft-NMS) and `max_per_img` (100), each optional.
        **kwargs: Other arguments of mmdet's CornerHead.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss_embedding: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            num_classes,
            in_channels,
            num_feat_levels=1,
            loss_embedding=loss_embedding
            or {'type': 'AssociativeEmbeddingLoss', 'pull_weight': 0.1, 'push_weight': 0.1},
            test_cfg=ConfigDict(_TEST_CFG, **(test_cfg or {})),
            **kwargs,
        )

    def _init_layers(self) -> None:
        self.stem = conv_norm(self.in_channels, _CHANNELS, 3, 1, None, {'type': 'BN'}, relu=True)
        self.pools = nn.ModuleDict(
            {
                'tl': CascadeCornerPool(_CHANNELS, top_left=True),
                'br': CascadeCornerPool(_CHANNELS, top_left=False),
                'ct': CenterPool(_CHANNELS),
            }
        )
        self.predictors = nn.ModuleDict()
        for point in _POINTS:
            self.predictors[f'{point}_heat'] = self._make_layers(self.num_classes, _CHANNELS, _CHANNELS)
            self.predictors[f'{point}_offset'] = self._make_layers(2, _CHANNELS, _CHANNELS)
        for point in _POINTS[:2]:
            self.predictors[f'{point}_tag'] = self._make_layers(1, _CHANNELS, _CHANNELS)

    def init_weights(self) -> None:
        """Initialize as mmcv does, except the last layers, which have PyTorch's defaults and a probability of 0.1."""
        super(CornerHead, self).init_weights()
        for name in self.predictors:
            last = self.predictors.get_submodule(f'{name}.1.conv')
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            last.reset_parameters()
            if name.endswith('heat'):
                nn.init.constant_(last.bias, bias_init_with_prob(0.1))

    def forward(self, feats: Sequence[Tensor]) -> tuple[Maps]:
        """Map features, finest first, to a dict of maps for tl, br and ct.

        The maps are `tl_heat` `(N, classes, H, W)` (logits), `tl_offset` `(N, 2, H, W)`, `tl_tag` `(N, 1, H, W)` and so
        on; ct has no tag.
        """
        x = self.stem(feats[0])
        pooled = {point: pool(x) for point, pool in self.pools.items()}
        return ({name: layers(pooled[name[:2]]) for name, layers in self.predictors.items()},)

    def get_targets(
        self, boxes: Sequence[Tensor], labels: Sequence[Tensor], feat_shape: Sequence[int], img_shape: Sequence[int]
    ) -> dict[str, Any]:
        """Return mmdet's corner targets with `center_heatmap` `(N, classes, H, W)` and `center_offset` `(N, 2, H, W)`.

        The Gaussians have the radii of the corners', and a sigma of a fifth of the diameter instead of a sixth.

        Args:
            boxes: Boxes of each image, `(M, 4)`, in pixels of the input.
            labels: Their labels, `(M,)`.
            feat_shape: The shape of the heatmaps.
            img_shape: Height and width of the input in pixels.
        """
        targets: dict[str, Any] = super().get_targets(boxes, labels, feat_shape, img_shape, with_corner_emb=True)
        _, _, height, width = feat_shape
        ratio = boxes[0].new_tensor([width / img_shape[1], height / img_shape[0]])
        heatmap = torch.zeros_like(targets['topleft_heatmap'])
        offset = torch.zeros_like(targets['topleft_offset'])
        for i, (image_boxes, image_labels) in enumerate(zip(boxes, labels, strict=True)):
            sizes = ((image_boxes[:, 2:] - image_boxes[:, :2]) * ratio).tolist()
            centers = (image_boxes[:, 2:] + image_boxes[:, :2]) / 2 * ratio
            for (w, h), center, label in zip(sizes, centers, image_labels, strict=True):
                x, y = min(int(center[0]), width - 1), min(int(center[1]), height - 1)
                radius = max(0, int(gaussian_radius((ceil(h), ceil(w)), _MIN_OVERLAP)))
                draw_gaussian(heatmap[i, label], x, y, radius, (2 * radius + 1) / 5)
                offset[i, :, y, x] = center - center.new_tensor([x, y])
        return {**targets, 'center_heatmap': heatmap, 'center_offset': offset}

    def loss_by_feat(
        self,
        maps: Maps,
        batch_gt_instances: Sequence[Any],
        batch_img_metas: Sequence[Mapping[str, Any]],
        batch_gt_instances_ignore: Any = None,
    ) -> dict[str, Tensor]:
        """Return the focal and offset losses, summed over the three kinds of points, and the two embedding losses."""
        targets = self.get_targets(
            [instances.bboxes for instances in batch_gt_instances],
            [instances.labels for instances in batch_gt_instances],
            maps['tl_heat'].shape,
            batch_img_metas[0]['batch_input_shape'],
        )
        heat_losses, offset_losses = [], []
        for point, name in zip(_POINTS, ['topleft', 'bottomright', 'center'], strict=True):
            heatmap, offset = targets[f'{name}_heatmap'], targets[f'{name}_offset']
            at_points = (heatmap == 1).any(dim=1, keepdim=True).to(offset)
            heat = maps[f'{point}_heat'].float().sigmoid()
            heat_losses.append(self.loss_heatmap(heat, heatmap, avg_factor=(heatmap == 1).sum().clamp(min=1)))
            count = at_points.sum().clamp(min=1)
            offset_losses.append(self.loss_offset(maps[f'{point}_offset'], offset, at_points, avg_factor=count))
        pull, push = self.loss_embedding(maps['tl_tag'], maps['br_tag'], targets['corner_embedding'])
        return {
            'loss_heatmap': sum(heat_losses[1:], heat_losses[0]),
            'loss_offset': sum(offset_losses[1:], offset_losses[0]),
            'loss_pull': pull,
            'loss_push': push,
        }

    def predict_by_feat(
        self,
        maps: Maps,
        batch_img_metas: Sequence[Mapping[str, Any]],
        rescale: bool = False,
        with_nms: bool = True,
    ) -> list[InstanceData]:
        """Return boxes `(M, 4)`, scores `(M,)` and labels `(M,)` of each image.

        Args:
            maps: The output of `forward`.
            batch_img_metas: The metadata of each image.
            rescale: Whether boxes are in pixels of the image file instead of the network's input.
            with_nms: Whether overlapping boxes are suppressed.
        """
        return [
            self._predict_image({name: x[i].float() for name, x in maps.items()}, meta, rescale, with_nms)
            for i, meta in enumerate(batch_img_metas)
        ]

    def _predict_image(self, maps: Maps, meta: Mapping[str, Any], rescale: bool, with_nms: bool) -> InstanceData:
        cfg = self.test_cfg
        height, width = maps['tl_heat'].shape[-2:]
        input_height, input_width = meta['batch_input_shape'][:2]
        top, _, left, _ = meta.get('border', (0, 0, 0, 0))
        cell = maps['tl_heat'].new_tensor([input_width / width, input_height / height])
        corner, scale = cell.new_tensor([left, top]), cell.new_tensor(meta.get('scale_factor', (1, 1)))

        def peaks(point: str) -> Peaks:
            heat, offset = maps[f'{point}_heat'].sigmoid(), maps[f'{point}_offset']
            found = find_peaks(heat, offset, cfg['topk'], cfg['local_maximum_kernel'])
            # Pixels of the image file, because the central region depends on a box's size there.
            return found._replace(xy=(found.xy * cell - corner) / scale)

        tl, br, ct = (peaks(point) for point in _POINTS)
        tl_tags, br_tags = maps['tl_tag'].flatten()[tl.place], maps['br_tag'].flatten()[br.place]
        boxes, scores, labels = match_triplets(tl, br, ct, tl_tags, br_tags, cfg['distance_threshold'])
        size = boxes.new_tensor(meta['ori_shape'][1::-1])
        inside = ((boxes[:, :2] > -5) & (boxes[:, 2:] < size + 5)).all(dim=1)
        boxes = boxes[inside].view(-1, 2, 2).clamp(min=boxes.new_zeros(2), max=size).view(-1, 4)
        if not rescale:
            boxes = boxes * scale.repeat(2)
        found, labels = torch.cat([boxes, scores[inside, None]], dim=1), labels[inside]
        if with_nms:
            found, labels = self._bboxes_nms(found, labels, cfg)
        return InstanceData(bboxes=found[:, :4], scores=found[:, 4], labels=labels)
