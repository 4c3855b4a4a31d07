import cv2
import numpy as np
import pytest

from hrnet_mm.data.rendered.drawing import Canvas, Light, crop_photograph, make_cloth

BLACK = np.zeros((64, 80, 3), np.uint8)
WHITE = (255, 255, 255)


def center(image):
    """The center of mass of a gray image, x and y, with the first pixel's center at (0, 0)."""
    weights = image[..., 0].astype(float)
    ys, xs = np.indices(weights.shape)
    return np.array([(weights * xs).sum(), (weights * ys).sum()]) / weights.sum()


@pytest.mark.parametrize('place', [(30.0, 20.0), (30.25, 20.5), (41.7, 33.1), (12.9, 50.35)])
def test_a_ball_lies_where_it_was_drawn(place):
    canvas = Canvas(BLACK)
    canvas.draw([(*place, 6.0)], 1, WHITE, relief=0)
    np.testing.assert_allclose(center(canvas.image()), place, atol=0.06)  # OpenCV places corners at 1/16 pixel
    assert canvas.image()[..., 0].sum() / 255 == pytest.approx(np.pi * 36, rel=0.05)


def test_a_single_limb_is_found_at_its_joints():
    """The ends of a limb of even width are half a width from the ends of what is to be seen of it."""
    start, end, radius = np.array([20.3, 15.6]), np.array([55.8, 40.1]), 4.0
    canvas = Canvas(BLACK)
    canvas.draw([(*start, radius), (*end, radius)], 1, WHITE, relief=0)
    ys, xs = np.nonzero(canvas.image()[..., 0] > 127)
    points = np.stack([xs, ys], -1).astype(float)
    axis = (end - start) / np.linalg.norm(end - start)
    along = (points - start) @ axis
    assert along.min() + radius == pytest.approx(0, abs=0.6)
    assert along.max() - radius == pytest.approx(np.linalg.norm(end - start), abs=0.6)
    np.testing.assert_allclose(center(canvas.image()), (start + end) / 2, atol=0.06)


def test_the_shape_drawn_last_is_uppermost():
    canvas = Canvas(BLACK)
    canvas.draw([(20, 20, 8)], 1, WHITE)
    canvas.draw([(26, 20, 8)], 2, WHITE)
    found = canvas.label_at(np.array([(15, 20), (23, 20), (30, 20), (50, 50), (-3, 5), (80, 5)]))
    assert found.tolist() == [1, 2, 2, 0, -1, -1]


def test_a_shadow_changes_colors_alone():
    canvas = Canvas(BLACK)
    canvas.draw([(20, 20, 8)], 1, WHITE, relief=0)
    canvas.draw([(20, 20, 4)], None, (0, 0, 0), relief=0, opacity=0.4)
    assert canvas.labels[20, 20] == 1
    assert canvas.image()[20, 20].tolist() == [153, 153, 153]


def test_a_ring_leaves_its_middle_free():
    canvas = Canvas(BLACK)
    squares = [np.array([(40 - r, 30 - r), (40 + r, 30 - r), (40 + r, 30 + r), (40 - r, 30 + r)]) for r in (15, 8)]
    canvas.fill(squares, 3, WHITE)
    assert canvas.label_at(np.array([(40, 30), (40, 18)])).tolist() == [0, 3]


def test_the_side_towards_the_light_is_brighter():
    canvas = Canvas(BLACK, Light((-0.8, 0.0, 0.6), 0.4))
    canvas.draw([(40, 10, 12), (40, 50, 12)], 1, (200, 200, 200))
    left, right = canvas.image()[30, [33, 47], 0].astype(int)
    assert left > right + 30


def test_what_lies_outside_is_not_drawn():
    canvas = Canvas(BLACK)
    canvas.draw([(-30, 20, 8), (-20, 20, 8)], 1, WHITE)
    canvas.draw([(40, 200, 8)], 1, WHITE)
    assert not canvas.labels.any()
    assert not canvas.image().any()


def test_a_texture_moves_with_its_shape():
    """A limb drawn three pixels further carries the very same pattern there."""
    random = np.random.default_rng(0)
    texture = cv2.blur(random.integers(0, 255, (64, 64, 3), dtype=np.uint8), (5, 5))
    images = []
    for shift in (0, 3):
        canvas = Canvas(BLACK)
        canvas.draw([(20 + shift, 15, 6), (30 + shift, 45, 6)], 1, (128, 128, 128), texture)
        images.append(canvas.image())
    assert images[0].std() > 5
    np.testing.assert_array_equal(images[0][:, :-3], images[1][:, 3:])


def test_crops_and_cloth(plain_photographs):
    random = np.random.default_rng(0)
    assert crop_photograph(random, plain_photographs[0], 50, 70).shape == (70, 50, 3)
    cloths = [make_cloth(random, plain_photographs) for _ in range(40)]
    assert {None if cloth is None else cloth.shape for cloth in cloths} == {None, (64, 64, 3)}
