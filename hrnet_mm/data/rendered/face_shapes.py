"""Parametric faces in three dimensions: the 98 points of WFLW in WFLW's order, and the outline of the hair."""

from dataclasses import dataclass

import numpy as np

from .drawing import Floats

# Places of WFLW's 98 points, in the order in which WFLW lists them; "left" is left in the image of an upright face.
CONTOUR = slice(0, 33)
LEFT_BROW, RIGHT_BROW = slice(33, 42), slice(42, 51)
BRIDGE, NOSTRILS = slice(51, 55), slice(55, 60)
LEFT_EYE, RIGHT_EYE = slice(60, 68), slice(68, 76)
LIPS, MOUTH = slice(76, 88), slice(88, 96)
PUPILS = slice(96, 98)
NUM_POINTS = 98

_CLOSED = (LEFT_BROW, RIGHT_BROW, LEFT_EYE, RIGHT_EYE, LIPS, MOUTH)
LINES = [(i, i + 1) for part in (CONTOUR, BRIDGE, NOSTRILS, *_CLOSED) for i in range(part.start, part.stop - 1)]
LINES += [(part.stop - 1, part.start) for part in _CLOSED]
"""Pairs of points that a drawing joins; mmpose has none for WFLW."""

# A right eye, brow or half of the mouth is the left one mirrored, whose points come in this order.
_BROW_MIRROR = [4, 3, 2, 1, 0, 8, 7, 6, 5]
_EYE_MIRROR = [4, 3, 2, 1, 0, 7, 6, 5]
_MIRROR = np.array((-1, 1, 1))


@dataclass(frozen=True)
class Face:
    """A face's form and expression; lengths in halves of its width, angles in degrees.

    Positive yaw turns to the right of the image, positive pitch downwards, positive roll clockwise.
    """

    jaw: float = 1.0  # width of the jaw
    chin: float = 1.3  # below the eyes
    eye_distance: float = 0.43
    eye_size: float = 0.2
    brow_height: float = 0.27
    brow_thickness: float = 0.045
    brow_tilt: float = 0.05
    nose_length: float = 0.56
    nose_width: float = 0.2
    mouth_height: float = 0.87
    mouth_width: float = 0.34
    lip: float = 0.07
    eye_open: float = 0.35  # height of the eye's opening by its width
    mouth_open: float = 0.0
    smile: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)  # -1 to 1, to the side and downwards
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def points(self) -> Floats:
        """The 98 points, `(98, 3)`: x to the right, y down, z to the viewer, the origin between the eyes."""
        mouth, pupils = self._mouth(), self._left_pupil()
        eye, brow = self._left_eye(), self._left_brow()
        nose = self.nose_length
        bridge = _curve((-0.02, 0.4), (0.3 * nose, 0.52), (0.65 * nose, 0.68), (nose - 0.05, 0.8))
        base = [
            (share * self.nose_width, nose + 0.03 + 0.09 * (1 - abs(share)), 0.48 + 0.14 * (1 - abs(share)))
            for share in (-0.95, -0.5, 0, 0.5, 0.95)
        ]
        return np.concatenate(
            [
                self._contour(),
                brow,
                (brow * _MIRROR)[_BROW_MIRROR],
                bridge,
                np.array(base),
                eye,
                (eye * _MIRROR)[_EYE_MIRROR],
                mouth,
                pupils,
                pupils * _MIRROR + (2 * self.gaze[0] * 0.3 * self.eye_size, 0, 0),
            ]
        )

    def forehead(self, height: float = 0.75) -> Floats:
        """The upper outline of the face from temple to temple, `(n, 3)`, `height` above the eyes."""
        angles = np.linspace(np.pi, 0, 15)
        x = 0.98 * np.cos(angles)
        return np.stack([x, -0.08 - height * np.sin(angles) ** 0.8, 0.35 * np.sin(angles) - 0.45], -1)

    def skull(self, height: float = 1.15, width: float = 1.12) -> Floats:
        """The outline of head and hair from ear to ear over the top, `(n, 3)`."""
        angles = np.linspace(np.pi * 1.06, -np.pi * 0.06, 21)
        return np.stack([width * np.cos(angles), -0.1 - height * np.sin(angles), np.full(21, -0.55)], -1)

    def project(self, points: Floats, x: float, y: float, size: float) -> Floats:
        """Places in the image, `(n, 2)` in pixels: the origin at (x, y), a half of the face's width `size` pixels."""
        yaw, pitch, roll = np.deg2rad((self.yaw, self.pitch, self.roll))
        about_y = np.array(((np.cos(yaw), 0, np.sin(yaw)), (0, 1, 0), (-np.sin(yaw), 0, np.cos(yaw))))
        about_x = np.array(((1, 0, 0), (0, np.cos(pitch), np.sin(pitch)), (0, -np.sin(pitch), np.cos(pitch))))
        about_z = np.array(((np.cos(roll), -np.sin(roll), 0), (np.sin(roll), np.cos(roll), 0), (0, 0, 1)))
        turned = points @ (about_z @ about_x @ about_y).T
        # The camera is twelve halves of a face away.
        return np.asarray(turned[:, :2] * (size * 12 / (12 - turned[:, 2:])) + (x, y))

    def _contour(self) -> Floats:
        angles = np.linspace(-np.pi / 2, np.pi / 2, 65)
        cos = np.cos(angles)
        chin = self.chin + 0.22 * self.mouth_open
        # The jaw makes the lower half wider than an ellipse, or narrower.
        x = np.sin(angles) * (1 + 0.16 * (self.jaw - 1) * np.sin(2 * np.abs(angles)) - 0.1 * cos**2)
        curve = np.stack([x, -0.05 + (chin + 0.05) * cos**0.9, -0.45 + 0.75 * cos], -1)
        steps = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve[:, :2], axis=0), axis=1))])
        places = np.linspace(0, steps[-1], 33)
        return np.stack([np.interp(places, steps, curve[:, axis]) for axis in range(3)], -1)

    def _left_brow(self) -> Floats:
        x = -self.eye_distance + self.eye_size * np.array((-1.45, -0.85, -0.1, 0.6, 1.15))
        arch = self.brow_tilt * np.array((-1.0, 0.5, 1.0, 0.5, -0.6))
        thick = self.brow_thickness * np.array((0.2, 0.9, 1, 1, 0.9))
        middle, z = -self.brow_height - arch, 0.38 - 0.35 * x**2
        upper, lower = (np.stack([x, middle + sign * thick, z], -1) for sign in (-1, 1))
        return np.concatenate([upper, lower[:0:-1]])

    def _left_eye(self) -> Floats:
        angles = np.array((np.pi, 0.75 * np.pi, 0.5 * np.pi, 0.25 * np.pi, 0))
        x, high = np.cos(angles), np.sin(angles) * self.eye_open
        # The upper lid rises more than the lower one sinks, and inner corners lie a little lower.
        upper = np.stack([x, -1.15 * high + 0.06 * x], -1)
        lower = np.stack([x, 0.75 * high + 0.06 * x], -1)[3:0:-1]
        flat = np.concatenate([upper, lower]) * self.eye_size + (-self.eye_distance, 0.0)
        return np.column_stack([flat, 0.28 - 0.4 * (flat[:, 0] ** 2)])

    def _left_pupil(self) -> Floats:
        x = -self.eye_distance + 0.3 * self.eye_size * self.gaze[0]
        y = self.eye_size * (0.3 * self.gaze[1] - 0.2) * min(self.eye_open, 0.35)
        return np.array(((x, y, 0.3 - 0.4 * x**2),))

    def _mouth(self) -> Floats:
        def line(x: Floats, below: Floats, front: float) -> Floats:
            """Points at shares `x` of half of the mouth's width, so far below where the lips meet."""
            width = self.mouth_width * (1 + 0.22 * self.smile)
            meet = self.mouth_height - 0.09 * self.smile * x**2
            return np.stack([width * x, meet + below, front - 0.22 * x**2], -1)

        upper = np.array((-1, -0.62, -0.22, 0, 0.22, 0.62, 1))
        bow = np.array((0, 0.75, 1.0, 0.8, 1.0, 0.75, 0)) * self.lip
        lower, inner = np.array((0.6, 0.3, 0, -0.3, -0.6)), np.array((-0.9, -0.45, 0, 0.45, 0.9))
        inner_lower = inner[3:0:-1]
        opening = 0.4 * self.mouth_open
        return np.concatenate(
            [
                line(upper, -bow, 0.47),
                line(lower, (1.35 * self.lip + opening) * (1 - lower**2), 0.47),
                line(inner, np.zeros(5), 0.44),
                line(inner_lower, 0.01 + opening * (1 - inner_lower**2), 0.44),
            ]
        )


