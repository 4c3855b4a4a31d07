"""Drawing of smooth shaded shapes over one another, with the uppermost shape at each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[Any]  # of any precision

_SHIFT = 4  # OpenCV takes places in 1/16 pixel
_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], -1)
# Smooth polygons come out so much larger to every side, measured on circles.
_GROWTH = 0.62
_FLAT = 2.5  # pixels: of so small a radius no shading is to be seen


@dataclass(frozen=True)
class Light:
    """The direction of light (x, y in the image, z to the viewer; unit length), and the share of ambient light."""

    direction: tuple[float, float, float] = (-0.4, -0.5, 0.77)
    ambient: float = 0.55


class Canvas:
    """An image under work, `(3, H, W)` in B, G, R from 0 to 255, and the label of the uppermost shape at each pixel.

    Places are in pixels, x to the right and y down; the center of the first pixel is (0, 0). The background's label
    is 0.
    """

    def __init__(self, background: Image, light: Light | None = None) -> None:
        self.pixels: npt.NDArray[np.float32] = np.ascontiguousarray(background.transpose(2, 0, 1), np.float32)
        self.labels: npt.NDArray[np.int16] = np.zeros(background.shape[:2], np.int16)
        self.light = light or Light()

    def draw(
        self,
        circles: Sequence[Sequence[float]] | Floats,
        label: int | None,
        color: Sequence[float] | Floats,
        texture: Image | None = None,
        relief: float = 1.0,
        opacity: float = 1.0,
    ) -> None:
        """Draw the convex hull of circles, rows of x, y, radius, shaded as if it were round about the first two.

        `texture` is an image that repeats, multiplied with the color (128 leaves it as it is) and laid along the line
        through the first two circles. `relief` 0 is flat, 1 is round; shapes of a few pixels are always flat. A
        shape without a label changes colors only, as a shadow does.
        """
        circles = np.asarray(circles, np.float64)
        points = circles[:, None, :2] + np.maximum(circles[:, None, 2:] - _GROWTH, 0.05) * _CIRCLE
        hull = cv2.convexHull(points.reshape(-1, 2).astype(np.float32))[:, 0]
        axis = None if circles[:, 2].max() < _FLAT else circles[:2] if len(circles) > 1 else circles[[0, 0]]
        self.fill([hull], label, color, axis, texture, relief, opacity)

    def fill(
        self,
        outlines: Sequence[Floats],
        label: int | None,
        color: Sequence[float] | Floats,
        axis: Floats | None = None,
        texture: Image | None = None,
        relief: float = 1.0,
        opacity: float = 1.0,
    ) -> None:
        """Draw polygons, `(n, 2)` each; the inside of two of them stays free.

        Texture and shading are laid about `axis`, two rows of x, y, radius; without it the surface is flat. The rest is
        as in `draw`.
        """
        points = [np.asarray(outline, np.float32) for outline in outlines]
        height, width = self.labels.shape
        x, y, wide, high = cv2.boundingRect(np.concatenate(points))
        x0, y0, x1, y1 = max(x - 1, 0), max(y - 1, 0), min(x + wide + 2, width), min(y + high + 2, height)
        if x1 <= x0 or y1 <= y0:
            return
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        fixed = [np.rint((one - (x0, y0)) * (1 << _SHIFT)).astype(np.int32) for one in points]
        # The general function is up to a third of a pixel beside the place, this one a fiftieth.
        if len(fixed) == 1 and cv2.isContourConvex(fixed[0]):
            cv2.fillConvexPoly(mask, fixed[0], 255, cv2.LINE_AA, _SHIFT)
        else:
            cv2.fillPoly(mask, fixed, 255, cv2.LINE_AA, _SHIFT)
        paint: Floats = np.asarray(color, np.float32).reshape(3, 1, 1)
        if texture is not None and axis is not None:
            paint = paint * _laid(texture, axis, (x0, y0), mask.shape)
        if relief and axis is not None:
            xs, ys = np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32)[:, None]
            shade = self._shade(axis, xs, ys)
            paint = paint * (shade if relief == 1 else 1 + np.float32(relief) * (shade - 1))
        below = self.pixels[:, y0:y1, x0:x1]
        change = paint - below
        change *= mask * np.float32(opacity / 255)
        below += change
        if label is not None:
            self.labels[y0:y1, x0:x1][mask > 127] = label

    def _shade(self, axis: Floats, xs: Floats, ys: Floats) -> Floats:
        """Brightness at places of a surface that is round about the line between two circles."""
        (ax, ay, ar), (bx, by, br) = axis.astype(np.float32)
        dx, dy = bx - ax, by - ay
        square = max(dx * dx + dy * dy, np.float32(1e-6))
        x, y = xs - ax, ys - ay
        along = x * (dx / square) + y * (dy / square)
        np.minimum(np.maximum(along, 0, out=along), 1, out=along)
        # The surface's normal: across from the nearest place of the axis, in units of the radius there.
        nx, ny = x - dx * along, y - dy * along
        along *= br - ar
        along += ar
        np.maximum(along, 0.5, out=along)
        nx /= along
        ny /= along
        nz = 1 - nx * nx
        nz -= ny * ny
        np.sqrt(np.maximum(nz, 0, out=nz), out=nz)
        lx, ly, lz = self.light.direction
        lit = nx * np.float32(lx)
        lit += ny * np.float32(ly)
        lit += nz * np.float32(lz)
        np.minimum(np.maximum(lit, 0, out=lit), 1.2, out=lit)
        lit *= np.float32(1.1 - self.light.ambient)
        lit += np.float32(self.light.ambient)
        return np.asarray(lit)

    def add_noise(self, random: np.random.Generator) -> None:
        """Add a camera's noise, and shift its colors a little."""
        # Even noise takes a quarter of the time of normal noise, and looks the same.
        amount = np.float32(random.uniform(2, 9))
        self.pixels += amount * (2 * random.random(self.labels.shape, np.float32) - 1)
        self.pixels *= random.uniform(0.93, 1.07, (3, 1, 1)).astype(np.float32)

    def image(self) -> Image:
        """The image, `(H, W, 3)` in B, G, R."""
        # convertScaleAbs rounds, and cuts at 255.
        return np.asarray(cv2.convertScaleAbs(cv2.merge(list(np.maximum(self.pixels, 0)))))

    def label_at(self, points: Floats) -> npt.NDArray[np.int16]:
        """Labels of the shapes uppermost at points `(n, 2)`; -1 outside the image."""
        height, width = self.labels.shape
        x, y = np.rint(points).astype(int).T
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        found = self.labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        return np.asarray(np.where(inside, found, -1), np.int16)


