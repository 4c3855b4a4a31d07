"""Detector and pose estimator for tracking, from networks of mmdet and mmpose."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from mmengine.registry import DefaultScope

from ..errors import UserError
from ..registry import scope_of
from ..tracking.flow import Image
from ..tracking.persons import Array, Persons
from ..tracking.posetrack import in_places
from .open import open_network

__all__ = ['DetectorNetwork', 'PoseNetwork', 'listed_boxes']


Name = str | os.PathLike[str]


class PoseNetwork:
    """A top-down pose network of mmpose, called with an image and boxes (see `PoseEstimator`).

    Args:
        model: See `open_network`; the network needs a config and weights.
        weights: See `open_network`.
        device: The device, such as 'cuda'.
        raw: See `open_network`.

    Attributes:
        model: mmpose's model.
        names: The names of its joints.
        sigmas: The OKS sigma of each joint, `(K,)`.

    Raises:
        UserError: The network is not a trained model of mmpose, or the checkpoint does not fit.
    """

    def __init__(self, model: Name, weights: Name | None = None, device: str = 'cpu', raw: bool = False) -> None:
        from ..drop_in import mmpose  # noqa: F401  # replaces type='HRNet' before the config is built

        self.model, meta = _open(model, weights, 'mmpose', device, raw)
        self.names: Sequence[str] = [meta['keypoint_id2name'][i] for i in range(meta['num_keypoints'])]
        self.sigmas: Array = np.asarray(meta['sigmas'], dtype=np.float64)

    def __call__(self, image: Image, boxes: Array) -> tuple[Array, Array]:
        """Return keypoints `(N, K, 2)` and scores `(N, K)` of the persons in boxes `(N, 4)`, for N of at least 1."""
        from mmpose.apis import inference_topdown

        found = [sample.pred_instances for sample in inference_topdown(self.model, image, boxes.astype(np.float32))]
        keypoints = np.concatenate([one.keypoints for one in found]).astype(np.float64)
        scores = np.concatenate([one.keypoint_scores for one in found]).astype(np.float64)
        return keypoints, np.clip(scores, 0, 1)

    def in_places(self, persons: Persons) -> Persons:
        """Reorder the joints of persons for PoseTrack.

        Args:
            persons: Persons predicted by this network.

        Returns:
            The persons with PoseTrack's 17 joints.
        """
        keypoints, scores = in_places(persons.keypoints, persons.joint_scores, self.names)
        return replace(persons, keypoints=keypoints, joint_scores=scores)


class DetectorNetwork:
    """A detector of mmdet, called with an image (see `Detector`).

    It returns the boxes of the class 'person', or of its only class.

    Args:
        model: See `open_network`; the network needs a config and weights.
        weights: See `open_network`.
        device: The device, such as 'cuda'.
        raw: See `open_network`.

    Raises:
        UserError: The network is not a trained model of mmdet, has several classes and none is 'person', or the
            checkpoint does not fit.
    """

    def __init__(self, model: Name, weights: Name | None = None, device: str = 'cpu', raw: bool = False) -> None:
        from ..drop_in import mmdet  # noqa: F401  # replaces type='HRNet' before the config is built

        self.model, meta = _open(model, weights, 'mmdet', device, raw)
        classes = list(meta['classes'])
        if 'person' not in classes and len(classes) != 1:
            raise UserError(f'{model} detects {", ".join(classes)}; expected the class person, or a single one')
        self.label = classes.index('person') if 'person' in classes else 0

    def __call__(self, image: Image) -> tuple[Array, Array]:
        """Return boxes `(N, 4)` in pixels and scores `(N,)`."""
        from mmdet.apis import inference_detector

        with DefaultScope.overwrite_default_scope('mmdet'):
            found = inference_detector(self.model, image).pred_instances
        found = found[found.labels == self.label]
        return found.bboxes.cpu().numpy().astype(np.float64), found.scores.cpu().numpy().astype(np.float64)


def listed_boxes(results: Sequence[Mapping[str, Any]]) -> Mapping[int, tuple[Array, Array]]:
    """Return boxes and scores for each image, from COCO's result format.

    Args:
        results: Dicts with image_id, bbox (x, y, width, height) and score.

    Returns:
        For an image_id, boxes (x1, y1, x2, y2) `(N, 4)` and scores `(N,)`; none for one that is not listed.

    Examples:
        >>> boxes, scores = listed_boxes([{'image_id': 7, 'bbox': [10, 20, 30, 40], 'score': 0.9}])[7]
        >>> boxes.tolist(), scores.tolist()
        ([[10.0, 20.0, 40.0, 60.0]], [0.9])
    """
    rows: dict[int, list[tuple[float, ...]]] = {}
    for one in results:
        x, y, width, height = one['bbox']
        rows.setdefault(one['image_id'], []).append((x, y, x + width, y + height, one.get('score', 1.0)))
    boxes: dict[int, tuple[Array, Array]] = defaultdict(lambda: (np.zeros((0, 4)), np.zeros(0)))
    for image_id, of_image in rows.items():
        array = np.array(of_image, dtype=np.float64)
        boxes[image_id] = array[:, :4], array[:, 4]
    return boxes


def _open(model: Name, weights: Name | None, library: str, device: str, raw: bool) -> tuple[Any, Mapping[str, Any]]:
    """Return a library's model with the attributes that its inference functions need, and the metadata."""
    opened = open_network(model, weights, device=device, raw=raw)
    if opened.config is None or scope_of(opened.config) != library or opened.checkpoint is None:
        raise UserError(f'{opened.name} is not a trained model of {library}; give a config and its weights')
    opened.network.cfg = opened.config
    opened.network.dataset_meta = opened.metadata
    return opened.network, opened.metadata
