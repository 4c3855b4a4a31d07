"""Folders of images of any kind: what is read of them, its statistics, and labels that are turned with the images."""

import json

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from hrnet_mm.datasets import read_folder
from hrnet_mm.datasets.labels import label_array
from hrnet_mm.datasets.masks import encode, pixels
from hrnet_mm.errors import UserError
from hrnet_mm.images import Bands, upright

INVERSE = {5: 5, 6: 8, 7: 7, 8: 6}


def write_classes(folder, write):
    """Ten images of two classes; `write` stores R, G, B of one at a path without a suffix."""
    random = np.random.default_rng(0)
    for i in range(10):
        place = folder / ('dark' if i % 2 else 'light')
        place.mkdir(parents=True, exist_ok=True)
        write(place / str(i), random.integers(0, 120 if i % 2 else 256, (32, 40, 3), dtype=np.uint8))
    return folder


def as_png(place, rgb):
    cv2.imwrite(f'{place}.png', rgb[..., ::-1])


def as_16_bits(place, rgb):
    cv2.imwrite(f'{place}.png', rgb[..., ::-1].astype(np.uint16) * 257)


def as_bands(place, rgb):
    stored = np.dstack([rgb[..., 1], 255 - rgb[..., 0], rgb[..., 2], rgb[..., 0]])
    tifffile.imwrite(f'{place}.tif', stored, photometric='minisblack', planarconfig='contig')


def as_12_bits(place, rgb):
    tifffile.imwrite(f'{place}.tif', rgb[..., 0].astype(np.uint16) * 16)


def test_the_statistics_are_the_same_in_every_form(tmp_path):
    png = read_folder(write_classes(tmp_path / 'png', as_png), 'classes')
    assert (png.bands, png.value_range) == (None, ())
    bands = read_folder(write_classes(tmp_path / 'bands', as_bands), 'classes', bands=(4, 1, 3))
    assert (bands.mean, bands.std) == (png.mean, png.std)
    assert bands.bands == Bands((4, 1, 3), 4, 'uint8')
    assert bands.about == 'folders of classes, 2 classes (dark, light), 8 train / 2 val, bands 4,1,3 of 4, uint8'
    deep = read_folder(write_classes(tmp_path / 'deep', as_16_bits), 'classes')
    assert deep.bands == Bands((1, 2, 3), 3, 'uint16')
    np.testing.assert_allclose(deep.mean, np.array(png.mean) * 257, rtol=1e-9)
    np.testing.assert_allclose(deep.std, np.array(png.std) * 257, rtol=1e-9)
    assert np.array(deep.value_range).shape == (3, 2)
    assert max(high for _, high in deep.value_range) == 255 * 257


def test_12_bits_in_16_keep_their_range(tmp_path):
    folder = read_folder(write_classes(tmp_path / 'mine', as_12_bits), 'classes')
    assert (folder.bands, folder.value_range) == (Bands((1,), 1, 'uint16'), ((0, 255 * 16),))


def test_images_of_several_kinds_are_refused(tmp_path):
    folder = write_classes(tmp_path / 'mine', as_png)
    as_12_bits(folder / 'dark' / 'other', np.zeros((32, 40, 3), np.uint8))
    with pytest.raises(UserError, match=r'images of 2 kinds: 10 of pictures of 8 bits \(\d\.png\) and 1 of 1 band of'):
        read_folder(folder, 'classes')


def test_nan_is_found_before_a_training(tmp_path):
    folder = write_classes(tmp_path / 'mine', lambda place, rgb: tifffile.imwrite(f'{place}.tif', rgb[..., 0] / 255.0))
    bad = np.ones((32, 40))
    bad[2, 3] = np.nan
    tifffile.imwrite(folder / 'dark' / '3.tif', bad)
    with pytest.raises(UserError, match=r'3\.tif: 1 of its values are not finite, the first in band 1 at row 3'):
        read_folder(folder, 'classes')


def test_a_band_without_content_and_an_opacity_are_said(tmp_path):
    def with_opacity(place, rgb):
        Image.fromarray(np.dstack([rgb, np.full_like(rgb[..., :1], 255)])).save(f'{place}.png')

    folder = write_classes(tmp_path / 'mine', with_opacity)
    (warning,) = read_folder(folder, 'classes').warnings
    assert '10 of 10 images have an opacity (alpha), which is left out' in warning
    (warning,) = read_folder(folder, 'classes', bands=(1, 4)).warnings
    assert 'band 4 is 255 in every image' in warning
    with pytest.raises(UserError, match='names band 5, and the images have the bands 1 to 4'):
        read_folder(folder, 'classes', bands=(5,))


@pytest.mark.parametrize('orientation', INVERSE)
@pytest.mark.parametrize('as_runs', [True, False])
def test_labels_for_the_stored_image_are_turned_with_it(tmp_path, orientation, as_runs):
    """An image is stored turned, and labeled as it is stored; the labels come out where the upright image has them."""
    shown = np.zeros((40, 60), np.uint8)
    shown[10:22, 30:55] = 1
    stored = np.ascontiguousarray(upright(shown, INVERSE[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    ys, xs = np.flatnonzero(stored.any(1)), np.flatnonzero(stored.any(0))
    x, y, width, height = int(xs[0]), int(ys[0]), len(xs), len(ys)
    outline = [x, y, x + width, y, x + width, y + height, x, y + height]
    images, objects = [], []
    (tmp_path / 'images').mkdir()
    (tmp_path / 'semantic').mkdir()
    for i in range(5):
        Image.fromarray(np.dstack([stored * 200 + i] * 3)).save(tmp_path / 'images' / f'{i}.png', exif=exif)
        Image.fromarray(stored).save(tmp_path / 'semantic' / f'{i}.png')
        images.append({'id': i, 'file_name': f'{i}.png', 'width': 40, 'height': 60})
        mask = encode(stored.astype(bool)) if as_runs else [outline]
        # A keypoint at the center of the first labeled pixel.
        one = {'bbox': [x, y, width, height], 'segmentation': mask, 'keypoints': [x, y, 2]}
        objects.append({'id': i + 1, 'image_id': i, 'category_id': 1, 'iscrowd': 0, 'area': 300, **one})
    categories = [{'id': 1, 'name': 'box', 'keypoints': ['corner']}]
    content = {'images': images, 'annotations': objects, 'categories': categories}
    (tmp_path / 'labels.json').write_text(json.dumps(content))
    folder = read_folder(tmp_path, 'boxes')
    (image, *_), (one, *_) = folder.train['images'], folder.train['annotations']
    assert (image['width'], image['height']) == (60, 40)
    assert one['bbox'] == [30, 10, 25, 12]
    np.testing.assert_array_equal(pixels(one['segmentation'], (40, 60)), shown.astype(bool))
    assert any('its labels are turned with it' in warning for warning in folder.warnings)
    (point, *_) = read_folder(tmp_path, 'keypoints').train['annotations']
    column, row = point['keypoints'][:2]
    marked = np.zeros_like(stored)
    marked[y, x] = 1
    assert upright(marked, orientation)[row, column] == 1
    regions = read_folder(tmp_path, 'regions')
    np.testing.assert_array_equal(label_array(tmp_path, regions.train, regions.train['images'][0]), shown)
