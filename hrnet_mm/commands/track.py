"""`hrnet-mm track`: pose tracking of persons in a video."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import UserError
from ._network import add_network_arguments
from ._warnings import ignore_library_warnings

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'track the poses of persons through a video, and evaluate them if annotations are given'
EXAMPLE = (
    '  hrnet-mm track pose.pth --data video.mp4 --detector persons.py --detector-weights persons.pth\n'
    '  hrnet-mm track pose.py --weights pose.pth --data images/val/000342_mpii_test --boxes detections.json '
    '--truth annotations/val/000342_mpii_test.json'
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm track`."""
    from ..tracking.flow import FLOWS
    from ..tracking.tracker import Settings

    default = Settings()
    add_network_arguments(parser)
    parser.add_argument(
        '--data',
        type=Path,
        required=True,
        metavar='VIDEO',
        help='a video file, or a folder of images in the order of their names',
    )
    boxes = parser.add_mutually_exclusive_group(required=True)
    boxes.add_argument('--detector', metavar='MODEL', help='a person detector of mmdet, in the forms of MODEL')
    boxes.add_argument(
        '--boxes', type=Path, help='detections in COCO format (JSON); image_id as in PoseTrack, or counted from 0'
    )
    parser.add_argument('--detector-weights', metavar='FILE', help='its checkpoint, if --detector is a config')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/track'), help='default: work_dirs/track')
    parser.add_argument('--flow', choices=[*FLOWS, 'none'], default='dis', help='default: dis')
    parser.add_argument('--no-propagation', action='store_true', help='use only the boxes of the detector')
    parser.add_argument(
        '--memory',
        type=int,
        default=default.memory,
        help='frames for which a person may be unseen (default: %(default)s)',
    )
    parser.add_argument('--least-frames', type=int, default=1, help='drop persons seen in fewer frames (default: 1)')
    parser.add_argument('--joint-score', type=float, default=0.0, help='lowest score of written joints (default: 0)')
    parser.add_argument('--frames', action='store_true', help='draw PNG files instead of an MP4')
    parser.add_argument('--truth', type=Path, help='PoseTrack 2018 annotations of this video, to evaluate against')
    parser.add_argument('--device', default='cpu', help='such as cuda (default: cpu)')


def run(args: argparse.Namespace) -> None:
    """Track the persons of one video; write PoseTrack's JSON and a video with the poses drawn.

    Raises:
        UserError: The input cannot be read.
    """
    from dataclasses import replace
    from itertools import chain

    import numpy as np

    from ..inference.tracking import PoseNetwork
    from ..tracking.draw import draw_persons
    from ..tracking.evaluate import read_videos, table
    from ..tracking.flow import FLOWS
    from ..tracking.posetrack import image_id_of, in_places, write_video
    from ..tracking.tracker import PoseTracker, Settings, without_short_tracks
    from ..tracking.video import read_frames, title, write_images, write_mp4

    ignore_library_warnings()
    images = read_frames(args.data)
    first = next(images, None)
    if first is None:
        raise UserError(f'{args.data} holds no images; expected a video that OpenCV reads, or a folder of images')
    pose = PoseNetwork(args.model, args.weights, args.device, args.raw)
    joints = len(pose.names)
    in_places(np.zeros((0, joints, 2)), np.zeros((0, joints)), pose.names)  # a mistake is told before the video is read
    settings = replace(Settings(), propagate=not args.no_propagation, memory=args.memory)
    names: list[str] = []  # of the frames so far
    used: set[int] = set()  # image ids with listed boxes
    tracker = PoseTracker(_detector(args, names, used), pose, FLOWS.get(args.flow), settings, pose.sigmas)
    found = []
    for name, image in chain([first], images):
        names.append(name)
        found.append(tracker(image))
    if args.boxes is not None and not used:
        last = image_id_of(names[-1], len(names) - 1)
        raise UserError(
            f'{args.boxes} has no boxes for the {len(names)} frames, whose image_id are '
            f'{image_id_of(names[0], 0)} to {last}; run the detector on these frames'
        )
    frames = [pose.in_places(persons) for persons in without_short_tracks(found, args.least_frames)]
    args.out.mkdir(parents=True, exist_ok=True)
    video = title(args.data)
    results = args.out / f'{video}.json'
    write_video(results, names, frames, args.joint_score)
    drawn = args.out / (video if args.frames else f'{video}.mp4')
    pictures = (
        draw_persons(image, persons) for (_, image), persons in zip(read_frames(args.data), frames, strict=True)
    )
    (write_images if args.frames else write_mp4)(pictures, drawn)
    persons = len(np.unique(np.concatenate([one.ids for one in frames])))
    print(f'{len(frames)} frames, {persons} persons: {results}, {drawn}')
    if args.truth is not None:
        print(table(read_videos(args.truth, results)))


def _detector(args: argparse.Namespace, names: list[str], used: set[int]) -> Any:
    import json

    from ..inference.tracking import DetectorNetwork, listed_boxes
    from ..tracking.posetrack import image_id_of

    if args.detector is not None:
        return DetectorNetwork(args.detector, args.detector_weights, args.device, args.raw)
    if args.detector_weights is not None:
        raise UserError('--detector-weights needs --detector, a config of mmdet')
    try:
        boxes = listed_boxes(json.loads(args.boxes.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f'{args.boxes} is not a list of image_id, bbox and score ({type(error).__name__}: {error}); '
            "expected COCO's format of results"
        ) from error

    def detect(image: object) -> Any:
        image_id = image_id_of(names[-1], len(names) - 1)
        used.update({image_id} & boxes.keys())
        return boxes[image_id]

    return detect