def _curve(*points: tuple[float, float]) -> Floats:
    """Points in the plane of symmetry, from (y, z)."""
    return np.array([(0.0, y, z) for y, z in points])


def draw_face(random: np.random.Generator) -> Face:
    """A random face, expression, and view: yaw within 40 degrees, pitch within 22, roll within 35."""
    smile = float(random.choice((0, random.uniform(-0.8, 1.3))))
    return Face(
        jaw=random.uniform(0.4, 1.9),
        chin=random.uniform(1.15, 1.45),
        eye_distance=random.uniform(0.39, 0.47),
        eye_size=random.uniform(0.165, 0.225),
        brow_height=random.uniform(0.2, 0.33) + max(random.normal(0, 0.04), 0),
        brow_thickness=random.uniform(0.02, 0.06),
        brow_tilt=random.uniform(-0.01, 0.09),
        nose_length=random.uniform(0.48, 0.62),
        nose_width=random.uniform(0.16, 0.25),
        mouth_height=random.uniform(0.8, 0.94),
        mouth_width=random.uniform(0.27, 0.4),
        lip=random.uniform(0.04, 0.1),
        eye_open=random.uniform(0.2, 0.48) if random.random() < 0.9 else random.uniform(0.02, 0.1),
        mouth_open=random.uniform(0.1, 1.0) if random.random() < 0.35 else 0.0,
        smile=smile,
        gaze=(random.uniform(-1, 1), random.uniform(-0.6, 0.6)),
        yaw=float(np.clip(random.normal(0, 18), -40, 40)),
        pitch=float(np.clip(random.normal(0, 9), -22, 22)),
        roll=float(np.clip(random.normal(0, 11), -35, 35)),
    )
