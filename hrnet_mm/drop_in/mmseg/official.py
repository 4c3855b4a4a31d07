"""The official segmentation protocol: class weights, OHEM per GPU, and scores merged as the sum of exp(logits).

Source: HRNet-Semantic-Segmentation `lib/core/criterion.py`, `lib/datasets/{base_dataset,cityscapes,lip}.py`.
"""

from collections.abc import Sequence
from itertools import product
from math import ceil
from typing import Any

import mmseg.models  # noqa: F401  # mmseg registers its own parts first
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
"""Of the 19 classes in training order; the official code uses them in every Cityscapes run, with OHEM and without."""


@MODELS.register_module()
class OfficialCrossEntropy(nn.Module):
    """Cross entropy over the pixels that count, weighted by class; with `thresh`, over the hard ones alone (OHEM).

    `class_weight` holds a number a class, or is 'cityscapes' for `CITYSCAPES_CLASS_WEIGHTS`; the mean is over the
    weights, as PyTorch's. With `thresh` (officially 0.9) a pixel is hard if the probability of its class is lower,
    at least `min_kept` pixels of this GPU's whole batch are hard, and the mean is over their number; mmseg's
    OHEMPixelSampler keeps `min_kept` an image and divides by all pixels. A batch without a pixel that counts
    gives 0.

    Raises ValueError for a `class_weight` of another name.
    Source: HRNet-Semantic-Segmentation `lib/core/criterion.py`.
    """

    class_weight: Tensor | None

    def __init__(
        self,
        class_weight: str | Sequence[float] | None = None,
        thresh: float | None = None,
        min_kept: int = 131072,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
    ) -> None:
        super().__init__()
        if class_weight == 'cityscapes':
            class_weight = CITYSCAPES_CLASS_WEIGHTS
        elif isinstance(class_weight, str):
            raise UserError(f"class_weight must be 'cityscapes' or a number for each class, got {class_weight!r}")
        weights = None if class_weight is None else torch.tensor(class_weight)
        self.register_buffer('class_weight', weights, persistent=False)
        self.thresh = thresh
        self.min_kept = min_kept
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, logits: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255) -> Tensor:
        """`(N, classes, H, W)` and `(N, H, W)` to a number; `weight` is what a pixel sampler would give.

        Raises ValueError if there is a sampler: `thresh` takes its place.
        """
        if weight is not None:
            raise UserError("OfficialCrossEntropy takes no pixel weights; remove the head's `sampler`, set `thresh`")
        valid = label != ignore_index
        losses = F.cross_entropy(logits, label, self.class_weight, ignore_index=ignore_index, reduction='none')[valid]
        if self.thresh is None:
            weights = losses.new_ones(losses.shape) if self.class_weight is None else self.class_weight[label[valid]]
        else:
            weights = self._hard(logits, label, valid, self.thresh).to(losses)
            losses = losses * weights
        # The clamp serves a batch in which no pixel counts.
        return self.loss_weight * losses.sum() / weights.sum().clamp(min=torch.finfo(losses.dtype).tiny)

    def _hard(self, logits: Tensor, label: Tensor, valid: Tensor, thresh: float) -> Tensor:
        with torch.no_grad():
            classes = label.masked_fill(~valid, 0)[:, None]
            probability = logits.softmax(dim=1).gather(1, classes)[:, 0][valid]
            if not len(probability):
                return probability
            # The first probability that need not be kept; strictly lower ones are.
            limit = probability.sort().values[min(self.min_kept, len(probability) - 1)]
            return probability < limit.clamp(min=thresh)


@MODELS.register_module()
class OfficialTTA(BaseTTAModel):
    """Any mmseg segmentor, tested by the official protocol: scales, flip and windows, merged as sums of exp(logits).

    Set it as `tta_model` and let `tta_pipeline` be the test pipeline: one image comes in, scaled and flipped here.
    Logits are averaged over the flip, scores over windows, and scores are summed over `scales`.

    `base_size` is the long side at scale 1 (None: the image's own). `crop_size` (height, width) and `stride` cut an
    image that exceeds them into windows. With `pad_windows`, as for PASCAL-Context, smaller images and the last
    windows are filled up in black; without, as for Cityscapes, the last windows are moved inside. `swap_labels`
    are pairs that change places in the flipped image: ((14, 15), (16, 17), (18, 19)) for LIP.

    Raises ValueError for a `crop_size` without `stride`.
    Source: HRNet-Semantic-Segmentation `lib/datasets/{base_dataset,cityscapes,lip}.py`.
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
        """A batch of the test pipeline to its data samples, with `seg_logits` (the scores) and `pred_sem_seg`."""
        data = self.module.data_preprocessor(data, False)
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):
            scores = _resize(self.scores(image[None]), sample.ori_shape, self.module.align_corners)[0]
            sample.seg_logits = PixelData(data=scores)
            sample.pred_sem_seg = PixelData(data=scores.argmax(dim=0, keepdim=True))
        samples: list[Any] = data['data_samples']
        return samples

    def merge_preds(self, data_samples_list: Any) -> Any:
        """Not used: nothing is augmented before the model.

        Raises NotImplementedError.
        """
        raise NotImplementedError('OfficialTTA augments by itself; let tta_pipeline be the plain test pipeline')

    def scores(self, image: Tensor) -> Tensor:
        """A normalized image `(1, 3, H, W)` to scores `(1, classes, H, W)`, not normalized."""
        size = image.shape[-2:]
        long_side = self.base_size or max(size)
        total = image.new_zeros(())
        for scale in self.scales:
            factor = int(long_side * scale + 0.5) / max(size)
            scaled = _resize(image, [int(side * factor + 0.5) for side in size])
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
        """Fill up to the crop, right and below, with what black is after normalization."""
        assert self.crop_size is not None
        missing = [max(crop - side, 0) for crop, side in zip(self.crop_size, image.shape[-2:], strict=True)]
        if not any(missing):
            return image
        processor = self.module.data_preprocessor
        mean, std = getattr(processor, 'mean', image.new_zeros(())), getattr(processor, 'std', image.new_ones(()))
        # Black is 0 after this shift, and -mean / std after it is undone.
        return F.pad(image + mean / std, (0, missing[1], 0, missing[0])) - mean / std


def _starts(size: int, crop: int, stride: int, may_exceed: bool) -> list[int]:
    count = max(ceil((size - crop) / stride), 0) + 1
    starts = [i * stride for i in range(count)]
    return starts if may_exceed else [max(min(start, size - crop), 0) for start in starts]


def _resize(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode='bilinear', align_corners=align_corners)
