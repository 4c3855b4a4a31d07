"""People to draw: their clothes, the parts of their bodies, and the visibility of their keypoints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .bodies import KEYPOINTS, Build, Skeleton
from .drawing import Canvas, Floats, Image, make_cloth

# The classes of PASCAL-Person-Part, and the parts that are drawn of each.
CLASSES = ('background', 'head', 'torso', 'upper arm', 'lower arm', 'upper leg', 'lower leg')
_OF_CLASS = (
    (),
    ('hair', 'back_hair', 'head', 'features', 'left_ear', 'right_ear'),
    ('neck', 'torso', 'pelvis', 'skirt'),
    ('left_upper_arm', 'right_upper_arm'),
    ('left_forearm', 'right_forearm', 'left_hand', 'right_hand'),
    ('left_thigh', 'right_thigh'),
    ('left_shin', 'right_shin', 'left_shoe', 'right_shoe'),
)
_NUMBER = {part: number for number, part in enumerate((part for parts in _OF_CLASS for part in parts), 1)}
_BITS = 5  # of a label that name the part; those above name the figure, 1 and up
THING = 1  # the label of all other shapes
_CLASS = np.array([0, *(index for index, parts in enumerate(_OF_CLASS) for _ in parts)], np.uint8)

# What belongs to a keypoint: a keypoint is visible where one of these parts is uppermost.
_OF_LIMB = {
    'ear': 'ear',
    'shoulder': 'upper_arm',
    'elbow': 'upper_arm forearm',
    'wrist': 'forearm hand',
    'hip': 'thigh',
    'knee': 'thigh shin',
    'ankle': 'shin shoe',
}
# These show it too, unless it is on the far side of them.
_OF_TRUNK = {
    'nose': 'head features',
    'eye': 'head features',
    'shoulder': 'torso neck',
    'hip': 'torso pelvis skirt',
    'knee': 'skirt',
    'head_bottom': 'head neck features',
    'head_top': 'hair head',
}


def _owners(table: dict[str, str], keypoint: str) -> npt.NDArray[np.bool_]:
    side, _, name = keypoint.partition('_') if keypoint.startswith(('left', 'right')) else ('', '', keypoint)
    own = np.zeros(1 << _BITS, bool)
    for part in table.get(name, '').split():
        own[_NUMBER[part if part in _NUMBER else f'{side}_{part}']] = True
    return own


_LIMB_OWNS = np.stack([_owners(_OF_LIMB, name) for name in KEYPOINTS])
_TRUNK_OWNS = np.stack([_owners(_OF_TRUNK, name) for name in KEYPOINTS])


@dataclass(frozen=True)
class Look:
    """The looks of a figure: colors in B, G, R, and textures of upper and lower clothes."""

    skin: Floats
    hair: Floats
    upper: Floats
    lower: Floats
    shoes: Floats
    upper_cloth: Image | None = None
    lower_cloth: Image | None = None
    long_sleeves: bool = True
    long_legs: bool = True
    skirt: bool = False
    long_hair: bool = False


@dataclass(frozen=True)
class _Part:
    """A part of a figure, drawn before all that are nearer; circles are rows of x, y, radius in pixels."""

    name: str
    depth: float
    circles: Floats
    color: Floats
    texture: Image | None = None


@dataclass(frozen=True)
class Figure:
    """A person to draw."""

    skeleton: Skeleton
    build: Build
    look: Look

    def parts(self) -> Iterator[_Part]:
        """All parts, in no order."""
        at = dict(zip(KEYPOINTS, self.skeleton.points, strict=True))
        yield from self._head(at)
        yield from self._trunk(at)
        for side in ('left', 'right'):
            yield from self._arm(side, *(at[f'{side}_{name}'] for name in ('shoulder', 'elbow', 'wrist')))
            yield from self._leg(side, *(at[f'{side}_{name}'] for name in ('hip', 'knee', 'ankle')))

    def _part(
        self,
        name: str,
        ends: Sequence[tuple[Floats, float]],
        color: Floats,
        texture: Image | None = None,
        nearer: float = 0,
    ) -> _Part:
        """The hull of balls, each a place and a radius; radius and `nearer` are shares of the body's height."""
        size, girth = self.skeleton.size, self.build.girth
        depth = sum(float(place[2]) for place, _ in ends) / len(ends) + size * nearer
        circles = np.array([(place[0], place[1], radius * girth * size) for place, radius in ends])
        return _Part(name, depth, circles, color, texture)

    def _head(self, at: dict[str, Floats]) -> Iterator[_Part]:
        body, look, frame = self.skeleton, self.look, self.skeleton.head
        # Heads are not fatter in fat people.
        r = self.build.head * body.size
        k = self.build.head / self.build.girth
        center = at['head_top'] - frame @ (0, 1.25 * r, -0.2 * r)

        def place(x: float, y: float, z: float) -> Floats:
            return np.asarray(center + frame @ (x * r, y * r, z * r))

        is_back = frame[2, 2] < 0.25
        yield self._part('neck', ((at['head_bottom'], 0.03), (place(0, -0.3, 0), 0.03)), look.skin, nearer=-0.02)
        yield self._part('head', ((place(0, 0.1, 0.12), 0.84 * k), (place(0, -0.72, 0.42), 0.44 * k)), look.skin)
        cap = (place(0, 0.36, -0.22), 0.98 * k), (place(0, 0.1, -0.3), 0.9 * k)
        yield self._part('hair', cap, look.hair, nearer=0.08 if is_back else -0.04)
        if not is_back:
            fringe = [(place(x, 0.72, 0.5), 0.36 * k) for x in (-0.42, 0.42)]
            yield self._part('hair', fringe, look.hair, nearer=0.102)
        if look.long_hair:
            yield self._part(
                'back_hair',
                ((place(0, 0.25, -0.35), 0.95 * k), (place(0, -1.3, -0.6), 0.75 * k)),
                look.hair,
                nearer=0.09 if is_back else -0.05,
            )
        for side, sign in (('left', 1), ('right', -1)):
            if sign * frame[2, 0] > -0.35:
                ear = at[f'{side}_ear']
                nearer = -0.01 if look.long_hair and not is_back else 0.1
                yield self._part(f'{side}_ear', ((ear, 0.2 * k),), look.skin, nearer=nearer)
            if not body.is_away[KEYPOINTS.index(f'{side}_eye')]:
                eye = at[f'{side}_eye']
                white, dark = np.array((225, 230, 235)), np.array((35, 30, 30))
                across = frame @ (0.11 * r, 0, 0)
                yield self._part('features', ((eye - across, 0.1 * k), (eye + across, 0.1 * k)), white, nearer=0.11)
                yield self._part('features', ((eye, 0.115 * k),), dark, nearer=0.12)
                brow = [place(sign * x, 0.32 + y, 0.82) for x, y in ((0.2, 0), (0.62, 0.02))]
                yield self._part('features', [(end, 0.05 * k) for end in brow], look.hair * 0.8, nearer=0.11)
        if not body.is_away[KEYPOINTS.index('nose')]:
            nose = [(place(0, 0.05, 0.9), 0.08 * k), (place(0, -0.25, 0.98), 0.15 * k)]
            yield self._part('features', nose, look.skin * 0.9, nearer=0.115)
        if frame[2, 2] > 0.15:
            mouth = [(place(x, -0.68, 0.78), 0.07 * k) for x in (-0.25, 0.25)]
            yield self._part('features', mouth, look.skin * (0.55, 0.5, 0.8), nearer=0.11)

    def _trunk(self, at: dict[str, Floats]) -> Iterator[_Part]:
        look, up = self.look, self.skeleton.trunk @ (0, self.skeleton.size, 0)
        shoulders, hips = ([at[f'{side}_{name}'] for side in ('left', 'right')] for name in ('shoulder', 'hip'))
        throat, middle = (shoulders[0] + shoulders[1]) / 2, (hips[0] + hips[1]) / 2
        waist = [hip + 0.03 * up for hip in hips]
        # The first two balls give the axis about which it is shaded.
        spine = ((throat - 0.02 * up, 0.075), (middle + 0.02 * up, 0.075))
        chest = [(0.97 * place + 0.03 * throat - 0.012 * up, 0.035) for place in shoulders]
        yield self._part(
            'torso', (*spine, *chest, *((place, 0.047) for place in waist)), look.upper, look.upper_cloth, nearer=0.005
        )
        below = [(hip - 0.01 * up, 0.052) for hip in hips]
        yield self._part(
            'pelvis', ((middle + 0.04 * up, 0.07), (middle, 0.07), *below), look.lower, look.lower_cloth, nearer=0.002
        )
        if look.skirt:
            knees = [(0.2 * at[f'{side}_hip'] + 0.8 * at[f'{side}_knee'], 0.06) for side in ('left', 'right')]
            axis = ((middle, 0.08), ((knees[0][0] + knees[1][0]) / 2, 0.12))
            yield self._part('skirt', (*axis, *below, *knees), look.lower, look.lower_cloth, nearer=0.06)

    def _arm(self, side: str, shoulder: Floats, elbow: Floats, wrist: Floats) -> Iterator[_Part]:
        look = self.look
        wide = 1.15 if look.long_sleeves else 1.0
        color, cloth = (look.upper, look.upper_cloth) if look.long_sleeves else (look.skin, None)
        hand = wrist + 0.036 * self.skeleton.size * _direction(elbow, wrist)
        yield self._part(f'{side}_hand', ((wrist, 0.016), (hand, 0.019)), look.skin, nearer=0.028)
        yield self._part(f'{side}_forearm', ((elbow, 0.024 * wide), (wrist, 0.018 * wide)), color, cloth, nearer=0.03)
        upper = ((shoulder, 0.035), (elbow, 0.026 * wide))
        yield self._part(f'{side}_upper_arm', upper, look.upper, look.upper_cloth, nearer=0.02)

    def _leg(self, side: str, hip: Floats, knee: Floats, ankle: Floats) -> Iterator[_Part]:
        look, lower = self.look, (self.look.lower, self.look.lower_cloth)
        wide = 1.25 if look.long_legs else 1.0
        toes = self.skeleton.feet[('left', 'right').index(side)]
        yield self._part(f'{side}_shoe', ((ankle, 0.024), (toes, 0.02)), look.shoes, nearer=-0.005)
        shin = lower if look.long_legs else (look.skin, None)
        yield self._part(f'{side}_shin', ((knee, 0.034), (ankle, 0.021 * wide)), *shin)
        thigh = (look.skin, None) if look.skirt else lower
        yield self._part(f'{side}_thigh', ((hip, 0.052), (knee, 0.035)), *thigh, nearer=0.001)


