"""Turns the libraries' predictions into pictures."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import mmcv
import numpy as np

from ..data.rendered.face_shapes import LINES as FACE_LINES
from ..data.rendered.face_shapes import NUM_POINTS
from . import pictures
from .job import Job

SHOWN_IMAGES = 4
_SHOWN_DIGITS = 25


def draw_predictions(job: Job, samples: Sequence[Any], metainfo: Mapping[str, Any]) -> tuple[tuple[Path, ...], Path]:
    """Draw predictions beside the truth below the job's folder; return the pictures, and the tile of a `Result`."""
    if job.task == 'classification':
        files, tile = _draw_classified(job, samples, metainfo['classes'])
    elif job.task in ('pose', 'faces'):
        links = metainfo['skeleton_links'] or (FACE_LINES if metainfo['num_keypoints'] == NUM_POINTS else [])
        files, tile = _draw_points(job, samples, links)
    else:
        files, tile = _draw_regions(job, samples, metainfo['classes'])
    path = job.work_dir / 'tile.png'
    pictures.write_tile(path, *tile)
    return tuple(files), path


def _draw_classified(
    job: Job, samples: Sequence[Any], classes: Sequence[str]
) -> tuple[list[Path], tuple[pictures.Image, pictures.Image]]:
    file = job.work_dir / 'predictions.png'
    images = [_classified(sample, classes) for sample in samples]
    pictures.draw_classified(file, images)
    # Those at equal distances in the order of the test part, which is by class.
    return [file], pictures.label_images(images[:: max(1, len(images) // _SHOWN_DIGITS)][:_SHOWN_DIGITS])


def _draw_points(
    job: Job, samples: Sequence[Any], links: Sequence[tuple[int, int]]
) -> tuple[list[Path], tuple[pictures.Image, pictures.Image]]:
    """Those images in which most points are labelled are drawn, and the first of them is the tile."""
    images = [(path, list(group)) for path, group in groupby(samples, key=lambda sample: sample.img_path)]
    if len(images) > SHOWN_IMAGES:
        images.pop()  # the batch may have ended before its last instance
    of_image = {path: _true_and_found(group) for path, group in images}
    shown = sorted(of_image, key=lambda path: -int((of_image[path][0][..., 2] > 0).sum()))[:SHOWN_IMAGES]
    files = [job.work_dir / f'predictions_{Path(path).stem}.png' for path in shown]
    tiles = [
        pictures.draw_points(file, mmcv.imread(path), *of_image[path], links)
        for file, path in zip(files, shown, strict=True)
    ]
    return files, tiles[0]


def _draw_regions(
    job: Job, samples: Sequence[Any], classes: Sequence[str]
) -> tuple[list[Path], tuple[pictures.Image, pictures.Image]]:
    files, tiles = [], []
    for sample in samples[:SHOWN_IMAGES]:
        image = mmcv.imread(sample.img_path)
        file = job.work_dir / f'predictions_{Path(sample.img_path).stem}.png'
        if job.task == 'instances':
            truth, found = sample.gt_instances, sample.pred_instances
            found = found[found.scores > pictures.SHOWN_SCORE]
            tiles.append(pictures.draw_objects(file, image, _objects(truth), _objects(found), classes))
        else:
            truth, found = (data.data[0].cpu().numpy() for data in (sample.gt_sem_seg, sample.pred_sem_seg))
            tiles.append(pictures.draw_labels(file, image, truth, found, classes))
        files.append(file)
    return files, tiles[0]


def _classified(sample: Any, classes: Sequence[str]) -> pictures.Classified:
    found = int(sample.pred_label)
    score = float(sample.pred_score[found])
    return pictures.Classified(Path(sample.img_path), classes[int(sample.gt_label)], classes[found], score)


def _true_and_found(samples: Sequence[Any]) -> tuple[Any, Any]:
    truths, founds = ([one.gt_instances for one in samples], [one.pred_instances for one in samples])
    return (
        np.concatenate([_points(one.keypoints, one.keypoints_visible) for one in truths]),
        np.concatenate([_points(one.keypoints, one.keypoint_scores) for one in founds]),
    )


def _points(places: Any, scores: Any) -> Any:
    return np.concatenate([np.asarray(places), np.asarray(scores).reshape(len(places), -1, 1)], axis=-1)


def _objects(instances: Any) -> pictures.Objects:
    masks = instances.get('masks')
    if masks is not None:
        # mmdet has the true masks as BitmapMasks and the predicted ones as a tensor.
        masks = np.asarray(masks.masks if hasattr(masks, 'masks') else masks.cpu(), dtype=bool)
    return pictures.Objects(instances.bboxes.cpu().numpy(), instances.labels.cpu().numpy(), masks)
