"""PoseTrack's two measures: mAP of poses, and MOTA of tracks (Andriluka et al., CVPR 2018, section 4).

They are those of https://github.com/leonid-pishchulin/poseval, which cannot be installed as a package. A predicted
joint is correct within half of the head's size of the true one; the size is 0.6 times the diagonal of the annotated
head box (PCKh@0.5). Frames without annotated persons are left out, and so are joints inside an ignore region.

    python -m hrnet_mm.tracking.evaluate data/posetrack18/annotations/val results
"""

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ..errors import UserError
from .persons import Array, Bools, Ids
from .posetrack import EVALUATED, Frame, read_video

__all__ = ['GROUPS', 'PoseScores', 'TrackingScores', 'Video', 'evaluate_poses', 'evaluate_tracking', 'read_videos']

Video = tuple[Sequence[Frame], Sequence[Frame]]
"""The frames of the ground truth and the predicted frames of one video, of equal number."""

_HEAD_SIZE = 0.6  # of the head box's diagonal
_DISTANCE = 0.5  # of the head's size

_PARTS = {'Shou': 'shoulder', 'Elb': 'elbow', 'Wri': 'wrist', 'Hip': 'hip', 'Knee': 'knee', 'Ankl': 'ankle'}
_GROUPS = {'Head': [EVALUATED.index(name) for name in ('head_top', 'head_bottom', 'nose')]}
_GROUPS |= {label: [EVALUATED.index(f'{side}_{part}') for side in ('left', 'right')] for label, part in _PARTS.items()}
_GROUPS['Total'] = list(range(len(EVALUATED)))

GROUPS = list(_GROUPS)
"""The columns of the field's tables; 'Total' is the mean of the 15 joints, not of the groups."""


@dataclass(frozen=True)
class PoseScores:
    """Scores of poses in percent, for each of `GROUPS`.

    Attributes:
        ap: Average precision; NaN for a joint that no true person has, which the means leave out.
        precision: Precision of all predictions.
        recall: Recall of all predictions.
    """

    ap: dict[str, float]
    precision: dict[str, float]
    recall: dict[str, float]


@dataclass(frozen=True)
class TrackingScores:
    """Scores of tracks.

    Attributes:
        mota: MOTA in percent, for each of `GROUPS`.
        motp: Multiple object tracking precision in percent, a mean over the joints, as `precision` and `recall` are.
        precision: In percent.
        recall: In percent.
        objects: The number of true joints.
        misses: The number of those without a prediction.
        false_positives: The number of predicted joints without a true one.
        switches: The number of times that the track of a true joint changes.
    """

    mota: dict[str, float]
    motp: float
    precision: float
    recall: float
    objects: int
    misses: int
    false_positives: int
    switches: int


def evaluate_poses(videos: Iterable[Video]) -> PoseScores:
    """Average precision of the joints of each frame.

    Each predicted person is assigned to the true one with the largest share of correct joints, and each true person to
    the best of its predictions; joints of the others are false positives.

    Args:
        videos: Ground truth and predictions of each video (see `read_videos`).

    Raises:
        UserError: A video has frames of unequal number, or a true person no head box.
    """
    joints = len(EVALUATED)
    count = np.zeros(joints)
    scores: list[list[float]] = [[] for _ in range(joints)]
    right: list[list[bool]] = [[] for _ in range(joints)]
    for video in videos:
        for truth, found in _evaluated_frames(video):
            count += truth.present.sum(axis=0)
            correct = _distances(truth, found) <= _DISTANCE
            labels = np.zeros_like(found.present)
            for true, one in _assigned_persons(truth, correct):
                labels[one] = correct[true, one]
            for joint in range(joints):
                there = found.present[:, joint]
                scores[joint] += found.scores[there, joint].tolist()
                right[joint] += labels[there, joint].tolist()
    values = [_average_precision(*of_joint) for of_joint in zip(scores, right, count.tolist(), strict=True)]
    ap, precision, recall = (_by_group(np.array(column)) for column in zip(*values, strict=True))
    return PoseScores(ap, precision, recall)


