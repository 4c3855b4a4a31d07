"""Predicted poses as a table in DeepLabCut's form.

CSV alone: DeepLabCut's `.h5` needs pandas with PyTables, which make it from the CSV in one line.
"""

import csv
import json
from pathlib import Path

from ..weights.io import written_aside

__all__ = ['write_deeplabcut']


def write_deeplabcut(predictions: Path, names: list[str], scorer: str) -> Path:
    """Write poses with a line for each image, and x, y and the likelihood of each body part.

    Args:
        predictions: The predictions.jsonl of a pose model.
        names: The names of the body parts.
        scorer: What DeepLabCut's tools call the network.

    Returns:
        The table, which is beside the predictions. Unreadable images and absent animals have empty cells.
    """
    with predictions.open() as lines:
        images = [(one['image'], one.get('poses', [])) for one in map(json.loads, lines)]
    count = max((len(poses) for _, poses in images), default=1) or 1
    animals = [f'individual{k + 1}' for k in range(count)]
    columns = [(scorer, animal, name, axis) for animal in animals for name in names for axis in _AXES]
    header = [[title, *values] for title, values in zip(_TITLES, zip(*columns, strict=True), strict=True)]
    if count == 1:  # DeepLabCut has no such line for one animal
        del header[_TITLES.index('individuals')]
    file = predictions.with_name('predictions.csv')
    with written_aside(file) as aside, aside.open('w', newline='') as opened:
        writer = csv.writer(opened, lineterminator='\n')
        writer.writerows(header)
        for image, poses in images:
            cells = [
                value
                for pose in poses
                for point, score in zip(pose['keypoints'], pose['scores'], strict=True)
                for value in (*point, score)
            ]
            writer.writerow([image, *cells, *[''] * (len(columns) - len(cells))])
    return file


_TITLES = ('scorer', 'individuals', 'bodyparts', 'coords')
_AXES = ('x', 'y', 'likelihood')
