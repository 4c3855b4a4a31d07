"""Official pose augmentation, PoseTrack metrics, and the face protocol with its crops and whole-pixel coordinates.

Sources: deep-high-resolution-net.pytorch `lib/dataset/JointsDataset.py`; HRNet-Facial-Landmark-Detection
`lib/{datasets/*,utils/transforms,core/evaluation}.py`. The published face errors depend on this rounding.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mmpose.models  # noqa: F401  # mmpose must register its own classes first
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.evaluator import BaseMetric
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.datasets.transforms import TopdownAffine
from mmpose.evaluation import CocoMetric
from mmpose.models.heads import HeatmapHead
from mmpose.registry import KEYPOINT_CODECS, METRICS, MODELS, TRANSFORMS
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from ...errors import UserError
from ...tracking import Persons, evaluate_poses, evaluate_tracking, identified, read_videos, write_video

__all__ = [
    'FaceAlignmentMetric',
    'FaceCrop',
    'FaceHead',
    'FaceHeatmap',
    'OfficialBBoxTransform',
    'PoseTrackMetric',
    'SkipNonPositiveY',
]

_Array = NDArray[np.float32]
_Image = NDArray[np.uint8]

_NORMS: dict[str, str | tuple[int, int]] = {'300w': (36, 45), 'aflw': 'bbox_size', 'cofw': (8, 9), 'wflw': (60, 72)}


@TRANSFORMS.register_module()
class OfficialBBoxTransform(BaseTransform):
    """Random scale and rotation of every box, without a shift.

    mmpose's RandomBBoxTransform draws from another, narrower normal distribution.

    Args:
        scale_factor: With 'normal', the scale is N(1, `scale_factor`), clipped at 1 +- `scale_factor`; with 'uniform',
            it is uniform in that range.
        rotate_factor: With 'normal', the angle in degrees is N(0, `rotate_factor`), clipped at twice that; with
            'uniform', it is uniform within +- `rotate_factor`.
        rotate_prob: The probability of a rotation.
        distribution: 'normal' (pose) or 'uniform' (faces).

    Raises:
        UserError: The distribution is another name.
    """

    def __init__(
        self,
        scale_factor: float = 0.35,
        rotate_factor: float = 45.0,
        rotate_prob: float = 0.6,
        distribution: str = 'normal',
    ) -> None:
        if distribution not in ('normal', 'uniform'):
            raise UserError(f"distribution must be 'normal' (pose) or 'uniform' (faces), got {distribution!r}")
        self.scale_factor = scale_factor
        self.rotate_factor = rotate_factor
        self.rotate_prob = rotate_prob
        self.distribution = distribution

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `bbox_scale` `(N, 2)` in pixels, and set `bbox_rotation` `(N,)` in degrees."""
        count = len(results['bbox_scale'])
        if self.distribution == 'normal':
            scale = np.clip(np.random.randn(count) * self.scale_factor, -self.scale_factor, self.scale_factor)
            angle = np.clip(np.random.randn(count), -2, 2) * self.rotate_factor
        else:
            scale = np.random.uniform(-self.scale_factor, self.scale_factor, count)
            angle = np.random.uniform(-self.rotate_factor, self.rotate_factor, count)
        rotated = np.random.rand(count) <= self.rotate_prob
        results['bbox_scale'] = results['bbox_scale'] * (1 + scale[:, None]).astype(np.float32)
        results['bbox_rotation'] = np.where(rotated, angle, 0).astype(np.float32)
        return results


@TRANSFORMS.register_module()
class SkipNonPositiveY(BaseTransform):
    """Make landmarks at y <= 0 of the whole image invisible; the face protocol gives them an empty heatmap."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `keypoints_visible` `(N, K)` by `keypoints` `(N, K, 2)`; must come before TopdownAffine."""
        results['keypoints_visible'] = results['keypoints_visible'] * (results['keypoints'][..., 1] > 0)
        return results


