"""Official augmentation of bottom-up recipes, and their test at several scales.

Source: HigherHRNet-Human-Pose-Estimation `lib/dataset/transforms/transforms.py`, `lib/utils/transforms.py`,
`tools/valid.py`; DEKR has the same.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import mmpose.models  # noqa: F401  # mmpose must register its own classes first
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.model import BaseTTAModel
from mmpose.datasets import transforms
from mmpose.datasets.transforms.formatting import image_to_tensor
from mmpose.models import data_preprocessors
from mmpose.registry import MODELS, TRANSFORMS
from mmpose.structures.bbox import get_warp_matrix
from torch import nn

from ...errors import UserError

__all__ = [
    'OfficialBottomupAffine',
    'OfficialBottomupResize',
    'PackPoseInputs',
    'PoseDataPreprocessor',
    'ScalePyramidTTA',
]


@TRANSFORMS.register_module()
class OfficialBottomupAffine(BaseTransform):
    """Random scale, rotation and shift of a whole image into a square, by uniform distributions.

    mmpose's BottomupRandomAffine draws from truncated normal distributions by default, and its shift does not depend
    on the scale.

    Args:
        input_size: Width and height of the input in pixels; they are equal.
        scale_factor: The limits of the scale. The input shows a square of the short side times the scale.
        rotate_factor: The angle is within +- `rotate_factor` degrees.
        shift_factor: The shift of each axis is a whole number of the image's pixels, from -n to n - 1. n is
            `shift_factor` times the side of the square.

    Raises:
        UserError: The input is not a square.
    """

    def __init__(
        self,
        input_size: Sequence[int],
        scale_factor: Sequence[float] = (0.75, 1.5),
        rotate_factor: float = 30.0,
        shift_factor: float = 0.2,
    ) -> None:
        if input_size[0] != input_size[1]:
            raise UserError(f'input_size is {tuple(input_size)}; expected a square, such as (512, 512)')
        self.input_size = tuple(input_size)
        self.scale_factor = scale_factor
        self.rotate_factor = rotate_factor
        self.shift_factor = shift_factor

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img`, `keypoints`, `bbox` and `area`; set `input_size` and `warp_mat`."""
        height, width = results['img'].shape[:2]
        side = min(height, width) * np.random.uniform(self.scale_factor[0], self.scale_factor[1])
        angle = np.random.uniform(-self.rotate_factor, self.rotate_factor)
        reach = max(int(self.shift_factor * side), 1)
        center = np.array([width / 2, height / 2]) + np.random.randint(-reach, reach, 2)
        matrix = get_warp_matrix(center, np.array([side, side]), angle, self.input_size)
        results['img'] = cv2.warpAffine(results['img'], matrix, self.input_size, flags=cv2.INTER_LINEAR)
        if results.get('keypoints') is not None:
            results['keypoints'] = cv2.transform(results['keypoints'], matrix)
        if results.get('bbox') is not None:
            left, top, right, bottom = results['bbox'].T
            corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]).transpose(2, 0, 1)
            corners = cv2.transform(corners, matrix)
            results['bbox'] = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        if results.get('area') is not None:
            results['area'] = results['area'] * (self.input_size[0] / side) ** 2
        results.update(input_size=self.input_size, warp_mat=matrix)
        return results


