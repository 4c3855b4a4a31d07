"""Files of text, JSON, tables and XML whose mistakes are told with their lines."""

import csv
import io
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard
from xml.parsers import expat

from ..errors import UserError

__all__ = [
    'is_number',
    'line_of',
    'listed_names',
    'number',
    'numbers',
    'read_json',
    'read_rows',
    'read_text',
    'read_xml',
]

_SHOWN = 40
_MOST = 1e9  # pixels, beyond which a number is a mistake
_MOST_BYTES = 2 * 10**9  # of a file that is read whole; COCO's largest has half a billion


class _Element(ET.Element):
    """An element that knows its line."""

    line = 0


def read_text(file: Path) -> str:
    """Read a text in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises:
        UserError: It is in another encoding, or too large; the sentence names the line.
    """
    data = _read_bytes(file)
    encoding = 'utf-16' if data[:2] in (b'\xff\xfe', b'\xfe\xff') else 'utf-8-sig'
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b'\n') + 1
        raise UserError(f'{file}: line {line} is not in UTF-8; save the file as UTF-8') from error


def _read_bytes(file: Path) -> bytes:
    try:
        if (size := file.stat().st_size) > _MOST_BYTES:
            raise UserError(
                f'{file} has {size / 1e9:.0f} GB, and a file of labels may have {_MOST_BYTES / 1e9:.0f}; divide it'
            )
        return file.read_bytes()
    except OSError as error:
        raise UserError(f'{file} cannot be read ({error.strerror})') from error


def listed_names(file: Path) -> list[str]:
    """The lines of a text file that hold something; none if there is no such file."""
    return [line.strip() for line in read_text(file).splitlines() if line.strip()] if file.is_file() else []


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: It is none; the sentence names the line.
    """
    text = read_text(file)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f'{file}: line {error.lineno} is not JSON ({error.msg}); export the labels again') from error
    except (ValueError, RecursionError) as error:
        raise UserError(f'{file} is not JSON that can be read ({error}); export the labels again') from error


def read_rows(file: Path) -> list[tuple[int, list[str]]]:
    """The lines of a table that hold something, with their numbers; commas, semicolons or tabs are between the cells.

    Raises:
        UserError: It is not a table in UTF-8.
    """
    text = read_text(file)
    first = text.partition('\n')[0]
    delimiter = max(',;\t', key=first.count)
    reader = csv.reader(io.StringIO(text, newline=''), delimiter=delimiter)
    rows = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise UserError(f'{file}: line {reader.line_num} is not part of a table ({error})') from error
    return rows


def line_of(element: ET.Element) -> int:
    """The line of an element that `read_xml` read."""
    return element.line if isinstance(element, _Element) else 0


def read_xml(file: Path) -> ET.Element:
    """Read an XML file into elements that know their lines; entities, by which a small file grows, are refused.

    Raises:
        UserError: It is no XML; the sentence names the line.
    """
    parser = expat.ParserCreate()
    builder = ET.TreeBuilder(element_factory=_Element)

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(tag, attributes).line = parser.CurrentLineNumber  # type: ignore[attr-defined]

    def refuse(*entity: Any) -> None:
        raise UserError(f'{file}: line {parser.CurrentLineNumber} declares an entity, as no tool for labels does')

    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(_read_bytes(file), True)
        root = builder.close()
    except (expat.ExpatError, ValueError, AssertionError) as error:
        if isinstance(error, UserError):
            raise
        line = getattr(error, 'lineno', parser.CurrentLineNumber)
        raise UserError(f'{file}: line {line} is not XML ({str(error).partition(":")[0]}); export it again') from error
    return root


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a value of JSON is a finite number that can be a place."""
    return type(value) in (int, float) and math.isfinite(value) and abs(value) < _MOST


def number(text: str | None, where: str, what: str) -> float:
    """The finite number in a text.

    Args:
        text: The text; None where there is none.
        where: The file and the line.
        what: The name of the number.

    Raises:
        UserError: It is none.
    """
    try:
        value = float(text or '')
    except ValueError:
        value = math.nan
    if not is_number(value):
        given = text if text is None or len(text) < _SHOWN else f'{text[:_SHOWN]}...'
        raise UserError(f'{where}: {what} is {given!r}; expected a finite number')
    return value


def numbers(texts: Sequence[str | None], where: str, what: str) -> list[float]:
    """The finite numbers in some texts, as `number` reads each.

    Raises:
        UserError: One is none.
    """
    return [number(text, where, what) for text in texts]