def draw_look(random: np.random.Generator, photographs: Sequence[Image]) -> Look:
    """Random colors and clothes."""
    skin, hair = draw_skin_and_hair(random)
    upper, lower = _draw_color(random), _draw_color(random) * 0.8
    is_skirt = random.random() < 0.2
    return Look(
        skin=skin,
        hair=hair,
        upper=upper,
        lower=lower,
        shoes=_draw_color(random) * 0.6,
        upper_cloth=make_cloth(random, photographs),
        lower_cloth=make_cloth(random, photographs) if random.random() < 0.5 else None,
        long_sleeves=random.random() < 0.55,
        long_legs=random.random() < 0.7 and not is_skirt,
        skirt=is_skirt,
        long_hair=random.random() < 0.4,
    )


def draw_skin_and_hair(random: np.random.Generator) -> tuple[Floats, Floats]:
    """Random colors of people, in B, G, R."""
    skin = np.array((120, 160, 215)) * random.uniform(0.35, 1.12) * random.uniform(0.93, 1.07, 3)
    hair = np.array([(20, 25, 35), (30, 55, 95), (70, 130, 175), (130, 130, 130), (35, 60, 130)][random.integers(5)])
    return np.clip(skin, 20, 240), hair * random.uniform(0.7, 1.3)


