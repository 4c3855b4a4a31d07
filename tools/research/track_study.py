"""The gain of optical flow and propagated boxes in tracking, on rendered videos of people behind one another.

The detector is the truth, or the truth made worse, seeded: boxes jitter, people are missed more often if less of them
is visible, and some boxes hold no person. Poses are a network's (--model), or the truth made worse in the same way:
joints scatter, covered ones much and with low scores, and of two people in a box it is the one of whom more is visible.
Writes means and standard deviations over the seeds to results/tracking.csv, where rows of other poses stay, and
a strip of pictures. Examples:

    python tools/research/track_study.py
    python tools/research/track_study.py --model configs/demo/td-hm_hrnetv1_people.py work_dirs/demo/pose/weights.pth
"""

import argparse
import itertools
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from hrnet_mm.data.photographs import read_photographs
from hrnet_mm.data.rendered.bodies import KEYPOINTS
from hrnet_mm.data.rendered.videos import Video, render_video, write_posetrack
from hrnet_mm.inference.tracking import PoseNetwork
from hrnet_mm.tracking import Frame, PoseTracker, Settings, evaluate_poses, evaluate_tracking, read_video, write_video
from hrnet_mm.tracking.draw import draw_persons
from hrnet_mm.tracking.flow import FLOWS, Flow, Image
from hrnet_mm.tracking.persons import COCO_SIGMAS, Array, Persons, box_iou
from hrnet_mm.tracking.posetrack import JOINTS
from hrnet_mm.weights.tables import replace_rows

VARIANTS = {  # name: flow, propagation, whether the boxes are the truth
    'no flow, detected boxes': (None, False, False),
    'no flow, propagated boxes': (None, True, False),
    'DIS flow, detected boxes': ('dis', False, False),
    'DIS flow, propagated boxes': ('dis', True, False),
    'Farneback flow, propagated boxes': ('farneback', True, False),
    'no flow, true boxes': (None, False, True),
    'DIS flow, true boxes': ('dis', False, True),
}
BASELINE, FULL = 'no flow, detected boxes', 'DIS flow, propagated boxes'
MIN_SCORE = 0.5  # of the joints that MOTA counts
# In percent, the last three of the true joints; MOTA's gain is over the baseline with the same seed.
MEASURES = ('mAP', 'MOTA', 'switches', 'missed', 'false_positives')


@dataclass(frozen=True)
class Clip:
    """Every `step`-th frame of a rendered video, its annotations, and the flows between its frames."""

    video: Video
    truth: list[Frame]
    flows: dict[str, list[Array]]


