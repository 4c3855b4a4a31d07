"""The official segmentation code's arithmetic, and the values of its yaml files, for comparison with the configs.

Written from descriptions of HRNet-Semantic-Segmentation: `lib/datasets/*.py`, `lib/core/{criterion,function}.py`,
`lib/utils/utils.py`, `lib/models/seg_hrnet*.py` and `experiments/*/*.yaml` of its branches.
"""

import copy
import random
from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np
import torch
from torch.nn import functional as F

from hrnet_mm.config.zoo import read_config
from hrnet_mm.engine import quick_reading

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
CITYSCAPES_WEIGHTS = [
    *(0.8373, 0.918, 0.866, 1.0345, 1.0166, 0.9969, 0.9754, 1.0489, 0.8786, 1.0023),
    *(0.9539, 0.9843, 1.1116, 0.9037, 1.0865, 1.0955, 1.0865, 1.1529, 1.0507),
]


@dataclass(frozen=True)
class Recipe:
    """What a yaml file of the official code, and the code around it, say; sizes are (height, width)."""

    base_size: int
    crop: tuple[int, int]
    images: int  # of the training set
    batch: int  # of 4 GPUs
    epochs: int
    rate: float
    decay: float
    classes: int
    scale_factor: int = 16
    head_rate: int = 1  # a factor of the rate
    momentum: float = 0.01  # of batch norm
    ocr: bool = False
    ohem: bool = False
    class_weights: bool = False
    align_corners: bool = False
    scales: tuple[float, ...] = (*SCALES, 2.0)
    scratch: bool = False

    def __call__(self, **changes):
        """The recipe with changes."""
        return replace(self, **changes)

    @property
    def iterations(self):
        """The iterations of the training: what does not fill a batch is left out of every epoch."""
        return self.epochs * (self.images // self.batch)


CITYSCAPES = Recipe(2048, (512, 1024), 2975, 12, 484, 0.01, 5e-4, 19, class_weights=True, scales=SCALES)
TRAINVAL = CITYSCAPES(images=3475, rate=0.001)
LIP = Recipe(473, (473, 473), 30462, 40, 150, 0.007, 5e-4, 20, scale_factor=11, scales=(1.0,))
PASCAL = Recipe(520, (480, 480), 4998, 16, 200, 0.004, 1e-4, 59)
PASCAL_520 = PASCAL(crop=(520, 520), rate=0.001, head_rate=10, momentum=0.1)
ADE20K = Recipe(520, (520, 520), 20210, 16, 120, 0.02, 1e-4, 150, momentum=0.1, ohem=True, align_corners=True)
COCO_STUFF = ADE20K(images=9000, epochs=110, rate=0.001, classes=171, head_rate=10)
OCR = {'ocr': True, 'align_corners': True, 'momentum': 0.1}

RECIPES = {
    'segmentation/fcn_hr18_4xb3-120k_cityscapes-512x1024': CITYSCAPES,
    'segmentation/fcn_hr18s_4xb3-120k_cityscapes-512x1024': CITYSCAPES,
    'segmentation/fcn_hr18s-v1_4xb3-120k_cityscapes-512x1024': CITYSCAPES(scratch=True),
    'segmentation/fcn_hr40_4xb3-120k_cityscapes-512x1024': CITYSCAPES,
    'segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024': CITYSCAPES,
    'segmentation/fcn_hr48_momentum-0.1-4xb3-120k_cityscapes-512x1024': CITYSCAPES(momentum=0.1),
    'segmentation/fcn_hr48_ssld-4xb3-120k_cityscapes-512x1024': CITYSCAPES(momentum=0.1),
    'segmentation/fcn_hr48_ohem-4xb3-120k_cityscapes-512x1024': CITYSCAPES(ohem=True),
    'segmentation/fcn_hr48_trainval-4xb3-140k_cityscapes-512x1024': TRAINVAL,
    'segmentation/fcn_hr48_trainval-ohem-4xb3-140k_cityscapes-512x1024': TRAINVAL(ohem=True),
    'segmentation/ocrnet_hr48_4xb3-120k_cityscapes-512x1024': CITYSCAPES(**OCR),
    'segmentation/ocrnet_hr48_trainval-4xb3-140k_cityscapes-512x1024': TRAINVAL(rate=0.01, **OCR),
    'segmentation/fcn_hr48_4xb10-114k_lip-473x473': LIP,
    'segmentation/fcn_hr48_momentum-0.1-4xb10-114k_lip-473x473': LIP(momentum=0.1),
    'segmentation/ocrnet_hr48_4xb10-114k_lip-473x473': LIP(**OCR),
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-480x480': PASCAL(classes=60),
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-59-480x480': PASCAL,
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-59-520x520': PASCAL_520,
    'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-520x520': PASCAL_520(classes=60, **OCR),
    'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520': PASCAL_520(**OCR),
    'segmentation/fcn_hr48_ohem-4xb4-152k_ade20k-520x520': ADE20K(scale_factor=11),
    'segmentation/ocrnet_hr48_ohem-4xb4-152k_ade20k-520x520': ADE20K(**OCR),
    'segmentation/fcn_hr48_ohem-4xb4-62k_coco-stuff10k-520x520': COCO_STUFF,
    'segmentation/ocrnet_hr48_ohem-4xb4-62k_coco-stuff10k-520x520': COCO_STUFF(**OCR),
    **{
        f'ablations/fcn_hr48_{name}_cityscapes-512x1024': CITYSCAPES(scratch=True)
        for name in ('scratch', 'final-exchange', 'across-exchange', 'product', 'bilinear-down')
    },
}
"""By config, below configs/ and without the ending."""


def config_of(path):
    """A copy of a config of `RECIPES`."""
    with quick_reading():
        return copy.deepcopy(read_config(f'{path}.py'))


def heads_of(config):
    """The configs of its heads, the last of which predicts."""
    heads = config.model.decode_head
    return heads if isinstance(heads, list) else [heads]


def long_side(base_size, scale):
    """The long side of an image at a scale."""
    return int(base_size * scale + 0.5)


def draw_long_side(recipe):
    """A long side of a training image: the scale is 0.5 and a number of tenths."""
    return long_side(recipe.base_size, 0.5 + random.randint(0, recipe.scale_factor) / 10)


def resized(image, side, interpolation=cv2.INTER_LINEAR, by=max):
    """An image with its long side (`by=max`) or short side (`by=min`) of this length."""
    height, width = image.shape[:2]
    given = by(height, width)
    size = [side if length == given else int(length * side / given + 0.5) for length in (width, height)]
    return cv2.resize(image, size, interpolation=interpolation)


def padded(image, size, value):
    """An image padded at the bottom and at the right to at least a size."""
    missing = [max(least - side, 0) for least, side in zip(size, image.shape, strict=False)]
    return cv2.copyMakeBorder(image, 0, missing[0], 0, missing[1], cv2.BORDER_CONSTANT, value=value)


def training_sample(image, label, recipe, side, corner, flip, first=None):
    """A cropped and perhaps flipped training image, before normalization, and its label.

    `side` is the drawn long side, `corner` the fractions at which the crop lies between its first and last place, and
    `first` what is done before the scaling: 'short side' or 'square'.
    """
    pair = []
    for array, interpolation, black in ((image, cv2.INTER_LINEAR, 0), (label, cv2.INTER_NEAREST, 255)):
        if first == 'short side':
            array = resized(array, recipe.base_size, interpolation, min)
        elif first == 'square':
            array = cv2.resize(array, recipe.crop[::-1], interpolation=interpolation)
        array = padded(resized(array, side, interpolation), recipe.crop, (black,) * 3)
        top, left = (int(at * (have - want)) for at, have, want in zip(corner, array.shape, recipe.crop, strict=False))
        array = array[top : top + recipe.crop[0], left : left + recipe.crop[1]]
        pair.append(array[:, ::-1] if flip else array)
    return pair


def normalized(image):
    """An image in BGR bytes as the network's input, in RGB."""
    return (image[..., ::-1].astype(np.float32) / 255 - MEAN) / STD


def scores_of_window(network, window, flip, align_corners, swapped=()):
    """The exponential of the logits of an array `(H, W, 3)`, averaged over its flip before it."""

    def logits(array):
        given = torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))[None].float()
        return F.interpolate(network(given), array.shape[:2], mode='bilinear', align_corners=align_corners)

    straight = logits(window)
    if flip:
        other = logits(window[:, ::-1])
        order = list(range(other.shape[1]))
        for one, two in swapped:
            order[one], order[two] = two, one
        straight = (straight + other[:, order].flip(3)) * 0.5
    return straight.exp()


