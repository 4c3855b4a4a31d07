"""Rendered people on photographs, several of them over one another, with exact keypoints, boxes, masks and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...tracking.persons import COCO_KEYPOINTS, COCO_SKELETON
from .bodies import NUM_COCO, draw_build, draw_pose, pose_body
from .dataset import Rendered, prepare_rendered
from .drawing import Canvas, Floats, Image, Light, crop_photograph, pick
from .figures import THING, Figure, class_map, draw_figure, draw_look, figure_mask, read_visibility

# Figures of which a smaller share is visible have no labeled keypoints, as COCO's annotators leave them out.
_LEAST_SHARE = 0.25

_COUNTS = {'fit': 1200, 'val': 300, 'test': 300}


@dataclass(frozen=True)
class Person:
    """A person in an image.

    Attributes:
        number: The person's number, from 1.
        keypoints: `(19, 3)`, those of `KEYPOINTS`: x and y in pixels with the first pixel's center at (0, 0), and
            COCO's flag (0 outside the image, 1 covered, 2 visible).
        mask: `(H, W)`, the visible pixels.
        share: The visible share of the person's pixels in the image.
    """

    number: int
    keypoints: Floats
    mask: npt.NDArray[np.bool_]
    share: float

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The mask's left and upper edge, width and height in pixels."""
        xs, ys = np.flatnonzero(self.mask.any(0)), np.flatnonzero(self.mask.any(1))
        return float(xs[0]), float(ys[0]), float(xs[-1] - xs[0] + 1), float(ys[-1] - ys[0] + 1)

    @property
    def is_labeled(self) -> bool:
        """Whether enough of the person is visible for an annotator to mark keypoints."""
        return self.share >= _LEAST_SHARE


@dataclass(frozen=True)
class Scene:
    """An image `(H, W, 3)` in B, G, R, its people, the farthest first, and `classes` `(H, W)`, indices in `CLASSES`."""

    image: Image
    people: list[Person]
    classes: Image


def render_people(
    random: np.random.Generator, photographs: Sequence[Image], width: int = 256, height: int = 256
) -> Scene:
    """Draw one to four people, and in two of five images an object in front of them.

    Args:
        random: The generator of all that varies.
        photographs: Backgrounds and textures, `(H, W, 3)` in B, G, R.
        width: In pixels.
        height: In pixels.
    """
    canvas = Canvas(crop_photograph(random, pick(random, photographs), width, height), draw_light(random))
    figures = []
    for size in sorted(height * random.uniform(0.45, 0.95, random.choice((1, 2, 3, 4), p=(0.42, 0.33, 0.17, 0.08)))):
        build, pose = draw_build(random), draw_pose(random)
        x, y = width * random.uniform(0.1, 0.9), height * random.uniform(0.4, 0.62)
        figures.append(Figure(pose_body(build, pose).placed(x, y, size), build, draw_look(random, photographs)))
    drawn = draw_figures(canvas, figures)
    if random.random() < 0.4:
        draw_occluder(random, canvas, photographs)
    people = read_people(canvas, figures, drawn)
    classes = class_map(canvas)
    canvas.add_noise(random)
    return Scene(canvas.image(), people, classes)


def draw_figures(canvas: Canvas, figures: Sequence[Figure]) -> list[int]:
    """Draw figures, numbered from 1, one over another, and return the number of pixels that each covers at first."""
    drawn = []
    for number, figure in enumerate(figures, 1):
        draw_figure(canvas, figure, number)
        drawn.append(int(figure_mask(canvas, number).sum()))
    return drawn


def read_people(canvas: Canvas, figures: Sequence[Figure], drawn: Sequence[int]) -> list[Person]:
    """The visible figures; `drawn` is the result of `draw_figures`."""
    people = []
    for number, (figure, pixels) in enumerate(zip(figures, drawn, strict=True), 1):
        mask = figure_mask(canvas, number)
        if seen := int(mask.sum()):
            flags = read_visibility(canvas, figure.skeleton, number)
            keypoints = np.column_stack([figure.skeleton.points[:, :2], flags])
            people.append(Person(number, keypoints, mask, seen / pixels))
    return people


def draw_light(random: np.random.Generator) -> Light:
    """Light from above, from the left or the right, soft or hard."""
    direction = np.array((random.uniform(-0.7, 0.7), random.uniform(-0.8, -0.1), random.uniform(0.5, 1)))
    x, y, z = (direction / np.linalg.norm(direction)).tolist()
    return Light((x, y, z), random.uniform(0.35, 0.75))


def draw_occluder(
    random: np.random.Generator,
    canvas: Canvas,
    photographs: Sequence[Image],
    kind: str | None = None,
    shift: float = 0,
    label: int = THING,
) -> None:
    """Draw a post, a box or a ball (`kind`, or one of them) that looks like a part of a photograph.

    It lies `shift` pixels to the right of its random place.
    """
    height, width = canvas.labels.shape
    photograph = pick(random, photographs)
    x, y = width * random.uniform(0.1, 0.9) + shift, height * random.uniform(0.35, 1.0)
    kind = kind or random.choice(('post', 'box', 'ball'))
    if kind == 'post':
        tilt, radius = width * random.uniform(-0.1, 0.1), width * random.uniform(0.015, 0.05)
        circles = [(x - tilt, -radius, radius), (x + tilt, height + radius, radius)]
    elif kind == 'box':
        wide, high = width * random.uniform(0.1, 0.25), height * random.uniform(0.08, 0.2)
        circles = [(x + i * wide, y + j * high, 3.0) for i in (-1, 1) for j in (-1, 1)]
    else:
        circles = [(x, y, width * random.uniform(0.05, 0.13))]
    color = random.uniform(60, 220, 3)
    side = min(photograph.shape[:2])
    canvas.draw(circles, label, color, photograph[:side, :side], relief=0.0 if kind == 'box' else 1.0)


def prepare_people(root: Path, name: str = 'people', counts: Mapping[str, int] = _COUNTS) -> Path:
    """Write the people to `root`/`name`, unless they are there.

    For each part P of 'train', 'test', 'fit' and 'val': P.json in COCO's format, with 17 keypoints, boxes and masks,
    and images/ and labels/ (indices in `figures.CLASSES`) of 256 x 256 pixels.

    Args:
        root: The parent of the folder.
        name: The name of the folder.
        counts: The numbers of images of 'fit', 'val' and 'test'.

    Returns:
        The folder.

    Raises:
        FetchError: A package with photographs cannot be downloaded.
    """
    category = {'name': 'person', 'keypoints': COCO_KEYPOINTS, 'skeleton': COCO_SKELETON}
    return prepare_rendered(root, name, 1, counts, _render, category)


def _render(random: np.random.Generator, photographs: Sequence[Image]) -> Rendered:
    scene = render_people(random, photographs)
    return Rendered(scene.image, scene.classes, [(person.mask, _label(person)) for person in scene.people])


def _label(person: Person) -> dict[str, object]:
    keypoints = person.keypoints[:NUM_COCO]
    keypoints = np.where((keypoints[:, 2:] > 0) & person.is_labeled, keypoints, 0).round(2)
    return {'keypoints': keypoints.ravel().tolist(), 'num_keypoints': int((keypoints[:, 2] > 0).sum())}