class Degraded:
    """Detector and pose estimator of one clip that know the truth and spoil it; each frame is asked for once."""

    def __init__(self, clip: Clip, seed: tuple[int, ...], true_boxes: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.people = iter(clip.video.people)
        self.size = clip.video.frames[0].shape[:2]
        self.true_boxes = true_boxes

    def detector(self, image: Image) -> tuple[Array, Array]:
        """Boxes and scores for the next frame."""
        self.now = next(self.people)
        # The pose estimator draws from its own numbers, so that every variant is given the same boxes.
        random, self.pose_random = self.random.spawn(2)
        if self.true_boxes:
            boxes = np.array([person.box for person in self.now], dtype=float).reshape(-1, 4)
            boxes[:, 2:] += boxes[:, :2]
            return boxes, np.ones(len(boxes))
        boxes, scores = [], []
        for person in self.now:
            missed = random.random() < (0.03 if person.share > 0.8 else 1.15 - person.share)
            jitter, score = random.normal(0, 1, 4), random.uniform(0.6, 1)
            if not missed:
                x, y, width, height = person.box
                sizes = np.array([width, height, width, height])
                boxes.append(np.array([x, y, x + width, y + height]) + 0.04 * jitter * sizes)
                scores.append(score)
        if random.random() < 0.1:
            corner = random.uniform(0, 0.7, 2) * self.size[::-1]
            boxes.append(np.array([*corner, *(corner + random.uniform(0.1, 0.3, 2) * self.size[::-1])]))
            scores.append(random.uniform(0.3, 0.6))
        return np.array(boxes).reshape(-1, 4), np.array(scores)

    def pose(self, image: Image, boxes: Array) -> tuple[Array, Array]:
        """Keypoints and scores for the frame that the detector saw last."""
        places = [KEYPOINTS.index(name) for name in JOINTS]
        joints = np.array([person.keypoints[places] for person in self.now]).reshape(-1, len(places), 3)
        whole = np.concatenate([joints[..., :2].min(axis=1), joints[..., :2].max(axis=1)], axis=1)
        weight = np.array([0.3 + 0.7 * person.share for person in self.now])
        keypoints, scores = np.zeros((len(boxes), 17, 2)), np.zeros((len(boxes), 17))
        for row, box in enumerate(boxes):
            fit = (box_iou(box[None], whole)[0] if len(whole) else np.zeros(0)) * weight
            noise, luck = self.pose_random.normal(0, 1, (17, 2)), self.pose_random.random(17)
            if fit.size and fit.max() > 0.2:
                chosen = joints[fit.argmax()]
                visible = chosen[:, 2] == 2
                scatter = np.where(visible, 0.01, 0.05) * np.sqrt(np.prod(np.ptp(chosen[:, :2], axis=0)))
                keypoints[row] = chosen[:, :2] + scatter[:, None] * noise
                scores[row] = np.where(visible, 0.7 + 0.3 * luck, 0.1 + 0.3 * luck)
            else:
                keypoints[row] = (box[:2] + box[2:]) / 2 + 0.2 * noise * (box[2:] - box[:2])
                scores[row] = 0.2 * luck
        return keypoints, scores


class Remembered:
    """A pose network that looks into the same box of the same image once, whatever the number of variants."""

    def __init__(self, network: PoseNetwork) -> None:
        self.network = network
        self.known: dict[tuple[int, bytes], tuple[Array, Array]] = {}

    def __call__(self, image: Image, boxes: Array) -> tuple[Array, Array]:
        """Keypoints and scores, as `PoseNetwork` gives them."""
        keys = [(id(image), box.tobytes()) for box in boxes]
        new = [row for row, key in enumerate(keys) if key not in self.known]
        if new:
            found = zip(*self.network(image, boxes[new]), strict=True)
            self.known.update((keys[row], one) for row, one in zip(new, found, strict=True))
        keypoints, scores = zip(*(self.known[key] for key in keys), strict=True)
        return np.stack(keypoints), np.stack(scores)


def make_clips(args: argparse.Namespace, step: int) -> list[Clip]:
    photographs = read_photographs(args.data, 'test')
    clips = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(args.videos):
            video = render_video(number, photographs, frames=args.frames, people=args.people)
            video = Video(video.frames[::step], video.people[::step])
            truth = read_video(write_posetrack(Path(folder), f'{number:06d}_rendered', video, number))
            pairs = list(itertools.pairwise(video.frames))
            flows = {name: [flow(*pair) for pair in pairs] for name, flow in FLOWS.items()}
            clips.append(Clip(video, truth, flows))
    return clips


def track(clip: Clip, variant: str, seed: tuple[int, ...], poses: Remembered | None) -> list[Persons]:
    """The persons of a clip in PoseTrack's places."""
    flow_name, propagate, true_boxes = VARIANTS[variant]
    place = {id(frame): index for index, frame in enumerate(clip.video.frames)}
    flow: Flow | None = None if flow_name is None else lambda first, _: clip.flows[flow_name][place[id(first)]]
    spoiled = Degraded(clip, seed, true_boxes)
    pose, sigmas = (spoiled.pose, COCO_SIGMAS) if poses is None else (poses, poses.network.sigmas)
    tracker = PoseTracker(spoiled.detector, pose, flow, Settings(propagate=propagate), sigmas)
    found = [tracker(image) for image in clip.video.frames]
    return found if poses is None else [poses.network.in_places(persons) for persons in found]


def measure(clips: Sequence[Clip], tracked: Sequence[list[Persons]]) -> tuple[float, ...]:
    """`MEASURES` of all clips together, read from the files that a user would get."""
    videos = []
    with tempfile.TemporaryDirectory() as folder:
        for clip, persons in zip(clips, tracked, strict=True):
            file = Path(folder, 'video.json')
            write_video(file, [frame.name for frame in clip.truth], persons)
            videos.append((clip.truth, read_video(file)))
    tracks = evaluate_tracking(videos, MIN_SCORE)
    rates = (100 * count / tracks.objects for count in (tracks.switches, tracks.misses, tracks.false_positives))
    return evaluate_poses(videos).ap['Total'], tracks.mota['Total'], *rates


def draw_strip(file: Path, clip: Clip, rows: dict[str, list[Persons]], columns: int = 4) -> None:
    """A titled row of pictures for each of `rows`, about the frame in which most is covered."""
    covered = [sum(1 - person.share for person in people) for people in clip.video.people]
    first = int(np.argmax(np.convolve(covered, np.ones(columns), 'valid')))
    strips = []
    for title, frames in rows.items():
        shown = [draw_persons(clip.video.frames[at], frames[at]) for at in range(first, first + columns)]
        row = cv2.resize(np.hstack(shown), None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
        head = np.full((24, row.shape[1], 3), 255, np.uint8)
        cv2.putText(head, title, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.55, (0, 0, 0), 1, cv2.LINE_AA)
        # 16 levels of each color are enough to see it by, and make the file small.
        strips += [head, (row // 16) * 16 + 8]
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.vstack(strips), (cv2.IMWRITE_PNG_COMPRESSION, 9))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--videos', type=int, default=10, help='default: 10')
    parser.add_argument('--frames', type=int, default=60, help='of each, before every STEP-th is taken (default: 60)')
    parser.add_argument('--people', type=int, default=4, help='in each (default: 4)')
    parser.add_argument('--seeds', type=int, default=5, help='of detector and poses, 2 or more (default: 5)')
    parser.add_argument('--steps', type=int, nargs='+', default=[1, 4], help='take every STEP-th frame (default: 1 4)')
    parser.add_argument('--model', nargs=2, type=Path, metavar=('CONFIG', 'CHECKPOINT'), help='pose network of mmpose')
    parser.add_argument('--data', type=Path, default=Path('data'), help='where the photographs are kept')
    parser.add_argument('--csv', type=Path, default=Path('tools/research/results/tracking.csv'))
    parser.add_argument('--picture', type=Path, default=Path('docs/tracking.png'))
    args = parser.parse_args()
    network = PoseNetwork(*args.model, 'cpu') if args.model else None
    poses = 'truth made worse' if network is None else args.model[0].stem
    rows = []
    for step in args.steps:
        clips = make_clips(args, step)
        remembered = network and Remembered(network)
        of_variant: dict[str, list[list[list[Persons]]]] = {}
        values: dict[str, Array] = {}
        for variant in VARIANTS:
            of_variant[variant] = [
                [track(clip, variant, (seed, number), remembered) for number, clip in enumerate(clips)]
                for seed in range(args.seeds)
            ]
            measured = np.array([measure(clips, tracked) for tracked in of_variant[variant]])
            gain = measured[:, 1] - values.setdefault(BASELINE, measured)[:, 1]
            values[variant] = np.column_stack([measured, gain])
            row = {'poses': poses, 'every': step, 'variant': variant, 'videos': args.videos, 'seeds': args.seeds}
            row['frames'] = sum(len(clip.truth) for clip in clips)
            for name, column in zip((*MEASURES, 'MOTA_gain'), values[variant].T, strict=True):
                row |= {name: f'{column.mean():.2f}', f'{name}_std': f'{column.std(ddof=1):.2f}'}
            rows.append(row)
            print(*row.values(), sep='  ', flush=True)
        if step == args.steps[-1]:
            before, after = of_variant[BASELINE][0], of_variant[FULL][0]
            clearest = max(range(args.videos), key=lambda number: _ids(before[number]) - _ids(after[number]))
            draw_strip(args.picture, clips[clearest], {BASELINE: before[clearest], FULL: after[clearest]})
    replace_rows(args.csv, rows, 'poses')


def _ids(frames: Sequence[Persons]) -> int:
    return len(np.unique(np.concatenate([persons.ids for persons in frames])))


if __name__ == '__main__':
    main()
