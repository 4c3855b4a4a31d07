"""`hrnet-mm predict` on large images and GeoTIFFs: by windows as whole, with the place kept, and what is refused."""

import json

import cv2
import geotiffs
import numpy as np
import pytest
import tifffile

from hrnet_mm.cli import main
from hrnet_mm.datasets.masks import pixels
from hrnet_mm.inference import images as predict_module
from hrnet_mm.inference import large

WINDOW = ('--window', 160, '--overlap', 64)


def picture(height=200, width=320):
    image = np.random.default_rng(0).integers(0, 50, (height, width, 3)).astype(np.uint8)
    for i in range(6):
        image[20 + 25 * i : 45 + 25 * i, 10 + 48 * i : 40 + 48 * i] += 180
    return image


def run(*arguments):
    return main(['predict', *map(str, arguments)])


def line_of(out):
    (line,) = (out / 'predictions.jsonl').read_text().splitlines()
    return json.loads(line)


def four_bands(config):
    config.model.backbone.in_channels = 4
    config.model.data_preprocessor.update(mean=[128.0] * 4, std=[64.0] * 4)


def resized_by_a_factor(config):
    config.test_dataloader.dataset.pipeline[2] = {'type': 'Resize', 'scale_factor': 2.0}
    config.model.test_cfg.update(score_thr=0.0, max_per_img=20)


def test_classes_of_pixels_by_windows(checkpoint, tmp_path, capsys):
    model, rgb = checkpoint('mmseg'), picture()
    file = geotiffs.write(tmp_path / 'image.tif', rgb, photometric='rgb')
    assert run(model, '--data', file, '--out', tmp_path / 'whole', '--window', 0) == 0
    assert run(model, '--data', file, '--out', tmp_path / 'parts', *WINDOW) == 0
    assert '320 x 200 pixels, by windows of 160 pixels that overlap by 128 (--window, --overlap)' in (
        capsys.readouterr().out
    )
    whole, parts = line_of(tmp_path / 'whole'), line_of(tmp_path / 'parts')
    masks = [tifffile.imread(one['segments']) for one in (whole, parts)]
    assert masks[0].shape == (200, 320)
    assert len(np.unique(masks[0])) == 2
    assert np.mean(masks[0] != masks[1]) < 0.02  # the edges of windows that see 64 pixels
    assert parts['shares'].keys() == whole['shares'].keys()
    assert sum(parts['shares'].values()) == pytest.approx(1)
    for one in (whole, parts):
        assert one['crs'] == 'EPSG:32633'
        assert 'geojson' not in one
        with tifffile.TiffFile(one['segments']) as mask:
            assert mask.pages[0].tags[33922].value == geotiffs.NORTH_UP[33922][2]
    drawn = [cv2.imread(str(tmp_path / name / 'pictures' / 'image.tif.png')) for name in ('whole', 'parts')]
    assert np.mean(np.any(drawn[0] != drawn[1], axis=2)) < 0.1


def test_pictures_without_a_place_by_windows(checkpoint, tmp_path):
    cv2.imwrite(str(tmp_path / 'image.png'), picture())
    for name, window in (('whole', ['--window', 0]), ('parts', WINDOW)):
        assert run(checkpoint('mmseg'), '--data', tmp_path / 'image.png', '--out', tmp_path / name, *window) == 0
    whole = cv2.imread(line_of(tmp_path / 'whole')['segments'], cv2.IMREAD_UNCHANGED)
    parts = line_of(tmp_path / 'parts')
    assert parts.keys() == {'image', 'segments', 'shares'}
    assert parts['segments'].endswith('image.png.tif')
    assert np.mean(tifffile.imread(parts['segments']) != whole) < 0.02


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_four_bands(dtype, checkpoint, tmp_path):
    image = np.dstack([picture(), picture()[..., :1]]).astype(dtype)
    file = geotiffs.write(tmp_path / 'image.tif', image, nodata='0', compression='zlib', tile=(64, 64))
    image[:8] = 0
    file = geotiffs.write(tmp_path / 'image.tif', image, nodata='0', compression='zlib', tile=(64, 64))
    assert run(checkpoint('mmseg', four_bands), '--data', file, '--out', tmp_path / 'out', *WINDOW) == 0
    mask = tifffile.imread(line_of(tmp_path / 'out')['segments'])
    assert (mask[:8] == 255).all()
    assert mask[8:].max() <= 1
    assert cv2.imread(str(tmp_path / 'out' / 'pictures' / 'image.tif.png')).shape == (200, 320, 3)


