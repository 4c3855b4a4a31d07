"""Calibration of each kind of annotations: what is observed of a prediction, the fit, and its use.

All of them take the libraries' data samples. What is observed of the validation part makes a few numbers by name, the
`calibration` of the model specification.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..calibration import apply_platt, fit_platt, fit_radii, fit_temperature, radii_of
from ..datasets import Annotations
from ..datasets.labels import UNLABELED
from ..weights import CheckpointError, ModelSpec

__all__ = ['COVERAGE', 'KINDS', 'Kind', 'calibrate_samples', 'check_calibration']

COVERAGE = 0.9
"""The share of keypoints within their radii."""

_FEWEST = 50  # images, pixels, boxes or points
_PIXELS = 2000  # of an image
_IOU = 0.5

Observed = tuple[Any, ...]


@dataclass(frozen=True)
class Kind:
    """Calibration of one kind of annotations.

    Attributes:
        observe: From a data sample with its truth, arrays of one length.
        fit: From these arrays of all samples together, the numbers by name.
        apply: Changes a data sample by the numbers.
        uncertainty: Of a data sample, calibrated or not, the expected share of mistakes or, of boxes, their number; of
            keypoints, their mean radius as a share of the box's side.
        is_valid: Whether numbers by name, of any origin, are such as `fit` returns.
        about: What the numbers make of scores, for a sentence.
    """

    observe: Callable[[Any], Observed]
    fit: Callable[..., dict[str, Any] | None]
    apply: Callable[[Any, Mapping[str, Any]], None]
    uncertainty: Callable[[Any], float]
    is_valid: Callable[[Mapping[str, Any]], bool]
    about: str

    def fit_all(self, observed: Sequence[Observed]) -> dict[str, Any] | None:
        """Fit to the observations of several samples; None if there are too few."""
        columns = [np.concatenate(column) for column in zip(*observed, strict=True)]
        return self.fit(*columns) if columns and len(columns[0]) >= _FEWEST else None


def check_calibration(spec: ModelSpec, kind: Annotations) -> None:
    """Check that the calibration of a model specification, of any origin, is one that this version applies.

    Raises:
        CheckpointError: It is not.
    """
    if spec.calibration is not None and not KINDS[kind].is_valid(spec.calibration):
        raise CheckpointError(
            f'the model specification has the calibration {", ".join(spec.calibration) or "{}"}, which the task '
            f'{spec.task} does not know; expected the numbers that its training writes'
        )


def calibrate_samples(samples: Sequence[Any], calibration: Mapping[str, Any], kind: Annotations) -> None:
    """Change the predictions in data samples, on the CPU, by a calibration.

    Classes and boxes get probabilities for scores; keypoints keep their scores and get `keypoint_radii` in pixels;
    pixels get the probability of their class, `confidence`.
    """
    for sample in samples:
        KINDS[kind].apply(sample, calibration)


def _observe_class(sample: Any) -> Observed:
    return sample.pred_score.cpu().numpy()[None], sample.gt_label.cpu().numpy()[:1]


def _fit_classes(probabilities: Any, labels: Any) -> dict[str, Any]:
    return {'temperature': fit_temperature(probabilities, labels)}


def _is_temperature(numbers: Mapping[str, Any]) -> bool:
    return set(numbers) == {'temperature'} and _is_number(numbers['temperature'], 1e-4)


def _is_number(value: Any, least: float = -1e6) -> bool:
    return isinstance(value, float | int) and least <= value <= 1e6


def _apply_to_class(sample: Any, numbers: Mapping[str, Any]) -> None:
    sample.set_pred_score(_at_temperature(sample.pred_score, numbers['temperature'], 0))


def _at_temperature(probabilities: Any, temperature: float, axis: int) -> Any:
    return (probabilities.clamp(min=1e-30).log() / temperature).softmax(axis)


def _observe_pixels(sample: Any) -> Observed:
    """Some pixels at equal distances."""
    truth = sample.gt_sem_seg.data[0].flatten().cpu()
    logits = sample.seg_logits.data.flatten(1).cpu()
    known = torch.nonzero(truth != UNLABELED)[:, 0]
    chosen = known[:: max(1, len(known) // _PIXELS)]
    return logits[:, chosen].softmax(0).T.numpy(), truth[chosen].numpy()


def _apply_to_pixels(sample: Any, numbers: Mapping[str, Any]) -> None:
    probabilities = (sample.seg_logits.data / numbers['temperature']).softmax(0)
    sample.set_field(type(sample.seg_logits)(data=probabilities.amax(0, keepdim=True)), 'confidence')


def _mistakes_of_pixels(sample: Any) -> float:
    if 'confidence' in sample:
        return 1 - float(sample.confidence.data.mean())
    return 1 - float(sample.seg_logits.data.softmax(0).amax(0).mean())


def _observe_boxes(sample: Any) -> Observed:
    """The boxes' scores, and whether each is the best one of an object of its class (IoU of 0.5 or more)."""
    found, truth = sample.pred_instances, sample.gt_instances
    boxes, true_boxes = (torch.as_tensor(_plain(one.bboxes)).double().cpu().numpy() for one in (found, truth))
    labels, true_labels = found.labels.cpu().numpy(), truth.labels.cpu().numpy()
    scores = found.scores.cpu().numpy()
    overlaps = _overlaps(boxes, true_boxes) * (labels[:, None] == true_labels[None])
    hits = np.zeros(len(scores), bool)
    for i in np.argsort(-scores, kind='stable'):
        if overlaps.shape[1] and overlaps[i].max() >= _IOU:
            hits[i] = True
            overlaps[:, overlaps[i].argmax()] = 0
    return scores, hits


