"""Windows of TIFF files in every arrangement, label images that are written in parts, and the place of both."""

import importlib.util
import json
import tracemalloc

import cv2
import geotiffs
import numpy as np
import pytest
import tifffile
from PIL import Image

from hrnet_mm.inference import raster as raster_module
from hrnet_mm.inference.geo import georeference_of, read_georeference, write_geojson
from hrnet_mm.inference.raster import UnreadableError, open_raster, size_of, without_data, write_labels
from hrnet_mm.inference.windows import segment

PIXELS = np.random.default_rng(0).integers(0, 60000, (203, 309, 4)).astype(np.uint16)
WINDOWS = [(slice(0, 203), slice(0, 309)), (slice(60, 131), slice(100, 263)), (slice(202, 203), slice(308, 309))]


@pytest.mark.parametrize(
    'arranged',
    [
        {},
        {'rowsperstrip': 7},
        {'rowsperstrip': 7, 'compression': 'zlib', 'predictor': True},
        {'tile': (64, 48)},
        {'tile': (64, 48), 'compression': 'zlib'},
        {'tile': (256, 256), 'compression': 'packbits', 'byteorder': '>'},
        {'byteorder': '>', 'bigtiff': True},
        {'planarconfig': 'separate'},
        {'planarconfig': 'separate', 'tile': (64, 48), 'compression': 'zlib'},
    ],
    ids=str,
)
def test_windows_of_a_tiff(arranged, tmp_path):
    if arranged.get('compression') == 'packbits':
        pytest.importorskip('imagecodecs')
    planar = arranged.get('planarconfig') == 'separate'
    pixels = np.moveaxis(PIXELS, 2, 0) if planar else PIXELS
    file = geotiffs.write(tmp_path / 'image.tif', pixels, **arranged)
    assert size_of(file) == (203, 309)
    with open_raster(file) as raster:
        assert (raster.height, raster.width, raster.bands, raster.dtype) == (203, 309, 4, np.uint16)
        for rows, columns in WINDOWS:
            np.testing.assert_array_equal(raster.read(rows, columns), PIXELS[rows, columns])
        assert raster.geo.crs == 'EPSG:32633'


def test_colors_are_in_the_order_of_the_file(tmp_path):
    image = PIXELS[..., :3].astype(np.uint8)
    Image.fromarray(image).save(tmp_path / 'rgb.tif')
    Image.fromarray(image).save(tmp_path / 'rgb.png')
    palette = Image.fromarray(image).quantize(16)
    palette.save(tmp_path / 'palette.tif')
    Image.fromarray(image[..., 0]).save(tmp_path / 'gray.tif')
    Image.fromarray(np.dstack([image, image[..., :1]])).save(tmp_path / 'rgba.tif')
    expected = {
        'rgb.tif': image,
        'rgb.png': image,
        'palette.tif': np.asarray(palette.convert('RGB')),
        'gray.tif': image[..., :1],
        'rgba.tif': np.dstack([image, image[..., :1]]),
    }
    for name, pixels in expected.items():
        assert size_of(tmp_path / name) == (203, 309)
        with open_raster(tmp_path / name) as raster:
            assert raster.has_alpha == (name == 'rgba.tif')
            for rows, columns in WINDOWS:
                np.testing.assert_array_equal(raster.read(rows, columns), pixels[rows, columns])


def test_smaller_copies_beside_the_image_do_not_matter(tmp_path):
    with tifffile.TiffWriter(tmp_path / 'pyramid.tif') as writer:
        writer.write(PIXELS, photometric='minisblack', planarconfig='contig')
        writer.write(PIXELS[::2, ::2], photometric='minisblack', planarconfig='contig', subfiletype=1)
    with open_raster(tmp_path / 'pyramid.tif') as raster:
        assert raster.height == 203


