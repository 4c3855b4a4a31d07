"""Prediction on any number of images in any number of processes, resumable."""

import hashlib
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
from .answers import Answers, merge
from .open import open_network
from .predictor import Predictor, UnreadableError

__all__ = ['predict_images']

_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.pgm', '.ppm', '.tif', '.tiff', '.webp'}
_SHOWN_ERRORS = 10
_SECONDS_BETWEEN_LINES = 10.0


def predict_images(
    paths: Sequence[Path],
    out: Path,
    model: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    score: float = 0.3,
    pictures: bool = True,
    boxes_file: Path | None = None,
    batch_size: int = 1,
    workers: int = 0,
    launcher: str = 'none',
) -> bool:
    """Answer every image exactly once and merge the answers when all have one; unreadable images are told and counted.

    `paths` are images, or folders with all below them. Answers and pictures go to `out`, where an interrupted run goes
    on. `model` and `weights` are what `open_network` opens, with a config. Pictures show what has at least `score`, and
    so much do boxes need that top-down pose models take from `boxes_file`, a detector's predictions.jsonl. `launcher`
    is what started the processes: 'none', 'pytorch' or 'slurm'.

    Returns:
        Whether any image could be read; True in a process that leaves merging to another.

    Raises:
        UserError: The arguments do not fit.
        KeyboardInterrupt: Ctrl-C; the message says how many images are done.
    """
    images = _find(paths, out)
    rank, processes = _join(launcher)
    opened = open_network(model, weights, device=_device())
    predictor = Predictor(opened)
    boxes = _read_boxes(boxes_file, score, predictor)
    if predictor.needs_boxes and boxes is None:
        print('this model looks at one object in a box: without --boxes that is the whole image')
    _claim(out, [*opened.files, *([boxes_file] if boxes_file else [])], score if boxes_file else None)
    with closing(Answers(out / 'shards', rank, processes)) as answers:
        # Without rounding up: every image is in one share.
        share = DefaultSampler(images, shuffle=False, seed=0, round_up=False)
        left = [images[i] for i in share if str(images[i]) not in answers.answered]
        say = _Progress(f'process {rank} of {processes}: ' if processes > 1 else '', len(share), len(share) - len(left))
        root = Path(os.path.commonpath([image.absolute().parent for image in images]))
        try:
            for path, error, samples in _run(predictor, left, boxes, batch_size, workers):
                if error is not None:
                    answers.add({'image': str(path), 'error': error})
                else:
                    place = path.absolute().relative_to(root)
                    found = predictor.answer(samples, _png(out / 'segments' / place))
                    if pictures:
                        predictor.draw(path, samples, score, _png(out / 'pictures' / place))
                    answers.add({'image': str(path), **found})
                say.step(error)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f'{say.done} of {len(share)} images are done and kept in {out}') from None
    if processes > 1:
        torch.distributed.destroy_process_group()
    errors = merge(out / 'shards', [str(image) for image in images], out / 'predictions.jsonl')
    if errors is None:
        print(f'{say.prefix}its share is answered; the process that is last merges the answers')
        return True
    for image, error in list(errors.items())[:_SHOWN_ERRORS]:
        print(f'{image}: {error}', file=sys.stderr)
    answered = f'{len(images) - len(errors)} of {len(images)} images answered, {len(errors)} could not be read'
    print(f'{answered}: {out / "predictions.jsonl"}')
    return len(errors) < len(images)


def _find(given: Sequence[Path], out: Path) -> list[Path]:
    """All images, each once, in the same order in every process."""
    found: dict[Path, None] = {}
    for path in given:
        if path.is_dir():
            below = (p for p in sorted(path.rglob('*')) if p.suffix.lower() in _SUFFIXES)
            found.update(dict.fromkeys(p for p in below if out.absolute() not in p.absolute().parents))
        elif path.exists():
            found[path] = None
        else:
            raise UserError(f'{path}: no such file or folder')
    if not found:
        raise UserError(f'no image ({", ".join(sorted(_SUFFIXES))}) in {", ".join(map(str, given))}')
    return list(found)


def _join(launcher: str) -> tuple[int, int]:
    """This process's number and how many there are; they talk to nobody, and the sampler asks torch for these two."""
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


def _claim(out: Path, files: Sequence[Path], score: float | None) -> None:
    """Note what answers in this folder, or find that it is the same."""
    hashes = {file.name: _sha256(file) for file in files}
    about = json.dumps({'files': hashes, 'score': score})
    note = out / 'model.json'
    out.mkdir(parents=True, exist_ok=True)
    if note.exists() and note.read_text() != about:
        raise UserError(f'{out} holds answers of another model: {note.read_text()}; choose another --out')
    with written_aside(note) as aside:
        aside.write_text(about)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_boxes(file: Path | None, least: float, predictor: Predictor) -> dict[str, list[list[float]]] | None:
    if file is None:
        return None
    if not predictor.needs_boxes:
        raise UserError('--boxes: this model takes whole images')
    if not file.is_file():
        raise UserError(f'--boxes: {file}: no such file')
    result = {}
    with file.open() as lines:
        for line in map(json.loads, lines):
            pairs = zip(line.get('boxes', []), line.get('scores', []), strict=True)
            result[line['image']] = [box for box, score in pairs if score >= least]
    return result


class _Inputs(Dataset[tuple[Path, list[Any], str | None]]):
    """Images as the model's inputs, or why they cannot be; read by the loader's workers."""

    def __init__(
        self, predictor: Predictor, images: Sequence[Path], boxes: dict[str, list[list[float]]] | None
    ) -> None:
        self._prepare = predictor.prepare
        self._images = images
        self._boxes = boxes

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Path, list[Any], str | None]:
        path = self._images[index]
        try:
            boxes = None if self._boxes is None else self._boxes.get(str(path), [])
            return path, self._prepare(path, boxes), None
        except UnreadableError as error:
            return path, [], str(error)


def _run(
    predictor: Predictor,
    images: Sequence[Path],
    boxes: dict[str, list[list[float]]] | None,
    batch_size: int,
    workers: int,
) -> Iterator[tuple[Path, str | None, list[Any]]]:
    """Each image with the reason why it cannot be read, or with what the model says of it."""
    loader = DataLoader(_Inputs(predictor, images, boxes), batch_size, num_workers=workers, collate_fn=list)
    for batch in loader:
        samples = iter(predictor.predict([one for _, inputs, _ in batch for one in inputs]))
        for path, inputs, error in batch:
            yield path, error, [next(samples) for _ in inputs]


def _png(place: Path) -> Path:
    """The file for an image; the suffix is appended, since two images may differ in theirs alone."""
    return place.with_name(f'{place.name}.png')


class _Progress:
    """A line now and then."""

    def __init__(self, prefix: str, total: int, done: int) -> None:
        self.prefix = prefix
        self._total = total
        self.done = done
        self._errors = 0
        self._start = self._last = time.monotonic()
        self._begun = done
        print(f'{prefix}{total} images, {done} of them answered before', flush=True)

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