def multi_scale_scores(network, image, recipe, scales, flip, windows, swapped=()):
    """The sum over scales of the scores of a normalized image `(H, W, 3)`, as `(1, classes, H, W)`.

    `windows` is 'padded' (two thirds of a window apart, filled up in black: LIP, PASCAL-Context, ADE20K, COCO-Stuff) or
    'moved' (one window apart, above scale 1 only, the last one moved inside the image: Cityscapes, whose windows have
    the size of its images).
    """
    size, crop = image.shape[:2], recipe.crop if windows == 'padded' else image.shape[:2]
    step = [int(side * 2.0 / 3.0) if windows == 'padded' else side for side in crop]
    total = 0
    for scale in scales:
        scaled = resized(image, long_side(recipe.base_size, scale))
        height, width = scaled.shape[:2]
        if windows == 'moved' and scale <= 1:
            scores = scores_of_window(network, scaled, flip, recipe.align_corners, swapped)
        else:
            if windows == 'padded':
                scaled = padded(scaled, crop, (-MEAN / STD).tolist())
            high, wide = scaled.shape[:2]
            scores, count = 0, torch.zeros(high, wide)
            for row in range(ceil((high - crop[0]) / step[0]) + 1):
                for column in range(ceil((wide - crop[1]) / step[1]) + 1):
                    top, left = row * step[0], column * step[1]
                    bottom, right = min(top + crop[0], high), min(left + crop[1], wide)
                    if windows == 'moved':
                        top, left = max(bottom - crop[0], 0), max(right - crop[1], 0)
                    window = scaled[top:bottom, left:right]
                    if windows == 'padded':
                        window = padded(window, crop, (-MEAN / STD).tolist())
                    given = scores_of_window(network, window, flip, recipe.align_corners, swapped)
                    place = torch.zeros(1, given.shape[1], high, wide)
                    place[:, :, top:bottom, left:right] = given[:, :, : bottom - top, : right - left]
                    scores = scores + place
                    count[top:bottom, left:right] += 1
            scores = (scores / count)[:, :, :height, :width]
        total = total + F.interpolate(scores, size, mode='bilinear', align_corners=recipe.align_corners)
    return total


