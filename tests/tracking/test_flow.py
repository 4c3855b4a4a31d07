import cv2
import numpy as np
import pytest

from hrnet_mm.tracking.flow import FLOWS, move_points


@pytest.mark.parametrize('name', FLOWS)
def test_a_shift_is_found(name):
    texture = np.random.default_rng(0).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    first = cv2.resize(texture, (320, 240), interpolation=cv2.INTER_CUBIC)
    second = np.roll(first, (3, 5), axis=(0, 1))
    points = np.array([[[100.0, 80.0], [200.5, 120.25]]])
    np.testing.assert_allclose(move_points(points, FLOWS[name](first, second)), points + np.array([5, 3]), atol=0.3)


def test_points_between_pixels_and_outside():
    flow = np.zeros((4, 5, 2), np.float32)
    flow[..., 0] = np.arange(5)
    flow[..., 1] = 10 * np.arange(4)[:, None]
    points = np.array([[1.25, 2.5], [-7.0, 1.0], [9.0, 9.0], [4.0, 3.0]])
    moved = move_points(points, flow) - points
    np.testing.assert_allclose(moved, [[1.25, 25], [0, 10], [4, 30], [4, 30]])


def test_a_flow_of_one_pixel():
    np.testing.assert_allclose(move_points(np.array([3.0, 4.0]), np.full((1, 1, 2), 2, np.float32)), [5, 6])
