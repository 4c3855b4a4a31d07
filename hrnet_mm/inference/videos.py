"""Prediction on videos, one frame after the other: tables, JSON lines, and a video with the predictions drawn."""

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..tracking.draw import VideoFile
from ..tracking.video import Frame, Video, title
from .images import choose_device, claim, listed_boxes
from .open import open_network
from .predictor import Predictor
from .progress import reported

__all__ = ['COLUMNS', 'predict_videos', 'rows_of']

COLUMNS = {
    'mmdet': ('object', 'class', 'score', 'x1', 'y1', 'x2', 'y2'),
    'mmpose': ('object', 'keypoint', 'x', 'y', 'score'),
    'mmpretrain': ('rank', 'class', 'score'),
    'mmseg': ('class', 'share'),
}
"""The columns of the table after frame and time, by library."""


def predict_videos(
    paths: Sequence[Path],
    out: Path | None,
    model: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None = None,
    score: float = 0.3,
    pictures: bool = True,
    boxes_file: Path | None = None,
    batch_size: int = 1,
    raw: bool = False,
) -> bool:
    """Predict on every frame of videos; see `predict_images`.

    For each video, `NAME.csv` is a table with a row for each object, keypoint or class of each frame, `NAME.jsonl` has
    a line for each frame as `predict_images` writes for an image, and `pictures/NAME.mp4` shows the predictions.
    Objects are numbered within a frame; `hrnet-mm track` follows persons.

    Args:
        paths: Video files.
        out: The folder; see `predict_images`.
        model: See `open_network`; the network needs a config, its own or the checkpoint's.
        weights: See `open_network`.
        score: The lowest score that is drawn, and that boxes of `boxes_file` must have.
        pictures: Whether the predictions are drawn.
        boxes_file: Boxes for top-down pose models: the .jsonl of a detector for the same video.
        batch_size: Frames in a batch.
        raw: See `open_network`.

    Returns:
        Whether every frame that the files have by their headers was read.

    Raises:
        UserError: A file is no video, or the arguments do not fit together.
        KeyboardInterrupt: After Ctrl-C; the message has the number of finished frames.
    """
    names = [title(path) for path in paths]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f'two videos are called {twice[0]}; predict on them one after the other, with different --out')
    videos = [Video(path) for path in paths]
    opened = open_network(model, weights, device=choose_device(), raw=raw)
    predictor = Predictor(opened)
    boxes = None if boxes_file is None else listed_boxes(boxes_file, score, predictor)
    if predictor.needs_boxes and boxes is None:
        print('this model takes one object in a box; without --boxes, the box is the whole frame')
    files = [*opened.files, *([boxes_file] if boxes_file else [])]
    out = claim(out, files, {'score': score if boxes_file else None, 'windows': [None, None]})
    were_read = [_predict(predictor, video, out, score, pictures, boxes, batch_size) for video in videos]
    return all(were_read)