def test_what_cannot_be_read_is_said(tmp_path):
    def refused(match, file='image.tif'):
        with pytest.raises(UnreadableError, match=match), open_raster(tmp_path / file) as raster:
            raster.read(*WINDOWS[0])

    with tifffile.TiffWriter(tmp_path / 'image.tif') as writer:
        for _ in range(2):
            writer.write(PIXELS[..., 0], photometric='minisblack')
    refused('the file holds 2 images; expected one')
    Image.fromarray(PIXELS[..., 0].astype(np.uint8)).save(tmp_path / 'image.tif', tiffinfo={274: 6})
    refused('orientation 6')
    tifffile.imwrite(tmp_path / 'image.tif', PIXELS[..., :4].astype(np.uint8), photometric='separated')
    refused('SEPARATED')
    geotiffs.write(tmp_path / 'image.tif', PIXELS, compression='zlib', rowsperstrip=50)
    data = bytearray((tmp_path / 'image.tif').read_bytes())
    with tifffile.TiffFile(tmp_path / 'image.tif') as file:
        place = file.pages[0].dataoffsets[3]
    data[place : place + 9] = b'not zlib '
    (tmp_path / 'image.tif').write_bytes(data)
    refused('strip 3 of 5 is damaged')
    (tmp_path / 'image.tif').write_bytes(b'II*\0')
    refused('the file is no TIFF, or is damaged')
    assert size_of(tmp_path / 'image.tif') is None
    assert read_georeference(tmp_path / 'image.tif') is None
    (tmp_path / 'image.png').write_text('text')
    refused('not an image', 'image.png')
    Image.fromarray(PIXELS[..., 0].astype(np.uint8)).save(tmp_path / 'image.tif', compression='tiff_lzw')
    if importlib.util.find_spec('imagecodecs') is None:
        refused("requires the 'imagecodecs' package: pip install 'hrnet_mm")


@pytest.mark.parametrize('arranged', [{}, {'compression': 'zlib', 'tile': (256, 256)}], ids=str)
def test_large_images_take_little_memory(arranged, tmp_path, monkeypatch):
    """40 MB of pixels and labels, as one strip or in tiles that are compressed."""
    monkeypatch.setattr(raster_module, '_KEPT_BYTES', 2 << 20)
    pixels = np.zeros((3200, 2500, 4), np.uint8)
    pixels[1000:2000, 500:2200, 1] = 200
    truth = pixels[..., 1] > 0
    geotiffs.write(tmp_path / 'large.tif', pixels, **arranged)
    tracemalloc.start()
    with open_raster(tmp_path / 'large.tif') as raster:
        parts = segment(raster.read, lambda some: some.transpose(2, 0, 1)[:2], (3200, 2500), 1.0, 512, 64)
        counts = write_labels(tmp_path / 'labels.tif', parts, (3200, 2500), 2, raster.geo)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25e6
    assert counts.tolist() == [3200 * 2500 - truth.sum(), truth.sum()]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / 'labels.tif'), truth)


@pytest.mark.parametrize(('classes', 'dtype'), [(3, np.uint8), (255, np.uint8), (256, np.uint16), (300, np.uint16)])
def test_labels_keep_the_place_of_the_image(classes, dtype, tmp_path):
    image = np.full((300, 270, 4), 7, np.uint8)
    image[:10] = 0
    image[10, :, 0] = 0  # one band alone without data
    source = geotiffs.write(tmp_path / 'image.tif', image, nodata='0')
    geo = read_georeference(source)
    labels = (np.arange(300 * 270).reshape(300, 270) % classes).astype(np.int16)
    parts = [labels[:100].copy(), labels[100:101].copy(), labels[101:].copy()]
    counts = write_labels(tmp_path / 'mask.tif', without_data(parts, source, geo), (300, 270), classes, geo)
    with tifffile.TiffFile(tmp_path / 'mask.tif') as file:
        page = file.pages[0]
        assert page.is_tiled
        assert page.dtype == dtype
        greatest = np.iinfo(dtype).max
        np.testing.assert_array_equal(page.asarray()[10:], labels[10:])
        assert (page.asarray()[:10] == greatest).all()
        copied = georeference_of(page)
    assert copied.tags == geo.tags
    assert [tag[0] for tag in geo.tags] == [33550, 33922, 34735, 34736, 34737]
    assert (copied.crs, copied.nodata) == ('EPSG:32633', greatest)
    np.testing.assert_array_equal(counts, np.bincount(labels[10:].ravel(), minlength=classes))


ROTATED = {34264: ('d', 16, (0.0, -2.0, 0.0, 100.0, 2.0, 0.0, 0.0, 50.0, *[0.0] * 7, 1.0))}


