"""Progress lines at intervals."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ['SECONDS_BETWEEN_LINES', 'reported']

T = TypeVar('T')

SECONDS_BETWEEN_LINES = 10.0


def reported(items: Iterable[T], total: int, prefix: str, unit: str) -> Iterator[T]:
    """Yield items, and print at intervals how many are done.

    Args:
        items: The items.
        total: Their number; 0 if it is unknown.
        prefix: The begin of each line.
        unit: What the items are, such as 'windows'.
    """
    start = last = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - last > SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - start)
            left = f', {(total - done) / rate:.0f} s left' if total else ''
            print(f'{prefix}{done}{f" of {total}" if total else ""} {unit}, {rate:.1f} {unit}/s{left}', flush=True)
        yield item
