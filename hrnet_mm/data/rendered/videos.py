"""Short videos of rendered people who walk past one another, with their identities, in the form of PoseTrack 2018."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from ...tracking.posetrack import JOINTS, PERSON
from ..coco import write_coco
from .bodies import KEYPOINTS, Build, Pose, draw_build, pose_body, walk
from .drawing import Canvas, Image, crop_photograph, pick
from .figures import Figure, Look, draw_look
from .people import Person, draw_figures, draw_light, draw_occluder, read_people

_HEAD = ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear', 'head_bottom', 'head_top')  # covered or not


@dataclass(frozen=True)
class Video:
    """Frames `(H, W, 3)` in B, G, R, and the visible people of each; their numbers are identities."""

    frames: list[Image]
    people: list[list[Person]]


@dataclass(frozen=True)
class _Walker:
    """A person who passes the place `x` in the frame `passes`, `speed` pixels to the right in each frame."""

    build: Build
    look: Look
    pose: Pose
    size: float
    x: float
    y: float
    passes: float
    speed: float
    phase: float
    waves: bool

    def figure(self, frame: float, pan: float) -> Figure:
        # A cycle of two steps is 0.75 body heights long; a person who stands sways a little.
        phase = self.phase + self.speed * frame / (0.75 * self.size)
        vigour = min(abs(self.speed) / (0.02 * self.size), 1.2)
        moving = walk(phase if self.speed >= 0 else -phase, vigour)
        pose = replace(moving, yaw=self.pose.yaw, head_yaw=self.pose.head_yaw, arm_abduction=self.pose.arm_abduction)
        if self.waves:
            wave = 35 * np.sin(0.5 * frame + self.phase)
            pose = replace(pose, shoulder=(150 + 0.3 * wave, pose.shoulder[1]), elbow=(60 + wave, pose.elbow[1]))
        bob = 0.012 * self.size * vigour * np.cos(4 * np.pi * phase)
        x = self.x + self.speed * (frame - self.passes) + pan
        return Figure(pose_body(self.build, pose).placed(x, self.y + bob, self.size), self.build, self.look)


def render_video(
    seed: int,
    photographs: Sequence[Image],
    frames: int = 40,
    people: int = 4,
    width: int = 384,
    height: int = 256,
) -> Video:
    """Draw people who walk past one another behind a post, or stand and wave, before a camera that pans.

    The same arguments give the same video.

    Raises:
        ValueError: There is less than one frame or person.
    """
    if frames < 1 or people < 1:
        raise ValueError(f'a video needs at least one frame and one person, got frames={frames}, people={people}')
    random = np.random.default_rng((seed, frames, people))
    light = draw_light(random)
    walkers = sorted(
        (_draw_walker(random, photographs, frames, width, height) for _ in range(people)), key=lambda one: one.size
    )
    pan = width * random.uniform(-0.15, 0.15) * np.linspace(0, 1, frames)
    margin = int(0.2 * width)
    photograph = pick(random, photographs)
    behind = crop_photograph(random, photograph, width + 2 * margin, height)
    post = random.integers(1 << 32)
    video = Video([], [])
    for frame in range(frames):
        shift = np.array([[1, 0, pan[frame] - margin], [0, 1, 0]])
        canvas = Canvas(cv2.warpAffine(behind, shift, (width, height), borderMode=cv2.BORDER_REFLECT), light)
        figures = [walker.figure(frame, pan[frame]) for walker in walkers]
        drawn = draw_figures(canvas, figures)
        draw_occluder(np.random.default_rng(post), canvas, photographs, 'post', pan[frame])
        video.people.append(read_people(canvas, figures, drawn))
        canvas.pixels += 2 * random.standard_normal((height, width), np.float32)
        video.frames.append(canvas.image())
    return video


def _draw_walker(
    random: np.random.Generator, photographs: Sequence[Image], frames: int, width: int, height: int
) -> _Walker:
    nearness = random.uniform(0, 1)
    size = height * (0.55 + 0.35 * nearness)
    stands = random.random() < 0.2
    speed = 0.0 if stands else size * random.uniform(0.016, 0.03) * random.choice((-1, 1))
    yaw = random.normal(0, 25) + (0 if stands else 75 * np.sign(speed))
    return _Walker(
        build=draw_build(random),
        look=draw_look(random, photographs),
        pose=Pose(yaw=yaw, head_yaw=random.normal(0, 15), arm_abduction=(random.uniform(4, 15), random.uniform(4, 15))),
        size=size,
        x=width * random.uniform(0.3, 0.7),
        # Who is nearer is larger and stands lower in the image.
        y=height * (0.5 + 0.08 * nearness),
        passes=frames * random.uniform(0.3, 0.7),
        speed=speed,
        phase=random.uniform(0, 1),
        waves=random.random() < 0.3,
    )


def write_posetrack(folder: Path, name: str, video: Video, number: int) -> Path:
    """Write `folder`/images/`name`/*.jpg and `folder`/annotations/`name`.json in the form of PoseTrack 2018.

    Covered keypoints and the ears are left out, as in PoseTrack's own files, and so are people of whom less than a
    quarter is visible.

    Args:
        folder: The folder.
        name: The name of the video.
        video: The video.
        number: The number of the video in PoseTrack's ids, up to six digits.

    Returns:
        The file of annotations.
    """
    (folder / 'images' / name).mkdir(parents=True, exist_ok=True)
    (folder / 'annotations').mkdir(exist_ok=True)
    images, annotations = [], []
    for frame, (pixels, people) in enumerate(zip(video.frames, video.people, strict=True)):
        file = f'images/{name}/{frame:06d}.jpg'
        cv2.imwrite(str(folder / file), pixels, (cv2.IMWRITE_JPEG_QUALITY, 95))
        image_id = 10_000_000_000 + number * 10_000 + frame
        images.append(
            {
                'is_labeled': True,
                'file_name': file,
                'nframes': len(video.frames),
                'frame_id': image_id,
                'id': image_id,
                'vid_id': f'{number:06d}',
                'width': pixels.shape[1],
                'height': pixels.shape[0],
            }
        )
        annotations += [_annotation(person, image_id) for person in people if person.is_labeled]
    path = folder / 'annotations' / f'{name}.json'
    write_coco(path, images, annotations, PERSON)
    return path


def _annotation(person: Person, image_id: int) -> dict[str, object]:
    keypoints = person.keypoints[[KEYPOINTS.index(name) for name in JOINTS]]
    keypoints[:, 2] = keypoints[:, 2] == 2
    keypoints[[JOINTS.index(f'{side}_ear') for side in ('left', 'right')], 2] = 0
    keypoints[keypoints[:, 2] == 0] = 0
    head = person.keypoints[[KEYPOINTS.index(name) for name in _HEAD], :2]
    return {
        'bbox_head': [*head.min(0).tolist(), *np.ptp(head, axis=0).tolist()],
        'keypoints': keypoints.ravel().tolist(),
        'track_id': person.number,
        'image_id': image_id,
        'bbox': list(person.box),
        'area': float(person.mask.sum()),
        'scores': [],
        'category_id': 1,
        'id': image_id * 100 + person.number,
        'iscrowd': False,
        'num_keypoints': int((keypoints[:, 2] > 0).sum()),
    }
