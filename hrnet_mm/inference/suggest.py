"""Choice of images to label next: those that a network is uncertain of and that differ from one another."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from mmengine.device import get_device
from PIL import Image

from ..datasets.convert import read_all
from ..datasets.sheet import draw_tile, write_sheet
from ..errors import UserError
from ..tasks import TASKS
from ..tasks.calibration import KINDS
from .images import find_images
from .open import open_network
from .predictor import Predictor, UnreadableError

__all__ = ['Suggestion', 'choose', 'draw_suggestions', 'suggest_images']

_CANDIDATES = 5
"""How many times as many images are candidates as are chosen."""

_COPY = 0.1
"""Images nearer than this share of the median distance are near-copies."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Suggestion:
    """An image to label next.

    Attributes:
        image: The file.
        uncertainty: The expected share of mistakes or, of boxes, their number; of keypoints, the mean radius as a share
            of the box's side.
    """

    image: Path
    uncertainty: float


def suggest_images(
    data: Sequence[Path],
    model: str | os.PathLike[str],
    count: int,
    labeled: Path | None = None,
    raw: bool = False,
    batch_size: int = 8,
) -> tuple[list[Suggestion], dict[Path, str], Predictor]:
    """Choose images to label next, the most uncertain ones first.

    Of five times as many uncertain images, each next one is that which is farthest from all that are labeled or chosen
    before, in the space of the backbone's mean features. Near-copies of them are left out.

    Args:
        data: Images, and folders whose images are all used, at any depth.
        model: Weights that were trained for a task.
        count: The largest number of images.
        labeled: A folder of labeled images in any annotation format, which are not suggested.
        raw: See `open_network`.
        batch_size: Images in a batch.

    Returns:
        The images, those that cannot be read with the reason, and the predictor.

    Raises:
        UserError: There is no image without labels, or the weights are of no task.
    """
    known = [] if labeled is None else _images_of(labeled)
    seen = {file.resolve() for file in known}
    images = [file for file in find_images(data) if file.resolve() not in seen]
    if not images:
        raise UserError(f'{", ".join(map(str, data))} has no image that is not labeled in {labeled}; add new images')
    opened = open_network(model, device=get_device(), raw=raw)
    if opened.spec is None:
        raise UserError(f'{model} holds no task; give weights that hrnet-mm train TASK --data wrote')
    predictor = Predictor(opened)
    measure = KINDS[TASKS[opened.spec.task].annotations].uncertainty
    errors: dict[Path, str] = {}
    found = {file: (measure(sample), place) for file, sample, place in _run(predictor, images, batch_size, errors)}
    if not found:
        raise UserError(f'none of {len(images)} images can be read, such as {images[0]}: {errors[images[0]]}')
    of_known = [place for _, _, place in _run(predictor, known, batch_size, errors)]
    files = list(found)
    uncertainties, places = zip(*found.values(), strict=True)
    chosen = choose(np.array(uncertainties), np.array(places), np.array(of_known), count)
    return [Suggestion(files[i], float(uncertainties[i])) for i in chosen], errors, predictor


def choose(uncertainties: Floats, places: Floats, known: Floats, count: int) -> list[int]:
    """Choose images that are uncertain and far from one another.

    Args:
        uncertainties: One for each image, `(N,)`.
        places: Features of each image, `(N, C)`.
        known: Features of labeled images, `(M, C)`, M may be 0.
        count: The largest number.

    Returns:
        The chosen images, the most uncertain first; fewer than `count` if the others are near-copies of them.
    """
    order = np.argsort(-uncertainties, kind='stable')
    typical = float(np.median(_distances(places, places[order[:100]])))
    nearest = np.full(len(places), np.inf)
    if len(known):
        nearest = _distances(places, known).min(1)
    candidates = [int(i) for i in order if nearest[i] > _COPY * typical or not len(known)]
    chosen: list[int] = []
    while len(chosen) < count and candidates:
        pool = candidates[: _CANDIDATES * count]
        # Without labeled images, the most uncertain one is the first.
        best = max(pool, key=lambda i: nearest[i])
        chosen.append(best)
        nearest = np.minimum(nearest, _distances(places, places[[best]])[:, 0])
        candidates = [i for i in candidates if i != best and nearest[i] > _COPY * typical]
    return sorted(chosen, key=lambda i: -uncertainties[i])


def draw_suggestions(suggestions: Sequence[Suggestion], predictor: Predictor, score: float, file: Path) -> None:
    """Write a contact sheet of the images with the network's predictions.

    Args:
        suggestions: The images.
        predictor: The network.
        score: The lowest score that is drawn.
        file: The picture.
    """
    tiles = []
    drawn = file.with_name(f'.{file.name}.png')
    for one in suggestions:
        predictor.draw(one.image, predictor.predict(predictor.prepare(one.image)), score, drawn)
        with Image.open(drawn) as picture:
            photo = np.asarray(picture.convert('RGB'))[..., ::-1]
            tiles.append(draw_tile(f'{one.uncertainty:.3f}: {one.image.name}', photo, [], []))
    drawn.unlink(missing_ok=True)
    write_sheet(file, tiles)


def _images_of(labeled: Path) -> list[Path]:
    _, parts, _ = read_all(labeled)
    return [labeled / image['file_name'] for content in parts.values() for image in content['images']]


def _distances(places: Floats, others: Floats) -> Floats:
    """The distances of rows, `(N, M)`."""
    squares = (places**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * places @ others.T
    found: Floats = np.sqrt(np.maximum(squares, 0))
    return found


def _run(
    predictor: Predictor, images: Sequence[Path], batch_size: int, errors: dict[Path, str]
) -> Iterator[tuple[Path, Any, Floats]]:
    """Yield each image that can be read with its predictions and features; the others go to `errors`."""
    for start in range(0, len(images), batch_size):
        inputs: list[tuple[Path, Any]] = []
        for file in images[start : start + batch_size]:
            try:
                inputs += [(file, one) for one in predictor.prepare(file)]
            except UnreadableError as error:
                errors[file] = str(error)
        # Images of one size are a batch, whose order is that of `predict`.
        for same in _by_shape(inputs):
            with _features(predictor.model) as found:
                samples = predictor.predict([one for _, one in same])
            for i, (file, _) in enumerate(same):
                yield file, samples[i], found[0][i]


def _by_shape(inputs: Sequence[tuple[Path, Any]]) -> list[list[tuple[Path, Any]]]:
    groups: dict[Any, list[tuple[Path, Any]]] = {}
    for file, one in inputs:
        groups.setdefault(tuple(one['inputs'].shape), []).append((file, one))
    return list(groups.values())


@contextmanager
def _features(model: Any) -> Iterator[list[Floats]]:
    """Collect the mean features of the coarsest map in each pass through the backbone, `(N, C)`."""
    found: list[Floats] = []

    def keep(module: Any, args: Any, maps: Sequence[torch.Tensor]) -> None:
        found.append(maps[-1].mean((2, 3)).double().cpu().numpy())

    handle = model.backbone.register_forward_hook(keep)
    try:
        yield found
    finally:
        handle.remove()
