"""The persons of one frame, their similarity, and the suppression of duplicates.

Similarity and suppression are written here because this folder needs numpy and OpenCV alone, and neither torchvision
nor mmpose is a requirement of this package. One `suppress` serves boxes and poses. Tests compare them with mmpose's.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

__all__ = [
    'COCO_KEYPOINTS',
    'COCO_SIGMAS',
    'COCO_SKELETON',
    'Array',
    'Bools',
    'Ids',
    'Persons',
    'box_iou',
    'boxes_around',
    'oks',
    'suppress',
]

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ids = npt.NDArray[np.int64]

COCO_KEYPOINTS = (
    *('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'left_shoulder', 'right_shoulder', 'left_elbow'),
    *('right_elbow', 'left_wrist', 'right_wrist', 'left_hip', 'right_hip', 'left_knee', 'right_knee', 'left_ankle'),
    'right_ankle',
)

COCO_SKELETON = (
    *((16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9), (8, 10), (9, 11)),
    *((2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7)),
)
"""Pairs of joints, counted from 1; PoseTrack's files hold the same."""

COCO_SIGMAS: Array = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
"""The scatter of human annotations of COCO's 17 joints, in units of the square root of a person's area."""

_FEWEST_SHARED = 3


@dataclass(frozen=True)
class Persons:
    """The N persons of one frame, with K joints each, in pixels of the image.

    Attributes:
        keypoints: `(N, K, 2)` as x, y.
        joint_scores: `(N, K)`, from 0 to 1.
        boxes: `(N, 4)` as x1, y1, x2, y2.
        scores: `(N,)`, from 0 to 1.
        ids: `(N,)`, -1 where unknown.
        detected: `(N,)`, False where the box came from the frame before.
    """

    keypoints: Array
    joint_scores: Array
    boxes: Array
    scores: Array
    ids: Ids
    detected: Bools

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, which: Ids | Bools) -> 'Persons':
        """The persons that an array of indices or of booleans selects."""
        return Persons(**{name: value[which] for name, value in vars(self).items()})

    def moved(self, keypoints: Array) -> 'Persons':
        """The same persons with other keypoints."""
        return replace(self, keypoints=keypoints)


def oks(first: Persons, second: Persons, sigmas: Array, joint_threshold: float = 0.0) -> Array:
    """Object keypoint similarity of two groups of persons: COCO's, with the mean area of the two boxes.

    Args:
        first: N persons.
        second: M persons.
        sigmas: `(K,)`, such as `COCO_SIGMAS`.
        joint_threshold: The score of joints that are compared, in both persons. Fewer than three such joints count as
            three: a single joint in the same place is no person.

    Returns:
        `(N, M)`, from 0 to 1.
    """
    difference = first.keypoints[:, None] - second.keypoints[None]
    area = (_areas(first.boxes)[:, None] + _areas(second.boxes)[None]) / 2
    exponent = (difference**2).sum(-1) / (2 * (2 * sigmas) ** 2 * np.maximum(area, 1e-9)[..., None])
    shared = (first.joint_scores >= joint_threshold)[:, None] & (second.joint_scores >= joint_threshold)[None]
    total: Array = np.where(shared, np.exp(-exponent), 0).sum(-1)
    similarity: Array = total / np.maximum(shared.sum(-1), _FEWEST_SHARED)
    return similarity


def box_iou(first: Array, second: Array) -> Array:
    """Intersection over union `(N, M)` of boxes `(N, 4)` and `(M, 4)` as x1, y1, x2, y2."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared: Array = np.clip(high - low, 0, None).prod(-1)
    return shared / np.maximum(_areas(first)[:, None] + _areas(second)[None] - shared, 1e-9)


def suppress(similarity: Array, rank: Array, threshold: float) -> Ids:
    """Non-maximum suppression: each index removes those of lower rank that are more similar than the threshold.

    Args:
        similarity: `(N, N)`: of `box_iou` for the NMS of boxes, of `oks` for the OKS-NMS.
        rank: `(N,)`.
        threshold: The largest similarity of two that stay.

    Returns:
        The indices that stay, of the highest rank first.
    """
    order = np.argsort(-rank, kind='stable')
    kept: list[int] = []
    for index in order.tolist():
        if not kept or similarity[kept, index].max() <= threshold:
            kept.append(index)
    return np.array(kept, dtype=np.int64)


def boxes_around(persons: Persons, joint_threshold: float, enlargement: float) -> Array:
    """Boxes `(N, 4)` around the joints of a score of `joint_threshold` or more, enlarged about their centers.

    A person without two such joints keeps its box.
    """
    boxes: Array = np.array(persons.boxes)
    confident = persons.joint_scores >= joint_threshold
    for row, (keypoints, seen) in enumerate(zip(persons.keypoints, confident, strict=True)):
        if seen.sum() >= 2:
            low, high = keypoints[seen].min(axis=0), keypoints[seen].max(axis=0)
            center, half = (low + high) / 2, enlargement * (high - low) / 2
            boxes[row] = *(center - half), *(center + half)
    return boxes


def _areas(boxes: Array) -> Array:
    areas: Array = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(-1)
    return areas
