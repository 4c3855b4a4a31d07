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
from mmpose.codecs.utils import batch_heatmap_nms
from mmpose.datasets import transforms
from mmpose.models.heads import AssociativeEmbeddingHead
from mmpose.models.utils.tta import aggregate_heatmaps, flip_heatmaps
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS
from mmpose.utils.tensor_utils import to_numpy
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
    """Associative embedding with heatmap targets of several sizes, with the official arithmetic.

    A keypoint's cell has truncated coordinates, and a keypoint outside the heatmap has no target. In a flipped image,
    every cell is at width - 1 - x; this is not the cell of the flipped pixel. Heatmaps are decoded at `input_size`, so
    the test needs `restore_heatmap_size=True`. A decoded keypoint is moved a quarter toward its higher neighbor on
    each axis, plus half a cell. Sources: HigherHRNet-Human-Pose-Estimation
    `lib/dataset/target_generators/target_generators.py`, `lib/core/group.py`.

    Args:
        input_size: Width and height of the input in pixels.
        heatmap_sizes: Width and height of the heatmaps of each resolution, coarse first.
        sigma: The standard deviation of the Gaussians in cells; they end at 3 sigma + 1.
        decode_center_shift: The shift of decoded keypoints in cells.
        **kwargs: Other arguments of mmpose's AssociativeEmbedding.
    """

    auxiliary_encode_keys = {'flip'}
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
        self.heatmap_sizes = heatmap_sizes

    def encode(
        self,
        keypoints: NDArray[np.float32],
        keypoints_visible: NDArray[np.float32] | None = None,
        flip: bool | None = None,
    ) -> dict[str, Any]:
        """Encode keypoints as heatmaps.

        Args:
            keypoints: Keypoints in input pixels, `(N, K, 2)`.
            keypoints_visible: Their visibility, `(N, K)`. Default: all visible.
            flip: Whether the image is flipped; a pixel x of it was at width - 1 - x.

        Returns:
            `heatmaps`, a list of `(K, H, W)`, and `keypoint_indices` `(N, K, 2)`: the cell y * W + x of the coarsest
            heatmap, and whether the keypoint is visible and inside.
        """
        visible = np.ones(keypoints.shape[:2]) if keypoints_visible is None else keypoints_visible
        heatmaps, indices = [], []
        for width, height in self.heatmap_sizes:
            pixels = np.array(self.input_size) / (width, height)  # of a cell
            moved = keypoints + ((1 - pixels[0], 0) if flip else (0, 0))
            cells = np.trunc(moved / pixels).astype(np.int64)
            drawn = (visible > 0) & np.all((cells >= 0) & (cells < (width, height)), axis=-1)
            heatmaps.append(self._gaussians(cells, drawn, width, height))
            indices.append(np.stack([cells[..., 1] * width + cells[..., 0], drawn], axis=-1))
        return {'heatmaps': heatmaps, 'keypoint_indices': indices[0]}

    def _gaussians(
        self, cells: NDArray[np.int64], drawn: NDArray[np.bool_], width: int, height: int
    ) -> NDArray[np.float32]:
        heatmaps = np.zeros((cells.shape[1], height, width), np.float32)
        reach = int(3 * self.sigma + 1)
        for person, joint in np.argwhere(drawn):
            x, y = cells[person, joint]
            columns = np.arange(max(x - reach, 0), min(x + reach + 1, width))
            rows = np.arange(max(y - reach, 0), min(y + reach + 1, height))
            squares = (columns - x) ** 2 + (rows[:, None] - y) ** 2
            place = heatmaps[joint, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            np.maximum(place, np.exp(-squares / (2 * self.sigma**2)), out=place, casting='same_kind')
        return heatmaps

    def batch_decode(
        self, batch_heatmaps: Tensor, batch_tags: Tensor
    ) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]], list[NDArray[np.float32]]]:
        """Decode heatmaps and tags to people.

        Args:
            batch_heatmaps: Heatmaps, `(N, K, H, W)`.
            batch_tags: Tags, `(N, K * tags, H, W)`; those of the flipped image follow.

        Returns:
            For each image, keypoints `(people, K, 2)`, their scores `(people, K)` and the people's scores `(people,)`.
            These are means over all keypoints before missing ones are filled in.
        """
        peaks = batch_heatmap_nms(batch_heatmaps, self.decode_nms_kernel)
        candidates = to_numpy(self._get_batch_topk(peaks, batch_tags, k=self.decode_topk))
        decoded: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
        for people, heatmaps, tags in zip(
            self._group_keypoints(*candidates), to_numpy(batch_heatmaps), to_numpy(batch_tags), strict=True
        ):
            points, scores = people[..., :2], people[..., 2]
            means = scores.mean(axis=-1)
            found = scores > 0
            points[found] += self._refinement(points, heatmaps)[found]
            for person in range(len(points)):
                self._fill(points[person], scores[person], heatmaps, tags.reshape(-1, *heatmaps.shape))
            for values, value in zip(decoded, (points * self.scale_factor, scores, means), strict=True):
                values.append(value)
        return decoded

    def _refinement(self, points: NDArray[np.float32], heatmaps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the shift `(..., K, 2)` of keypoints at cells `(..., K, 2)`: a quarter, and `decode_center_shift`."""
        joints = np.arange(len(heatmaps))
        height, width = heatmaps.shape[1:]
        x, y = np.moveaxis(points.astype(np.int64), -1, 0)
        right, left = heatmaps[joints, y, np.minimum(x + 1, width - 1)], heatmaps[joints, y, np.maximum(x - 1, 0)]
        below, above = heatmaps[joints, np.minimum(y + 1, height - 1), x], heatmaps[joints, np.maximum(y - 1, 0), x]
        quarters = np.where(np.stack([right > left, below > above], axis=-1), 0.25, -0.25)
        shifts: NDArray[np.float32] = (quarters + self.decode_center_shift).astype(np.float32)
        return shifts

    def _fill(
        self,
        points: NDArray[np.float32],
        scores: NDArray[np.float32],
        heatmaps: NDArray[np.float32],
        tags: NDArray[np.float32],
    ) -> None:
        """Place the missing keypoints of a person where heatmap and tag, `(tags, K, H, W)`, fit best."""
        found = scores > 0
        if found.all() or not found.any():
            return
        x, y = points[found].astype(np.int64).T
        mean = tags[:, np.flatnonzero(found), y, x].mean(axis=1)
        best = points.copy()
        for joint in np.flatnonzero(~found):
            distance = np.linalg.norm(tags[:, joint] - mean[:, None, None], axis=0)
            place = (heatmaps[joint] - np.round(distance)).argmax()
            best[joint] = place % heatmaps.shape[2], place // heatmaps.shape[2]
        x, y = best.astype(np.int64).T
        values = heatmaps[np.arange(len(heatmaps)), y, x]
        filled = ~found & (values > 0)
        points[filled] = (best + self._refinement(best, heatmaps))[filled]
        scores[filled] = values[filled]


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
