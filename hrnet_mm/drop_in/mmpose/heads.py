"""mmpose head `type='HigherHRHead'`, its codec, and a corrected mask for bottom-up training.

`hrnet_mm.drop_in.mmpose` registers them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mmpose.models  # noqa: F401  # mmpose must register its own classes first
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
    """Mask of the cells that count in training: all but those of crowds and of people without annotated keypoints.

    It replaces mmpose's class, which does not mask crowds (it reads polygons only, and a crowd is an RLE) and fails on
    the others with numpy 2, which xtcocotools' decoder does not support.
    """

    def _segs_to_mask(self, segs: Sequence[Any], img_shape: Sequence[int]) -> NDArray[np.uint8]:
        height, width = img_shape[:2]
        rles: list[Any] = []
        for seg in filter(None, segs):  # CrowdPose has none
            if isinstance(seg, Mapping) and isinstance(seg['counts'], str | bytes):
                rles.append(seg)  # already compressed
            else:
                rle = coco_mask.frPyObjects(seg, height, width)
                rles += rle if isinstance(rle, list) else [rle]
        mask: NDArray[np.uint8] = (
            coco_mask.decode(coco_mask.merge(rles)) if rles else np.zeros((height, width), np.uint8)
        )
        return mask


@KEYPOINT_CODECS.register_module()
class HigherHREmbedding(AssociativeEmbedding):
    """Associative embedding with heatmap targets of several sizes.

    A keypoint's cell has truncated coordinates; decoding adds half a cell, `decode_center_shift`. Heatmaps are decoded
    at `input_size`, so the test needs `restore_heatmap_size=True`.

    Args:
        input_size: Width and height of the input in pixels.
        heatmap_sizes: Width and height of the heatmaps of each resolution, coarse first.
        sigma: The standard deviation of the Gaussians in cells.
        decode_center_shift: The shift of decoded keypoints in cells.
        **kwargs: Other arguments of mmpose's AssociativeEmbedding.
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
        """Encode keypoints as heatmaps.

        Args:
            keypoints: Keypoints in input pixels, `(N, K, 2)`.
            keypoints_visible: Their visibility, `(N, K)`. Default: all visible.

        Returns:
            `heatmaps`, a list of `(K, H, W)`, and `keypoint_indices` `(N, K, 2)`: the cell y * W + x of the coarsest
            heatmap, and whether the keypoint is visible and inside.
        """
        # mmpose rounds to the nearest cell; after subtracting half a cell, rounding truncates.
        encoded = [level.encode(keypoints - level.scale_factor / 2, keypoints_visible) for level in self.levels]
        return {
            'heatmaps': [level['heatmaps'] for level in encoded],
            'keypoint_indices': encoded[0]['keypoint_indices'],
        }


@OWN_MODELS.register_module()
@MODELS.register_module()
class HigherHRHead(AssociativeEmbeddingHead):
    """HigherHRNet's head: heatmaps and tags at 1/4 of the input, and heatmaps at 1/2 after a deconvolution.

    It is for BottomupPoseEstimator on HRNet's finest map. The test averages the heatmaps of all resolutions, scales and
    flips, and uses the tags of the first scale. The decoder is a `HigherHREmbedding`. The tag loss is the mean over
    images, and mmpose's a sum. Source: Cheng et al., CVPR 2020; parameter names are the official checkpoints'.

    Args:
        in_channels: Channels of HRNet's finest map.
        num_keypoints: The number of keypoints.
        tag_dim: Tags of each keypoint.
        deconv_out_channels: Channels of each deconvolution; each adds a resolution.
        num_blocks: Residual blocks after each deconvolution.
        **kwargs: Other arguments of mmpose's AssociativeEmbeddingHead.

    Raises:
        UserError: `tag_per_keypoint` is False.
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
            raise UserError('HigherHRHead predicts tags for every keypoint; leave out tag_per_keypoint=False')
        self.final_layers, self.deconv_layers = higher_layers(
            in_channels, num_keypoints, num_keypoints * tag_dim, deconv_out_channels, num_blocks
        )

    def outputs(self, feats: Sequence[Tensor]) -> list[Tensor]:
        """Map the last of `feats`, `(N, in_channels, H, W)`, to `(N, K + tags, H, W)` and `(N, K, 2H, 2W)`."""
        return higher_outputs(feats[-1], self.final_layers, self.deconv_layers)

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the mean heatmaps `(N, K, 2H, 2W)` and the tags `(N, tags, 2H, 2W)`, at the finest resolution."""
        outputs = self.outputs(feats)
        coarse, *finer = (resize(x, outputs[-1].shape[-2:], 'bilinear') for x in outputs)
        heatmaps = torch.stack([coarse[:, : self.num_keypoints], *finer]).mean(dim=0)
        return heatmaps, coarse[:, self.num_keypoints :]

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: Sequence[Any], train_cfg: Mapping[str, Any] | None = None
    ) -> dict[str, Tensor]:
        """Return the heatmap loss, summed over resolutions, and the two tag losses at 1/4."""
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
        """Return the poses in input pixels and, with `output_heatmaps`, the heatmaps and tags.

        Args:
            feats: The features of one image; with `flip_test`, those of two; with `multiscale_test`, a list of these.
                mmpose 1.3.2 batches only images of one size, so several scales need a custom pipeline.
            batch_data_samples: The data samples of the images.
            test_cfg: mmpose's test settings; with `restore_heatmap_size`, heatmaps are upsampled to the input before
                they are averaged.
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
