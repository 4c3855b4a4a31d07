"""Reading and writing of videos: files that OpenCV knows, and folders of images."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..errors import UserError
from .draw import VideoFile
from .flow import Image

__all__ = ['Frame', 'Video', 'is_video', 'read_frames', 'title', 'write_images', 'write_mp4']

_SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp'}
_VIDEOS = {'.avi', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.webm', '.wmv'}
_ESTIMATED = {'.mkv', '.webm'}  # whose headers have no number of frames, but a duration
_MOST_UNREADABLE = 1000  # frames in a row, after which the rest is given up


class Frame(NamedTuple):
    """A frame: its number from 0, its time in seconds, and the image `(H, W, 3)` in B, G, R; None if it is damaged."""

    number: int
    time: float
    image: Image | None


class Video:
    """A video file, whose frames are decoded one at a time.

    Args:
        path: The file.

    Attributes:
        rate: Frames in a second.
        length: The number of frames by the file's header; 0 if it has none.

    Raises:
        UserError: OpenCV cannot read the file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UserError(f'{path} holds no images, because there is no such file; expected a video')
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise UserError(f'{path} holds no images; expected a video that OpenCV reads, or a folder of images')
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or 25.0
        self.length = max(int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in turn; the file is closed after the last."""
        number = unreadable = 0
        while unreadable < _MOST_UNREADABLE and self._capture.grab():
            time = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            decoded, image = self._capture.retrieve()
            unreadable = 0 if decoded else unreadable + 1
            yield Frame(number, time, np.asarray(image, dtype=np.uint8) if decoded else None)
            number += 1
        self._capture.release()

    def missing(self, count: int) -> int:
        """Return how many frames of the header lie beyond those that were read; an estimate may be off by one."""
        tolerance = 1 if self.path.suffix.lower() in _ESTIMATED else 0
        return self.length - count if self.length - count > tolerance else 0


def is_video(path: Path) -> bool:
    """Whether a file's name is that of a video."""
    return path.suffix.lower() in _VIDEOS and not path.is_dir()


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
        UserError: An image or a frame cannot be read.
    """
    if video.is_dir():
        for file in _files(video):
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                raise UserError(f'{file} is not an image that OpenCV can read')
            yield str(file), np.asarray(image, dtype=np.uint8)
        return
    for frame in Video(video):
        if frame.image is None:
            raise UserError(f'frame {frame.number} of {video} is damaged; encode the video anew')
        yield f'{title(video)}/{frame.number:06d}.jpg', frame.image


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
