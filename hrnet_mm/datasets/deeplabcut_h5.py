"""DeepLabCut's .h5 tables as the lines of its .csv.

By hand, with h5py alone: pandas needs PyTables for them, which unpickles what a file asks for. The arrays of pandas'
"fixed" layout, in which DeepLabCut writes its labels, hold plain texts and numbers.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError

__all__ = ['read_h5']

_WHAT_TO_DO = 'read it with DeepLabCut and write it anew, or give the .csv beside it'

_MOST_BYTES = 1 << 28  # of names


def read_h5(file: Path) -> list[list[str]]:
    """The lines of a table: names above, an image a line below.

    Raises:
        UserError: h5py is missing, or the file is damaged or of another layout.
    """
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"{file} needs h5py, which is not installed: pip install 'hrnet_mm[labels]'") from error
    try:
        with h5py.File(file, 'r') as opened:
            (table,) = opened.values()
            columns, names = _axis(table, 'axis0')
            images, _ = _axis(table, 'axis1')
            items, _ = _axis(table, 'block0_items')
            if sorted(items) != sorted(columns) or 'block1_items_level0' in table:
                raise ValueError('it has columns of several kinds')
            # Before they are read: a small file can say that it has more numbers than there is memory.
            if table['block0_values'].shape != (len(images), len(columns)):
                raise ValueError(f'it has {len(images)} images, but numbers for {len(table["block0_values"])}')
            values = np.asarray(table['block0_values'], float)[:, [items.index(column) for column in columns]]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UserError(f'{file} is not a table of labels ({error}); {_WHAT_TO_DO}') from error
    width = len(images[0]) if images else 1
    header = [[name, *[''] * (width - 1), *(column[i] for column in columns)] for i, name in enumerate(names)]
    rows = ['' if np.isnan(value) else repr(value) for value in values.ravel().tolist()]
    return header + [[*image, *rows[i * len(columns) : (i + 1) * len(columns)]] for i, image in enumerate(images)]


def _axis(table: Any, key: str) -> tuple[list[tuple[str, ...]], list[str]]:
    """The names along an axis, each of as many parts as there are levels, and the names of the levels."""
    if key in table:
        return [(text,) for text in _texts(table[key])], [key]
    levels = []
    count = int(table.attrs[f'{key}_nlevels'])
    for i in range(count):
        texts = _texts(table[f'{key}_level{i}'])
        levels.append([texts[number] for number in np.asarray(table[f'{key}_label{i}']).tolist()])
    names = [table[f'{key}_level{i}'].attrs.get('name', b'') for i in range(count)]
    return list(zip(*levels, strict=True)), [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _texts(array: Any) -> list[str]:
    if array.dtype.kind != 'S' or array.nbytes > _MOST_BYTES:
        raise ValueError('its names are no plain texts')
    return [text.decode() for text in np.asarray(array).tolist()]
