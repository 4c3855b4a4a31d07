"""Masks that are resized within their boxes are those of mmdet."""

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmdet.structures.mask import BitmapMasks, PolygonMasks

import hrnet_mm.drop_in.mmdet
from hrnet_mm.drop_in.mmdet.masks import BoxedMasks
from hrnet_mm.errors import UserError


def sample(rng, height, width):
    """Masks of objects of any size: scattered pixels, one pixel, the whole image, none."""
    masks = np.zeros((6, height, width), np.uint8)
    for mask in masks[:3]:
        top, left = rng.integers(0, height), rng.integers(0, width)
        part = mask[top : rng.integers(top, height) + 1, left : rng.integers(left, width) + 1]
        part[:] = rng.random(part.shape) < 0.7
    masks[3, rng.integers(0, height), rng.integers(0, width)] = 1
    masks[4] = 1
    return masks


def same(boxed, plain):
    assert isinstance(boxed, BitmapMasks)
    assert (boxed.height, boxed.width) == (plain.height, plain.width)
    assert boxed.masks.dtype == plain.masks.dtype
    assert boxed.masks.flags.c_contiguous
    np.testing.assert_array_equal(boxed.masks, plain.masks)


@pytest.mark.parametrize('seed', range(40))
def test_every_operation_gives_the_pixels_of_mmdet(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(side) for side in rng.integers(1, 700, 2))
    masks = sample(rng, height, width)
    columns = BitmapMasks([np.asfortranarray(mask) for mask in masks], height, width)  # as pycocotools decodes them
    boxed = TRANSFORMS.build({'type': 'ToBoxedMasks'})({'gt_masks': columns})['gt_masks']
    plain = BitmapMasks(masks.copy(), height, width)
    assert isinstance(boxed, BoxedMasks)
    same(boxed, plain)
    shape = tuple(int(side) for side in rng.integers(1, 1400, 2))
    scale = float(rng.uniform(0.3, 3))
    same(boxed.resize(shape), plain.resize(shape))
    same(boxed.rescale((1333, 800)), plain.rescale((1333, 800)))
    if min(height, width) > 3:
        same(boxed.rescale(scale), plain.rescale(scale))
    same(boxed.resize(shape, 'bilinear'), plain.resize(shape, 'bilinear'))
    for direction in ('horizontal', 'vertical', 'diagonal'):
        same(boxed.resize(shape).flip(direction), plain.resize(shape).flip(direction))
    for index in (np.arange(6), np.array([4, 0]), np.arange(0), 2, np.arange(6) > 2, slice(1, 3)):
        same(boxed[index], plain[index])
    same(boxed.crop(np.array([0, 0, 5, 5])), plain.crop(np.array([0, 0, 5, 5])))
    same(boxed.pad((1500, 1500)), plain.pad((1500, 1500)))


def test_an_image_without_objects():
    empty = BitmapMasks([], 4, 6)
    boxed = BoxedMasks(empty.masks, 4, 6)
    same(boxed.resize((8, 9)).flip()[np.arange(0)], empty.resize((8, 9)).flip())


def test_polygons_stay():
    polygons = PolygonMasks([[np.array([0, 0, 3, 0, 3, 3.0])]], 4, 6)
    results = TRANSFORMS.build({'type': 'ToBoxedMasks'})({'gt_masks': polygons})
    assert results['gt_masks'] is polygons
    assert hrnet_mm.drop_in.mmdet.masks  # registers the element


def test_a_sample_without_masks_is_a_sentence():
    with pytest.raises(UserError, match='after LoadAnnotations with with_mask=True'):
        TRANSFORMS.build({'type': 'ToBoxedMasks'})({})