@pytest.mark.parametrize(
    ('tags', 'crs', 'places'),
    [
        ({**geotiffs.NORTH_UP, **geotiffs.keys()}, 'EPSG:32633', [[300000, 4000000], [300005, 3999995]]),
        (
            {**geotiffs.NORTH_UP, **geotiffs.keys((2048, 4326), raster_type=2)},
            'EPSG:4326',
            [[299999.75, 4000000.125], [300004.75, 3999995.125]],
        ),
        ({**ROTATED, **geotiffs.keys((3072, 32767))}, None, [[100, 50], [60, 70]]),
        (geotiffs.keys(), 'EPSG:32633', None),
        ({33550: ('d', 3, (1.0, 1.0, 0.0)), 33922: ('d', 6, (5.0, 5.0, 0, 0, 0, 0))}, None, [[-5, 5], [5, -15]]),
    ],
    ids=['area', 'point', 'rotated', 'without a place', 'without keys'],
)
def test_pixels_on_the_map(tags, crs, places, tmp_path):
    geo = read_georeference(geotiffs.write(tmp_path / 'image.tif', PIXELS, tags))
    assert geo.crs == crs
    if places is None:
        assert geo.matrix is None
        assert not write_geojson(tmp_path / 'image.geojson', {'boxes': []}, geo)
    else:
        np.testing.assert_allclose(geo.to_map(np.array([[0, 0], [10, 20]])), places, rtol=1e-12)


def test_images_without_a_place(tmp_path):
    cv2.imwrite(str(tmp_path / 'image.png'), PIXELS[..., :3].astype(np.uint8))
    assert read_georeference(tmp_path / 'image.png') is None
    assert read_georeference(geotiffs.write(tmp_path / 'image.tif', PIXELS, {})) is None


def test_no_geojson_in_a_reference_system_without_a_number(tmp_path, capsys):
    geo = read_georeference(geotiffs.write(tmp_path / 'image.tif', PIXELS, geotiffs.NORTH_UP))
    assert not write_geojson(tmp_path / 'image.geojson', {'boxes': []}, geo)
    assert not (tmp_path / 'image.geojson').exists()
    assert 'image.geojson: not written, because the coordinate reference system' in capsys.readouterr().out


def test_objects_as_geojson(tmp_path):
    from pycocotools import mask as coco

    geo = read_georeference(geotiffs.write(tmp_path / 'image.tif', PIXELS))
    file = tmp_path / 'objects' / 'image.geojson'
    assert write_geojson(file, {'boxes': [[0, 0, 10, 20]], 'scores': [0.9], 'labels': ['tree']}, geo)
    read = json.loads(file.read_text())
    assert read['crs'] == {'type': 'name', 'properties': {'name': 'urn:ogc:def:crs:EPSG::32633'}}
    (feature,) = read['features']
    assert feature['properties'] == {'object': 0, 'class': 'tree', 'score': 0.9}
    ring = feature['geometry']['coordinates'][0][0]
    assert ring[0] == ring[-1]
    assert sorted(ring[:-1]) == [[300000, 3999995], [300000, 4000000], [300005, 3999995], [300005, 4000000]]
    x, y = np.array(ring).T
    assert x[:-1] @ y[1:] - x[1:] @ y[:-1] > 0  # counterclockwise

    mask = np.zeros((203, 309), np.uint8)
    mask[100:104, 200:202] = mask[102:104, 202:206] = 1
    packed = coco.encode(np.asfortranarray(mask))
    masks = [{'size': packed['size'], 'counts': packed['counts'].decode()}]
    empty = [{'size': [203, 309], 'counts': [203 * 309]}]
    whole = [{'size': [203, 309], 'counts': [0, 203 * 309]}]
    write_geojson(
        file, {'boxes': [[0] * 4] * 3, 'scores': [1] * 3, 'labels': ['a'] * 3, 'masks': masks + empty + whole}, geo
    )
    first, last = json.loads(file.read_text())['features']
    assert last['properties']['object'] == 2
    assert len(last['geometry']['coordinates'][0][0]) == 5
    corners = np.array(first['geometry']['coordinates'][0][0])
    pixels = (corners - [300000, 4000000]) / [0.5, -0.25]
    expected = [(200, 100), (202, 100), (202, 102), (206, 102), (206, 104), (200, 104)]
    assert sorted(map(tuple, pixels[:-1].tolist())) == sorted(expected)

    poses = {'poses': [{'keypoints': [[0, 0], [9.5, 3.5]], 'scores': [0.5, 0.25]}], 'names': ['tip', 'root']}
    write_geojson(file, poses, geo)
    first, last = json.loads(file.read_text())['features']
    assert first['geometry'] == {'type': 'Point', 'coordinates': [300000.25, 3999999.875]}  # the center of a pixel
    assert last['geometry'] == {'type': 'Point', 'coordinates': [300005, 3999999]}
    assert last['properties'] == {'object': 0, 'keypoint': 'root', 'score': 0.25}