def test_objects_by_windows(checkpoint, tmp_path, capsys):
    model = checkpoint('mmdet', resized_by_a_factor)
    file = geotiffs.write(tmp_path / 'image.tif', picture(), photometric='rgb')
    assert run(model, '--data', file, '--out', tmp_path / 'out', *WINDOW, '--score', 0) == 0
    assert 'by windows of 160 pixels' in capsys.readouterr().out
    one = line_of(tmp_path / 'out')
    assert len(one['boxes']) == len(one['scores']) == len(one['labels']) > 20  # more than a window may have
    boxes = np.array(one['boxes'])
    assert (boxes >= 0).all()
    assert (boxes <= [320, 200, 320, 200]).all()
    collection = json.loads((tmp_path / 'out' / 'geojson' / 'image.tif.geojson').read_text())
    assert len(collection['features']) == len(boxes)
    corners = np.array(collection['features'][0]['geometry']['coordinates'][0][0])
    np.testing.assert_allclose(
        [corners[:, 0].min(), corners[:, 1].max()], [300000 + 0.5 * boxes[0, 0], 4000000 - 0.25 * boxes[0, 1]]
    )
    assert cv2.imread(str(tmp_path / 'out' / 'pictures' / 'image.tif.png')).shape == (200, 320, 3)


def test_masks_are_those_of_the_whole_image(checkpoint, tmp_path, monkeypatch):
    """With a detector of squares in place of the network."""

    def squares(predictor):
        def network(some):
            count, labels, stats, _ = cv2.connectedComponentsWithStats((some[..., 0] > 100).astype(np.uint8))
            x, y, width, height, area = stats[1:].T
            masks = np.array([labels == i for i in range(1, count)])
            boxes = np.stack([x, y, x + width, y + height], 1).astype(float)
            return boxes, area / 1e4, np.zeros(count - 1, np.int64), masks

        return network

    monkeypatch.setattr(large, '_instances', squares)
    cv2.imwrite(str(tmp_path / 'image.png'), picture())
    model = checkpoint('mmdet', resized_by_a_factor)
    options = ('--window', 192, '--overlap', 64, '--score', 0)
    assert run(model, '--data', tmp_path / 'image.png', '--out', tmp_path / 'out', *options) == 0
    one = line_of(tmp_path / 'out')
    expected = sorted([10 + 48 * i, 20 + 25 * i, 40 + 48 * i, 45 + 25 * i] for i in range(6))
    assert sorted(one['boxes']) == expected
    for box, mask in zip(one['boxes'], one['masks'], strict=True):
        x1, y1, x2, y2 = map(int, box)
        drawn = pixels(mask, (200, 320))
        assert drawn[y1:y2, x1:x2].all()
        assert drawn.sum() == (x2 - x1) * (y2 - y1)
    assert 'geojson' not in one


def test_large_images_are_windowed_without_being_asked(checkpoint, tmp_path, monkeypatch, capsys):
    cv2.imwrite(str(tmp_path / 'image.png'), picture())
    model = checkpoint('mmseg')
    assert run(model, '--data', tmp_path / 'image.png', '--out', tmp_path / 'a', '--no-pictures') == 0
    assert 'windows' not in capsys.readouterr().out
    monkeypatch.setattr(predict_module, 'MOST_PIXELS', 200 * 320 - 1)
    assert run(model, '--data', tmp_path / 'image.png', '--out', tmp_path / 'b', '--no-pictures') == 0
    assert 'by windows of 1280 pixels that overlap by 512' in capsys.readouterr().out
    assert not (tmp_path / 'b' / 'pictures').exists()


def test_images_that_cannot_be_read_by_windows_are_counted(checkpoint, tmp_path, capsys):
    four = geotiffs.write(tmp_path / 'four.tif', np.zeros((200, 320, 4), np.uint8))
    deep = geotiffs.write(tmp_path / 'deep.tif', np.zeros((200, 320, 3), np.uint16), photometric='rgb')
    good = geotiffs.write(tmp_path / 'good.tif', picture(), photometric='rgb')
    assert run(checkpoint('mmseg'), '--data', four, deep, good, '--out', tmp_path / 'out', *WINDOW) == 0
    printed = capsys.readouterr()
    assert 'four.tif: the image has 4 bands; the network expects 3 bands' in printed.err
    assert 'deep.tif: the values are uint16; the network expects colors of 8 bits' in printed.err
    assert '1 of 3 images done, 2 could not be read' in printed.out
    assert not list((tmp_path / 'out').rglob('.*'))


@pytest.mark.parametrize(
    ('library', 'options', 'message'),
    [
        ('mmseg', ['--window', 96, '--overlap', 48], '--window 96 --overlap 48: expected a window of more than two'),
        ('mmpose', ['--window', 512], 'takes the whole image, whatever its size; leave it out'),
        ('mmdet', ['--window', 512], 'takes the whole image, whatever its size; leave it out'),
    ],
)
def test_mistakes_end_in_one_sentence(library, options, message, checkpoint, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / 'image.png'), picture())
    data = ('--data', tmp_path / 'image.png', '--out', tmp_path / 'out')
    assert run(checkpoint(library), *data, *options) == 2
    assert message in capsys.readouterr().err
