"""Rendered faces with the 98 points of WFLW: forms, expressions, views, hair, glasses, and things before them."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from . import face_shapes as shapes
from .drawing import Canvas, Floats, Image, crop_photograph, make_cloth, pick
from .face_shapes import Face, draw_face
from .figures import draw_skin_and_hair
from .people import draw_light, draw_occluder

CLASSES = ('background', 'skin', 'brows', 'eyes', 'nose', 'lips', 'mouth', 'hair', 'clothes')
_SKIN, _BROWS, _EYES, _NOSE, _LIPS, _MOUTH, _HAIR, _CLOTHES, _GLASSES, _THING = range(1, 11)
_HIDES = (_HAIR, _GLASSES, _THING)  # a point behind it; everything else belongs to the face
_BLACK, _WHITE = np.array((25, 22, 28)), np.array((228, 232, 238))


@dataclass(frozen=True)
class Portrait:
    """An image of a face.

    Attributes:
        image: `(H, W, 3)` in B, G, R.
        points: `(98, 3)`: x and y in pixels with the first pixel's center at (0, 0), and COCO's flag (0 outside the
            image, 1 covered, 2 visible).
        mask: `(H, W)`, the visible pixels of the face.
        classes: `(H, W)`, indices in `CLASSES`.
    """

    image: Image
    points: Floats
    mask: npt.NDArray[np.bool_]
    classes: Image


def render_face(random: np.random.Generator, photographs: Sequence[Image], size: int = 160) -> Portrait:
    """Draw one person from the shoulders up, and in every fourth image an object in front; `size` pixels square."""
    canvas = Canvas(crop_photograph(random, pick(random, photographs), size, size), draw_light(random))
    x, y = size * (0.5 + random.uniform(-0.06, 0.06)), size * (0.42 + random.uniform(-0.05, 0.05))
    skin, hair = draw_skin_and_hair(random)
    sitter = _Sitter(random, canvas, draw_face(random), x, y, size * random.uniform(0.2, 0.31), skin, hair)
    sitter.draw(photographs)
    if random.random() < 0.25:
        draw_occluder(random, canvas, photographs, label=_THING)
    points = sitter.points
    labels = canvas.label_at(points)
    flags = np.where(labels < 0, 0, np.where(np.isin(labels, _HIDES), 1, 2))
    mask = (canvas.labels >= _SKIN) & (canvas.labels <= _MOUTH)
    classes = np.where(canvas.labels < len(CLASSES), canvas.labels, 0).astype(np.uint8)
    canvas.add_noise(random)
    return Portrait(canvas.image(), np.column_stack([points, flags]), mask, classes)


class _Sitter:
    """Painter of a face; `scale` is half of the face's width in pixels, (x, y) the place between the eyes."""

    def __init__(
        self,
        random: np.random.Generator,
        canvas: Canvas,
        face: Face,
        x: float,
        y: float,
        scale: float,
        skin: Floats,
        hair: Floats,
    ) -> None:
        self._random = random
        self._canvas = canvas
        self._face = face
        self._x, self._y, self._scale = x, y, scale
        self._skin, self._hair = skin, hair
        self.points = self._at(face.points())
        # The head is round about a line from the forehead to the chin.
        self._axis = self._balls((0, -0.2, 0, 1.3), (0, 0.75, 0, 1.1))

    def draw(self, photographs: Sequence[Image]) -> None:
        random = self._random
        style = random.choice(('short', 'long', 'bald'), p=(0.5, 0.38, 0.12))
        if style == 'long':
            length = random.uniform(0.6, 1.5)
            ends = self._balls((0, -0.15, -0.7, 1.2), (-0.75, length, -0.7, 0.5), (0.75, length, -0.7, 0.5))
            self._canvas.draw(ends, _HAIR, self._hair * 0.75, relief=0.7)
        self._draw_shoulders(photographs)
        for side in (-1, 1):
            ear = self._balls((side * 1.05, 0.02, -0.45, 0.16), (side * 1.0, 0.3, -0.42, 0.1))
            self._canvas.draw(ear, _SKIN, self._skin * 0.9)
        outline = cv2.convexHull(np.concatenate([self.points, self._at(self._face.forehead())]).astype(np.float32))
        self._canvas.fill([outline[:, 0]], _SKIN, self._skin, self._axis, relief=0.8)
        self._draw_relief()
        if random.random() < 0.15:
            self._draw_beard()
        if style != 'bald':
            self._draw_hair()
        self._draw_mouth()
        for brow in (shapes.LEFT_BROW, shapes.RIGHT_BROW):
            self._canvas.fill([self.points[brow]], _BROWS, self._hair * 0.7)
        iris = np.array([(90, 60, 35), (40, 60, 90), (60, 90, 80), (30, 40, 60)][random.integers(4)])
        for eye, pupil in zip((shapes.LEFT_EYE, shapes.RIGHT_EYE), self.points[shapes.PUPILS], strict=True):
            self._draw_eye(self.points[eye], pupil, iris)
        if random.random() < 0.2:
            self._draw_glasses()

    def _at(self, places: Sequence[Sequence[float]] | Floats) -> Floats:
        return self._face.project(np.asarray(places, np.float64), self._x, self._y, self._scale)

    def _balls(self, *balls: tuple[float, float, float, float]) -> Floats:
        """Balls of a place and a radius, in halves of the face's width, as circles in pixels."""
        return np.column_stack([self._at([ball[:3] for ball in balls]), [self._scale * ball[3] for ball in balls]])

    def _draw_shoulders(self, photographs: Sequence[Image]) -> None:
        """Neck and clothes, upright whatever the head does."""
        x, y, scale = self._x, self._y, self._scale
        neck = ((x, y + 0.6 * scale, 0.47 * scale), (x, y + 2.0 * scale, 0.55 * scale))
        self._canvas.draw(neck, _SKIN, self._skin * 0.72)
        sides = [(x + side * 1.35 * scale, y + 2.7 * scale, 0.6 * scale) for side in (-1, 1)]
        circles = [*sides, (x, y + 2.45 * scale, 0.6 * scale)]
        color = self._random.uniform(20, 235, 3)
        self._canvas.draw(circles, _CLOTHES, color, make_cloth(self._random, photographs), relief=0.6)

    def _draw_relief(self) -> None:
        """Eye sockets, cheeks and nose: the skin's color changes, without sharp edges."""
        dark, red = self._skin * 0.6, self._skin * (0.75, 0.75, 1.05)
        eyes = [self.points[eye] for eye in (shapes.LEFT_EYE, shapes.RIGHT_EYE)]
        cheeks = self._at([(side * 0.55, 0.5, 0.25) for side in (-1, 1)])
        spots = [(eye.mean(0), 0.3, dark) for eye in eyes] + [(cheek, 0.3, red) for cheek in cheeks]
        for place, radius, color in spots:
            for share in (1.0, 0.8, 0.6, 0.4):
                self._canvas.draw([(*place, share * radius * self._scale)], None, color, relief=0, opacity=0.07)
        bridge, base = self.points[shapes.BRIDGE], self.points[shapes.NOSTRILS]
        # The side of the nose that turns away from the light lies in the shade.
        ends = base[[0, 4]] if self._canvas.light.direction[0] > 0 else base[[4, 0]]
        for end, color in zip(ends, (dark, self._skin * 1.15), strict=True):
            self._canvas.fill([np.stack([bridge[0], bridge[3], base[2], end])], _NOSE, color, opacity=0.3)
        tip = 0.12 * self._scale
        self._canvas.draw([(*bridge[3], tip)], _NOSE, self._skin * 1.12, relief=0, opacity=0.5)
        for nostril in base[[1, 3]]:
            self._canvas.draw([(*nostril, 0.045 * self._scale)], _NOSE, self._skin * 0.35)

    def _draw_beard(self) -> None:
        jaw, lips = self.points[7:26], self.points[shapes.LIPS]
        outline = np.concatenate([jaw, lips[6::-1]])
        self._canvas.fill([outline], _SKIN, self._hair, opacity=self._random.uniform(0.3, 0.85))

    def _draw_hair(self) -> None:
        hairline = self._face.forehead(self._random.uniform(0.5, 0.78))
        if self._random.random() < 0.5:  # combed to one side
            hairline[:, 1] += self._random.uniform(-0.3, 0.3) * hairline[:, 0]
        skull = self._at(self._face.skull(self._random.uniform(1.05, 1.35)))
        outline = np.concatenate([skull, self._at(hairline)[::-1]])
        self._canvas.fill([outline], _HAIR, self._hair, self._axis, _strands(self._random))

    def _draw_mouth(self) -> None:
        lips, mouth = self.points[shapes.LIPS], self.points[shapes.MOUTH]
        color = self._skin * self._random.uniform((0.5, 0.45, 0.75), (0.75, 0.65, 1.0))
        self._canvas.fill([lips], _LIPS, color)
        self._canvas.fill([lips[[0, 1, 2, 3, 4, 5, 6]]], _LIPS, color * 0.85)
        self._canvas.fill([mouth], _MOUTH, (30, 20, 60))
        if self._face.mouth_open > 0.15:
            upper, lower = mouth[:5], mouth[[4, 5, 6, 7, 0]][::-1]
            self._canvas.fill([np.concatenate([upper, (0.6 * upper + 0.4 * lower)[::-1]])], _MOUTH, _WHITE * 0.95)

    def _draw_eye(self, outline: Floats, pupil: Floats, color: Floats) -> None:
        scale = self._face.eye_size * self._scale
        self._canvas.fill([outline], _EYES, _WHITE)
        hull = cv2.convexHull(outline.astype(np.float32))
        for radius, paint in ((0.48, color), (0.22, _BLACK)):
            disc = (pupil + radius * scale * _CIRCLE).astype(np.float32)
            area, common = cv2.intersectConvexConvex(hull, disc)
            if area > 0:
                self._canvas.fill([common[:, 0]], _EYES, paint)
        # The upper lid and its lashes.
        lid, up = outline[:5], (outline[2] - outline[6]) * 0.12 + (0, -0.06 * scale)
        self._canvas.fill([np.concatenate([lid, (lid + up)[::-1]])], _EYES, self._skin * 0.3)

    def _draw_glasses(self) -> None:
        is_dark = self._random.random() < 0.3
        frame = _BLACK * self._random.uniform(0.5, 4)
        radius, rim = self._random.uniform(0.27, 0.34), self._random.uniform(0.025, 0.05)
        middle = self._face.eye_distance
        rings = []
        for side in (-1, 1):
            outer, inner = (
                self._at(
                    np.column_stack([_CIRCLE * (r, 0.85 * r) + (side * middle, 0.03), np.full(len(_CIRCLE), 0.45)])
                )
                for r in (radius, radius - rim)
            )
            rings += [outer] if is_dark else [outer, inner]
            temple = self._balls((side * (middle + radius), -0.05, 0.42, 0.025), (side * 1.03, -0.05, -0.5, 0.025))
            self._canvas.draw(temple, _GLASSES, frame)
        self._canvas.fill(rings, _GLASSES, frame)
        inside = middle - radius
        self._canvas.draw(self._balls((-inside, 0, 0.48, 0.025), (inside, 0, 0.48, 0.025)), _GLASSES, frame)


_TURN = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], -1)


def _strands(random: np.random.Generator, size: int = 64) -> Image:
    """A texture of hair along the head, `(size, size, 3)`."""
    strands = np.clip(random.normal(128, 28, size), 40, 220)
    strands = (strands + np.roll(strands, 1)) / 2
    return np.broadcast_to(strands[None, :, None], (size, size, 3)).astype(np.uint8)
