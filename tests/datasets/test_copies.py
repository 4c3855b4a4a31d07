"""Validation images that look like training images are told; others are not."""

import cv2
import numpy as np
import pytest
from own_folders import dump

from hrnet_mm.datasets import read_folder


def photograph(seed):
    """A smooth picture, as photographs are when they are small."""
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (320, 240), interpolation=cv2.INTER_CUBIC)


def write(folder, val):
    (folder / 'images').mkdir(parents=True)
    for part, pictures in (('train', [photograph(i) for i in range(4)]), ('val', val)):
        images, annotations = [], []
        for index, (picture, *options) in enumerate(one if isinstance(one, tuple) else (one,) for one in pictures):
            name = f'{part}{index}.jpg'
            cv2.imwrite(str(folder / 'images' / name), picture, *options)
            images.append({'id': index, 'file_name': name, 'width': picture.shape[1], 'height': picture.shape[0]})
            one = {'id': index + 1, 'image_id': index, 'category_id': 1, 'bbox': [10, 10, 40, 40]}
            annotations.append(one)
        dump(folder, part, images, annotations, [{'id': 1, 'name': 'thing'}])
    return folder


def moved(picture):
    """The next frame of a video in which something small has moved."""
    found = picture.copy()
    found[100:160, 100:160] = 255 - found[100:160, 100:160]
    return found


@pytest.mark.parametrize(
    ('change', 'is_near'),
    [
        (lambda one: (one, [cv2.IMWRITE_JPEG_QUALITY, 60]), True),  # encoded again
        (lambda one: np.clip(one.astype(int) + 2, 0, 255).astype(np.uint8), True),  # hardly brighter
        (moved, False),
        (lambda one: one[:, ::-1], False),
    ],
)
def test_images_that_look_the_same(tmp_path, change, is_near):
    folder = read_folder(write(tmp_path / 'mine', [photograph(9), change(photograph(2))]), 'boxes')
    found = [warning for warning in folder.warnings if 'look like one of the training part' in warning]
    assert len(found) == is_near
    if is_near:
        assert (
            '1 of 2 images of the validation part look like one of the training part, such as images/val1.jpg'
            in found[0]
        )


def test_a_copy_is_told_once(tmp_path):
    folder = read_folder(write(tmp_path / 'mine', [photograph(9), photograph(2)]), 'boxes')
    (warning,) = folder.warnings
    assert 'val1.jpg in the validation part is a copy of' in warning
