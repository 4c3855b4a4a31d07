"""Resumable prediction on any number of images in any number of processes."""

import hashlib
import itertools
import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.device import get_device
from torch.utils.data import DataLoader, Dataset

from ..errors import UserError
from ..images import IMAGE_SUFFIXES
from ..tracking.video import is_video
from ..weights.io import written_aside
from .geo import is_tiff, read_georeference, write_geojson
from .large import MOST_PIXELS, predict_large
from .open import open_network
from .predictions import Predictions, merge
from .predictor import Predictor
from .progress import SECONDS_BETWEEN_LINES
from .raster import UnreadableError, size_of
from .tables import write_deeplabcut
from .windows import tiling

__all__ = ['find_images', 'predict_images']

_SUFFIXES = {*IMAGE_SUFFIXES, '.pgm', '.ppm'}
_DEFAULT_OUT = Path('work_dirs', 'predict')
_SHOWN_ERRORS = 10


def predict_images(
    paths: Sequence[Path],
    out: Path | None,
    model: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    score: float = 0.3,
    pictures: bool = True,
    boxes_file: Path | None = None,
    batch_size: int = 1,
    workers: int = 0,
    launcher: str = 'none',
    raw: bool = False,
    window: int | None = None,
    overlap: int | None = None,
    form: str = 'json',
) -> bool:
    """Predict on every image exactly once, and merge the predictions when all images have one.

    Unreadable images are reported and counted. Classes of pixels and objects are predicted by windows that overlap on
    images of more than 8 million pixels, after the network's resizing. The place of a GeoTIFF is kept.

    Args:
        paths: Images, and folders whose images are all used, at any depth.
        out: The folder for predictions and pictures; an interrupted run continues there. None: work_dirs/predict, or
            the first of work_dirs/predict_2, ... that holds no predictions of another model.
        model: See `open_network`; the network needs a config, its own or the checkpoint's.
        weights: See `open_network`.
        score: The lowest score that is drawn, and that boxes of `boxes_file` must have.
        pictures: Whether the predictions are drawn.
        boxes_file: Boxes for top-down pose models: the predictions.jsonl of a detector.
        batch_size: Images in a batch.
        workers: Worker processes that read images.
        launcher: The launcher of the processes: 'none', 'pytorch' or 'slurm'.
        raw: See `open_network`.
        window: The side of windows in pixels of the network's input, for all images that are larger; 0 for none.
        overlap: What a window sees beyond the part that it decides on, likewise.
        form: 'json'; or 'deeplabcut' for poses in DeepLabCut's predictions.csv too.

    Returns:
        Whether any image was readable; True in a process that leaves the merging to another.

    Raises:
        UserError: The arguments do not fit together, or `out` holds predictions of another model.
        KeyboardInterrupt: After Ctrl-C; the message has the number of finished images.

    Examples:
        ```python
        from pathlib import Path
        from hrnet_mm.inference import predict_images

        predict_images([Path('images')], Path('predictions'), 'weights.pth', score=0.5)
        ```
    """
    images = find_images(paths)
    rank, processes = _join(launcher)
    opened = open_network(model, weights, device=choose_device(), raw=raw)
    predictor = Predictor(opened)
    if pictures and opened.spec is not None and opened.spec.reads:
        print(f'pictures show {opened.spec.reads.shown}')
    names = predictor.dataset_meta.get('keypoint_id2name') or {}
    if form == 'deeplabcut' and not names:
        raise UserError(f'--format deeplabcut is for keypoints, and {opened.name} predicts none; leave it out')
    boxes = _boxes_of(images, boxes_file, score, predictor)
    if predictor.needs_boxes and boxes is None:
        print('this model takes one object in a box; without --boxes, the box is the whole image')
    print(f'calibrated: {predictor.calibrated}' if predictor.calibrated else 'not calibrated: scores only rank')
    sides = tiling(window or None, overlap)
    factor = predictor.factor if predictor.library in ('mmdet', 'mmseg') else None
    if window and factor is None:
        raise UserError(f'--window {window}: {opened.name} takes the whole image, whatever its size; leave it out')
    is_large = partial(_is_large, factor=factor, window=window and sides[0])
    settings = {'score': score if boxes_file else None, 'windows': [window, overlap]}
    out = claim(out, [*opened.files, *([boxes_file] if boxes_file else [])], settings)
    with closing(Predictions(out / 'shards', rank, processes)) as predictions:
        # round_up would repeat images to make the shares equal.
        share = DefaultSampler(images, shuffle=False, seed=0, round_up=False)
        left = [images[i] for i in share if str(images[i]) not in predictions.done]
        say = _Progress(f'process {rank} of {processes}: ' if processes > 1 else '', len(share), len(share) - len(left))
        root = Path(os.path.commonpath([image.absolute().parent for image in images]))
        try:
            for path, error, samples in _run(predictor, left, boxes, batch_size, workers, is_large):
                place = path.absolute().relative_to(root)
                files = {kind: out / kind / place for kind in ('segments', 'pictures', 'geojson')}
                if error is None:
                    prediction = _prediction(predictor, path, samples, files, score, pictures, sides, say.prefix)
                    error = prediction.get('error')
                else:
                    prediction = {'error': error}
                predictions.add({'image': str(path), **prediction})
                say.step(error)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f'{say.done} of {len(share)} images are done and kept in {out}') from None
    if processes > 1:
        torch.distributed.destroy_process_group()
    errors = merge(out / 'shards', [str(image) for image in images], out / 'predictions.jsonl')
    if errors is None:
        print(f'{say.prefix}finished its images; the last process merges the predictions')
        return True
    for image, error in list(errors.items())[:_SHOWN_ERRORS]:
        print(f'{image}: {error}', file=sys.stderr)
    done = f'{len(images) - len(errors)} of {len(images)} images done, {len(errors)} could not be read'
    print(f'{done}: {out / "predictions.jsonl"}')
    if form == 'deeplabcut':
        scorer = f'hrnet_mm_{opened.files[-1].stem}'
        print(write_deeplabcut(out / 'predictions.jsonl', [names[i] for i in sorted(names)], scorer))
    return len(errors) < len(images)


