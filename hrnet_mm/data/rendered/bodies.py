"""Human bodies as bones and joints in three dimensions: random builds, random poses, a walking cycle."""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from ...tracking.persons import COCO_KEYPOINTS
from .drawing import Floats

KEYPOINTS = (*COCO_KEYPOINTS, 'head_bottom', 'head_top')  # the last two are PoseTrack's
NUM_COCO = len(COCO_KEYPOINTS)


@dataclass(frozen=True)
class Build:
    """Lengths of a body as shares of its height."""

    head: float = 0.062  # radius
    neck: float = 0.055
    spine: float = 0.29
    shoulders: float = 0.115  # half of their distance
    hips: float = 0.062
    upper_arm: float = 0.172
    forearm: float = 0.148
    thigh: float = 0.24
    shin: float = 0.235
    girth: float = 1.0  # factor to all radii


@dataclass(frozen=True)
class Pose:
    """Joint angles in degrees; where there are two, left and right.

    All zero is standing, facing the viewer, arms hanging. Positive: yaw to the figure's left, lean and bend forwards,
    roll and tilt to its left, flexion forwards (of the knee, backwards), abduction outwards, twist of the upper arm
    inwards.
    """

    yaw: float = 0
    lean: float = 0
    roll: float = 0
    bend: float = 0
    tilt: float = 0
    turn: float = 0
    head_yaw: float = 0
    head_pitch: float = 0
    head_roll: float = 0
    shoulder: tuple[float, float] = (0, 0)
    arm_abduction: tuple[float, float] = (8, 8)
    arm_twist: tuple[float, float] = (0, 0)
    elbow: tuple[float, float] = (10, 10)
    hip: tuple[float, float] = (0, 0)
    leg_abduction: tuple[float, float] = (4, 4)
    knee: tuple[float, float] = (4, 4)


@dataclass(frozen=True)
class Skeleton:
    """A posed body: keypoints `(19, 3)` with z towards the viewer, and the frames `(3, 3)` of trunk and head.

    Units are pixels once it is placed; `size` is the body's height then. `is_away` `(19,)`: on the far side of the
    trunk or the head.
    """

    points: Floats
    trunk: Floats
    head: Floats
    feet: Floats
    size: float
    is_away: npt.NDArray[np.bool_]

    def placed(self, x: float, y: float, size: float) -> 'Skeleton':
        """The body with its height, of 1 so far, `size` pixels and the middle of its hips at (x, y) in the image."""
        points, feet = (size * part * (1, -1, 1) + (x, y, 0) for part in (self.points, self.feet))
        flip = np.array((1, -1, 1))
        return replace(self, points=points, feet=feet, trunk=self.trunk * flip, head=self.head * flip, size=size)


def draw_build(random: np.random.Generator) -> Build:
    """Random bone lengths, each within 8 % of the average person's, and a girth of 0.85 to 1.3."""
    lengths = {one.name: getattr(Build, one.name) * random.uniform(0.92, 1.08) for one in fields(Build)}
    return Build(**{**lengths, 'girth': random.uniform(0.85, 1.3)})


def draw_pose(random: np.random.Generator) -> Pose:
    """A random pose within the limits of human joints: standing, walking, reaching, crouching, or none of them."""
    kind = random.choice(('stand', 'walk', 'reach', 'crouch', 'any'), p=(0.36, 0.25, 0.22, 0.08, 0.09))

    def two(low: float, high: float) -> tuple[float, float]:
        return _pair(random.uniform(low, high, 2))

    pose = Pose(
        yaw=random.normal(0, 35) if random.random() < 0.75 else random.uniform(-180, 180),
        lean=random.normal(2, 5),
        roll=random.normal(0, 4),
        bend=random.normal(3, 6),
        tilt=random.normal(0, 5),
        turn=random.normal(0, 12),
        head_yaw=np.clip(random.normal(0, 25), -65, 65),
        head_pitch=np.clip(random.normal(3, 12), -35, 40),
        head_roll=np.clip(random.normal(0, 7), -25, 25),
        shoulder=two(-25, 35),
        arm_abduction=two(3, 30),
        arm_twist=two(-30, 70),
        elbow=two(5, 60),
        hip=two(-8, 10),
        leg_abduction=two(0, 12),
        knee=two(0, 12),
    )
    if kind == 'walk':
        return replace(
            walk(random.uniform(0, 1), random.uniform(0.6, 1.5)), yaw=random.choice((-70, 70)) + random.normal(0, 30)
        )
    if kind == 'reach':
        return replace(pose, shoulder=two(-20, 165), arm_abduction=two(0, 100), elbow=two(0, 120))
    if kind == 'crouch':
        hips, knees = (
            _pair(random.uniform(low, high) + random.uniform(-10, 10, 2)) for low, high in ((50, 105), (60, 120))
        )
        pose = replace(pose, bend=random.uniform(5, 40), shoulder=two(-10, 95), elbow=two(5, 100))
        return replace(pose, hip=hips, knee=knees)
    if kind == 'any':
        pose = replace(pose, roll=random.normal(0, 20), bend=random.uniform(-15, 50), hip=two(-20, 85))
        pose = replace(pose, leg_abduction=two(0, 40), knee=two(0, 110))
        return replace(pose, shoulder=two(-40, 160), arm_abduction=two(0, 110), elbow=two(0, 130))
    return pose


