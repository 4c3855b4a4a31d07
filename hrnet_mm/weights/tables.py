"""Tables of results as CSV files: published results, measurements and trainings."""

import csv
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .io import written_aside

__all__ = ['append_rows', 'read_rows', 'replace_rows', 'write_rows']

Row = Mapping[str, Any]


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Return the rows of a table, with every value as printed.

    Args:
        path: The CSV file.

    Returns:
        One dict for each row; none if there is no file.
    """
    if not Path(path).exists():
        return []
    with open(path, encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def write_rows(path: str | os.PathLike[str], rows: Sequence[Row]) -> None:
    """Write a table, in place of an older file.

    Args:
        path: The CSV file.
        rows: One row or more; the columns are those of the first.

    Raises:
        CheckpointError: The file cannot be written.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     write_rows(f'{folder}/results.csv', [{'task': 'pose', 'AP': 74.4}])
        ...     read_rows(f'{folder}/results.csv')
        [{'task': 'pose', 'AP': '74.4'}]
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with written_aside(path) as aside, aside.open('w', encoding='utf-8', newline='') as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator='\n')
        writer.writeheader()
        writer.writerows(rows)


def replace_rows(path: str | os.PathLike[str], rows: Sequence[Row], key: str) -> None:
    """Write rows to a table in place of those with the same value in one column.

    Args:
        path: The CSV file.
        rows: The rows.
        key: The column.
    """
    replaced = {str(row[key]) for row in rows}
    write_rows(path, [*(row for row in read_rows(path) if row[key] not in replaced), *rows])


def append_rows(path: str | os.PathLike[str], rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Append rows to a table, with a header if the file is new.

    Args:
        path: The CSV file.
        rows: The rows.
        columns: The columns of the table.

    Raises:
        UserError: The file has other columns; nothing is written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists() or path.stat().st_size == 0
    if not is_new:
        with path.open(encoding='utf-8', newline='') as file:
            if (found := next(csv.reader(file))) != list(columns):
                raise UserError(f'{path} has the columns {found}; expected {list(columns)}, or choose another file')
    with path.open('a', encoding='utf-8', newline='') as file:
        writer = csv.DictWriter(file, columns, lineterminator='\n')
        if is_new:
            writer.writeheader()
        writer.writerows(rows)