def rows_of(prediction: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a prediction, without frame and time; see `COLUMNS`.

    Args:
        prediction: The prediction, as `Predictor.to_json` returns it.
    """
    if 'poses' in prediction:
        names = prediction['names']
        for index, pose in enumerate(prediction['poses']):
            for number, (place, score) in enumerate(zip(pose['keypoints'], pose['scores'], strict=True)):
                yield index, names[number] if names else number, *place, score
    elif 'shares' in prediction:
        yield from prediction['shares'].items()
    elif 'boxes' in prediction:
        objects = zip(prediction['labels'], prediction['scores'], prediction['boxes'], strict=True)
        for index, (label, score, box) in enumerate(objects):
            yield index, label, score, *box
    else:
        yield from zip(range(1, 1 + len(prediction['labels'])), prediction['labels'], prediction['scores'], strict=True)


def _predict(
    predictor: Predictor,
    video: Video,
    out: Path,
    score: float,
    pictures: bool,
    boxes: Mapping[Path, list[list[float]]] | None,
    batch_size: int,
) -> bool:
    name, path = title(video.path), video.path
    table, lines, drawn = out / f'{name}.csv', out / f'{name}.jsonl', out / 'pictures' / f'{name}.mp4'
    if pictures and drawn.exists() and drawn.samefile(path):
        raise UserError(f'{path} would be overwritten by the video that is drawn; choose another --out')
    done, damaged = 0, list[int]()
    with ExitStack() as stack:
        rows = csv.writer(stack.enter_context(table.open('w', newline='')))
        rows.writerow(('frame', 'time', *COLUMNS[predictor.library]))
        texts = stack.enter_context(lines.open('w'))
        if pictures:
            drawn.parent.mkdir(exist_ok=True)
        picture = stack.enter_context(VideoFile(drawn, video.rate)) if pictures else None
        last = None
        try:
            frames = reported(video, video.length, f'{path}: ', 'frames')
            for frame, samples in _run(predictor, path, frames, boxes, batch_size):
                told: dict[str, Any] = {
                    'image': f'{path}#{frame.number}',
                    'frame': frame.number,
                    'time': round(frame.time, 4),
                }
                if frame.image is None:
                    damaged.append(frame.number)
                    told['error'] = 'the frame cannot be decoded'
                else:
                    segments = out / 'segments' / name / f'{frame.number:06d}.png'
                    told |= (prediction := predictor.to_json(samples, segments))
                    rows.writerows((frame.number, told['time'], *row) for row in rows_of(prediction))
                    if picture is not None:
                        rgb = np.ascontiguousarray(frame.image[..., ::-1])
                        last = np.ascontiguousarray(predictor.drawn(rgb, samples, score)[..., ::-1])
                if picture is not None and last is not None:  # a damaged frame shows the one before it
                    picture.write(last)
                texts.write(json.dumps(told, separators=(',', ':')) + '\n')
                done += 1
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f'{done} frames of {path} are done and kept in {out}') from None
    return _told(video, done, damaged, [table, lines, *([drawn] if last is not None else [])])


def _told(video: Video, done: int, damaged: Sequence[int], files: Iterable[Path]) -> bool:
    """Say what was read and written; return whether that is all."""
    if damaged:
        print(
            f'{video.path}: {len(damaged)} of {done} frames cannot be decoded, the first is frame {damaged[0]}',
            file=sys.stderr,
        )
    missing = video.missing(done)
    if missing:
        print(
            f'{video.path}: {done} of {video.length} frames could be read; the file is cut off or damaged',
            file=sys.stderr,
        )
    print(f'{video.path}: {done - len(damaged)} frames: {", ".join(map(str, files))}')
    return not damaged and not missing and done > 0


def _run(
    predictor: Predictor,
    path: Path,
    frames: Iterable[Frame],
    boxes: Mapping[Path, list[list[float]]] | None,
    batch_size: int,
) -> Iterator[tuple[Frame, list[Any]]]:
    """Yield each frame with the model's predictions; none for one that cannot be decoded."""
    batch: list[tuple[Frame, list[Any]]] = []
    for frame in frames:
        inputs = [] if frame.image is None else predictor.prepare(frame.image, _boxes(path, frame.number, boxes))
        batch.append((frame, inputs))
        if len(batch) == batch_size:
            yield from _predicted(predictor, batch)
            batch = []
    yield from _predicted(predictor, batch)


def _predicted(predictor: Predictor, batch: Sequence[tuple[Frame, list[Any]]]) -> Iterator[tuple[Frame, list[Any]]]:
    samples = iter(predictor.predict([one for _, inputs in batch for one in inputs]))
    for frame, inputs in batch:
        yield frame, [next(samples) for _ in inputs]


def _boxes(path: Path, index: int, boxes: Mapping[Path, list[list[float]]] | None) -> list[list[float]] | None:
    if boxes is None:
        return None
    name = Path(f'{path}#{index}')
    if name.resolve() not in boxes:
        raise UserError(f'--boxes has no line for {name}; run the detector on the same video, in the same folder')
    return boxes[name.resolve()]
