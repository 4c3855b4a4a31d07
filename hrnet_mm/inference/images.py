"""`hrnet-mm predict`: finds the images, takes this process's share, answers what has no answer yet, and merges."""

import argparse
import hashlib
import json
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from mmengine.device import get_device
from torch.utils.data import DataLoader, Dataset

from ..weights.io import written_aside
from .answers import Answers, merge
from .model import Predictor, open_model

__all__ = ['add_predict_arguments', 'predict']

_SUFFIXES = {'.bmp', '.jpeg', '.jpg', '.png', '.pgm', '.ppm', '.tif', '.tiff', '.webp'}
_SHOWN_ERRORS = 10
_SECONDS_BETWEEN_LINES = 10.0


def add_predict_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm predict`."""
    parser.add_argument(
        'images', nargs='+', type=Path, metavar='IMAGE|DIR', help='files, or folders with all below them'
    )
    parser.add_argument(
        '--model', type=Path, required=True, metavar='FILE', help='a checkpoint, or a config (.py) with --checkpoint'
    )
    parser.add_argument('--config', type=Path, help='for a checkpoint that does not hold its config')
    parser.add_argument('--checkpoint', type=Path, help='the weights, where --model is a config')
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='where answers and pictures go; a run that was interrupted goes on there',
    )
    parser.add_argument(
        '--score', type=float, default=0.3, help='draw what has at least this score (default: %(default)s)'
    )
    parser.add_argument('--no-pictures', action='store_true', help='write the answers alone')
    parser.add_argument(
        '--boxes',
        type=Path,
        metavar='FILE',
        help='for top-down pose models: the predictions.jsonl of a detector on the same images, of which the boxes of '
        'at least --score are taken (default: one box, the whole image)',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='images at once (default: %(default)s)')
    parser.add_argument('--workers', type=int, default=0, help='processes that read images (default: %(default)s)')
    parser.add_argument(
        '--launcher', choices=('none', 'pytorch', 'slurm'), default='none', help='what started the processes, if many'
    )


def predict(args: argparse.Namespace) -> int:
    """Answer every image exactly once and merge the answers when all have one; unreadable images are told and counted.

    Raises ValueError for arguments that do not fit.
    """
    warnings.filterwarnings('ignore')  # the libraries warn of their own age wherever they are imported
    images = _find(args.images, args.out)
    rank, processes = _join(args.launcher)
    device = _device()
    predictor = open_model(args.model, args.config, args.checkpoint, device)
    boxes = _read_boxes(args, predictor)
    if predictor.needs_boxes and boxes is None:
        print('this model looks at one object in a box: without --boxes that is the whole image')
    _claim(args)
    with closing(Answers(args.out / 'shards', rank, processes)) as answers:
        # Without rounding up: every image is in one share.
        share = DefaultSampler(images, shuffle=False, seed=0, round_up=False)
        left = [images[i] for i in share if str(images[i]) not in answers.answered]
        say = _Progress(f'process {rank} of {processes}: ' if processes > 1 else '', len(share), len(share) - len(left))
        root = Path(os.path.commonpath([image.absolute().parent for image in images]))
        for path, error, samples in _run(predictor, left, boxes, args.batch_size, args.workers):
            if error is not None:
                answers.add({'image': str(path), 'error': error})
            else:
                place = path.absolute().relative_to(root)
                found = predictor.answer(samples, _png(args.out / 'segments' / place))
                if not args.no_pictures:
                    predictor.draw(path, samples, args.score, _png(args.out / 'pictures' / place))
                answers.add({'image': str(path), **found})
            say.step(error)
    if processes > 1:
        torch.distributed.destroy_process_group()
    errors = merge(args.out / 'shards', [str(image) for image in images], args.out / 'predictions.jsonl')
    if errors is None:
        print(f'{say.prefix}its share is answered; the process that is last merges the answers')
        return 0
    for image, error in list(errors.items())[:_SHOWN_ERRORS]:
        print(f'{image}: {error}', file=sys.stderr)
    answered = f'{len(images) - len(errors)} of {len(images)} images answered, {len(errors)} could not be read'
    print(f'{answered}: {args.out / "predictions.jsonl"}')
    return 0


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
            raise ValueError(f'{path}: no such file or folder')
    if not found:
        raise ValueError(f'no image ({", ".join(sorted(_SUFFIXES))}) in {", ".join(map(str, given))}')
    return list(found)


def _join(launcher: str) -> tuple[int, int]:
    """This process's number and how many there are; they talk to nobody, and the sampler asks torch for these two."""
    if launcher == 'none':
        return 0, 1
    if launcher == 'slurm':
        names = {'RANK': 'SLURM_PROCID', 'WORLD_SIZE': 'SLURM_NTASKS', 'LOCAL_RANK': 'SLURM_LOCALID'}
        if missing := [name for name in names.values() if name not in os.environ]:
            raise ValueError(f'--launcher slurm: {missing[0]} is not set; start the processes with srun')
        os.environ.update({name: os.environ[source] for name, source in names.items()})
        os.environ.setdefault('MASTER_ADDR', os.environ.get('SLURM_LAUNCH_NODE_IPADDR', '127.0.0.1'))
        os.environ.setdefault('MASTER_PORT', '29500')
    elif 'RANK' not in os.environ:
        raise ValueError(
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


def _claim(args: argparse.Namespace) -> None:
    """Note what answers in this folder, or find that it is the same."""
    files = [args.model, args.config, args.checkpoint, args.boxes]
    hashes = {file.name: _sha256(file) for file in files if file is not None}
    about = json.dumps({'files': hashes, 'score': args.score if args.boxes else None})
    note = args.out / 'model.json'
    args.out.mkdir(parents=True, exist_ok=True)
    if note.exists() and note.read_text() != about:
        raise ValueError(f'{args.out} holds answers of another model: {note.read_text()}; choose another --out')
    with written_aside(note) as aside:
        aside.write_text(about)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_boxes(args: argparse.Namespace, predictor: Predictor) -> dict[str, list[list[float]]] | None:
    if args.boxes is None:
        return None
    if not predictor.needs_boxes:
        raise ValueError('--boxes: this model takes whole images')
    if not args.boxes.is_file():
        raise ValueError(f'--boxes: {args.boxes}: no such file')
    result = {}
    with args.boxes.open() as file:
        for line in map(json.loads, file):
            pairs = zip(line.get('boxes', []), line.get('scores', []), strict=True)
            result[line['image']] = [box for box, score in pairs if score >= args.score]
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
        except ValueError as error:
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
        self._done = done
        self._errors = 0
        self._start = self._last = time.monotonic()
        self._begun = done
        print(f'{prefix}{total} images, {done} of them answered before', flush=True)

    def step(self, error: str | None) -> None:
        self._done += 1
        self._errors += error is not None
        now = time.monotonic()
        if now - self._last > _SECONDS_BETWEEN_LINES:
            self._last = now
            rate = (self._done - self._begun) / (now - self._start)
            print(
                f'{self.prefix}{self._done} of {self._total}, {self._errors} unreadable, {rate:.1f} images/s, '
                f'{(self._total - self._done) / rate:.0f} s left',
                flush=True,
            )
