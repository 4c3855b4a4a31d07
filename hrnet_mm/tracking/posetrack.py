"""PoseTrack's joints, and its JSON files of 2018, one for each video, which poseval reads too."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from .persons import COCO_SKELETON, Array, Bools, Ids, Persons

__all__ = ['EVALUATED', 'JOINTS', 'PERSON', 'Frame', 'image_id_of', 'in_places', 'read_video', 'write_video']

_PARTS = ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
_PAIRED = [f'{side}_{part}' for part in _PARTS for side in ('left', 'right')]

JOINTS = ['nose', 'head_bottom', 'head_top', 'left_ear', 'right_ear', *_PAIRED]
"""The 17 places of a file of 2018: COCO's joints, with the ends of the head in place of the eyes."""

EVALUATED = ['nose', 'head_bottom', 'head_top', *_PAIRED]
"""The 15 joints that are annotated and evaluated."""

PERSON = {
    'id': 1,
    'name': 'person',
    'supercategory': 'person',
    'keypoints': JOINTS,
    'skeleton': COCO_SKELETON,
}
"""The category of a file."""

# Along the line from the middle of the shoulders to the nose: medians over 13 persons of PoseTrack 2018's validation.
_ON_HEAD_LINE = {'head_bottom': 0.3, 'head_top': 1.5}


@dataclass(frozen=True)
class Frame:
    """One image of a file, with N persons of the 15 evaluated joints, in pixels.

    Attributes:
        name: The path of the image in the file.
        points: `(N, 15, 2)` as x, y.
        present: `(N, 15)`, whether a joint is annotated or predicted.
        scores: `(N, 15)`.
        ids: `(N,)`, of the tracks.
        heads: `(N,)`, diagonals of the head boxes; NaN where there is none.
        ignored: Polygons `(P, 2)` in which nothing is evaluated.
    """

    name: str
    points: Array
    present: Bools
    scores: Array
    ids: Ids
    heads: Array
    ignored: tuple[Array, ...] = ()


def in_places(keypoints: Array, scores: Array, names: Sequence[str]) -> tuple[Array, Array]:
    """Put keypoints in PoseTrack's 17 places.

    Where the ends of the head are missing, as in COCO, they are put on the line from the middle of the shoulders to
    the nose, with the least score of the three; a network trained on PoseTrack's joints is better. Ears may be
    missing.

    Args:
        keypoints: `(N, K, 2)` as x, y in pixels.
        scores: `(N, K)`.
        names: The K names of the joints.

    Returns:
        Keypoints `(N, 17, 2)` and scores `(N, 17)`.

    Raises:
        UserError: Another joint is missing.
    """
    if missing := sorted(set(EVALUATED) - set(names) - {'head_bottom', 'head_top'}):
        raise UserError(
            f'PoseTrack evaluates {", ".join(missing)}, which are not among {", ".join(names)}; give a network of the '
            'joints of persons'
        )
    placed, placed_scores = np.zeros((len(keypoints), len(JOINTS), 2)), np.zeros((len(keypoints), len(JOINTS)))
    for place, name in enumerate(JOINTS):
        if name in names:
            placed[:, place], placed_scores[:, place] = keypoints[:, names.index(name)], scores[:, names.index(name)]
    nose, left, right = (JOINTS.index(name) for name in ('nose', 'left_shoulder', 'right_shoulder'))
    middle = placed[:, [left, right]].mean(axis=1)
    for name, share in _ON_HEAD_LINE.items():
        if name not in names:
            placed[:, JOINTS.index(name)] = middle + share * (placed[:, nose] - middle)
            placed_scores[:, JOINTS.index(name)] = placed_scores[:, [nose, left, right]].min(axis=1)
    return placed, placed_scores