def _plain(boxes: Any) -> Any:
    return getattr(boxes, 'tensor', boxes)  # of mmdet's box classes


def _overlaps(boxes: Any, others: Any) -> Any:
    first, last = (
        np.maximum(boxes[:, None, :2], others[None, :, :2]),
        np.minimum(boxes[:, None, 2:], others[None, :, 2:]),
    )
    inside = np.clip(last - first, 0, None).prod(-1)
    areas = [(one[:, 2:] - one[:, :2]).prod(-1) for one in (boxes, others)]
    return inside / np.maximum(areas[0][:, None] + areas[1][None] - inside, 1e-9)


def _fit_boxes(scores: Any, hits: Any) -> dict[str, Any] | None:
    factor, offset = fit_platt(scores, hits)
    # Otherwise a higher score means less, and the network has learned nothing.
    return {'score_factor': factor, 'score_offset': offset} if factor > 0 else None


def _are_platt(numbers: Mapping[str, Any]) -> bool:
    return (
        set(numbers) == {'score_factor', 'score_offset'}
        and _is_number(numbers['score_factor'], 0)
        and _is_number(numbers['score_offset'])
    )


def _apply_to_boxes(sample: Any, numbers: Mapping[str, Any]) -> None:
    found = sample.pred_instances
    scores = apply_platt(found.scores.numpy(), numbers['score_factor'], numbers['score_offset'])
    found.scores = torch.from_numpy(scores).to(found.scores)


def _mistakes_of_boxes(sample: Any) -> float:
    """Of those with the probability p, the share p is missed without them, and 1 - p is false with them."""
    scores = sample.pred_instances.scores.numpy()
    return float(np.minimum(scores, 1 - scores).sum())


def _observe_points(sample: Any) -> Observed:
    """The scores of labeled points, and their errors as shares of the box's side."""
    found, truth = sample.pred_instances, sample.gt_instances
    labeled = np.asarray(truth.keypoints_visible).reshape(len(truth.keypoints), -1) > 0
    errors = np.linalg.norm(np.asarray(found.keypoints) - np.asarray(truth.keypoints), axis=-1)
    return np.asarray(found.keypoint_scores)[labeled], (errors / _sides(found))[labeled]


def _sides(found: Any) -> Any:
    """The square root of each box's area, `(N, 1)`, in pixels."""
    boxes = np.asarray(found.bboxes, dtype=float)
    return np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1))[:, None]


def _fit_points(scores: Any, errors: Any) -> dict[str, Any] | None:
    fitted = fit_radii(scores, errors, COVERAGE)
    return None if fitted is None else {'coverage': COVERAGE, 'radius_scores': fitted[0], 'radii': fitted[1]}


def _are_radii(numbers: Mapping[str, Any]) -> bool:
    if set(numbers) != {'coverage', 'radius_scores', 'radii'} or not _is_number(numbers['coverage'], 0):
        return False
    lists = numbers['radius_scores'], numbers['radii']
    return all(isinstance(one, list | tuple) for one in lists) and len(lists[0]) + 1 == len(lists[1])


def _apply_to_points(sample: Any, numbers: Mapping[str, Any]) -> None:
    found = sample.pred_instances
    shares = radii_of(found.keypoint_scores, numbers['radius_scores'], numbers['radii'])
    found.keypoint_radii = shares * _sides(found)


def _mean_radius(sample: Any) -> float:
    """Of points without radii, what their mean score lacks of 1, which also orders images of equal radii."""
    found = sample.pred_instances
    doubt = 1 - float(np.asarray(found.keypoint_scores).mean())
    return float((found.keypoint_radii / _sides(found)).mean()) + 1e-6 * doubt if 'keypoint_radii' in found else doubt


KINDS: Mapping[Annotations, Kind] = {
    'boxes': Kind(
        _observe_boxes,
        _fit_boxes,
        _apply_to_boxes,
        _mistakes_of_boxes,
        _are_platt,
        'the scores of boxes are probabilities that an object of the class is there (IoU of 0.5 or more)',
    ),
    'classes': Kind(
        _observe_class,
        _fit_classes,
        _apply_to_class,
        lambda sample: 1 - float(sample.pred_score.max()),
        _is_temperature,
        'the scores of classes are probabilities',
    ),
    'keypoints': Kind(
        _observe_points,
        _fit_points,
        _apply_to_points,
        _mean_radius,
        _are_radii,
        f'keypoints have radii in pixels, within which {COVERAGE:.0%} of them lie',
    ),
    'regions': Kind(
        _observe_pixels,
        _fit_classes,
        _apply_to_pixels,
        _mistakes_of_pixels,
        _is_temperature,
        'the confidence of pixels is the probability of their class',
    ),
}
"""How each kind of annotations is calibrated."""
