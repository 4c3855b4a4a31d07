"""Parts of the tasks of regions: the size of objects, flips, and the drawing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.content import Folder
from . import pictures
from .base import CROP, SHOWN_IMAGES, steps

if TYPE_CHECKING:
    from ..weights import ModelSpec

__all__ = ['configure_regions', 'draw_regions', 'measure_regions', 'use_regions']

# Objects are resized so that the median one has the size that the demonstration's networks and anchors are made for.
_MEDIAN_SIDE = 48
_LEAST_CROP = 32


def measure_regions(folder: Folder) -> dict[str, Any]:
    """The factor by which images are resized, and the size of a training crop after it."""
    return {'input_size': (CROP, CROP), 'resize': {'scale_factor': CROP / crop_side(folder)}}


def crop_side(folder: Folder) -> int:
    """The side of a training crop in pixels of the image; it is resized to 256 pixels.

    Label images tell no sizes of objects: half of the image's shorter side, but not less than 256 pixels of it.
    """
    if folder.median_side is None:
        shorter = folder.median_short_side
        return max(_LEAST_CROP, round(min(shorter, max(CROP, shorter / 2))))
    return max(_LEAST_CROP, round(CROP * folder.median_side / _MEDIAN_SIDE))


def configure_regions(config: Any, spec: 'ModelSpec') -> None:
    """Change crops and sizes."""
    factor = spec.resized_by('scale_factor')
    crop = round(CROP / factor)
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in steps(loader, 'RandomCrop'):
            step.crop_size = (crop, crop)
        for step in steps(loader, 'Resize'):
            step.scale_factor = factor


def use_regions(config: Any) -> None:
    """Flip images to the side only: cells have no upper side, but most things have one."""
    for step in steps(config.train_dataloader, 'RandomFlip'):
        step.update(prob=0.5, direction='horizontal')


def draw_regions(
    work_dir: Path, samples: Sequence[Any], draw: Callable[[Path, pictures.Image, Any], pictures.Pair]
) -> tuple[list[Path], pictures.Pair]:
    """Draw the first images, each with its sample; the first of them is the pair."""
    files, tiles = [], []
    for sample in samples[:SHOWN_IMAGES]:
        file = work_dir / f'predictions_{Path(sample.img_path).stem}.png'
        tiles.append(draw(file, pictures.read(sample.img_path), sample))
        files.append(file)
    return files, tiles[0]
