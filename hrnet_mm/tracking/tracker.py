"""Top-down pose tracking: boxes, poses, and the identity of each person.

Simple Baselines for Human Pose Estimation and Tracking (Xiao et al., ECCV 2018), section 3, which the HRNet paper
follows with its own poses (Sun et al., CVPR 2019, section 4.3).
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import UserError
from .flow import Flow, Image, move_points
from .persons import COCO_SIGMAS, Array, Bools, Persons, box_iou, boxes_around, oks, suppress

__all__ = ['Detector', 'PoseEstimator', 'PoseTracker', 'Settings', 'identified', 'without_short_tracks']

Detector = Callable[[Image], tuple[Array, Array]]
"""From an image `(H, W, 3)` in B, G, R to boxes `(N, 4)` as x1, y1, x2, y2 in pixels, and scores `(N,)` from 0 to 1."""

PoseEstimator = Callable[[Image, Array], tuple[Array, Array]]
"""From an image and boxes `(N, 4)` to keypoints `(N, K, 2)` as x, y in pixels, and scores `(N, K)` from 0 to 1."""


@dataclass(frozen=True)
class Settings:
    """Settings of a tracker.

    Attributes:
        propagate: Whether boxes of the frame before are used where the detector has none.
        box_score: The least score of a detection.
        box_overlap: The largest intersection over union of the boxes of two persons.
        pose_overlap: The largest OKS of the poses of two persons.
        person_score: The least score of a person: its box's, times the mean of its confident joints'.
        joint_score: The least score of a confident joint; only these count for similarity, scores and propagated boxes.
        enlargement: The size of a propagated box, as a multiple of that of its joints; 1.15 in both papers.
        similarity: The least OKS of a pose with an earlier one of the same person, moved by the flow.
        memory: The number of past frames that are compared, hence for how long a person may be out of sight.
        undetected: The number of frames in a row in which a person may have propagated boxes alone.
    """

    propagate: bool = True
    box_score: float = 0.3
    box_overlap: float = 0.6
    pose_overlap: float = 0.7
    person_score: float = 0.1
    joint_score: float = 0.2
    enlargement: float = 1.15
    similarity: float = 0.2
    memory: int = 10
    undetected: int = 10

    def __post_init__(self) -> None:
        for name in ('memory', 'undetected'):
            if getattr(self, name) < 1:
                raise UserError(f'{name}={getattr(self, name)}: expected a number of frames, 1 or more')
        if self.enlargement < 1:
            raise UserError(f'enlargement={self.enlargement}: expected 1 (the joints alone) or more')
        for name in ('box_score', 'box_overlap', 'pose_overlap', 'person_score', 'joint_score', 'similarity'):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f'{name}={getattr(self, name)}: expected a number from 0 to 1')


class PoseTracker:
    """A tracker of the persons of one video, which is called with one image after another.

    Args:
        detector: Gives the boxes of persons, such as `DetectorNetwork`.
        pose: Gives the poses in boxes, such as `PoseNetwork`.
        flow: Moves poses from frame to frame; with None, the baseline, they stay in their places.
        settings: The thresholds.
        sigmas: `(K,)`, of the joints that `pose` gives.

    Examples:
        >>> boxes = np.array([[10.0, 10.0, 60.0, 110.0]])
        >>> joints = np.linspace([20.0, 20.0], [50.0, 100.0], 17)[None]
        >>> detector, pose = lambda image: (boxes, np.ones(1)), lambda image, boxes: (joints, np.ones((1, 17)))
        >>> tracker = PoseTracker(detector, pose, flow=None)
        >>> [tracker(np.zeros((120, 80, 3), np.uint8)).ids.tolist() for frame in range(2)]
        [[0], [0]]
    """

    def __init__(
        self,
        detector: Detector,
        pose: PoseEstimator,
        flow: Flow | None,
        settings: Settings | None = None,
        sigmas: Array = COCO_SIGMAS,
    ) -> None:
        self.detector = detector
        self.pose = pose
        self.flow = flow
        self.settings = settings or Settings()
        self.sigmas = sigmas
        self.reset()

    def reset(self) -> None:
        """Forget all persons: the next image is the first of another video."""
        self._image: Image | None = None
        self._past: deque[Persons] = deque(maxlen=self.settings.memory)  # the last frame's persons come last
        self._next_id = 0
        self._undetected: dict[int, int] = {}

    def __call__(self, image: Image) -> Persons:
        """The persons of the next image `(H, W, 3)` in B, G, R, each with its id.

        Raises:
            UserError: The image has another size than the one before.
            ValueError: The detector or the pose estimator gives other shapes.
        """
        self._move_past(image)
        boxes, box_scores, detected = self._boxes(image)
        found = self._poses(image, boxes, box_scores, detected)
        found = self._identified(found)
        self._past.append(found)
        self._image = image
        return found

    def _move_past(self, image: Image) -> None:
        """Bring the keypoints of all remembered frames from the last image to this one."""
        if self._image is not None and self._image.shape != image.shape:
            raise UserError(
                f'the image is {image.shape}, and the one before {self._image.shape}; expected one size: '
                'call reset() between videos'
            )
        if self.flow is None or self._image is None or not any(len(persons) for persons in self._past):
            return
        flow = self.flow(self._image, image)
        for index, persons in enumerate(self._past):
            self._past[index] = persons.moved(move_points(persons.keypoints, flow))

    def _boxes(self, image: Image) -> tuple[Array, Array, Bools]:
        """Boxes of detector and last frame, their scores, and whether each was detected."""
        settings = self.settings
        boxes, scores = self.detector(image)
        if boxes.shape != (len(scores), 4):
            raise ValueError(f'the detector gave boxes {boxes.shape} and {len(scores)} scores; expected (N, 4), N')
        used = scores >= settings.box_score
        boxes, scores = boxes[used], scores[used]
        detected = np.ones(len(boxes), dtype=bool)
        if settings.propagate and self._past:
            last = self._past[-1]
            last = last[np.array([self._undetected[i] < settings.undetected for i in last.ids.tolist()], dtype=bool)]
            boxes = np.concatenate([boxes, boxes_around(last, settings.joint_score, settings.enlargement)])
            scores = np.concatenate([scores, last.scores])
            detected = np.concatenate([detected, np.zeros(len(last), dtype=bool)])
        kept = suppress(box_iou(boxes, boxes), scores + detected, settings.box_overlap)
        return boxes[kept], scores[kept], detected[kept]

    def _poses(self, image: Image, boxes: Array, box_scores: Array, detected: Bools) -> Persons:
        settings, joints = self.settings, len(self.sigmas)
        keypoints, joint_scores = np.zeros((0, joints, 2)), np.zeros((0, joints))
        if len(boxes):
            keypoints, joint_scores = self.pose(image, boxes)
        if keypoints.shape != (len(boxes), joints, 2) or joint_scores.shape != (len(boxes), joints):
            raise ValueError(
                f'the pose estimator gave {keypoints.shape} and {joint_scores.shape} for {len(boxes)} boxes; expected '
                f'{(len(boxes), joints, 2)} and {(len(boxes), joints)}: sigmas are for {joints} joints'
            )
        confident = joint_scores >= settings.joint_score
        means = np.where(confident, joint_scores, 0).sum(1) / np.maximum(confident.sum(1), 1)
        unknown = np.full(len(boxes), -1)
        found = Persons(keypoints, joint_scores, boxes, box_scores * means, unknown, detected)
        found = found[found.scores >= settings.person_score]
        # Detections come first, as among the boxes: a propagated box only fills a gap.
        alike = oks(found, found, self.sigmas, settings.joint_score)
        return found[suppress(alike, found.scores + found.detected, settings.pose_overlap)]

    def _identified(self, found: Persons) -> Persons:
        """Give each person the id of the past one that it is most similar to, the most similar pairs first."""
        settings = self.settings
        known = sorted({i for persons in self._past for i in persons.ids.tolist()})
        similarity = np.zeros((len(known), len(found)))
        for persons in self._past:
            rows = np.searchsorted(known, persons.ids)
            now = oks(persons, found, self.sigmas, settings.joint_score)
            similarity[rows] = np.maximum(similarity[rows], now)
        ids = found.ids.copy()
        for flat in np.argsort(-similarity, axis=None, kind='stable'):
            row, column = np.unravel_index(flat, similarity.shape)
            if similarity[row, column] < settings.similarity:
                break
            if ids[column] < 0 and known[row] not in ids:
                ids[column] = known[row]
        new = (ids < 0) & found.detected
        ids[new] = self._next_id + np.arange(new.sum())
        self._next_id += int(new.sum())
        found = replace(found, ids=ids)[ids >= 0]  # no new person is seen in an old box
        for i, detected in zip(found.ids.tolist(), found.detected.tolist(), strict=True):
            self._undetected[i] = 0 if detected else self._undetected[i] + 1
        return found


def without_short_tracks(frames: Sequence[Persons], least: int) -> list[Persons]:
    """The frames of one video without the persons that occur in fewer than `least` of them."""
    ids, counts = np.unique(np.concatenate([persons.ids for persons in frames]), return_counts=True)
    return [persons[np.isin(persons.ids, ids[counts >= least])] for persons in frames]


def identified(
    frames: Iterable[Persons], sigmas: Array = COCO_SIGMAS, settings: Settings | None = None
) -> list[Persons]:
    """Give the persons of one video their ids, by the OKS of their poses alone, without images, flow or propagation.

    Args:
        frames: The persons of each frame; all of them stay.
        sigmas: `(K,)`, of their joints.
        settings: `joint_score`, `similarity` and `memory` are used.

    Returns:
        The persons of each frame, of the highest score first.
    """
    chosen = replace(
        settings or Settings(), propagate=False, box_score=0, box_overlap=1, pose_overlap=1, person_score=0
    )
    tracker = PoseTracker(
        lambda _: (now.boxes, now.scores), lambda _, boxes: (now.keypoints, now.joint_scores), None, chosen, sigmas
    )
    tracked = []
    for persons in frames:
        now = persons[np.argsort(-persons.scores, kind='stable')]  # the order that the tracker brings them into
        tracked.append(tracker(np.zeros((1, 1, 3), np.uint8)))
    return tracked
