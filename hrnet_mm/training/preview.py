"""A sheet of training samples as the network sees them: after the augmentation, with their labels."""

import contextlib
import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from mmengine.registry import DATASETS, init_default_scope

from ..datasets.sheet import draw_tile, write_sheet
from ..engine import read_config
from ..engine.seeding import sample_rng
from ..tasks import TASKS
from .adapt import adapt
from .job import Job

__all__ = ['write_preview']

_COUNT = 16
_TRIED = 20  # a crop without an object is drawn again


def write_preview(job: Job, file: Path) -> int:
    """Write the sheet of a training on a folder.

    Args:
        job: The training.
        file: The picture.

    Returns:
        The number of samples on it.

    Raises:
        UserError: The picture cannot be written.
    """
    assert job.own is not None
    with (
        TemporaryDirectory() as place,
        contextlib.redirect_stdout(io.StringIO()),  # pycocotools prints
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')  # those of the libraries, which a training has in its log
        config = read_config(job.config)
        adapt(config, job.task, job.own.folder, Path(place), job.own.arch, job.own.pretrained)
        init_default_scope(config.default_scope)
        dataset = DATASETS.build(config.train_dataloader.dataset)
        count = min(_COUNT, len(dataset))
        samples = [_sample(dataset, index, job.seed) for index in range(0, len(dataset), len(dataset) // count)]
        tiles = [_tile(job.task, results, dataset.metainfo) for results in samples[:count] if results is not None]
    write_sheet(file, tiles)
    return len(tiles)


def _sample(dataset: Any, index: int, seed: int) -> dict[str, Any] | None:
    """What the steps of the pipeline but the packing make of a sample."""
    for attempt in range(_TRIED):
        with sample_rng(seed, index, attempt):
            results = dataset.get_data_info(index)
            for step in dataset.pipeline.transforms[:-1]:
                results = step(results)
                if results is None:
                    break
            else:
                return dict(results)
    return None


def _tile(task: str, results: Mapping[str, Any], metainfo: Mapping[str, Any]) -> Any:
    labels = TASKS[task].labels(results)
    image = np.asarray(results['img'])
    image = image if image.ndim == 3 else image[..., None]
    image = np.repeat(image[..., :1], 3, -1) if image.shape[-1] < 3 else image[..., :3]
    photo = np.clip(image, 0, 255).astype(np.uint8)
    names = metainfo.get('classes') or ()
    categories: list[dict[str, Any]] = [{'id': i, 'name': name} for i, name in enumerate(names)]
    if 'keypoint_id2name' in metainfo:
        points = metainfo['keypoint_id2name']
        links = [[start + 1, end + 1] for start, end in metainfo['skeleton_links'] or ()]
        categories = [{'id': 0, 'name': '', 'keypoints': [points[i] for i in sorted(points)], 'skeleton': links}]
    tag = f': {names[labels["category_id"]]}' if 'category_id' in labels else ''
    pixels = labels.get('labels')
    shown = categories if pixels is None else categories[1:]
    size = f' {photo.shape[1]} x {photo.shape[0]}'
    title = f'{Path(results["img_path"]).name}{tag},{size}'
    return draw_tile(title, photo, labels['annotations'], shown, pixels)