def evaluate_tracking(videos: Iterable[Video], min_score: float = -math.inf, as_poseval: bool = True) -> TrackingScores:
    """Multiple object tracking accuracy (Bernardin and Stiefelhagen, 2008) of each joint on its own.

    Per frame and joint, a true person keeps its predicted track if that is still correct; the others are matched for
    the least sum of distances; a match to another track than the last one is a switch.

    Args:
        videos: Ground truth and predictions of each video (see `read_videos`).
        min_score: Predicted joints of a lower score are left out.
        as_poseval: Whether two habits of poseval, hence of published numbers, are followed: the last annotated frame
            of a video is not counted, and a frame without predictions (or without ground truth outside of ignore
            regions) counts one object, one miss and one false positive for each joint, however many there are.

    Raises:
        UserError: As of `evaluate_poses`, or two predicted persons of a frame have the same id.
    """
    joints = len(EVALUATED)
    counts = np.zeros((6, joints))  # objects, misses, false positives, switches, matches, sum of distances
    for video in videos:
        frames = list(_evaluated_frames(video))
        last: list[dict[int, int]] = [{} for _ in range(joints)]
        for truth, found in frames[: -1 if as_poseval else None]:
            if len(np.unique(found.ids)) < len(found.ids):
                raise UserError(f'{truth.name}: predicted persons share a track_id of {sorted(found.ids.tolist())}')
            if as_poseval and not (len(truth.ids) and len(found.ids)):
                counts[:3] += 1
                continue
            distances = _distances(truth, found)
            confident = found.present & (found.scores >= min_score)
            for joint in range(joints):
                rows, columns = np.flatnonzero(truth.present[:, joint]), np.flatnonzero(confident[:, joint])
                counts[:, joint] += _step(
                    truth.ids[rows], found.ids[columns], distances[..., joint][np.ix_(rows, columns)], last[joint]
                )
    objects, misses, false_positives, switches, matches, distance = counts
    of = np.where(objects, objects, np.nan)  # joints that no true person has get no value
    with np.errstate(divide='ignore', invalid='ignore'):
        mota = 100 * (1 - (misses + false_positives + switches) / of)
        motp = np.where(matches, 100 * (1 - distance / matches), 0 * of)
        precision = 100 * matches / (matches + false_positives)
        recall = 100 * matches / of
    return TrackingScores(
        mota=_by_group(mota),
        motp=_by_group(motp)['Total'],
        precision=_by_group(precision)['Total'],
        recall=_by_group(recall)['Total'],
        objects=int(objects.sum()),
        misses=int(misses.sum()),
        false_positives=int(false_positives.sum()),
        switches=int(switches.sum()),
    )


def read_videos(truth: Path, found: Path) -> list[Video]:
    """Read ground truth and predictions from two folders with files of the same names, or from two files.

    Args:
        truth: Annotations in the form of PoseTrack 2018.
        found: Results, such as `write_video` writes.

    Raises:
        UserError: The results lack a video, or a file is not PoseTrack's.
    """
    if truth.is_file():
        return [(read_video(truth), read_video(found))]
    files = sorted(truth.glob('*.json'))
    if not files:
        raise UserError(f'{truth} holds no .json files; expected one for each video')
    if missing := [file.name for file in files if not (found / file.name).is_file()]:
        raise UserError(f'{found} lacks {len(missing)} of {len(files)} videos of {truth}, such as {missing[0]}')
    return [(read_video(file), read_video(found / file.name)) for file in files]


def _evaluated_frames(video: Video) -> Iterable[tuple[Frame, Frame]]:
    truth, found = video
    if len(truth) != len(found):
        raise UserError(f'{truth[0].name}: the results have {len(found)} frames; expected {len(truth)}')
    for true, one in zip(truth, found, strict=True):
        if len(true.ids):
            yield _outside(true, true.ignored), _outside(one, true.ignored)


def _outside(frame: Frame, ignored: Sequence[Array]) -> Frame:
    """The frame without joints strictly inside one of the polygons, and without persons that have none left."""
    polygons = [polygon.astype(np.float32) for polygon in ignored if len(polygon) > 2]
    if not polygons:
        return frame
    present = frame.present.copy()
    for index in np.argwhere(present):
        x, y = frame.points[tuple(index)].tolist()
        present[tuple(index)] = not any(cv2.pointPolygonTest(polygon, (x, y), False) > 0 for polygon in polygons)
    left = present.any(axis=1)
    return replace(
        frame,
        points=frame.points[left],
        present=present[left],
        scores=frame.scores[left],
        ids=frame.ids[left],
        heads=frame.heads[left],
    )