def _draw_color(random: np.random.Generator) -> Floats:
    gray = random.uniform(25, 235)
    return np.clip(gray + random.uniform(0.1, 1.0) * random.uniform(-90, 90, 3), 12, 245)


def draw_figure(canvas: Canvas, figure: Figure, number: int) -> None:
    """Draw a person, the farthest part first; `number`, 1 to 1000, names it in the canvas's labels."""
    for part in sorted(figure.parts(), key=lambda part: part.depth):
        label = number << _BITS | _NUMBER[part.name]
        canvas.draw(part.circles, label, part.color, part.texture)


def read_visibility(canvas: Canvas, skeleton: Skeleton, number: int) -> npt.NDArray[np.int64]:
    """COCO's flags `(19,)` of a person that was drawn: 0 outside the image, 1 something lies over it, 2 visible."""
    labels = canvas.label_at(skeleton.points[:, :2])
    parts = labels & ((1 << _BITS) - 1)
    index = np.arange(len(KEYPOINTS))
    shows = _LIMB_OWNS[index, parts] | (_TRUNK_OWNS[index, parts] & ~skeleton.is_away)
    return np.where(labels < 0, 0, np.where(shows & (labels >> _BITS == number), 2, 1))


def figure_mask(canvas: Canvas, number: int) -> npt.NDArray[np.bool_]:
    """The mask `(H, W)` of the pixels where a person is uppermost."""
    return np.asarray(canvas.labels >> _BITS == number)


def class_map(canvas: Canvas) -> Image:
    """The index in `CLASSES` of the uppermost shape at each pixel, `(H, W)`."""
    return np.asarray(_CLASS[np.where(canvas.labels < 1 << _BITS, 0, canvas.labels & ((1 << _BITS) - 1))])


def _direction(start: Floats, end: Floats) -> Floats:
    return (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
