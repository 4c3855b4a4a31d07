"""Pictures of tracked persons."""

from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np

from ..errors import UserError
from .flow import Image
from .persons import COCO_SKELETON, Persons

__all__ = ['VideoFile', 'draw_persons']


def draw_persons(image: Image, persons: Persons, joint_score: float = 0.2) -> Image:
    """Draw persons in a color for each id; boxes that were propagated are dashed.

    Args:
        image: `(H, W, 3)` in B, G, R.
        persons: Their keypoints are in PoseTrack's 17 places (see `in_places`).
        joint_score: The least score of the ends of a line.

    Returns:
        A copy of the image.
    """
    drawn: Image = np.ascontiguousarray(image).copy()
    thickness = max(2, round(min(image.shape[:2]) / 300))
    for keypoints, scores, box, identity, detected in zip(
        persons.keypoints, persons.joint_scores, persons.boxes, persons.ids, persons.detected, strict=True
    ):
        r, g, b = (round(255 * channel) for channel in mpl.colormaps['tab10'](int(identity) % 10)[:3])
        points = [tuple(round(value) for value in point) for point in keypoints.tolist()]
        for first, second in COCO_SKELETON:
            if min(scores[first - 1], scores[second - 1]) >= joint_score:
                cv2.line(drawn, points[first - 1], points[second - 1], (b, g, r), thickness, cv2.LINE_AA)
        _outline(drawn, [round(value) for value in box.tolist()], (b, g, r), thickness, dashed=not detected)
        corner = (max(round(box[0]), 0) + 2, max(round(box[1]), 0) + 12 * thickness)
        for color, width in (((0, 0, 0), 3 * thickness), ((255, 255, 255), thickness)):
            cv2.putText(
                drawn, str(identity), corner, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thickness, color, width, cv2.LINE_AA
            )
    return drawn


def _outline(image: Image, box: list[int], color: tuple[int, int, int], thickness: int, dashed: bool) -> None:
    x1, y1, x2, y2 = box
    step = 8 * thickness
    for first, second in (((x1, y1), (x2, y1)), ((x1, y2), (x2, y2)), ((x1, y1), (x1, y2)), ((x2, y1), (x2, y2))):
        if not dashed:
            cv2.line(image, first, second, color, thickness)
            continue
        start, end = np.array(first), np.array(second)
        length = max(int(abs(end - start).max()), 1)
        for begin in range(0, length, step):
            last = min(begin + step // 2, length)
            here, there = ((start + (end - start) * part / length).round().astype(int) for part in (begin, last))
            cv2.line(image, here.tolist(), there.tolist(), color, thickness)


class VideoFile:
    """An MP4 file of images of equal size, written within a `with` block."""

    def __init__(self, path: Path, rate: float = 25.0) -> None:
        self.path = path
        self.rate = rate
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> 'VideoFile':
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, image: Image) -> None:
        """Add an image `(H, W, 3)` in B, G, R.

        Raises:
            UserError: This OpenCV has no MP4 encoder.
        """
        if self._writer is None:
            height, width = image.shape[:2]
            self._writer = cv2.VideoWriter(str(self.path), cv2.VideoWriter.fourcc(*'mp4v'), self.rate, (width, height))
            if not self._writer.isOpened():
                raise UserError(f'{self.path} cannot be written: this OpenCV has no MP4 encoder; use --frames')
        self._writer.write(image)