@TRANSFORMS.register_module()
class OfficialBottomupResize(BaseTransform):
    """Resize of an image to one or several scales, whose sizes have the same proportions.

    At one scale, the short side is `input_size` times the scale and the long side has the image's aspect ratio; both
    are rounded up to a multiple of 64. mmpose's BottomupResize rounds each scale on its own, so that the scales show
    different parts of the image.

    Args:
        input_size: Width and height of a square input at scale 1 in pixels.
        scales: The scales; 1 is among them, and the poses are in its pixels. With several, `img` is a list that begins
            with scale 1, and a test needs `ScalePyramidTTA`.
        rounded_scale: The scale whose size is rounded: the smallest for HigherHRNet, which is the default, 1 for DEKR.

    Raises:
        UserError: 1 is not among `scales`.
    """

    def __init__(
        self, input_size: Sequence[int], scales: Sequence[float] = (1,), rounded_scale: float | None = None
    ) -> None:
        if 1 not in scales:
            raise UserError(f'scales is {tuple(scales)}; expected 1 among them, whose tags group the keypoints')
        self.input_size = tuple(input_size)
        self.scales = [1, *(scale for scale in scales if scale != 1)]
        self.rounded_scale = min(scales) if rounded_scale is None else rounded_scale

    def sizes(self, width: int, height: int) -> list[tuple[int, int]]:
        """Return width and height of an image of `width` x `height` pixels at each scale."""
        rounded = self.rounded_scale
        short = _multiple_of_64(rounded * self.input_size[0])
        long = _multiple_of_64(short / min(width, height) * max(width, height))
        sides = [(int(short * scale / rounded), int(long * scale / rounded)) for scale in self.scales]
        return sides if width < height else [(long, short) for short, long in sides]

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img` and `img_shape`; set `input_size`, `input_center`, `input_scale` and `aug_scales`."""
        image = results['img']
        height, width = image.shape[:2]
        center = np.array([int(width / 2 + 0.5), int(height / 2 + 0.5)])
        images, sizes = [], self.sizes(width, height)
        for size in sizes:
            pixel = width / size[0] if width < height else height / size[1]  # of the input, in the image's
            matrix = get_warp_matrix(center, pixel * np.array(size), 0, size)
            images.append(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR))
            if len(images) == 1:
                results.update(input_size=size, input_center=center, input_scale=pixel * np.array(size))
        results['img_shape'] = images[0].shape[:2]
        results['img'] = images if len(images) > 1 else images[0]
        results['aug_scales'] = self.scales[1:] or None
        return results


def _multiple_of_64(size: float) -> int:
    return int((size + 63) // 64 * 64)


@TRANSFORMS.register_module(force=True)
class PackPoseInputs(transforms.PackPoseInputs):
    """Packing of images, their annotations and metadata; images of several sizes become a list of tensors.

    It replaces mmpose's class, which stacks the images and fails when their sizes differ.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return `inputs`, a `(3, H, W)` tensor or a list of these, and `data_samples`."""
        images = results.get('img')
        if not isinstance(images, list | tuple) or len({image.shape for image in images}) == 1:
            stacked: dict[str, Any] = super().transform(results)
            return stacked
        packed: dict[str, Any] = super().transform({**results, 'img': images[0]})
        packed['inputs'] = [image_to_tensor(image) for image in images]
        packed['data_samples'].set_metainfo({'aug_scales': results.get('aug_scales')})
        return packed


@MODELS.register_module(force=True)
class PoseDataPreprocessor(data_preprocessors.PoseDataPreprocessor):
    """Normalization and batches of images; images of several scales become a list of batches.

    It replaces mmpose's class, which fails with a list for each image.
    """

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return `inputs`, a batch `(N, 3, H, W)` or one for each scale, and `data_samples`."""
        inputs = data['inputs']
        if isinstance(inputs, torch.Tensor) or isinstance(inputs[0], torch.Tensor):
            result: dict[str, Any] = super().forward(data, training)
            return result
        batches = []
        for images in reversed(inputs):  # the metadata remain of the first scale
            result = super().forward({**data, 'inputs': images}, training)
            batches.append(result['inputs'])
        return {**result, 'inputs': batches[::-1]}


@MODELS.register_module()
class ScalePyramidTTA(BaseTTAModel):
    """Test of a bottom-up estimator at several scales, which the `tta_pipeline` makes.

    Set it as `tta_model`; the last transforms of `tta_pipeline` are `OfficialBottomupResize` with `scales`, and
    PackPoseInputs.

    Args:
        module: The estimator.
        data_preprocessor: The estimator's data preprocessor; mmengine sets it.
    """

    def __init__(
        self, module: dict[str, Any] | nn.Module, data_preprocessor: dict[str, Any] | nn.Module | None = None
    ) -> None:
        super().__init__(module, data_preprocessor)
        self.module.test_cfg = {**self.module.test_cfg, 'multiscale_test': True}

    def test_step(self, data: Mapping[str, Any]) -> Any:
        """Return the data samples of a batch, with the poses of all scales together."""
        data = self.module.data_preprocessor(data, False)
        return self.module.predict(data['inputs'], data['data_samples'])  # forward() would stack the scales

    def merge_preds(self, data_samples_list: Any) -> Any:
        """Refuse: the estimator itself combines the scales.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError('ScalePyramidTTA combines heatmaps, not predictions; see OfficialBottomupResize')