def read_video(path: Path) -> list[Frame]:
    """Read the frames of a file of annotations or results, in its order.

    A joint is absent where its three numbers are zero, as in poseval.

    Raises:
        UserError: The file is not PoseTrack 2018's, or lacks an evaluated joint.
    """
    try:
        content = json.loads(path.read_text())
        names = content['categories'][0]['keypoints']
        persons: dict[int, list[Mapping[str, Any]]] = {image['id']: [] for image in content['images']}
        for annotation in content['annotations']:
            persons[annotation['image_id']].append(annotation)
        if missing := [name for name in EVALUATED if name not in names]:
            raise ValueError(f'it has no {", ".join(missing)}; a file of PoseTrack has {", ".join(EVALUATED)}')
        columns = [names.index(name) for name in EVALUATED]
        return [_frame(image, persons[image['id']], columns, len(names)) for image in content['images']]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        what = f'no {error}' if isinstance(error, KeyError) else error
        raise UserError(
            f'{path} is not a file of PoseTrack 2018: {what}; convert those of 2017 by posetrack17.py'
        ) from error


def _frame(image: Mapping[str, Any], persons: Sequence[Mapping[str, Any]], columns: list[int], joints: int) -> Frame:
    keypoints = np.array([one['keypoints'] for one in persons], dtype=np.float64).reshape(-1, joints, 3)[:, columns]
    scores = [one.get('scores') or [1.0] * joints for one in persons]
    heads = [one.get('bbox_head', (0, 0, np.nan, np.nan))[2:] for one in persons]
    regions = zip(image.get('ignore_regions_x') or (), image.get('ignore_regions_y') or (), strict=True)
    return Frame(
        name=image['file_name'],
        points=keypoints[..., :2],
        present=(keypoints != 0).any(axis=-1),
        scores=np.array(scores, dtype=np.float64).reshape(-1, joints)[:, columns],
        ids=np.array([one['track_id'] for one in persons], dtype=np.int64),
        heads=np.hypot(*np.array(heads, dtype=np.float64).reshape(-1, 2).T),
        ignored=tuple(np.array(region, dtype=np.float64).T for region in regions),
    )


def write_video(path: Path, names: Sequence[str], frames: Sequence[Persons], joint_score: float = 0.0) -> None:
    """Write the persons of a video to a file of PoseTrack 2018.

    Args:
        path: The file.
        names: The file names of the images.
        frames: The persons of each image, with their joints in PoseTrack's 17 places (see `in_places`).
        joint_score: Joints below it are written as absent. 0 is for mAP, which ranks joints by their scores; MOTA
            counts every joint that is there.

    Raises:
        ValueError: The persons have other than 17 joints.
    """
    images, annotations = [], []
    for index, (name, persons) in enumerate(zip(names, frames, strict=True)):
        if persons.keypoints.shape[1:] != (len(JOINTS), 2):
            raise ValueError(f'the keypoints are {persons.keypoints.shape}; expected (N, {len(JOINTS)}, 2)')
        image_id = image_id_of(name, index)
        images.append({'id': image_id, 'frame_id': image_id, 'file_name': name, 'nframes': len(names)})
        for number, (keypoints, scores) in enumerate(zip(persons.keypoints, persons.joint_scores, strict=True)):
            there = (scores >= joint_score)[:, None]
            x1, y1, x2, y2 = persons.boxes[number].round(2).tolist()
            annotations.append(
                {
                    'id': image_id * 100 + number,
                    'image_id': image_id,
                    'category_id': 1,
                    'track_id': int(persons.ids[number]),
                    'keypoints': np.where(there, np.hstack([keypoints.round(2), there]), 0).ravel().tolist(),
                    'scores': scores.round(4).tolist(),
                    'score': round(float(persons.scores[number]), 4),
                    'bbox': [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                }
            )
    path.write_text(json.dumps({'images': images, 'annotations': annotations, 'categories': [PERSON]}))


def image_id_of(name: str, index: int) -> int:
    """PoseTrack's number of an image, 10003420007 for images/val/000342_mpii_test/000007.jpg, else the index."""
    numbered = re.search(r'(\d{6})_[^/]*/(\d+)\.[^./]+$', name)
    return 10**10 + int(numbered[1]) * 10**4 + int(numbered[2]) if numbered else index