def _laid(texture: Image, axis: Floats, corner: tuple[int, int], shape: tuple[int, ...]) -> Floats:
    """The texture repeated over a rectangle, `(3, h, w)`, its y axis along the axis; 1 where it is 128."""
    (ax, ay, _), (bx, by, _) = axis
    length = max(float(np.hypot(bx - ax, by - ay)), 1e-3)
    cos, sin = (by - ay) / length, (bx - ax) / length
    x, y = ax - corner[0], ay - corner[1]
    # From pixels of the rectangle to pixels of the texture: place along and across the axis.
    inverse = np.array([[cos, -sin, -cos * x + sin * y], [sin, cos, -sin * x - cos * y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(texture, inverse, shape[::-1], flags=flags, borderMode=cv2.BORDER_WRAP)
    return np.asarray(np.stack(cv2.split(laid)) * np.float32(1 / 128))


def pick(random: np.random.Generator, photographs: Sequence[Image]) -> Image:
    """One of the photographs."""
    return photographs[int(random.integers(len(photographs)))]


def crop_photograph(random: np.random.Generator, photograph: Image, width: int, height: int) -> Image:
    """A part of a photograph, of random place, size, side, brightness and sharpness, `(height, width, 3)`."""
    high, wide = photograph.shape[:2]
    largest = min(high / height, wide / width)
    factor = random.uniform(0.45, 1.0) * largest
    h, w = int(height * factor), int(width * factor)
    y, x = random.integers(high - h + 1), random.integers(wide - w + 1)
    part = cv2.resize(photograph[y : y + h, x : x + w], (width, height), interpolation=cv2.INTER_LINEAR)
    if random.random() < 0.5:
        part = part[:, ::-1]
    if random.random() < 0.5:
        part = cv2.blur(part, (3, 3))
    return np.asarray(cv2.convertScaleAbs(part, alpha=random.uniform(0.6, 1.15), beta=random.uniform(-15, 25)))


def make_cloth(random: np.random.Generator, photographs: Sequence[Image], size: int = 64) -> Image | None:
    """A texture that repeats, `(size, size, 3)`, or none: stripes, squares, dots, or a part of a photograph."""
    kind = random.choice(('plain', 'stripes', 'squares', 'dots', 'photograph'), p=(0.35, 0.2, 0.1, 0.1, 0.25))
    if kind == 'plain':
        return None
    period = size // int(random.choice((4, 8)))
    rows, columns = np.mgrid[:size, :size] % period < period * random.uniform(0.3, 0.6)
    if kind == 'photograph':
        photograph = pick(random, photographs)
        y, x = (int(random.integers(side - size)) for side in photograph.shape[:2])
        part = photograph[y : y + size, x : x + size].astype(np.float32)
        return np.asarray(np.clip(128 + 0.9 * (part - part.mean()), 30, 255), np.uint8)
    if kind == 'stripes':
        where = rows if random.random() < 0.5 else columns
    elif kind == 'squares':
        where = rows ^ columns
    else:
        where = rows & columns
    other = random.uniform(40, 200, 3)
    return np.asarray(np.where(where[..., None], other, 128.0), np.uint8)