def walk(phase: float, vigour: float = 1.0) -> Pose:
    """A pose of a walking cycle; `phase` 0 to 1 is two steps."""
    angles = 2 * np.pi * (phase + np.array((0, 0.5)))
    swing = np.sin(angles)
    hip, arm = 4 + 24 * vigour * swing, 3 - 22 * vigour * swing
    knee = 6 + 42 * vigour * np.clip(np.cos(angles), 0, 1) ** 1.5
    return Pose(
        lean=3 * vigour,
        turn=float(8 * vigour * swing[1]),
        shoulder=_pair(arm),
        elbow=_pair(14 + 16 * vigour * np.clip(-swing, 0, 1)),
        hip=_pair(hip),
        knee=_pair(knee),
    )


def _pair(values: Floats) -> tuple[float, float]:
    return float(values[0]), float(values[1])


def pose_body(build: Build, pose: Pose) -> Skeleton:
    """The keypoints of a body of height 1 with the middle of its hips at the origin, y upwards."""
    pelvis = _about_y(pose.yaw) @ _about_z(-pose.roll) @ _about_x(pose.lean)
    trunk = pelvis @ _about_y(pose.turn) @ _about_z(-pose.tilt) @ _about_x(pose.bend)
    head = trunk @ _about_y(pose.head_yaw) @ _about_z(-pose.head_roll) @ _about_x(pose.head_pitch)
    places = {}
    throat = trunk @ (0, build.spine, 0)
    center = throat + trunk @ (0, build.neck, 0) + head @ (0, build.head * 0.95, build.head * 0.15)
    r = build.head
    places['nose'] = center + head @ (0, -0.25 * r, 1.08 * r)
    places['head_bottom'] = throat + trunk @ (0, 0.8 * build.neck, 0)
    places['head_top'] = center + head @ (0, 1.25 * r, -0.2 * r)
    feet = []
    for i, (side, sign) in enumerate((('left', 1), ('right', -1))):
        places[f'{side}_eye'] = center + head @ (sign * 0.4 * r, 0.1 * r, 0.8 * r)
        places[f'{side}_ear'] = center + head @ (sign * 0.93 * r, -0.1 * r, -0.1 * r)
        arm = trunk @ _about_z(sign * pose.arm_abduction[i]) @ _about_x(-pose.shoulder[i])
        elbow = arm @ _about_y(-sign * pose.arm_twist[i]) @ _about_x(-pose.elbow[i])
        places[f'{side}_shoulder'] = trunk @ (sign * build.shoulders, build.spine - 0.015, 0)
        places[f'{side}_elbow'] = places[f'{side}_shoulder'] + arm @ (0, -build.upper_arm, 0)
        places[f'{side}_wrist'] = places[f'{side}_elbow'] + elbow @ (0, -build.forearm, 0)
        leg = pelvis @ _about_z(sign * pose.leg_abduction[i]) @ _about_x(-pose.hip[i])
        knee = leg @ _about_x(pose.knee[i])
        places[f'{side}_hip'] = pelvis @ (sign * build.hips, 0, 0)
        places[f'{side}_knee'] = places[f'{side}_hip'] + leg @ (0, -build.thigh, 0)
        places[f'{side}_ankle'] = places[f'{side}_knee'] + knee @ (0, -build.shin, 0)
        feet.append(places[f'{side}_ankle'] + knee @ (sign * 0.01, -0.03, 0.09))
    # How far each keypoint faces the viewer; a little backwards is still seen at the outline.
    facing = np.zeros(len(KEYPOINTS))
    facing[[0, 1, 2]] = head[2, 2] + np.array((0, 0.35, -0.35)) * head[2, 0] - 0.3
    facing[[3, 4]] = np.array((1, -1)) * head[2, 0]
    facing[5:17:2] = trunk[2, 0]
    facing[6:17:2] = -trunk[2, 0]
    return Skeleton(np.stack([places[name] for name in KEYPOINTS]), trunk, head, np.stack(feet), 1.0, facing < -0.35)


def _about_x(degrees: float) -> Floats:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array(((1, 0, 0), (0, cos, -sin), (0, sin, cos)))


def _about_y(degrees: float) -> Floats:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array(((cos, 0, sin), (0, 1, 0), (-sin, 0, cos)))


def _about_z(degrees: float) -> Floats:
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array(((cos, -sin, 0), (sin, cos, 0), (0, 0, 1)))
