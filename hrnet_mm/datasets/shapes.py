"""The shapes that tools for labels draw in an image, and the objects that shapes of one group make together."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import UserError
from .reading import Builder

__all__ = ['Shapes']

_NAMELESS = 'object'
"""The class of an object that is made of named keypoints alone."""


@dataclass
class _Object:
    where: str
    name: str | None = None
    box: Sequence[float] | None = None
    outlines: list[Sequence[float]] = field(default_factory=list)
    mask: Mapping[str, Any] | None = None
    points: dict[str, Sequence[float]] = field(default_factory=dict)
    crowd: bool = False


class Shapes:
    """The shapes of one image.

    Shapes of one group are one object: its box, its polygons, its keypoints. A shape without a group is an object of
    its own, but keypoints without a group are those of one object.
    """

    def __init__(self) -> None:
        self._objects: dict[Hashable, _Object] = {}

    def draw(
        self,
        group: Hashable,
        name: str,
        where: str,
        *,
        box: Sequence[float] | None = None,
        outline: Sequence[float] | None = None,
        mask: Mapping[str, Any] | None = None,
        points: Mapping[str, Sequence[float]] | None = None,
        crowd: bool = False,
    ) -> None:
        """Add a box, a polygon, a mask or a skeleton.

        Args:
            group: What the shapes of one object have in common; None for none.
            name: The class.
            where: The file and the line.
            box: x, y, width and height.
            outline: x and y in turn.
            mask: Run lengths as in COCO.
            points: x, y and visibility by the names of keypoints.
            crowd: Whether the object is neither learned nor measured.

        Raises:
            UserError: The group has shapes of two classes.
        """
        one = self._of(('alone', len(self._objects)) if group is None else group, where)
        if one.name not in (None, name):
            raise UserError(f'{where} is {name!r}, but another shape of its group is {one.name!r}; correct one of them')
        one.name = name
        one.box = box if box is not None else one.box
        one.mask = mask if mask is not None else one.mask
        one.points |= points or {}
        one.outlines += [outline] if outline is not None else []
        one.crowd |= crowd

    def point(self, group: Hashable, name: str, where: str, point: Sequence[float]) -> None:
        """Add a keypoint.

        Args:
            group: What the shapes of one object have in common; None for none.
            name: Its name.
            where: The file and the line.
            point: x, y and visibility.

        Raises:
            UserError: The object has a keypoint of this name already.
        """
        one = self._of('points' if group is None else group, where)
        if name in one.points:
            raise UserError(
                f'{where} is a second keypoint {name!r} of one object; give the keypoints of each object a group of '
                'their own'
            )
        one.points[name] = point

    def into(self, built: Builder, image: int) -> None:
        """Add the objects to an image."""
        for one in self._objects.values():
            built.add(
                image,
                one.name or _NAMELESS,
                one.where,
                box=one.box,
                outlines=one.outlines,
                mask=one.mask,
                points=one.points or None,
                crowd=one.crowd,
            )

    def _of(self, key: Hashable, where: str) -> _Object:
        return self._objects.setdefault(key, _Object(where))
