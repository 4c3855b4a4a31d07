"""DeepLabCut's head, codec and inputs for mmpose's TopdownPoseEstimator, with DeepLabCut 3's arithmetic.

A keypoint is at the peak of its heatmap plus the offset in two further maps there. Sources: DeepLabCut 3.0.2
`pose_estimation_pytorch/models/heads/simple_head.py`, `models/predictors/single_predictor.py`,
`models/target_generators/heatmap_targets.py`, `data/image.py`. `hrnet_mm.drop_in.mmpose` registers the classes.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import mmpose.models  # noqa: F401  # mmpose must register its own classes first
import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.models.heads import BaseHead
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ['DeepLabCutCrop', 'DeepLabCutHead', 'DeepLabCutHeatmap', 'PadToMultiple']

_STRIDE = 4  # pixels of HRNet's finest map


@KEYPOINT_CODECS.register_module()
class DeepLabCutHeatmap(BaseKeypointCodec):
    """Heatmaps of Gaussians, and maps of the offsets to the keypoint.

    The center of cell (i, j) is at ((i + 1/2) stride, (j + 1/2) stride).

    Args:
        stride: The stride of the maps in pixels: 4, or 2 after DeepLabCut's deconvolution.
        offset_std: The pixels of an offset of 1.
        radius: Offsets are learnt within this distance of the keypoint in pixels; the Gaussians' sigma is 2/3 of it.
        missing_weight: The weight of the heatmap of a keypoint that is not labeled; DeepLabCut's is 1 for whole images
            and 0 in boxes.
    """

    auxiliary_encode_keys = {'input_size'}
    field_mapping_table = {
        name: name for name in ('heatmaps', 'heatmap_weights', 'displacements', 'displacement_weights')
    }

    def __init__(
        self, stride: int = 2, offset_std: float = 7.2801, radius: float = 17.0, missing_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.stride = stride
        self.offset_std = offset_std
        self.radius = radius
        self.missing_weight = missing_weight

    def encode(
        self,
        keypoints: NDArray[np.float32],
        keypoints_visible: NDArray[np.float32] | None = None,
        input_size: Sequence[int] = (0, 0),
    ) -> dict[str, Any]:
        """Encode keypoints.

        Args:
            keypoints: Keypoints in input pixels, `(N, K, 2)`.
            keypoints_visible: Their visibility, `(N, K)`. Default: all visible.
            input_size: Width and height of the input.

        Returns:
            `heatmaps` and `heatmap_weights` `(K, H, W)`, `displacements` and `displacement_weights` `(2 K, H, W)`.
        """
        visible = np.ones(keypoints.shape[:2]) if keypoints_visible is None else keypoints_visible
        width, height = (_cells(side, self.stride) for side in input_size)
        x, y = ((np.arange(cells) + 0.5) * self.stride for cells in (width, height))
        count, sigma = keypoints.shape[1], 2 * self.radius / 3
        heatmaps, weights = np.zeros((count, height, width)), np.ones((count, height, width))
        offsets, near = np.zeros((count, 2, height, width)), np.zeros((count, 2, height, width))
        for person, joint in np.ndindex(*keypoints.shape[:2]):
            if visible[person, joint] <= 0:
                weights[joint] = self.missing_weight
                continue
            dx, dy = keypoints[person, joint, 0] - x, (keypoints[person, joint, 1] - y)[:, None]
            squares = dx**2 + dy**2
            heatmaps[joint] = np.maximum(heatmaps[joint], np.exp(-squares / (2 * sigma**2)))
            offsets[joint] = np.stack(np.broadcast_arrays(dx, dy)) / self.offset_std
            near[joint, :, squares <= self.radius**2] = 1
        maps = {
            'heatmaps': heatmaps,
            'heatmap_weights': weights,
            'displacements': offsets.reshape(-1, height, width),
            'displacement_weights': near.reshape(-1, height, width),
        }
        return {name: values.astype(np.float32) for name, values in maps.items()}

    def decode(  # mmpose unpacks the outputs of a head
        self, heatmaps: NDArray[np.float32], offsets: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Decode heatmaps `(1, K, H, W)` and offsets `(1, 2 K, H, W)` to keypoints `(1, K, 2)` and scores `(1, K)`."""
        _, count, height, width = heatmaps.shape
        y, x = np.divmod(heatmaps.reshape(count, -1).argmax(axis=1), width)
        joints = np.arange(count)
        moves = offsets.reshape(count, 2, height, width)[joints, :, y, x] * np.float32(self.offset_std)
        points = np.stack([x, y], axis=1).astype(np.float32) * self.stride + np.float32(0.5 * self.stride) + moves
        return points[None], heatmaps[:, joints, y, x].clip(0, 1)


def _cells(side: int, stride: int) -> int:
    """Return the cells of a map along a side of the input; the deconvolution of kernel 3 adds one."""
    return side // _STRIDE if stride == _STRIDE else _STRIDE // stride * (side // _STRIDE) + 1


