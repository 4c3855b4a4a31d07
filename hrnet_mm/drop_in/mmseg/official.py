"""Official segmentation protocol: class weights, OHEM per GPU, and scores merged as the sum of exp(logits).

Source: HRNet-Semantic-Segmentation `lib/core/criterion.py`, `lib/datasets/{base_dataset,cityscapes,lip}.py`.
"""

from collections.abc import Sequence
from itertools import product
from math import ceil
from typing import Any

import mmseg.models  # noqa: F401  # mmseg must register its own classes first
import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from ...errors import UserError

__all__ = ['CITYSCAPES_CLASS_WEIGHTS', 'OfficialCrossEntropy', 'OfficialTTA']

CITYSCAPES_CLASS_WEIGHTS: tuple[float, ...] = (
    *(0.8373, 0.9180, 0.8660, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023),
    *(0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507),
)
"""Weights of the 19 classes in training order; the official code uses them in every Cityscapes run."""


@MODELS.register_module()
class OfficialCrossEntropy(nn.Module):
    """Cross entropy weighted by class and, with `thresh`, restricted to hard pixels (OHEM).

    A pixel is hard if the predicted probability of its class is below `thresh`; at least `min_kept` pixels of this
    GPU's batch count as hard, and the mean is over their number. mmseg's OHEMPixelSampler instead keeps `min_kept`
    pixels of each image and divides by all pixels. Without `thresh` the mean is over the weights, as in PyTorch. A
    batch with no valid pixel has the loss 0. Source: HRNet-Semantic-Segmentation `lib/core/criterion.py`.

    Beside a head with OHEM, the official auxiliary head has `avg_non_ignore=False`: its losses are added up without
    being averaged, and the mean over the whole sum then counts every pixel.

    Args:
        class_weight: A number for each class, or 'cityscapes' for `CITYSCAPES_CLASS_WEIGHTS`.
        thresh: The highest probability of a hard pixel, officially 0.9. Default: no OHEM.
        min_kept: The least number of hard pixels in a batch.
        avg_non_ignore: Whether ignored pixels are left out of the mean. If False, the sum is divided by the number of
            all pixels, whatever their weights.
        loss_weight: A factor of the loss.
        loss_name: The loss's name in logs.

    Raises:
        UserError: `class_weight` is another name, or `avg_non_ignore=False` is given with `thresh`.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        class_weight: str | Sequence[float] | None = None,
        thresh: float | None = None,
        min_kept: int = 131072,
        avg_non_ignore: bool = True,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
    ) -> None:
        super().__init__()
        if thresh is not None and not avg_non_ignore:
            raise UserError(f'thresh={thresh} averages over the hard pixels; remove it or avg_non_ignore=False')
        if class_weight == 'cityscapes':
            class_weight = CITYSCAPES_CLASS_WEIGHTS
        elif isinstance(class_weight, str):
            raise UserError(f"class_weight must be 'cityscapes' or a number for each class, got {class_weight!r}")
        weights = None if class_weight is None else torch.tensor(class_weight)
        self.register_buffer('class_weight', weights, persistent=False)
        self.thresh = thresh
        self.min_kept = min_kept
        self.avg_non_ignore = avg_non_ignore
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255) -> Tensor:
        """Compute the loss.

        Args:
            logits: The logits, `(N, classes, H, W)`.
            label: The labels, `(N, H, W)`.
            weight: The output of a pixel sampler, which is not supported: `thresh` takes its place.
            ignore_index: The label of pixels that do not count.

        Returns:
            The loss, a scalar.

        Raises:
            UserError: `weight` is given.
        """
        if weight is not None:
            raise UserError("OfficialCrossEntropy takes no pixel weights; remove the head's `sampler`, set `thresh`")
        valid = label != ignore_index
        losses = F.cross_entropy(logits, label, self.class_weight, ignore_index=ignore_index, reduction='none')[valid]
        if not self.avg_non_ignore:
            return self.loss_weight * losses.sum() / label.numel()
        if self.thresh is None:
            weights = losses.new_ones(losses.shape) if self.class_weight is None else self.class_weight[label[valid]]
        else:
            weights = self._hard(logits, label, valid, self.thresh).to(losses)
            losses = losses * weights
        # The clamp is for a batch with no valid pixel.
        return self.loss_weight * losses.sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)

    def _hard(self, logits: Tensor, label: Tensor, valid: Tensor, thresh: float) -> Tensor:
        with torch.no_grad():
            classes = label.masked_fill(~valid, 0)[:, None]
            probability = logits.softmax(dim=1).gather(1, classes)[:, 0][valid]
            if not len(probability):
                return probability
            # Probabilities strictly below the limit are kept, at least min_kept of them.
            limit = probability.sort().values[min(self.min_kept, len(probability) - 1)]
            return probability < limit.clamp(min=thresh)


@MODELS.register_module()
class OfficialTTA(BaseTTAModel):
    """Test-time augmentation of the official protocol for any mmseg segmentor: scales, flip and windows.

    Set it as `tta_model`, and `tta_pipeline` to a pipeline without scales and flips, which are made here. Logits are
    averaged over the flip; their exponentials are averaged over windows and summed over scales. What the data
    preprocessor pads is removed from the scores. Source: HRNet-Semantic-Segmentation
    `lib/datasets/{base_dataset,cityscapes,lip}.py`, `lib/core/function.py`.

    Args:
        module: The segmentor.
        scales: The scales.
        flip: Whether the flipped image is added.
        swap_labels: Pairs of classes that swap in the flipped image: ((14, 15), (16, 17), (18, 19)) for LIP.
        base_size: The long side at scale 1, in pixels. Default: the image's own.
        crop_size: Height and width of the windows that a larger image is cut into, in pixels.
        stride: The vertical and horizontal distance between windows, in pixels.
        pad_windows: Whether small images and the last windows are padded with black, as for PASCAL-Context, ADE20K and
            COCO-Stuff. Otherwise the last windows are moved inside the image, as for Cityscapes.
        data_preprocessor: The segmentor's data preprocessor; mmengine sets it.

    Raises:
        UserError: Only one of `crop_size` and `stride` is given.
    """

    def __init__(
        self,
        module: dict[str, Any] | nn.Module,
        scales: Sequence[float] = (1.0,),
        flip: bool = False,
        swap_labels: Sequence[Sequence[int]] = (),
        base_size: int | None = None,
        crop_size: Sequence[int] | None = None,
        stride: Sequence[int] | None = None,
        pad_windows: bool = True,
        data_preprocessor: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        super().__init__(module, data_preprocessor)
        if (crop_size is None) != (stride is None):
            raise UserError(f'give both crop_size and stride, or neither; got {crop_size!r} and {stride!r}')
        self.scales = scales
        self.flip = flip
        self.swap_labels = swap_labels
        self.base_size = base_size
        self.crop_size = crop_size
        self.stride = stride
        self.pad_windows = pad_windows

    def test_step(self, data: dict[str, Any]) -> list[Any]:
        """Return the data samples of a batch, with `seg_logits` (the scores) and `pred_sem_seg`."""
        data = self.module.data_preprocessor(data, False)
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):
            height, width = image.shape[-2:]
            left, right, top, bottom = sample.get('img_padding_size', (0, 0, 0, 0))  # by the data preprocessor
            scores = self.scores(image[None])[..., top : height - bottom, left : width - right]
            scores = _resize(scores, sample.ori_shape, self.module.align_corners)[0]
            sample.seg_logits = PixelData(data=scores)
            sample.pred_sem_seg = PixelData(data=scores.argmax(dim=0, keepdim=True))
        samples: list[Any] = data['data_samples']
        return samples

    def merge_preds(self, data_samples_list: Any) -> Any:
        """Refuse: nothing is augmented before the model.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError('OfficialTTA augments inside the model; set tta_pipeline to the test pipeline')

    def scores(self, image: Tensor) -> Tensor:
        """Compute scores by all scales, flips and windows.

        Args:
            image: A normalized image, `(1, 3, H, W)`.

        Returns:
            The scores, not normalized, `(1, classes, H, W)`.
        """
        size = image.shape[-2:]
        total = image.new_zeros(())
        for scale in self.scales:
            long_side = int((self.base_size or max(size)) * scale + 0.5)
            # In this order of operations, sides of half a pixel more are rounded as in the official code.
            scaled = _resize(image, [int(side * long_side / max(size) + 0.5) for side in size])
            total = total + _resize(self._windowed(scaled), size, self.module.align_corners)
        return total

    def _windowed(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if self.crop_size is None or self.stride is None:
            return self._exp_logits(image)
        crop_height, crop_width = self.crop_size
        if self.pad_windows:
            image = self._pad(image)
        elif height <= crop_height and width <= crop_width:
            return self._exp_logits(image)
        padded_height, padded_width = image.shape[-2:]
        tops = _starts(padded_height, crop_height, self.stride[0], self.pad_windows)
        lefts = _starts(padded_width, crop_width, self.stride[1], self.pad_windows)
        total, count = image.new_zeros(()), image.new_zeros((1, 1, padded_height, padded_width))
        for top, left in product(tops, lefts):
            window = image[..., top : top + crop_height, left : left + crop_width]
            h, w = window.shape[-2:]
            scores = self._exp_logits(self._pad(window) if self.pad_windows else window)[..., :h, :w]
            total = total + F.pad(scores, (left, padded_width - left - w, top, padded_height - top - h))
            count[..., top : top + h, left : left + w] += 1
        return (total / count)[..., :height, :width]

    def _exp_logits(self, image: Tensor) -> Tensor:
        metas = [{'img_shape': image.shape[-2:]}]
        logits: Tensor = self.module.encode_decode(image, metas).float()
        if self.flip:
            flipped = self.module.encode_decode(image.flip(-1), metas).flip(-1)
            order = list(range(logits.shape[1]))
            for one, other in self.swap_labels:
                order[one], order[other] = other, one
            logits = (logits + flipped[:, order]) / 2
        return logits.exp()

    def _pad(self, image: Tensor) -> Tensor:
        """Pad to the crop size, at the right and below, with the value of black after normalization."""
        assert self.crop_size is not None
        missing = [max(crop - side, 0) for crop, side in zip(self.crop_size, image.shape[-2:], strict=True)]
        if not any(missing):
            return image
        processor = self.module.data_preprocessor
        mean, std = getattr(processor, 'mean', image.new_zeros(())), getattr(processor, 'std', image.new_ones(()))
        # F.pad fills with 0, which is black in the shifted image and -mean / std after the shift back.
        return F.pad(image + mean / std, (0, missing[1], 0, missing[0])) - mean / std


def _starts(size: int, crop: int, stride: int, may_exceed: bool) -> list[int]:
    count = max(ceil((size - crop) / stride), 0) + 1
    starts = [i * stride for i in range(count)]
    return starts if may_exceed else [max(min(start, size - crop), 0) for start in starts]


def _resize(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode='bilinear', align_corners=align_corners)
