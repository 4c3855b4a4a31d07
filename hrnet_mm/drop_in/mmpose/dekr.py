"""Targets and test of DEKR with the official arithmetic, around mmpose's DEKRHead.

Source: HRNet/DEKR `lib/dataset/target_generators/target_generators.py`, `lib/dataset/{COCO,CrowdPose}Keypoints.py`,
`lib/core/{inference,nms,match}.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import mmpose.models  # noqa: F401  # mmpose must register its own classes first
import numpy as np
import torch
from mmengine.structures import InstanceData
from mmpose.codecs import SPR
from mmpose.models.heads import DEKRHead
from mmpose.models.pose_estimators import BottomupPoseEstimator
from mmpose.registry import KEYPOINT_CODECS, MODELS
from numpy.typing import NDArray
from scipy.optimize import curve_fit
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ['DEKREstimator', 'OfficialDEKRHead', 'OfficialSPR']

_Array = NDArray[np.float32]


@KEYPOINT_CODECS.register_module()
class OfficialSPR(SPR):
    """Center and keypoint heatmaps, and the displacements around each center.

    Gaussians are centered on the keypoint, not on its cell, and the cells around a keypoint have the weight 1. The
    displacement of a person is weighted by 1 / sqrt(x**2 + y**2), where x and y are the largest coordinates of a
    keypoint in the image at the scale of the input. This is what the official code computes, in place of the size of
    the person, since it includes a point at (0, 0). mmpose's SPR draws at rounded cells and weights by the size.

    Args:
        input_size: Width and height of the input in pixels.
        heatmap_size: Width and height of the heatmaps in cells.
        sigma: The standard deviations at a center and at a keypoint in cells. The official code has (4, 2) for COCO,
            and, by a comparison with COCO's 17 keypoints, (2, 2) for CrowdPose.
        minimal_area: The least annotated area of a person with a center in the image's square pixels, officially 1024
            for COCO and none for CrowdPose.
        radius: Displacements are learned from `radius` cells before a center to `radius` - 1 behind it.
        **kwargs: Other arguments of mmpose's SPR.
    """

    auxiliary_encode_keys = {'flip', 'raw_ann_info', 'warp_mat'}

    def __init__(
        self,
        input_size: Sequence[int],
        heatmap_size: Sequence[int],
        sigma: Sequence[float] = (4, 2),
        minimal_area: float = 32**2,
        radius: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(input_size, heatmap_size, sigma, generate_keypoint_heatmaps=True, **kwargs)
        self.minimal_area = minimal_area
        self.radius = radius

    def encode(
        self,
        keypoints: _Array,
        keypoints_visible: _Array | None = None,
        flip: bool | None = None,
        raw_ann_info: Sequence[Mapping[str, Any]] | None = None,
        warp_mat: NDArray[np.float64] | None = None,
    ) -> dict[str, _Array]:
        """Encode keypoints.

        Args:
            keypoints: Keypoints in input pixels, `(N, K, 2)`.
            keypoints_visible: Their visibility, `(N, K)`. Default: all visible.
            flip: Whether the image is flipped; a pixel x of it was at width - 1 - x.
            raw_ann_info: The N annotations, with `keypoints` and, for `minimal_area`, `area`. Default: the input is
                the image.
            warp_mat: The affine transform from the image to the input before the flip, `(2, 3)`.

        Returns:
            `heatmaps` and `heatmap_weights` `(K + 1, H, W)`, of the center last, and `displacements` and
            `displacement_weights` `(2K, H, W)`.
        """
        labeled = np.ones(keypoints.shape[:2], bool) if keypoints_visible is None else keypoints_visible > 0
        matrix = np.eye(2, 3) if warp_mat is None else warp_mat
        width, height = self.heatmap_size
        corner = matrix[:, 2] if not flip else (self.input_size[0] - 1 - matrix[0, 2], matrix[1, 2])
        counts = labeled.sum(axis=1, keepdims=True)
        centers = np.where(counts, (keypoints * labeled[..., None]).sum(axis=1) / np.maximum(counts, 1), corner)
        in_input = [{'keypoints': _flat(*person)} for person in zip(keypoints, labeled, strict=True)]
        raw: Sequence[Mapping[str, Any]] = in_input if raw_ann_info is None else raw_ann_info
        has_center = np.array([self._has_center(one) for one in raw], bool)
        largest = np.array([np.reshape(one['keypoints'], (-1, 3))[:, :2].max(axis=0) for one in raw]).reshape(-1, 2)
        sizes = np.linalg.norm(np.maximum(largest, 0), axis=1) * np.sqrt(abs(np.linalg.det(matrix[:, :2])))

        points = np.concatenate([keypoints, centers[:, None]], axis=1)
        points = (points + ((1 - self.scale_factor[0], 0) if flip else (0, 0))) / self.scale_factor
        drawn = np.concatenate([labeled, has_center[:, None]], axis=1)
        drawn &= np.all((points >= 0) & (points < (width, height)), axis=-1)
        heatmaps = np.zeros((points.shape[1], height, width), np.float32)
        weights = np.full_like(heatmaps, self.background_weight)
        for person, joint in np.argwhere(drawn):
            self._draw(
                heatmaps[joint], weights[joint], points[person, joint], self.sigma[int(joint < len(points[0]) - 1)]
            )
        displacements, displacement_weights = self._displacements(points, drawn, sizes)
        return {
            'heatmaps': heatmaps,
            'heatmap_weights': weights,
            'displacements': displacements,
            'displacement_weights': displacement_weights,
        }

    def _has_center(self, annotation: Mapping[str, Any]) -> bool:
        is_crowd = annotation.get('iscrowd') and not annotation.get('num_keypoints')
        return not is_crowd and annotation.get('area', np.inf) >= self.minimal_area

    @staticmethod
    def _draw(heatmap: _Array, weights: _Array, point: _Array, sigma: float) -> None:
        start = np.maximum(np.floor(point - 3 * sigma - 1), 0).astype(int)
        stop = np.minimum(np.ceil(point + 3 * sigma + 2), heatmap.shape[::-1]).astype(int)
        place = np.s_[start[1] : stop[1], start[0] : stop[0]]
        x, y = np.arange(start[0], stop[0]) - point[0], np.arange(start[1], stop[1]) - point[1]
        heatmap[place] = np.maximum(heatmap[place], np.exp(-(x**2 + y[:, None] ** 2) / (2 * sigma**2)))
        weights[place] = 1

    def _displacements(self, points: _Array, drawn: NDArray[np.bool_], sizes: _Array) -> tuple[_Array, _Array]:
        """Return the displacements and their weights; of two people in a cell, the smaller one counts."""
        width, height = self.heatmap_size
        joints = points.shape[1] - 1
        displacements = np.zeros((joints, 2, height, width), np.float32)
        weights, owners = np.zeros_like(displacements), np.zeros((height, width))
        for person in np.flatnonzero(drawn[:, -1]):
            center = points[person, -1].astype(int)
            start = np.maximum(center - self.radius, 0)
            stop = np.minimum(center + self.radius, (width, height))
            place = np.s_[..., start[1] : stop[1], start[0] : stop[0]]
            x, y = np.meshgrid(np.arange(start[0], stop[0]), np.arange(start[1], stop[1]))
            for joint in np.flatnonzero(drawn[person, :-1]):
                taken = displacements[joint][place].any(axis=0) & (owners[place] < sizes[person])
                new = points[person, joint, :, None, None] - np.stack([x, y])
                displacements[joint][place] = np.where(taken, displacements[joint][place], new)
                weights[joint][place] = np.where(taken, weights[joint][place], 1 / max(sizes[person], 1e-6))
                owners[place] = np.where(taken, owners[place], sizes[person])
        return displacements.reshape(-1, height, width), weights.reshape(-1, height, width)


def _flat(keypoints: _Array, labeled: NDArray[np.bool_]) -> _Array:
    return np.concatenate([keypoints * labeled[:, None], labeled[:, None]], axis=1)


@MODELS.register_module()
class DEKREstimator(BottomupPoseEstimator):
    """mmpose's BottomupPoseEstimator, whose flipped image is moved three pixels to the left, as in the official code.

    A cell of the flipped heatmap is then a cell of the heatmap.
    """

    def predict(self, inputs: Tensor | list[Tensor], data_samples: Any) -> Any:
        """Return the data samples with the poses, in the image's pixels.

        Args:
            inputs: Images `(1, 3, H, W)`, or one batch for each scale, scale 1 first.
            data_samples: The data samples of the images.
        """
        features = []
        for images in inputs if isinstance(inputs, list) else [inputs]:
            features.append([self.extract_feat(images)])
            if self.test_cfg.get('flip_test'):
                flipped = images.flip(-1)
                moved = torch.cat([flipped[..., 3:], flipped[..., -3:]], dim=-1)
                features[-1].append(self.extract_feat(moved))
        poses = self.head.predict(features, data_samples, self.test_cfg)
        return self.add_pred_to_datasample(poses, None, data_samples)


@MODELS.register_module()
class OfficialDEKRHead(DEKRHead):
    """DEKR's head with the official test: flip, several scales, and scores from the heatmaps of all scales.

    It is for `DEKREstimator`. The test settings are `nms_dist_thr`, `multiscale_nms_dist_thr` and `nms_joints_thr`
    (two poses are the same if more joints than this are nearer than the threshold times the size of one),
    `max_num_people`, `decrease`, the factor of the scores of other scales, and `match_heatmaps`, with which keypoints
    move to the nearest peaks of the heatmaps.
    """

    def init_weights(self) -> None:
        """Initialize as mmpose does; the transforms of the adaptive convolutions start at 0."""
        super().init_weights()
        for name, module in self.named_modules():
            if name.endswith('transform_matrix_conv'):
                nn.init.zeros_(module.weight)

    def predict(self, feats: Sequence[Sequence[Any]], batch_data_samples: Sequence[Any], test_cfg: Any = None) -> Any:
        """Return the poses of one image in input pixels.

        Args:
            feats: For each scale, scale 1 first, the features of the image and, with `flip_test`, of the flipped one.
            batch_data_samples: The data sample of the image.
            test_cfg: The test settings.
        """
        meta, cfg = batch_data_samples[0].metainfo, test_cfg or {}
        scales = [1, *(meta.get('aug_scales') or [])]
        cell = self.decoder.scale_factor[0]
        heatmaps, found = [], []
        for scale, images in zip(scales, feats, strict=True):
            heatmap, poses = self._averaged(images, meta['flip_indices'])
            heatmaps.append(_enlarged(heatmap[None], int(cell / scale)))
            centers, scores = self._centers(heatmap[-1])
            found.append((poses[centers] * float(cell / scale), scores))
        best = float(found[0][1].max()) if len(found[0][1]) else 1.0
        factor = best * cfg.get('decrease', 1.0)
        found = [found[0], *((poses, x / x.max() * factor if len(x) else x) for poses, x in found[1:])]
        found = [found[i] for i in sorted(range(len(scales)), key=lambda i: -scales[i])]
        poses, roots = (torch.cat(parts) for parts in zip(*found, strict=True))
        mean = torch.stack(heatmaps).mean(dim=0)[0, :-1]
        values = _values(mean, poses)
        threshold = cfg.get('multiscale_nms_dist_thr', 0.15) if len(scales) > 1 else cfg.get('nms_dist_thr', 0.05)
        kept = _different(
            poses,
            values.mean(dim=1),
            threshold,
            cfg.get('nms_joints_thr', self.num_keypoints // 2),
            cfg.get('max_num_people', 30),
        )
        poses, scores = poses[kept], (roots[:, None] * values)[kept]
        if cfg.get('match_heatmaps'):
            poses = _matched(poses, scores, mean)
        if len(poses) and self.rescore_net is not None and meta.get('skeleton_links'):
            quality = torch.nan_to_num(self.rescore_net(poses, scores, meta['skeleton_links']))
            scores = scores * quality[:, None]
        return [InstanceData(keypoints=poses.cpu().numpy(), keypoint_scores=scores.cpu().numpy())]

    def _averaged(self, images: Sequence[Any], indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return the heatmaps `(K + 1, H, W)` and a pose for each cell `(H * W, K, 2)`, in cells."""
        heatmap, displacement = (x[0] for x in self.forward(images[0]))
        poses = _poses(displacement)
        for flipped in images[1:]:
            other, displacement = (x[0] for x in self.forward(flipped))
            heatmap = (heatmap + other.flip(-1)[[*indices, len(indices)]]) / 2
            mirrored = _poses(displacement)[:, :, indices].flip(1)
            mirrored[..., 0] = heatmap.shape[-1] - 1 - mirrored[..., 0]
            poses = (poses + mirrored) / 2
        return heatmap, poses.flatten(0, 1)

    def _centers(self, heatmap: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cells of the highest peaks, and their scores; the window grows with the heatmap `(H, W)`."""
        size = sum(heatmap.shape) / 2
        reach = 3 if size > 300 else 2 if size > 200 else 1
        peaks = heatmap * (F.max_pool2d(heatmap[None], 2 * reach + 1, 1, reach)[0] == heatmap)
        scores, cells = peaks.flatten().topk(min(self.decoder.decode_max_instances, peaks.numel()))
        kept = scores > self.decoder.decode_thr
        return cells[kept], scores[kept]


def _poses(displacement: Tensor) -> Tensor:
    """Map displacements `(2K, H, W)` to keypoints `(H, W, K, 2)` in cells."""
    height, width = displacement.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
    cells = torch.stack([x, y], dim=-1).to(displacement)[:, :, None]
    return cells + displacement.reshape(-1, 2, height, width).permute(2, 3, 0, 1)


def _enlarged(heatmap: Tensor, factor: int) -> Tensor:
    """Enlarge so that a cell's value is at the first of its `factor` pixels; the last ones repeat."""
    height, width = (side * factor for side in heatmap.shape[-2:])
    size = (height - factor + 1, width - factor + 1)
    inner = F.interpolate(heatmap, size, mode='bilinear', align_corners=True)
    return F.pad(inner, (0, factor - 1, 0, factor - 1), mode='replicate')


def _values(heatmaps: Tensor, poses: Tensor) -> Tensor:
    """Return the values `(N, K)` of heatmaps `(K, H, W)` at poses `(N, K, 2)`, in whole pixels."""
    height, width = heatmaps.shape[-2:]
    x, y = poses[..., 0].floor().clamp(0, width - 1).long(), poses[..., 1].floor().clamp(0, height - 1).long()
    return heatmaps[torch.arange(len(heatmaps)), y, x]


def _different(poses: Tensor, scores: Tensor, threshold: float, joints: int, limit: int) -> list[int]:
    """Return the best of each group of poses `(N, K, 2)`, and of these the best `limit`.

    A pose's group are those with more than `joints` joints nearer than `threshold` times the diagonal of the pose.
    """
    reach = threshold * (poses.amax(dim=1) - poses.amin(dim=1)).norm(dim=1)
    near = (poses[:, None] - poses).norm(dim=-1) < reach[:, None, None]
    same = near.sum(dim=-1) > joints
    kept: list[int] = []
    ignored: set[int] = set()
    for pose, row in enumerate(same):
        group = row.nonzero()[:, 0].tolist()
        best = max(group, key=lambda i: float(scores[i]), default=pose)
        if pose not in ignored and best not in ignored:
            kept.append(best)
            ignored.update(group)
    return sorted(kept, key=lambda i: -float(scores[i]))[:limit] if len(kept) > limit else kept


def _matched(poses: Tensor, scores: Tensor, heatmaps: Tensor) -> Tensor:
    """Move keypoints `(N, K, 2)` to the nearest of 30 peaks within 75 pixels, and to a Gaussian around it.

    As in the official code, the Gaussian moves x by its row and y by its column, and only keypoints with scores above
    0.05; a peak that several people share is fitted once.
    """
    height, width = heatmaps.shape[-2:]
    peaks = heatmaps * (F.max_pool2d(heatmaps[None], 5, 1, 2)[0] == heatmaps)
    cells = peaks.flatten(1).topk(min(30, height * width), dim=1).indices
    places = torch.stack([cells % width, cells // width], dim=-1).to(poses)
    distances = (poses[:, :, None] - places).norm(dim=-1)
    nearest = distances.argmin(dim=-1)
    absorbed = places[torch.arange(len(heatmaps)), nearest]
    matched = torch.where(distances.amin(dim=-1, keepdim=True) < 75, absorbed, poses)
    maps = heatmaps.cpu().numpy()
    for joint, heatmap in enumerate(maps):
        fitted: dict[tuple[int, int], tuple[float, float] | None] = {}
        for person in torch.nonzero(scores[:, joint] > 0.05)[:, 0].tolist():
            column, row = (int(value + 0.5) for value in matched[person, joint].tolist())
            if (row, column) not in fitted:
                fitted[row, column] = _fitted(heatmap, row, column)
            if (point := fitted[row, column]) is not None:
                matched[person, joint] = matched.new_tensor(point)
    return matched


def _fitted(heatmap: _Array, row: int, column: int, reach: int = 6, sigma: float = 2.0) -> tuple[float, float] | None:
    """Return x and y of a Gaussian around a cell; None if none fits."""
    height, width = heatmap.shape
    row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
    top, left = max(row - reach, 0), max(column - reach, 0)
    window = heatmap[top : row + reach + 1, left : column + reach + 1]
    first, second = np.meshgrid(np.arange(window.shape[0]), np.arange(window.shape[1]))

    def gaussian(at: Any, peak: float, a: float, b: float, width: float) -> Any:
        return peak * np.exp(-((at[1] - b) ** 2 + (at[0] - a) ** 2) / (2 * width**2))

    start = (heatmap[row, column], row - top, column - left, sigma)
    try:
        data = np.stack([first.ravel(), second.ravel()])
        (_, a, b, _), _ = curve_fit(gaussian, data, window.ravel(), p0=start, maxfev=300)
    except (RuntimeError, TypeError):  # no Gaussian, or too few cells
        return None
    return left + float(b), top + float(a)
