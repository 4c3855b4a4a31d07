"""Reading of images in the pipelines of all four libraries, as a network was trained on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..images import Bands, read_color
from ..registry import TRANSFORMS

__all__ = ['LoadImageBands']


@TRANSFORMS.register_module()
class LoadImageBands:
    """Element of a pipeline that reads an image, in place of `LoadImageFromFile` and `LoadImage`.

    A file of another kind than it is told is refused, never cut to three channels or to 8 bits.

    Args:
        numbers: The numbers of the bands, from 1, in the order of the network's channels; none for pictures of 8 bits.
        count: The number of bands that a file has.
        dtype: NumPy's name of the type of a value in the file.
    """

    def __init__(self, numbers: Sequence[int] = (), count: int = 0, dtype: str = 'uint8') -> None:
        self.bands = Bands(tuple(numbers), count, dtype) if numbers else None

    def __call__(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sample with `img` `(H, W, C)`, three channels in B, G, R, and its shape.

        Raises:
            ImageError: The file is damaged or of another kind.
        """
        if 'img' in results:  # mmpose's data sets may hold images
            image = results['img']
        else:
            file = Path(results['img_path'])
            image = read_color(file) if self.bands is None else self.bands.read(file)
        shape = image.shape[:2]
        return {**results, 'img': image, 'img_shape': shape, 'ori_shape': shape}

    def __repr__(self) -> str:
        return f'LoadImageBands({self.bands or ""})'