@TRANSFORMS.register_module()
class FaceCrop(TopdownAffine):
    """Crop of a face in whole pixels, resized by area-aware bilinear filters and stretched to full contrast.

    An image whose box is at least twice as large as the input is made smaller first. The crop is then rotated and
    resized. scipy 1.2, which the official code used, stretches every floating-point image to the range 0 to 255 before
    it resizes or rotates it: the smallest value of the image or crop becomes 0 and the largest 255. A flipped image is
    cropped one pixel further right. Landmarks are transformed as by TopdownAffine, which interpolates without a filter.

    Args:
        input_size: Width and height of the input in pixels.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img` and set `transformed_keypoints`, `input_size`, `input_center` and `input_scale`."""
        image = results['img']
        results = super().transform(results)
        center = results['input_center'] + (1 if results.get('flip') else 0, 0)
        angle = float(results['bbox_rotation'][0]) if 'bbox_rotation' in results else 0.0
        results['img'] = _crop_face(image, center, float(results['input_scale'][0]), angle, self.input_size)
        return results


def _crop_face(image: _Image, center: _Array, side: float, angle: float, size: Sequence[int]) -> _Image:
    """Return the square box of an image at an angle in degrees, as `size` pixels."""
    data = image.astype(np.float32)
    if (factor := side / size[0]) >= 2:
        height, width = (int(length / factor) for length in image.shape[:2])
        if max(height, width) < 2:
            return np.zeros((*size[::-1], 3), np.uint8)
        data = np.asarray(_stretched(data).resize((width, height), Image.Resampling.BILINEAR))
        center, side = center / factor, side / factor

    # The corners (-1, -1) and (size - 1, size - 1) of the input, truncated, plus 1.
    start = np.trunc((np.array([-1, -1]) / size[0] - 0.5) * side + center).astype(int) + 1
    stop = np.trunc(((np.array(size) - 1) / size[0] - 0.5) * side + center).astype(int) + 1
    margin = 0
    if angle:  # the corners of the rotated box are inside
        margin = int(np.linalg.norm(stop - start) / 2 - (stop - start)[1] / 2)
        start, stop = start - margin, stop + margin
    limits = np.array(data.shape[1::-1])
    crop = np.zeros((*(stop - start)[::-1], 3), np.float32)
    (left, top), (right, bottom) = np.clip(start, 0, limits), np.clip(stop, 0, limits)
    x, y = start
    rows, columns = slice(max(top - y, 0), max(bottom - y, 0)), slice(max(left - x, 0), max(right - x, 0))
    crop[rows, columns] = data[top:bottom, left:right]

    picture = _stretched(crop)
    if angle:
        rotated = np.asarray(picture.rotate(angle, Image.Resampling.BILINEAR))
        picture = Image.fromarray(rotated[margin : len(rotated) - margin, margin : rotated.shape[1] - margin])
    return np.asarray(picture.resize((size[0], size[1]), Image.Resampling.BILINEAR))


def _stretched(data: _Array) -> Image.Image:
    """Return an image whose smallest value is 0 and whose largest is 255; a uniform one is 0."""
    low, high = float(data.min()), float(data.max())
    values = (data - low) * (255 / ((high - low) or 1))
    return Image.fromarray((values.clip(0, 255) + 0.5).astype(np.uint8))


