"""Resumable prediction on any number of images in any number of processes."""

import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from mmengine.device import get_device
from torch.utils.data import DataLoader, Dataset

from ..errors import UserError
from ..weights.io import written_aside
from .open import open_network
from .predictions import Predictions, merge
from .predictor import Predictor, UnreadableError
from .tables import write_deeplabcut

__all__ = ['predict_images']

_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.pgm', '.ppm', '.tif', '.tiff', '.webp'}
_DEFAULT_OUT = Path('work_dirs', 'predict')
_SHOWN_ERRORS = 10
_SECONDS_BETWEEN_LINES = 10.0


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
    form: str = 'json',
) -> bool:
    """Predict on every image exactly once, and merge the predictions when all images have one.

    Unreadable images are reported and counted.

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
    images = _find(paths)
    rank, processes = _join(launcher)
    opened = open_network(model, weights, device=_device(), raw=raw)
    predictor = Predictor(opened)
    names = predictor.dataset_meta.get('keypoint_id2name') or {}
    if form == 'deeplabcut' and not names:
        raise UserError(f'--format deeplabcut is for keypoints, and {opened.name} predicts none; leave it out')
    boxes = _read_boxes(boxes_file, score, predictor, images)
    if predictor.needs_boxes and boxes is None:
        print('this model takes one object in a box; without --boxes, the box is the whole image')
    out = _claim(out, [*opened.files, *([boxes_file] if boxes_file else [])], score if boxes_file else None)
    with closing(Predictions(out / 'shards', rank, processes)) as predictions:
        # round_up would repeat images to make the shares equal.
        share = DefaultSampler(images, shuffle=False, seed=0, round_up=False)
        left = [images[i] for i in share if str(images[i]) not in predictions.done]
        say = _Progress(f'process {rank} of {processes}: ' if processes > 1 else '', len(share), len(share) - len(left))
        root = Path(os.path.commonpath([image.absolute().parent for image in images]))
        try:
            for path, error, samples in _run(predictor, left, boxes, batch_size, workers):
                if error is not None:
                    predictions.add({'image': str(path), 'error': error})
                else:
                    place = path.absolute().relative_to(root)
                    prediction = predictor.to_json(samples, _png(out / 'segments' / place))
                    if pictures:
                        predictor.draw(path, samples, score, _png(out / 'pictures' / place))
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


def _find(given: Sequence[Path]) -> list[Path]:
    """Return all images once, in the same order in every process, without the pictures of predictions."""
    found: dict[Path, None] = {}
    for path in given:
        if path.is_dir():
            outputs = {note.parent for note in path.rglob('model.json') if (note.parent / 'shards').is_dir()}
            images = (p for p in sorted(path.rglob('*')) if p.suffix.lower() in _SUFFIXES)
            found.update(dict.fromkeys(p for p in images if outputs.isdisjoint(p.parents)))
        elif path.exists():
            found[path] = None
        else:
            raise UserError(f'{path}: no such file or folder; expected images or folders of images')
    if not found:
        raise UserError(f'no image ({", ".join(sorted(_SUFFIXES))}) in {", ".join(map(str, given))}')
    return list(found)


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


def _device() -> str:
    device: str = get_device()
    if device == 'cuda':
        device = f'cuda:{int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count()}'
        torch.cuda.set_device(device)
    return device


def _claim(out: Path | None, files: Sequence[Path], score: float | None) -> Path:
    """Record the model and its files in the output folder, or check that they are the recorded ones.

    Returns:
        The folder; without a given one, the first default that is free or theirs.
    """
    hashes = {file.name: _sha256(file) for file in files}
    about = json.dumps({'files': hashes, 'score': score})
    folders = [out] if out else map(_numbered, itertools.count(1))
    for folder in folders:
        note = folder / 'model.json'
        if not note.exists() or note.read_text() == about:
            break
    else:
        raise UserError(f'{out} holds predictions of another model: {note.read_text()}; choose another --out')
    folder.mkdir(parents=True, exist_ok=True)
    with written_aside(note) as aside:
        aside.write_text(about)
    return folder


def _numbered(number: int) -> Path:
    return _DEFAULT_OUT if number == 1 else _DEFAULT_OUT.with_name(f'{_DEFAULT_OUT.name}_{number}')


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_boxes(
    file: Path | None, least: float, predictor: Predictor, images: Sequence[Path]
) -> dict[Path, list[list[float]]] | None:
    """Return the boxes of each image; images are the same if their absolute paths are."""
    if file is None:
        return None
    if not predictor.needs_boxes:
        raise UserError('--boxes is for top-down pose models, and this model takes whole images; leave it out')
    if not file.is_file():
        raise UserError(f'--boxes: {file}: no such file; expected the predictions.jsonl of a detector')
    listed = {}
    with file.open() as lines:
        for line in map(json.loads, lines):
            pairs = zip(line.get('boxes', []), line.get('scores', []), strict=True)
            listed[Path(line['image']).resolve()] = [box for box, score in pairs if score >= least]
    if missing := [image for image in images if image.resolve() not in listed]:
        raise UserError(
            f'--boxes: {file} has no line for {len(missing)} of {len(images)} images, such as {missing[0]}; run the '
            'detector on the same images, and this command in the same folder'
        )
    return {image: listed[image.resolve()] for image in images}


class _Inputs(Dataset[tuple[Path, list[Any], str | None]]):
    """The model's inputs for each image, or the reason why it cannot be read; for the workers of a loader."""

    def __init__(
        self, predictor: Predictor, images: Sequence[Path], boxes: dict[Path, list[list[float]]] | None
    ) -> None:
        self._prepare = predictor.prepare
        self._images = images
        self._boxes = boxes

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Path, list[Any], str | None]:
        path = self._images[index]
        try:
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
) -> Iterator[tuple[Path, str | None, list[Any]]]:
    """Yield each image with the reason why it cannot be read, or with the model's predictions."""
    loader = DataLoader(_Inputs(predictor, images, boxes), batch_size, num_workers=workers, collate_fn=list)
    for batch in loader:
        samples = iter(predictor.predict([one for _, inputs, _ in batch for one in inputs]))
        for path, inputs, error in batch:
            yield path, error, [next(samples) for _ in inputs]


def _png(place: Path) -> Path:
    """Return the picture's file for an image; the suffix is appended, because two images may differ only in theirs."""
    return place.with_name(f'{place.name}.png')


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
        if now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            rate = (self.done - self._begun) / (now - self._start)
            print(
                f'{self.prefix}{self.done} of {self._total}, {self._errors} unreadable, {rate:.1f} images/s, '
                f'{(self._total - self.done) / rate:.0f} s left',
                flush=True,
            )
