"""Augmentation of the detectors: 10,000 draws of scales, crops and flips, of images without pixels."""

from collections import Counter

import mmcv
import numpy as np
import pytest
from detection_configs import build, read
from mmcv.image import rescale_size
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes

DRAWS = 10_000
CROP = [f'faster-rcnn_hrnetv2p-w18_syncbn-crop-{schedule}_coco' for schedule in ('1x', '2x')]
BOXES = ((100, 50, 140, 90), (400, 300, 600, 420), (20, 400, 60, 430))


def blank(height, width):
    """An image of one number, which needs no memory."""
    return np.broadcast_to(np.uint8(0), (height, width, 3))


@pytest.fixture(autouse=True)
def _no_pixels(monkeypatch):
    def rescale(img, scale, return_scale=False, **_):
        width, height = rescale_size(img.shape[1::-1], scale)
        return (blank(height, width), None) if return_scale else blank(height, width)

    monkeypatch.setattr(mmcv, 'imrescale', rescale)
    monkeypatch.setattr(mmcv, 'imflip', lambda img, **_: img)


def draws(name, width, height, count=DRAWS):
    """Samples that the pipeline makes of an image with three boxes, from loading to packing."""
    steps = [build(step, TRANSFORMS) for step in read(name).train_dataloader.dataset.pipeline]
    names = [step.type for step in read(name).train_dataloader.dataset.pipeline]
    assert (names[:2], names[-1]) == (['LoadImageFromFile', 'LoadAnnotations'], 'PackDetInputs')
    np.random.seed(0)
    for _ in range(count):
        sample = {
            'img': blank(height, width),
            'img_shape': (height, width),
            'ori_shape': (height, width),
            'gt_bboxes': HorizontalBoxes(np.array(BOXES, np.float32)),
            'gt_bboxes_labels': np.arange(3),
            'gt_ignore_flags': np.zeros(3, bool),
        }
        for step in steps[2:-1]:
            sample = step(sample)
        yield sample


def shares(values):
    return {value: count / DRAWS for value, count in Counter(values).items()}


@pytest.mark.slow
@pytest.mark.parametrize('name', CROP)
@pytest.mark.parametrize('portrait', [False, True])
def test_crops_turn_with_the_image(name, portrait):
    """Short sides of 600, 800 and 1000 up to a long side of 1400, then crops of 1200x800 along the image."""
    width, height = (480, 640) if portrait else (640, 480)
    found = shares(sample['img_shape'] for sample in draws(name, width, height))
    expected = [(600, 800), (800, 1067), (800, 1200)]  # of 800x600, 1067x800 and 1333x1000
    expected = {tuple(reversed(shape)) if portrait else shape: 1 / 3 for shape in expected}
    assert found == pytest.approx(expected, abs=0.02)


def test_a_crop_is_around_a_box():
    """Its center is that of a box, moved by up to 30 columns and 10 rows, and then into the image."""
    crop = build({'type': 'BoxCenteredCrop', 'size': (200, 100)}, TRANSFORMS)
    np.random.seed(0)
    places = []
    for _ in range(DRAWS):
        sample = crop.transform(
            {
                'img': np.broadcast_to(
                    np.arange(600)[:, None, None] * 1000 + np.arange(800)[None, :, None], (600, 800, 3)
                ),
                'gt_bboxes': HorizontalBoxes(np.array([[300, 200, 340, 240], [0, 0, 20, 10]], np.float32)),
                'gt_bboxes_labels': np.array([5, 6]),
                'gt_ignore_flags': np.zeros(2, bool),
            }
        )
        assert sample['img'].shape == (100, 200, 3)
        y, x = divmod(int(sample['img'][0, 0, 0]), 1000)
        (label,) = sample['gt_bboxes_labels']  # the other box is outside
        if label == 6:
            assert (x, y) == (0, 0)
            continue
        places.append((x, y))
        left, top = sample['gt_bboxes'].tensor[0, :2].tolist()
        assert (left, top) == (300 - x, 200 - y)
    assert len(places) == pytest.approx(DRAWS / 2, rel=0.05)
    x, y = np.array(places).T
    assert sorted(set(x)) == list(range(220 - 30, 220 + 30))
    assert sorted(set(y)) == list(range(170 - 10, 170 + 10))
    assert x.mean() == pytest.approx(219.5, abs=1)


def test_a_crop_needs_an_object():
    crop = build({'type': 'BoxCenteredCrop', 'size': (200, 100)}, TRANSFORMS)
    sample = {'img': blank(600, 800), 'gt_bboxes': HorizontalBoxes(np.zeros((1, 4), np.float32))}
    assert crop.transform({**sample, 'gt_ignore_flags': np.ones(1, bool)}) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    'name', ['faster-rcnn_hrnetv2p-w18_syncbn-ms-1x_coco', 'faster-rcnn_hrnetv2p-w32_syncbn-ms-2x_coco']
)
def test_three_scales(name):
    found = shares(sample['img_shape'] for sample in draws(name, 640, 480))
    expected = {(1000, 1333): 1 / 3, (600, 800): 1 / 3, (800, 1067): 1 / 3}
    assert found == pytest.approx(expected, abs=0.02)


@pytest.mark.slow
def test_fcos_draws_the_short_side():
    """Any short side from 640 to 800 in the authors' code, 640 or 800 in HRNet-Object-Detection."""
    sides = [sample['img_shape'][0] for sample in draws('fcos_hrnetv2p-w32_bgr255-ms-2x_coco', 640, 480)]
    assert set(sides) == set(range(640, 801))
    assert np.mean(sides) == pytest.approx(720, abs=2)
    assert np.histogram(sides, bins=4)[0] == pytest.approx(DRAWS / 4, rel=0.1)
    gn = 'fcos_hrnetv2p-w32-gn-head_ms-640-800-4xb4-2x_coco'
    assert shares(sample['img_shape'][0] for sample in draws(gn, 640, 480)) == pytest.approx(
        {640: 0.5, 800: 0.5}, abs=0.02
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    [
        'faster-rcnn_hrnetv2p-w18_1x_coco',
        'faster-rcnn_hrnetv2p-w18_frozenbn-1x_coco',
        'cascade-rcnn_hrnetv2p-w18_20e_coco',
    ],
)
def test_one_scale_and_flips(name):
    samples = list(draws(name, 640, 480))
    assert {sample['img_shape'] for sample in samples} == {(800, 1067)}
    assert np.mean([sample['flip'] for sample in samples]) == pytest.approx(0.5, abs=0.02)