def _is_large(path: Path, factor: float | None, window: int | None) -> bool:
    """Whether an image is predicted by windows, by a network that resizes images by a factor."""
    if factor is None or window == 0 or (size := size_of(path)) is None:
        return False
    return max(size) * factor > window if window else math.prod(size) * factor**2 > MOST_PIXELS


def _prediction(
    predictor: Predictor,
    path: Path,
    samples: list[Any] | None,
    files: Mapping[str, Path],
    score: float,
    pictures: bool,
    sides: tuple[int, int],
    prefix: str,
) -> dict[str, Any]:
    """Return the prediction for an image from its samples, or by windows where it has none, and write its files."""
    geo = read_georeference(path)
    segments = files['segments'] if is_tiff(path) else _added(files['segments'], '.tif')
    picture = _added(files['pictures'], '.png') if pictures else None
    try:
        if samples is None:
            prediction = predict_large(predictor, path, sides, segments, picture, score, prefix)
        elif geo is not None:
            prediction = predictor.to_json(samples, segments, (path, geo))
        else:
            prediction = predictor.to_json(samples, _added(files['segments'], '.png'))
    except UnreadableError as error:
        return {'error': str(error)}
    if samples is not None and picture is not None:
        predictor.draw(path, samples, score, picture)
    if geo is not None:
        prediction['crs'] = geo.crs
        vectors = _added(files['geojson'], '.geojson')
        if write_geojson(vectors, prediction, geo):
            prediction['geojson'] = str(vectors)
    return prediction


