"""A data set of rendered faces with the 98 points of WFLW."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .dataset import Rendered, prepare_rendered
from .drawing import Image
from .portraits import render_face

_COUNTS = {'fit': 1200, 'val': 300, 'test': 300}


def prepare_faces(root: Path) -> Path:
    """Write the faces to `root`/faces, unless they are there.

    For each part P of 'train', 'test', 'fit' and 'val': P.json in COCO's format, with all 98 points of every face (also
    those that something covers), and images/ and labels/ (indices in `portraits.CLASSES`) of 160 x 160 pixels.

    Returns:
        The folder.

    Raises:
        FetchError: A package with photographs cannot be downloaded.
    """
    return prepare_rendered(root, 'faces', 1, _COUNTS, _render, {'name': 'face'})


def _render(random: np.random.Generator, photographs: Sequence[Image]) -> Rendered:
    portrait = render_face(random, photographs)
    points = np.where(portrait.points[:, 2:] > 0, portrait.points, 0).round(2)
    more = {'keypoints': points.ravel().tolist(), 'num_keypoints': int((points[:, 2] > 0).sum())}
    # The box is that of the points, as in WFLW: masks end where hair or things begin.
    low, high = portrait.points[:, :2].min(0), portrait.points[:, :2].max(0)
    more['bbox'] = [*low.round(2).tolist(), *(high - low).round(2).tolist()]
    return Rendered(portrait.image, portrait.classes, [(portrait.mask, more)])