def _distances(truth: Frame, found: Frame) -> Array:
    """Distances `(true, predicted, joints)` in head sizes, infinite where one of the two lacks the joint."""
    if np.isnan(truth.heads).any():
        raise UserError(f'{truth.name}: a true person has no bbox_head, the unit of distances')
    both = truth.present[:, None] & found.present[None]
    pixels = np.linalg.norm(truth.points[:, None] - found.points[None], axis=-1)
    with np.errstate(divide='ignore', invalid='ignore'):  # an empty head box
        return np.where(both, pixels / (_HEAD_SIZE * truth.heads[:, None, None]), np.inf)


def _assigned_persons(truth: Frame, correct: Bools) -> Iterable[tuple[int, int]]:
    """Pairs of true and predicted persons."""
    if not correct.size:
        return
    part = correct.sum(axis=2) / np.maximum(truth.present.sum(axis=1), 1)[:, None]
    part[np.arange(len(part))[:, None] != part.argmax(axis=0)] = 0  # each found person has its best true one only
    for true, one in enumerate(part.argmax(axis=1).tolist()):
        if part[true, one] > 0:
            yield true, one


def _average_precision(scores: list[float], right: list[bool], count: float) -> tuple[float, float, float]:
    """Area under the highest precision at each recall, and the last precision and recall, in percent."""
    if not count:
        return (math.nan,) * 3
    if not len(scores):
        return (0.0,) * 3
    hits = np.cumsum(np.array(right)[np.argsort(-np.array(scores), kind='stable')])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / count
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    area = (np.diff(recall, prepend=0) * highest).sum()
    return 100 * float(area), 100 * float(precision[-1]), 100 * float(recall[-1])


def _step(true_ids: Ids, found_ids: Ids, distances: Array, last: dict[int, int]) -> tuple[float, ...]:
    """The counts of one joint in one frame; `last`, from true ids to their last tracks, is updated."""
    valid = distances <= _DISTANCE
    pairs = []
    for row, true in enumerate(true_ids.tolist()):
        for column in np.flatnonzero(valid[row] & (found_ids == last.get(true))).tolist():
            pairs.append((row, column))
            valid[row], valid[:, column] = False, False
    # An invalid pair costs more than all valid ones, so that as many as possible are matched.
    from scipy.optimize import linear_sum_assignment  # here: `hrnet-mm track --help` works without SciPy

    rows, columns = linear_sum_assignment(np.where(valid, distances, 1.0 + len(true_ids)))
    pairs += [pair for pair in zip(rows.tolist(), columns.tolist(), strict=True) if valid[pair]]
    switches = 0
    for row, column in pairs:
        true, found = int(true_ids[row]), int(found_ids[column])
        switches += last.get(true, found) != found
        last[true] = found
    distance = sum(float(distances[pair]) for pair in pairs)
    matches = len(pairs)
    return len(true_ids), len(true_ids) - matches, len(found_ids) - matches, switches, matches, distance


def _by_group(values: Array) -> dict[str, float]:
    """The mean of each group's joints that have a value."""
    chosen = {label: values[joints] for label, joints in _GROUPS.items()}
    return {label: float(np.nanmean(v)) if np.isfinite(v).any() else math.nan for label, v in chosen.items()}


def main() -> int:
    """Print both measures of a folder of results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('truth', type=Path, help='folder of annotations, one JSON file of PoseTrack 2018 for a video')
    parser.add_argument('found', type=Path, help='folder of results, with the same file names')
    parser.add_argument('--min-score', type=float, default=-math.inf, help='for MOTA, drop joints below it')
    parser.add_argument('--all-frames', action='store_true', help="MOTA by its definition, without poseval's habits")
    args = parser.parse_args()
    try:
        print(table(read_videos(args.truth, args.found), args.min_score, not args.all_frames))
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def table(videos: Sequence[Video], min_score: float = -math.inf, as_poseval: bool = True) -> str:
    """Both measures as text, in percent, with the columns `GROUPS`."""
    poses, tracks = evaluate_poses(videos), evaluate_tracking(videos, min_score, as_poseval)
    lines = [f'{"":5}' + ''.join(f'{label:>7}' for label in GROUPS)]
    lines += [
        f'{name:5}' + ''.join(f'{value:7.1f}' for value in row.values())
        for name, row in (('AP', poses.ap), ('MOTA', tracks.mota))
    ]
    lines.append(
        f'MOTP {tracks.motp:.1f}, precision {tracks.precision:.1f}, recall {tracks.recall:.1f}; of {tracks.objects} '
        f'joints {tracks.misses} missed, {tracks.switches} switched; {tracks.false_positives} false positives'
    )
    return '\n'.join(lines)


if __name__ == '__main__':
    sys.exit(main())