def find_images(given: Sequence[Path]) -> list[Path]:
    """Return all images once, in the same order in every process, without the pictures of predictions.

    Args:
        given: Images, and folders whose images are all used, at any depth.

    Raises:
        UserError: A path does not exist, or there is no image.
    """
    found: dict[Path, None] = {}
    for path in given:
        if path.is_dir():
            outputs = {note.parent for note in path.rglob('model.json') if _is_output(note.parent)}
            images = (p for p in sorted(path.rglob('*')) if p.suffix.lower() in _SUFFIXES)
            found.update(dict.fromkeys(p for p in images if outputs.isdisjoint(p.parents)))
        elif path.exists():
            found[path] = None
        else:
            raise UserError(f'{path}: no such file or folder; expected images or folders of images')
    if not found:
        videos = [file for path in given for file in sorted(path.rglob('*')) if is_video(file)]
        hint = f'; it holds videos, which are given by name, such as {videos[0]}' if videos else ''
        raise UserError(f'no image ({", ".join(sorted(_SUFFIXES))}) in {", ".join(map(str, given))}{hint}')
    return list(found)


def _is_output(folder: Path) -> bool:
    return (folder / 'shards').is_dir() or any(folder.glob('*.jsonl'))


def _join(launcher: str) -> tuple[int, int]:
    """Return the rank of this process and the number of processes.

    The processes do not communicate, but the sampler asks torch.distributed for both numbers.
    """
    if launcher == 'none':
        return 0, 1
    if launcher == 'slurm':
        names = {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'}
        if missing := [name for name in names.values() if name not in os.environ]:
            raise UserError(f'--launcher slurm: {missing[0]} is not set; start the processes with srun')
        os.environ.update({name: os.environ[source] for name, source in names.items()})
        os.environ.setdefault('MASTER_ADDR', os.environ.get('SLURM_LAUNCH_NODE_IPADDR', '127.0.0.1'))
        os.environ.setdefault('MASTER_PORT', '29500')
    elif 'RANK' not in os.environ:
        raise UserError(
            '--launcher pytorch: start the processes with torchrun --nproc_per_node=N -m hrnet_mm.cli predict ...'
        )
    torch.distributed.init_process_group('gloo')
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


def choose_device() -> str:
    """Return the device of this process."""
    device: str = get_device()
    if device == 'cuda':
        device = f'cuda:{int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()}'
        torch.cuda.set_device(device)
    return device


def claim(out: Path | None, files: Sequence[Path], settings: Mapping[str, Any]) -> Path:
    """Record the model, its files and the settings in the output folder, or check that they are the recorded ones.

    Returns:
        The folder; without a given one, the first default that is free or theirs.
    """
    hashes = {file.name: _sha256(file) for file in files}
    about = json.dumps({'files': hashes, **settings})
    folders = [out] if out else map(_numbered, itertools.count(1))
    for folder in folders:
        note = folder / 'model.json'
        if not note.exists() or note.read_text() == about:
            break
    else:
        raise UserError(f'{out} holds predictions of another model: {note.read_text()}; choose another --out')
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f'--out: {folder} cannot be made ({error.strerror}); choose another folder') from error
    with written_aside(note) as aside:
        aside.write_text(about)
    return folder


def _numbered(number: int) -> Path:
    return _DEFAULT_OUT if number == 1 else _DEFAULT_OUT.with_name(f'{_DEFAULT_OUT.name}_{number}')


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def listed_boxes(file: Path, least: float, predictor: Predictor) -> dict[Path, list[list[float]]]:
    """Return the boxes of a detector's predictions of at least a score, by the absolute paths of their images.

    Raises:
        UserError: The file is missing, or the model takes no boxes.
    """
    if not predictor.needs_boxes:
        raise UserError('--boxes is for top-down pose models, and this model takes whole images; leave it out')
    if not file.is_file():
        raise UserError(f'--boxes: {file}: no such file; expected the predictions.jsonl of a detector')
    listed = {}
    with file.open(encoding='utf-8', errors='replace') as lines:
        for number, text in enumerate(lines, 1):
            try:
                line = json.loads(text)
                pairs = zip(line.get('boxes', []), line.get('scores', []), strict=True)
                boxes = [[float(value) for value in box] for box, score in pairs if score >= least]
                place = Path(line['image']).resolve()
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
                raise UserError(f'--boxes: {file}: line {number} is not an image with boxes ({error})') from error
            if not all(map(_is_box, boxes)):
                raise UserError(f'--boxes: {file}: line {number} has a box that is not x1 < x2 and y1 < y2 in pixels')
            listed[place] = boxes
    return listed