@MODELS.register_module()
class DeepLabCutHead(BaseHead):
    """DeepLabCut's head: heatmaps, and maps of the offsets, by a deconvolution or a 1x1 convolution each.

    Parameter names are DeepLabCut's, within its `heads.bodypart`.

    Args:
        in_channels: Channels of HRNet's finest map.
        out_channels: The number of keypoints.
        upsampling: 2 for the deconvolution (kernel 3, stride 2), 1 for the convolution.
        offset_weight: The weight of the offsets' loss.
        decoder: A DeepLabCutHeatmap.
        init_cfg: The initialization.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        upsampling: int = 2,
        offset_weight: float = 0.05,
        decoder: Mapping[str, Any] | None = None,
        init_cfg: Any = None,
    ) -> None:
        super().__init__(init_cfg or {'type': 'Normal', 'std': 0.001, 'layer': ['Conv2d', 'ConvTranspose2d']})
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.offset_weight = offset_weight
        self.decoder = None if decoder is None else KEYPOINT_CODECS.build(decoder)
        self.heatmap_head, self.locref_head = (
            _layer(in_channels, channels, upsampling) for channels in (out_channels, 2 * out_channels)
        )

    def forward(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Map the last of `feats`, `(N, in_channels, h, w)`, to heatmaps `(N, K, H, W)` and offsets `(N, 2 K, H, W)`.

        H and W are 2 h + 1 and 2 w + 1 after the deconvolution, and h and w after the convolution.
        """
        return self.heatmap_head(feats[-1]), self.locref_head(feats[-1])

    def predict(self, feats: Any, batch_data_samples: Sequence[Any], test_cfg: Mapping[str, Any] | None = None) -> Any:
        """Return the poses in input pixels and, with `output_heatmaps`, the heatmaps; there is no flip test."""
        outputs = self.forward(feats)
        poses = self.decode(outputs)
        if not (test_cfg or {}).get('output_heatmaps'):
            return poses
        return poses, [PixelData(heatmaps=heatmaps) for heatmaps in outputs[0].detach()]

    def loss(
        self, feats: Sequence[Tensor], batch_data_samples: Sequence[Any], train_cfg: Mapping[str, Any] | None = None
    ) -> dict[str, Tensor]:
        """Return the squared error of the heatmaps and the Huber loss of the offsets near the keypoints."""
        heatmaps, offsets = self.forward(feats)

        def target(name: str) -> Tensor:
            return torch.stack([getattr(one.gt_fields, name) for one in batch_data_samples])

        def mean(losses: Tensor, weights: Tensor) -> Tensor:
            return (losses * weights).sum() / weights.count_nonzero().clamp(min=1)

        of_offsets = F.huber_loss(offsets, target('displacements'), reduction='none')
        return {
            'loss_kpt': mean((heatmaps - target('heatmaps')) ** 2, target('heatmap_weights')),
            'loss_offset': self.offset_weight * mean(of_offsets, target('displacement_weights')),
        }


def _layer(in_channels: int, out_channels: int, upsampling: int) -> nn.Sequential:
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if upsampling == 1:
        layers['final_conv'] = nn.Conv2d(in_channels, out_channels, 1)
    else:
        layers['deconv_layers'] = nn.Sequential(nn.ConvTranspose2d(in_channels, out_channels, 3, stride=upsampling))
    return nn.Sequential(layers)


@TRANSFORMS.register_module()
class PadToMultiple(BaseTransform):
    """Whole images, mirrored at the right and bottom borders until their sides are multiples of a number.

    The box is the whole image. DeepLabCut places the image at random within the padded one, for inference too.

    Args:
        divisor: The number.
    """

    def __init__(self, divisor: int = 32) -> None:
        self.divisor = divisor

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pad `img`, and set the box and the place of the input in the image."""
        image = results['img']
        height, width = image.shape[:2]
        below, right = -height % self.divisor, -width % self.divisor
        padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        results['bbox'] = np.array([[0, 0, width, height]], np.float32)
        results['bbox_score'] = np.ones(1, np.float32)
        return _placed(results, padded, (0, 0), (width + right, height + below))


@TRANSFORMS.register_module()
class DeepLabCutCrop(BaseTransform):
    """A box with a margin, widened to the shape of the input and rounded to pixels, resized; black outside the image.

    Args:
        input_size: Width and height of the input.
        margin: Pixels on each side of the box.
    """

    def __init__(self, input_size: Sequence[int], margin: float = 0.0) -> None:
        self.input_size = (int(input_size[0]), int(input_size[1]))
        self.margin = margin

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop `img` to the first of `bbox` `(1, 4)`, and set the place of the input in the image."""
        image, (left, top, right, bottom) = results['img'], map(float, results['bbox'][0])
        width, height = right - left + 2 * self.margin, bottom - top + 2 * self.margin
        ratio = self.input_size[0] / self.input_size[1]
        width, height = max(width, height * ratio), max(height, width / ratio)
        x, y = (left + right) / 2, (top + bottom) / 2
        x1, y1 = round(x - width / 2), round(y - height / 2)
        x2, y2 = max(round(x + width / 2), x1 + 1), max(round(y + height / 2), y1 + 1)
        crop = np.zeros((y2 - y1, x2 - x1, *image.shape[2:]), image.dtype)
        inside = image[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        row, column = max(-y1, 0), max(-x1, 0)
        crop[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
        resized = cv2.resize(crop, self.input_size, interpolation=cv2.INTER_LINEAR)
        return _placed(results, resized, (x1, y1), (x2 - x1, y2 - y1))


def _placed(
    results: dict[str, Any], image: NDArray[Any], corner: tuple[float, float], size: tuple[float, float]
) -> dict[str, Any]:
    """Set an input whose first pixel is at `corner` of the image, and which covers `size` pixels of it."""
    place, scale = np.array(corner, np.float32), np.array(size, np.float32)
    input_size = image.shape[1], image.shape[0]
    results.update(
        img=image, img_shape=image.shape[:2], input_size=input_size, input_scale=scale, input_center=place + scale / 2
    )
    if results.get('keypoints') is not None:
        results['transformed_keypoints'] = ((results['keypoints'] - place) / scale * input_size).astype(np.float32)
    return results
