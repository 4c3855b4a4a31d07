"""Windows: no seams whatever the tiling, objects found once, and the values of whole images."""

import cv2
import numpy as np
import pytest
import torch

from hrnet_mm.datasets.masks import pixels
from hrnet_mm.inference.windows import OVERLAP, Found, merge_objects, objects, run_lengths_of, segment, spans, tiling


def reader(image):
    return lambda rows, columns: image[rows, columns]


def labels_of(image, network, factor=1.0, window=128, overlap=32):
    return np.concatenate(list(segment(reader(image), network, image.shape[:2], factor, window, overlap)))


@pytest.fixture(scope='module')
def photograph():
    """A picture with structure at all scales, `(384, 448, 3)`."""
    noise = np.random.default_rng(0)
    layers = [
        cv2.resize(noise.normal(size=(384 // n, 448 // n, 3)), (448, 384), interpolation=cv2.INTER_CUBIC)
        for n in (1, 2, 4, 8, 16, 32, 64)
    ]
    image = np.sum([2**i * layer for i, layer in enumerate(layers)], axis=0)
    return ((image - image.mean()) / image.std() * 50 + 128).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(('size', 'window', 'overlap'), [(1, 128, 32), (128, 128, 32), (129, 128, 32), (1000, 96, 0)])
def test_cores_divide_the_axis_and_windows_stay_inside(size, window, overlap):
    parts = spans(size, window, overlap)
    assert [one.core.start for one in parts] == [0, *(one.core.stop for one in parts[:-1])]
    assert parts[-1].core.stop == size
    for one in parts:
        assert one.core.start < one.core.stop
        assert one.field.stop - one.field.start <= window
        assert one.field.start == max(one.core.start - overlap, 0)
        assert one.field.stop == min(one.core.stop + overlap, size)


def test_sides_are_multiples_of_the_coarsest_stride():
    assert tiling(None, None) == (1280, 256)
    assert tiling(1000, 100) == (1024, 128)
    assert tiling(256, None) == (256, 64)
    with pytest.raises(ValueError, match='--window 128 --overlap 64: expected a window of more than two overlaps'):
        tiling(128, 64)


@pytest.mark.parametrize('factor', [1.0, 2.0, 0.37])
def test_pixels_are_those_of_the_whole_image_resized(photograph, factor):
    """A network that returns what it sees: pixels at the places where OpenCV has them, in every tiling."""
    seen = []

    def network(seen_now):
        seen.append(seen_now)
        return seen_now.transpose(2, 0, 1)

    whole = labels_of(photograph, network, factor, 4096, 32)
    height, width = (int(side * factor + 0.5) for side in photograph.shape[:2])
    resized = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(seen[0][:height, :width], resized, atol=1)
    assert [side % 32 for side in seen[0].shape[:2]] == [0, 0]
    assert whole.shape == photograph.shape[:2]
    for window, overlap in ((128, 32), (96, 32), (320, 128)):
        np.testing.assert_array_equal(labels_of(photograph, network, factor, window, overlap), whole)
    if factor == 1:
        np.testing.assert_array_equal(whole, photograph.argmax(2))


@pytest.mark.parametrize('factor', [1.0, 0.75])
def test_tilings_differ_by_a_thousandth_of_the_pixels_at_most(photograph, network, factor):
    """With random weights, which see farther than trained ones, and the default overlap."""
    model = network('hrnetv2_test-w4', torch.float64, num_classes=4)

    def scores(pixels):
        inputs = torch.from_numpy((pixels - 128.0) / 50).permute(2, 0, 1)[None]
        with torch.inference_mode():
            maps = model(inputs)
        return torch.nn.functional.interpolate(maps, inputs.shape[2:], mode='bilinear')[0].numpy()

    image = np.concatenate([photograph[:96], photograph[96:192], photograph[192:288], photograph[288:]], axis=1)
    image = image.astype(np.float64)  # 96 x 1792
    whole = labels_of(image, scores, factor, 4096, OVERLAP)
    assert (np.bincount(whole.ravel()) > 1000).sum() > 1  # not one class everywhere
    tilings = [labels_of(image, scores, factor, window, OVERLAP) for window in (640, 736)]
    assert np.mean(tilings[0] != tilings[1]) <= 0.001
    assert np.mean(tilings[0] != whole) <= 0.001
    assert np.mean(labels_of(image, scores, factor, 128, 0) != whole) > 0.01  # what the overlap prevents


def test_a_single_class_is_the_scores_above_zero():
    image = np.array([[[-1.0], [2.0]], [[0.0], [0.5]]])
    assert labels_of(image, lambda pixels: pixels.transpose(2, 0, 1)).tolist() == [[0, 1], [0, 1]]


def components(pixels):
    """A detector: the bright rectangles of an image, all of class 0; it sees what its window shows alone."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((pixels[..., 0] > 0).astype(np.uint8))
    x, y, width, height, area = stats[1:].T
    boxes = np.stack([x, y, x + width, y + height], 1).astype(float)
    masks = np.array([labels == i for i in range(1, count)]).reshape(-1, *labels.shape)
    return boxes, area / 1e4, np.zeros(count - 1, int), masks


def test_objects_that_windows_share_or_cut_are_found_once():
    image = np.zeros((300, 400, 1), np.uint8)
    # At edges of windows, in overlaps, at the border, and one larger than a window.
    truth = [(10, 12, 40, 41), (90, 90, 128, 130), (60, 200, 100, 220), (370, 280, 400, 300), (150, 20, 190, 60)]
    for x1, y1, x2, y2 in truth:
        image[y1:y2, x1:x2] = 255
    found = objects(reader(image), components, image.shape[:2], 1.0, 160, 64)
    assert sorted(map(tuple, found.boxes.tolist())) == sorted(truth)
    assert not found.is_cut.any()
    assert (np.diff(found.scores) <= 0).all()
    for box, (top, left, mask) in zip(found.boxes.astype(int).tolist(), found.masks, strict=True):
        assert [left, top, left + mask.shape[1], top + mask.shape[0]] == box
        assert mask.all()


def test_parts_of_an_object_larger_than_the_overlap_are_kept_and_told():
    image = np.zeros((128, 600, 1), np.uint8)
    image[40:80, 50:550] = 255
    found = objects(reader(image), components, image.shape[:2], 1.0, 160, 32)
    assert len(found.boxes) > 1
    assert found.is_cut.all()
    assert found.boxes[:, [0, 2]].min() == 50
    assert found.boxes[:, [0, 2]].max() == 550


def test_boxes_of_one_window_are_left_as_they_are():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [0, 0, 4, 10], [40, 40, 50, 50]], float)
    scores = np.array([0.9, 0.8, 0.7, 0.99, 0.5])
    windows = np.array([0, 0, 1, 1, 1])
    is_cut = np.array([False, False, False, True, False])
    found = Found(boxes, scores, np.zeros(5, int), windows, is_cut)
    assert merge_objects(found).scores.tolist() == [0.9, 0.8, 0.5]
    found.labels = np.array([0, 0, 1, 1, 0])  # other classes do not exclude one another
    assert merge_objects(found).scores.tolist() == [0.99, 0.9, 0.8, 0.7, 0.5]
    empty = objects(reader(np.zeros((64, 64, 1))), components, (64, 64), 1.0, 128, 32)
    assert empty.boxes.shape == (0, 4)


@pytest.mark.parametrize('place', [(0, 0), (3, 2), (5, 6)])
def test_run_lengths_of_a_part(place):
    mask = np.array([[0, 1, 1], [1, 1, 0]], bool)
    whole = np.zeros((7, 9), bool)
    whole[place[0] : place[0] + 2, place[1] : place[1] + 3] = mask
    counts = run_lengths_of((*place, mask), whole.shape)
    assert sum(counts) == whole.size
    np.testing.assert_array_equal(pixels({'size': whole.shape, 'counts': counts}, whole.shape), whole)
    assert run_lengths_of((0, 0, np.zeros((0, 0), bool)), (7, 9)) == [63]
