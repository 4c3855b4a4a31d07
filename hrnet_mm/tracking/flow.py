"""Optical flow: the movement of each pixel from one frame to the next."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from .persons import Array

__all__ = ['FLOWS', 'Flow', 'Image', 'dis_flow', 'farneback_flow', 'move_points']

Image = npt.NDArray[np.uint8]

Flow = Callable[[Image, Image], npt.NDArray[np.float32]]
"""From two images `(H, W, 3)` in B, G, R to the movement `(H, W, 2)` of the first one's pixels: x, y, in pixels."""


def dis_flow(first: Image, second: Image) -> npt.NDArray[np.float32]:
    """Compute the flow by dense inverse search (Kroeger et al., ECCV 2016), with OpenCV's medium preset.

    Args:
        first: The image `(H, W, 3)` in B, G, R.
        second: The next image, of the same size.

    Returns:
        The movement `(H, W, 2)` of the first image's pixels: x, y, in pixels.
    """
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(dis.calc(_gray(first), _gray(second), None), dtype=np.float32)


def farneback_flow(first: Image, second: Image) -> npt.NDArray[np.float32]:
    """Compute the flow by polynomial expansion (Farnebäck, SCIA 2003), with five scales and windows of 21 pixels.

    Args:
        first: The image `(H, W, 3)` in B, G, R.
        second: The next image, of the same size.

    Returns:
        The movement `(H, W, 2)` of the first image's pixels: x, y, in pixels.
    """
    flow = cv2.calcOpticalFlowFarneback(
        _gray(first), _gray(second), None, 0.5, levels=5, winsize=21, iterations=3, poly_n=7, poly_sigma=1.5, flags=0
    )
    return np.asarray(flow, dtype=np.float32)


FLOWS: dict[str, Flow] = {'dis': dis_flow, 'farneback': farneback_flow}
"""Every flow by its name."""


def move_points(points: Array, flow: npt.NDArray[np.float32]) -> Array:
    """Move points `(..., 2)`, x and y in pixels, by the flow `(H, W, 2)`, interpolated between pixels.

    A point outside the image moves as the nearest pixel does.
    """
    height, width = flow.shape[:2]
    x, y = (np.clip(points[..., axis], 0, size - 1) for axis, size in enumerate((width, height)))
    left, top = (np.clip(np.floor(c).astype(int), 0, max(size - 2, 0)) for c, size in ((x, width), (y, height)))
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    along, down = (x - left)[..., None], (y - top)[..., None]
    upper = flow[top, left] * (1 - along) + flow[top, right] * along
    lower = flow[bottom, left] * (1 - along) + flow[bottom, right] * along
    moved: Array = points + upper * (1 - down) + lower * down
    return moved


_gray = partial(cv2.cvtColor, code=cv2.COLOR_BGR2GRAY)
