"""The picture of all tasks, ground truth above prediction."""

import io
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from ..weights.io import written_aside

_DPI = 100
_INCHES = 2.8  # side of a square


def write_grid(file: Path, tiles: Mapping[str, Path]) -> None:
    """Write the tiles (see `Result`), each with its title, as one PNG of 256 colors."""
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    figure = Figure(figsize=(_INCHES * len(tiles), 2 * _INCHES + 0.35), dpi=_DPI, layout=layout)
    axes = figure.subplots(2, len(tiles), squeeze=False)
    for column, (title, tile) in enumerate(tiles.items()):
        picture = np.asarray(cv2.imread(str(tile), cv2.IMREAD_COLOR))[..., ::-1]
        half = picture.shape[1] // 2
        axes[0, column].set_title(title, fontsize=10)
        for row, (name, part) in enumerate((('truth', picture[:, :half]), ('found', picture[:, half:]))):
            axes[row, column].imshow(part)
            axes[row, column].set(xticks=[], yticks=[])
            if column == 0:
                axes[row, column].set_ylabel(name, fontsize=10)
    content = io.BytesIO()
    figure.savefig(content)
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(file) as aside:
        # A third of the size, and hardly a visible difference.
        Image.open(content).convert('RGB').quantize(256).save(aside, 'PNG', optimize=True)
