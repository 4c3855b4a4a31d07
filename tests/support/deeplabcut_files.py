"""DeepLabCut's tables of labelled points."""

import csv
from pathlib import Path
from typing import Any

import numpy as np


def write_deeplabcut(file: Path, parts: Any, rows: Any, animals: Any = ('',)) -> None:
    """`rows`: the image as its cells in the index, and `(animals, parts, 2)` points, NaN where not labelled."""
    columns = len(rows[0][0])
    empty, number = [''] * (columns - 1), len(animals) * len(parts) * 2
    header = [['scorer', *empty, *['me'] * number]]
    if animals != ('',):
        header.append(['individuals', *empty, *(name for name in animals for _ in range(2 * len(parts)))])
    header.append(['bodyparts', *empty, *(part for _ in animals for part in parts for _ in 'xy')])
    header.append(['coords', *empty, *('xy' * (number // 2))])
    with file.open('w', newline='') as opened:
        writer = csv.writer(opened)
        writer.writerows(header)
        for cells, points in rows:
            values = np.asarray(points).reshape(-1).tolist()
            writer.writerow([*cells, *('' if np.isnan(value) else value for value in values)])
