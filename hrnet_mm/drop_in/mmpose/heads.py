"""The head that mmpose lacks, `type='HigherHRHead'`, its codec, and a repair of mmpose's mask for bottom-up training.

`hrnet_mm.drop_in.mmpose` registers them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mmpose.models  # noqa: F401  # mmpose registers its own parts first
import numpy as np
import torch
from mmengine.structures import PixelData
from mmpose.codecs import AssociativeEmbedding
from mmpose.datasets import transforms
from mmpose.models.heads import AssociativeEmbeddingHead
from mmpose.models.utils.tta import aggregate_heatmaps, flip_heatmaps
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from torch import Tensor

from ...errors import UserError
from ...models.heads import higher_layers, higher_outputs
from ...models.layers import resize
from ...registry import MODELS as OWN_MODELS

__all__ = ['BottomupGetHeatmapMask', 'HigherHREmbedding', 'HigherHRHead']


@TRANSFORMS.register_module(force=True)
class BottomupGetHeatmapMask(transforms.BottomupGetHeatmapMask):
    """The places that count in training: not those of crowds, nor of people without annotated points.

    Takes the place of mmpose's, which leaves crowds in (it reads polygons only, and a crowd is an RLE), and fails on
    the rest with numpy 2, for which xtcocotools' decoder was not written.
    """

    def _segs_to_mask(self, segs: Sequence[Any], img_shape: Sequence[int]) -> NDArray[np.uint8]:
        height, width = img_shape[:2]
        rles: list[Any] = []
        for seg in filter(None, segs):  # CrowdPose has none
            if isinstance(seg, Mapping) and isinstance(seg['counts'], str | bytes):
                rles.append(seg)  # compressed already
            else:
                rle = coco_mask.frPyObjects(seg, height, width)
                rles += rle if isinstance(rle, list) else [rle]
        mask: NDArray[np.uint8] = (
            coco_mask.decode(coco_mask.merge(rles)) if rles else np.zeros((height, width), np.uint8)
        )
        return mask


@KEYPOINT_CODECS.register_module()
class HigherHREmbedding(AssociativeEmbedding):
    """Associative embedding with heat-map targets of several sizes, `heatmap_sizes` (width, height), coarse first.

    A point's cell is got by cutting off decimals, to which decoding adds the half cell `decode_center_shift`.
    Maps are decoded at `input_size`, so the test needs `restore_heatmap_size=True`.
    """

    field_mapping_table = {'heatmaps': 'heatmaps', 'heatmap_mask': 'heatmap_mask'}
    label_mapping_table = {'keypoint_indices': 'keypoint_indices'}

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_sizes: Sequence[Sequence[int]],
        sigma: float = 2.0,
        decode_center_shift: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_size, input_size, sigma, decode_center_shift=decode_center_shift, **kwargs)
        self.levels = [AssociativeEmbedding(input_size, size, sigma) for size in heatmap_sizes]

    def encode(
        self, keypoints: NDArray[np.float32], keypoints_visible: NDArray[np.float32] | None = None
    ) -> dict[str, Any]:
        """`(N, K, 2)` in input pixels to `heatmaps`, a list of `(K, H, W)`, and `keypoint_indices` `(N, K, 2)`.

        The indices are of the coarsest map: y * W + x, and whether the point is visible and inside.
        """
        # mmpose rounds to the nearest cell; half a cell less makes that the cell the point is in.
        encoded = [level.encode(keypoints - level.scale_factor / 2, keypoints_visible) for level in self.levels]
        return {
            'heatmaps': [level['heatmaps'] for level in encoded],
            'keypoint_indices': encoded[0]['keypoint_indices'],
        }


@OWN_MODELS.register_module()
@MODELS.register_module()
class HigherHRHead(AssociativeEmbeddingHead):
    """Heat-maps and tags at 1/4 of the input, and heat-maps at 1/2 through a deconvolution and residual blocks.

    For BottomupPoseEstimator over HRNet's finest stream of `in_channels`; more `deconv_out_channels` add more
    resolutions. The test averages the heat-maps of all resolutions, scales and flips, and takes the tags of the
    first scale. The decoder is a `HigherHREmbedding`. The tag loss is the mean over images; mmpose's own is a sum.

    Raises ValueError for `tag_per_keypoint=False`.
    Source: Cheng et al., CVPR 2020; parameter names are the official checkpoints'.
    """

    def __init__(
        self,
        in_channels: int,
        num_keypoints: int,
        tag_dim: int = 1,
        deconv_out_channels: Sequence[int] = (32,),
        num_blocks: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            num_keypoints,
            tag_dim,
            deconv_out_channels=None,
            final_layer=None,
            **kwargs,
        )
        if not self.tag_per_keypoint:
            raise UserError('HigherHRHead predicts tags for every key point; leave out tag_per_keypoint=False')
        self.final_layers, self.deconv_layers = higher_layers(
            in_channels, num_keypoints, num_keypoints * tag_dim, deconv_out_channels, num_blocks
        )

    def outputs(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """The last of `feats`, `(N, in_channels, H, W)`, to `(N, K + tags, H, W)` and `(N, K, 2H, 2W)`."""
        return higher_outputs(feats[-1], self.final_layers, self.deconv_layers)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The mean of all heat-maps `(N, K, 2H, 2W)` and the tags `(N, tags, 2H, 2W)`, at the finest resolution."""
        outputs = self.outputs(feats)
        coarse, *finer = (resize(x, outputs[-1].shape[-2:], 'bilinear') for x in outputs)
        heatmaps = torch.stack([coarse[:, : self.num_keypoints], *finer]).mean(dim=0)
        return heatmaps, coarse[:, self.num_keypoints :]

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: Sequence[Any], train_cfg: Mapping[str, Any] | None = None
    ) -> dict[str, Tensor]:
        """The heat-map losses, summed over resolutions, and the two tag losses at 1/4."""
        outputs = self.outputs(feats)
        losses = [
            self.loss_module.keypoint_loss(
                output[:, : self.num_keypoints],
                torch.stack([d.gt_fields[level].heatmaps for d in batch_data_samples]),
                mask=torch.stack([d.gt_fields[level].heatmap_mask for d in batch_data_samples])[:, None],
            )
            for level, output in enumerate(outputs)
        ]
        tags = outputs[0][:, self.num_keypoints :]
        pull, push = self.loss_module.tag_loss(
            tags, [d.gt_instance_labels.keypoint_indices for d in batch_data_samples]
        )
        return {'loss_kpt': sum(losses), 'loss_pull': pull / len(tags), 'loss_push': push / len(tags)}

    def predict(self, feats: Any, batch_data_samples: Sequence[Any], test_cfg: Mapping[str, Any] | None = None) -> Any:
        """The poses in input pixels, and with `output_heatmaps` the maps they were read from.

        `feats` is what BottomupPoseEstimator gives: of one image, of `flip_test` two, of `multiscale_test` a list of
        these (mmpose 1.3.2 packs images of one size only, so several need a pipeline of one's own). With
        `restore_heatmap_size` maps are enlarged to the input before they are averaged.
        """
        cfg = test_cfg or {}
        meta = batch_data_samples[0].metainfo
        heatmaps, tags = [], []
        for scale, of_scale in enumerate(feats if cfg.get('multiscale_test') else [feats]):
            for flipped, of_image in enumerate(of_scale if cfg.get('flip_test') else [of_scale]):
                heatmap, tag = self.forward(of_image)
                if flipped:
                    flip = {'flip_indices': meta['flip_indices'], 'shift_heatmap': cfg.get('shift_heatmap', False)}
                    heatmap, tag = flip_heatmaps(heatmap, **flip), self._flip_tags(tag, **flip)
                heatmaps.append(heatmap)
                if scale == 0:
                    tags.append(tag)
        size = meta['img_shape'][1::-1] if cfg.get('restore_heatmap_size') else None
        align_corners = cfg.get('align_corners', False)
        merged = aggregate_heatmaps(heatmaps, size, align_corners, 'average')
        merged_tags = aggregate_heatmaps(tags, size, align_corners, 'concat')
        poses = self.decode((merged, merged_tags))
        if not cfg.get('output_heatmaps'):
            return poses
        return poses, [PixelData(heatmaps=h, tags=t) for h, t in zip(merged, merged_tags, strict=True)]
