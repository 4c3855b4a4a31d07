"""`hrnet-mm track`."""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from .draw import VideoFile, draw_persons
from .evaluate import read_videos, table
from .flow import FLOWS, Image
from .networks import DetectorNetwork, PoseNetwork, listed_boxes
from .persons import Persons
from .posetrack import image_id_of, write_video
from .tracker import Detector, PoseTracker, Settings, without_short_tracks

__all__ = ['add_track_arguments', 'track']

_IMAGES = {'.jpg', '.jpeg', '.png', '.bmp'}


def add_track_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `track` reads."""
    default = Settings()
    files = ('CONFIG', 'CHECKPOINT')
    parser.add_argument('video', type=Path, help='a video file, or a folder of images in the order of their names')
    parser.add_argument(
        '--model', nargs=2, type=Path, metavar=files, required=True, help='top-down pose network of mmpose'
    )
    boxes = parser.add_mutually_exclusive_group(required=True)
    boxes.add_argument('--detector', nargs=2, type=Path, metavar=files, help='detector of persons of mmdet')
    boxes.add_argument(
        '--boxes', type=Path, help="JSON of detections in COCO's form; image_id as in PoseTrack, else counted from 0"
    )
    parser.add_argument('--out', type=Path, default=Path('work_dirs/track'), help='default: work_dirs/track')
    parser.add_argument('--flow', choices=[*FLOWS, 'none'], default='dis', help='default: dis')
    parser.add_argument('--no-propagation', action='store_true', help='use the boxes of the detector alone')
    parser.add_argument('--memory', type=int, default=default.memory, help='frames that somebody may be out of sight')
    parser.add_argument('--least-frames', type=int, default=1, help='drop persons seen in fewer frames (default: 1)')
    parser.add_argument('--joint-score', type=float, default=0.0, help='write no joints below it (default: 0)')
    parser.add_argument('--frames', action='store_true', help='draw PNG files instead of an MP4')
    parser.add_argument('--truth', type=Path, help='annotations of this video in the form of PoseTrack 2018: measure')
    parser.add_argument('--device', default='cpu', help='such as cuda (default: cpu)')


def track(args: argparse.Namespace) -> None:
    """Track the persons of one video; write PoseTrack's JSON and a drawn video.

    Raises ValueError for input that cannot be read.
    """
    names = _names(args.video)
    if not names:
        raise ValueError(f'{args.video} holds no images: expected a video that OpenCV reads, or a folder of images')
    pose = PoseNetwork(args.model[0], args.model[1], args.device)
    settings = replace(Settings(), propagate=not args.no_propagation, memory=args.memory)
    tracker = PoseTracker(_detector(args, names), pose, FLOWS.get(args.flow), settings, pose.sigmas)
    found = [tracker(image) for image in _images(args.video)]
    frames = [pose.in_places(persons) for persons in without_short_tracks(found, args.least_frames)]
    args.out.mkdir(parents=True, exist_ok=True)
    results = args.out / f'{_title(args.video)}.json'
    write_video(results, names, frames, args.joint_score)
    drawn = _draw(args, frames)
    persons = len(np.unique(np.concatenate([one.ids for one in frames])))
    print(f'{len(frames)} frames, {persons} persons: {results}, {drawn}')
    if args.truth is not None:
        print(table(read_videos(args.truth, results)))


def _detector(args: argparse.Namespace, names: list[str]) -> Detector:
    if args.detector is not None:
        return DetectorNetwork(args.detector[0], args.detector[1], args.device)
    try:
        image_ids = [image_id_of(name, index) for index, name in enumerate(names)]
        boxes = iter(listed_boxes(json.loads(args.boxes.read_text()), image_ids))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{args.boxes} is no list of image_id, bbox, score: {type(error).__name__} {error}') from error
    return lambda image: next(boxes)


def _draw(args: argparse.Namespace, frames: list[Persons]) -> Path:
    drawn = (draw_persons(image, persons) for image, persons in zip(_images(args.video), frames, strict=True))
    if args.frames:
        folder: Path = args.out / _title(args.video)
        folder.mkdir(exist_ok=True)
        for index, image in enumerate(drawn):
            cv2.imwrite(str(folder / f'{index:06d}.png'), image)
        return folder
    file: Path = args.out / f'{_title(args.video)}.mp4'
    with VideoFile(file) as video:
        for image in drawn:
            video.write(image)
    return file


def _title(video: Path) -> str:
    return video.name if video.is_dir() else video.stem


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _IMAGES)


def _names(video: Path) -> list[str]:
    if video.is_dir():
        return [str(file) for file in _files(video)]
    return [f'{_title(video)}/{index:06d}.jpg' for index, _ in enumerate(_images(video))]


def _images(video: Path) -> Iterator[Image]:
    """The images `(H, W, 3)` in B, G, R, one at a time."""
    if video.is_dir():
        for file in _files(video):
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                raise ValueError(f'{file} cannot be read as an image')
            yield np.asarray(image, dtype=np.uint8)
        return
    capture = cv2.VideoCapture(str(video))
    while (read := capture.read())[0]:
        yield np.asarray(read[1], dtype=np.uint8)
    capture.release()
