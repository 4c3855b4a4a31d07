"""Reading and writing of videos: files that OpenCV knows, and folders of images."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from ..errors import UserError
from .draw import VideoFile
from .flow import Image

__all__ = ['read_frames', 'title', 'write_images', 'write_mp4']

_SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp'}


def title(video: Path) -> str:
    """The name of a video without the suffix of a file."""
    return video.name if video.is_dir() else video.stem


def read_frames(video: Path) -> Iterator[tuple[str, Image]]:
    """Read the frames of a video, one at a time.

    Args:
        video: A file, or a folder of images in the order of their names.

    Returns:
        For each frame its name, an image's path or TITLE/000000.jpg and so on, and the image `(H, W, 3)` in B, G, R.

    Raises:
        UserError: An image cannot be read.
    """
    if video.is_dir():
        for file in _files(video):
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                raise UserError(f'{file} is not an image that OpenCV can read')
            yield str(file), np.asarray(image, dtype=np.uint8)
        return
    capture = cv2.VideoCapture(str(video))
    index = 0
    while (read := capture.read())[0]:
        yield f'{title(video)}/{index:06d}.jpg', np.asarray(read[1], dtype=np.uint8)
        index += 1
    capture.release()


def write_mp4(images: Iterable[Image], file: Path) -> None:
    """Write frames of equal size to an MP4 file."""
    with VideoFile(file) as video:
        for image in images:
            video.write(image)


def write_images(images: Iterable[Image], folder: Path) -> None:
    """Write frames to a folder as PNG files."""
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(images):
        cv2.imwrite(str(folder / f'{index:06d}.png'), image)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in _SUFFIXES)