def loss(outputs, label, recipe):
    """The loss of one GPU's batch: `outputs` are the logits of the heads at the label's size, the last of them last."""
    weights = torch.tensor(CITYSCAPES_WEIGHTS) if recipe.class_weights else None
    factors = (0.4, 1) if recipe.ocr else (1,)
    if not recipe.ohem:
        losses = [F.cross_entropy(logits, label, weights, ignore_index=255) for logits in outputs]
        return sum(factor * value for factor, value in zip(factors, losses, strict=True))
    *before, last = outputs
    counts = label.flatten() != 255
    chances = last.detach().softmax(1).gather(1, label.where(label != 255, 0)[:, None]).flatten()[counts]
    in_order, order = chances.sort()
    limit = max(float(in_order[min(131072, len(in_order) - 1)]), 0.9)
    pixels = F.cross_entropy(last, label, weights, ignore_index=255, reduction='none').flatten()[counts][order]
    value = pixels[in_order < limit].mean()
    for factor, logits in zip(factors, before, strict=False):
        # One number for every pixel of the batch, ignored ones with 0: the mean is taken at the very end.
        value = value + factor * F.cross_entropy(logits, label, weights, ignore_index=255, reduction='none')
    return value.mean()


def rate_after(iteration, recipe):
    """The rate that is set after an iteration, for the next one."""
    return recipe.rate * (1 - iteration / recipe.iterations) ** 0.9
