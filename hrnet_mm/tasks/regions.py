"""Parts of the tasks of regions: the change to the size of a folder's objects, and the drawing."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..datasets.content import Folder
from . import pictures
from .base import SHOWN_IMAGES

__all__ = ['adapt_regions', 'crop_side', 'draw_regions']

# Objects are resized so that the median one has the size that the demonstration's networks and anchors are made for.
_MEDIAN_SIDE = 48
_CROP = 256


def crop_side(folder: Folder) -> int:
    """The side of a training crop in pixels of the image; it is resized to 256 pixels.

    Label images tell no sizes of objects: half of the image's shorter side, but not less than 256 pixels of it.
    """
    if folder.median_side is None:
        shorter = folder.median_short_side
        return max(32, round(min(shorter, max(_CROP, shorter / 2))))
    return max(32, round(_CROP * folder.median_side / _MEDIAN_SIDE))


def adapt_regions(config: Any, folder: Folder) -> None:
    """Change crops, sizes and flips to a folder's objects."""
    crop = crop_side(folder)
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in loader.dataset.pipeline:
            if step.type == 'RandomCrop':
                step.crop_size = (crop, crop)
            elif step.type == 'Resize':
                step.scale_factor = _CROP / crop
            elif step.type == 'RandomFlip':
                # Cells have no upper side, but most things have one.
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