@MODELS.register_module()
class FaceHead(HeatmapHead):
    """mmpose's HeatmapHead with another momentum of batch norm: 0.01 in the official code, 0.1 in mmpose.

    Args:
        *args: Arguments of HeatmapHead.
        momentum: The momentum of its batch norm.
        **kwargs: Arguments of HeatmapHead.
    """

    def __init__(self, *args: Any, momentum: float = 0.01, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.momentum = momentum


@KEYPOINT_CODECS.register_module()
class FaceHeatmap(BaseKeypointCodec):
    """Landmarks as heatmaps whose Gaussians are centered on the truncated, never the rounded, cell.

    The Gaussian ends at 3 sigma. If 3 sigma is not a whole number, it reaches one cell further left and up; closer than
    that to the left or upper border, its peak is one cell off. Invisible landmarks have an empty heatmap, and every
    heatmap has the weight 1, so that the loss is the MSE over all heatmaps.

    Args:
        input_size: Width and height of the input in pixels.
        heatmap_size: Width and height of the heatmaps in cells.
        sigma: The standard deviation in cells, officially 1.5, or 1.0 for 300W.
    """

    field_mapping_table = {'heatmaps': 'heatmaps'}
    label_mapping_table = {'keypoint_weights': 'keypoint_weights'}

    def __init__(self, input_size: Sequence[int], heatmap_size: Sequence[int], sigma: float = 1.5) -> None:
        self.input_size = tuple(input_size)
        self.heatmap_size = tuple(heatmap_size)
        self.sigma = sigma
        self.scale_factor = (np.array(input_size) / heatmap_size).astype(np.float32)

    def encode(self, keypoints: _Array, keypoints_visible: _Array | None = None) -> dict[str, _Array]:
        """Encode landmarks as heatmaps.

        Args:
            keypoints: The landmarks of one face in input pixels, `(1, K, 2)`.
            keypoints_visible: Their visibility, `(1, K)`. Default: all visible.

        Returns:
            `heatmaps` `(K, H, W)` and `keypoint_weights` `(1, K)`, all 1.
        """
        cells = np.trunc(keypoints[0] / self.scale_factor)
        visible = np.ones(len(cells)) if keypoints_visible is None else keypoints_visible[0]
        width, height = self.heatmap_size
        heatmaps = np.zeros((len(cells), height, width), np.float32)
        for heatmap, (x, y), seen in zip(heatmaps, cells, visible, strict=True):
            if seen > 0:
                columns, gx = self._profile(x, width)
                rows, gy = self._profile(y, height)
                heatmap[rows, columns] = np.outer(gy, gx)
        return {'heatmaps': heatmaps, 'keypoint_weights': np.ones((1, len(cells)), np.float32)}

    def _profile(self, center: float, size: int) -> tuple[slice, _Array]:
        """Return the cells of one axis that a Gaussian covers, and its values there."""
        reach = 3 * self.sigma
        start, stop = int(center - reach), int(center + reach + 1)
        cells = np.arange(max(start, 0), max(min(stop, size), 0), dtype=np.float32)
        peak = start + (2 * reach + 1) // 2
        values: _Array = np.exp(-((cells - peak) ** 2) / (2 * self.sigma**2))
        return slice(max(start, 0), max(min(stop, size), 0)), values

    def decode(self, encoded: _Array) -> tuple[_Array, _Array]:
        """Decode heatmaps to landmarks.

        A landmark is at the cell of the maximum, moved a quarter toward its higher neighbor on each axis, plus half a
        cell. A heatmap without a positive value results in the cell (-1, -1).

        Args:
            encoded: The heatmaps, `(K, H, W)`.

        Returns:
            Landmarks in input pixels `(1, K, 2)` and scores `(1, K)`.
        """
        count, height, width = encoded.shape
        index = encoded.reshape(count, -1).argmax(axis=1)
        scores = encoded.reshape(count, -1).max(axis=1)
        x, y = index % width, index // width
        cells = np.stack([x, y], axis=1).astype(np.float32)
        inner = (scores > 0) & (x > 0) & (x < width - 1) & (y > 0) & (y < height - 1)
        k, x, y = np.arange(count)[inner], x[inner], y[inner]
        cells[inner, 0] += 0.25 * np.sign(encoded[k, y, x + 1] - encoded[k, y, x - 1])
        cells[inner, 1] += 0.25 * np.sign(encoded[k, y + 1, x] - encoded[k, y - 1, x])
        cells[scores <= 0] = -1
        return ((cells + 0.5) * self.scale_factor)[None], scores[None]


@METRICS.register_module()
class FaceAlignmentMetric(BaseMetric):
    """Normalized mean error (NME) of landmarks, failure rates, and the area under the error distribution.

    Every landmark counts, visible or not. The results are fractions: `NME` (mean over faces), `FR@0.08` and `FR@0.10`
    (faces with a higher error) and `AUC@0.10` (area under the cumulative error distribution up to 0.10, divided by
    0.10).

    Args:
        norm: The pair of landmarks whose distance normalizes the error, or 'bbox_size'. Default: the data set's, which
            is the outer eye corners 60 and 72 (WFLW) or 36 and 45 (300W), 8 and 9 (COFW), or the face box (AFLW).
        whole_pixels: Whether predictions are truncated and 1 is added, as in the official code.
        collect_device: mmengine's device for collecting results.
        prefix: The prefix of the metric names.
    """

    default_prefix = 'face'

    def __init__(
        self,
        norm: str | Sequence[int] | None = None,
        whole_pixels: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.norm = norm
        self.whole_pixels = whole_pixels

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Add the error of each sample's predicted landmarks `(1, K, 2)` in image pixels.

        Raises:
            UserError: No `norm` is given or known for the data set.
        """
        norm = self.norm
        if norm is None:
            name = (self.dataset_meta or {}).get('dataset_name')
            if name not in _NORMS:
                raise UserError(f'the norm of data set {name!r} is unknown, known are {list(_NORMS)}; give `norm`')
            norm = _NORMS[name]
        for sample in data_samples:
            truth, predicted = sample['gt_instances'], np.asarray(sample['pred_instances']['keypoints'][0])
            points = np.asarray(truth['keypoints'][0])
            if self.whole_pixels:
                predicted = np.trunc(predicted) + 1
            if norm == 'bbox_size':
                left, top, right, bottom = truth['bboxes'][0]
                size = max(right - left, bottom - top)
            else:
                one, other = (points[int(i)] for i in norm)
                size = np.linalg.norm(one - other)
            self.results.append(float(np.linalg.norm(predicted - points, axis=1).mean() / size))

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        """Return the four numbers for the errors of all faces."""
        errors = np.array(results)
        return {
            'NME': float(errors.mean()),
            'FR@0.08': float((errors > 0.08).mean()),
            'FR@0.10': float((errors > 0.10).mean()),
            'AUC@0.10': float(np.maximum(1 - errors / 0.10, 0).mean()),
        }


@METRICS.register_module()
class PoseTrackMetric(CocoMetric):
    """PoseTrack's mAP and MOTA by `hrnet_mm.tracking`, in percent.

    mmpose's PoseTrack18Metric needs poseval and has no MOTA. This MOTA links poses from frame to frame by their OKS
    alone; `hrnet-mm track` adds flow and propagated boxes, which need the images. The results are `Head AP`, `Shou AP`,
    ... `Total AP`, and the same of MOTA. With `outfile_prefix='DIR/x'`, DIR receives a PoseTrack file for each video.

    Args:
        ann_file: The COCO file, such as annotations/posetrack18_val.json; the videos' annotations must be beside it in
            annotations/val/*.json.
        track_score: The lowest score of a joint that counts for MOTA.
        **kwargs: Other arguments of mmpose's CocoMetric.

    Raises:
        UserError: There are no annotations of videos.
    """

    default_prefix = 'posetrack18'

    def __init__(self, ann_file: str, track_score: float = 0.4, **kwargs: Any) -> None:
        super().__init__(ann_file, **kwargs)
        self.track_score = track_score
        self._truth = Path(ann_file).with_name(Path(ann_file).stem.rpartition('_')[2])  # val, of posetrack18_val.json
        if not any(self._truth.glob('*.json')):
            raise UserError(f'{self._truth} holds no .json files; expected the annotations, one for each video')

    def results2json(self, keypoints: Mapping[int, Sequence[Mapping[str, Any]]], outfile_prefix: str) -> None:
        """Write one file for each annotated video.

        Args:
            keypoints: The predicted persons by image id.
            outfile_prefix: A path whose folder receives the files.
        """
        sigmas = np.asarray(self.dataset_meta['sigmas'], dtype=np.float64)
        Path(outfile_prefix).parent.mkdir(parents=True, exist_ok=True)
        for file in sorted(self._truth.glob('*.json')):
            images = json.loads(file.read_text())['images']
            found = [_persons(keypoints.get(image['id'], ()), len(sigmas)) for image in images]
            names = [image['file_name'] for image in images]
            write_video(Path(outfile_prefix).with_name(file.name), names, identified(found, sigmas))

    def _do_python_keypoint_eval(self, outfile_prefix: str) -> list[tuple[str, float]]:
        videos = read_videos(self._truth, Path(outfile_prefix).parent)
        ap, mota = evaluate_poses(videos).ap, evaluate_tracking(videos, self.track_score).mota
        return [(f'{part} {name}', value) for name, of in (('AP', ap), ('MOTA', mota)) for part, value in of.items()]


def _persons(found: Sequence[Mapping[str, Any]], joints: int) -> Persons:
    """Return the instances that CocoMetric has kept of an image; their boxes are x, y, width, height."""
    points = np.array([one['keypoints'] for one in found], dtype=np.float64).reshape(-1, joints, 3)
    boxes = np.array([one['bbox'] for one in found], dtype=np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = np.array([one['score'] for one in found], dtype=np.float64)
    unknown, detected = np.full(len(found), -1), np.ones(len(found), dtype=bool)
    return Persons(points[..., :2], np.clip(points[..., 2], 0, 1), boxes, scores, unknown, detected)
