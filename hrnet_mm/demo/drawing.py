"""Turns the libraries' predictions into pictures."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import mmcv
import numpy as np

from . import pictures
from .job import Job

SHOWN_IMAGES = 4
_SHOWN_DIGITS = 25


def draw_predictions(job: Job, samples: Sequence[Any], metainfo: Mapping[str, Any]) -> tuple[tuple[Path, ...], Path]:
    """Draw predictions beside the truth below the job's folder; return the pictures, and the tile of a `Result`."""
    if job.task == 'classification':
        files, tile = _draw_classified(job, samples, metainfo['classes'])
    elif job.task in ('pose', 'faces'):
        files, tile = _draw_points(job, samples, metainfo['skeleton_links'])
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
    """The tile is the first image in which more than one instance was to be found, or the first one."""
    files, tiles = [], []
    for path, instances in groupby(samples, key=lambda sample: sample.img_path):
        group = list(instances)
        truth = np.concatenate(
            [_points(one.gt_instances.keypoints, one.gt_instances.keypoints_visible) for one in group]
        )
        found = np.concatenate(
            [_points(one.pred_instances.keypoints, one.pred_instances.keypoint_scores) for one in group]
        )
        file = job.work_dir / f'predictions_{Path(path).stem}.png'
        files.append(file)
        tiles.append((len(group) == 1, pictures.draw_points(file, mmcv.imread(path), truth, found, links)))
        if len(files) == SHOWN_IMAGES:
            break
    return files, min(tiles, key=lambda one: one[0])[1]


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


def _points(places: Any, scores: Any) -> Any:
    return np.concatenate([np.asarray(places), np.asarray(scores).reshape(len(places), -1, 1)], axis=-1)


def _objects(instances: Any) -> pictures.Objects:
    masks = instances.get('masks')
    if masks is not None:
        # mmdet has the true masks as BitmapMasks and the predicted ones as a tensor.
        masks = np.asarray(masks.masks if hasattr(masks, 'masks') else masks.cpu(), dtype=bool)
    return pictures.Objects(instances.bboxes.cpu().numpy(), instances.labels.cpu().numpy(), masks)