def _boxes_of(
    images: Sequence[Path], file: Path | None, least: float, predictor: Predictor
) -> dict[Path, list[list[float]]] | None:
    """Return the boxes of each image; images are the same if their absolute paths are."""
    if file is None:
        return None
    listed = listed_boxes(file, least, predictor)
    if missing := [image for image in images if image.resolve() not in listed]:
        raise UserError(
            f'--boxes: {file} has no line for {len(missing)} of {len(images)} images, such as {missing[0]}; run the '
            'detector on the same images, and this command in the same folder'
        )
    return {image: listed[image.resolve()] for image in images}


def _is_box(box: Sequence[float]) -> bool:
    return len(box) == 4 and bool(np.isfinite(box).all()) and box[0] < box[2] and box[1] < box[3]


class _Inputs(Dataset[tuple[Path, list[Any] | None, str | None]]):
    """The model's inputs for each image, or the reason why it cannot be read; for the workers of a loader.

    Images that are predicted by windows have no inputs.
    """

    def __init__(
        self,
        predictor: Predictor,
        images: Sequence[Path],
        boxes: dict[Path, list[list[float]]] | None,
        is_large: Callable[[Path], bool],
    ) -> None:
        self._prepare = predictor.prepare
        self._images = images
        self._boxes = boxes
        self._is_large = is_large

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Path, list[Any] | None, str | None]:
        path = self._images[index]
        try:
            if self._is_large(path):
                return path, None, None
            boxes = None if self._boxes is None else self._boxes[path]
            return path, self._prepare(path, boxes), None
        except UnreadableError as error:
            return path, [], str(error)


def _run(
    predictor: Predictor,
    images: Sequence[Path],
    boxes: dict[Path, list[list[float]]] | None,
    batch_size: int,
    workers: int,
    is_large: Callable[[Path], bool],
) -> Iterator[tuple[Path, str | None, list[Any] | None]]:
    """Yield each image with the reason why it cannot be read, or with the model's predictions; None for large ones."""
    loader = DataLoader(_Inputs(predictor, images, boxes, is_large), batch_size, num_workers=workers, collate_fn=list)
    for batch in loader:
        samples = iter(predictor.predict([one for _, inputs, _ in batch for one in inputs or ()]))
        for path, inputs, error in batch:
            yield path, error, None if inputs is None else [next(samples) for _ in inputs]


def _added(place: Path, suffix: str) -> Path:
    """Return the file for an image; the suffix is appended, because two images may differ only in theirs."""
    return place.with_name(f'{place.name}{suffix}')


class _Progress:
    """Progress lines at intervals."""

    def __init__(self, prefix: str, total: int, done: int) -> None:
        self.prefix = prefix
        self._total = total
        self.done = done
        self._errors = 0
        self._start = self._last = time.monotonic()
        self._begun = done
        print(f'{prefix}{total} images, {done} of them already done', flush=True)

    def step(self, error: str | None) -> None:
        self.done += 1
        self._errors += error is not None
        now = time.monotonic()
        if now - self._last > SECONDS_BETWEEN_LINES:
            self._last = now
            rate = (self.done - self._begun) / (now - self._start)
            print(
                f'{self.prefix}{self.done} of {self._total}, {self._errors} unreadable, {rate:.1f} images/s, '
                f'{(self._total - self.done) / rate:.0f} s left',
                flush=True,
            )
