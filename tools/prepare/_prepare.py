"""Helpers of the preparation scripts: atomic output, and one sentence for bad input."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from scipy.io import loadmat
from scipy.io.matlab import MatReadError


@contextmanager
def new(*paths: Path) -> Iterator[list[Path]]:
    """Yield temporary names to write files or folders to; they are renamed to `paths` together, after success."""
    for path in paths:
        if path.exists():
            sys.exit(f'{path} exists already; move it away to prepare it again.')
    asides = [path.with_name(f'.{path.name}.partial') for path in paths]
    try:
        for aside in asides:
            aside.parent.mkdir(parents=True, exist_ok=True)
            _remove(aside)  # of an earlier run that was killed
        yield asides
    except BaseException:
        for aside in asides:
            _remove(aside)
        raise
    for aside, path in zip(asides, paths, strict=True):
        aside.rename(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def image_size(path: Path) -> dict[str, int]:
    """Return `width` and `height` in pixels, from the file's header."""
    try:
        with Image.open(path) as image:
            return {'width': image.width, 'height': image.height}
    except OSError as error:
        sys.exit(f'cannot read the image {path} of the annotations: {error}.')


def read_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB file."""
    try:
        content: dict[str, Any] = loadmat(path)
        return content
    except (OSError, ValueError, NotImplementedError, MatReadError) as error:
        sys.exit(f'cannot read the MATLAB file {path}: {error}.')
