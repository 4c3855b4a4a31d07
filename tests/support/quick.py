"""Savings of time where many runs share a process."""

import ast
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from hrnet_mm.engine import quick_reading


@contextmanager
def quick_runs() -> Iterator[None]:
    """Skip work that takes seconds in each run and has no effect.

    Each config file is read once. The text of a config, which a run needs seven times, is checked but not formatted.
    The curves are laid out but not rendered. Data sets collect no garbage.
    """

    def check(text: str, **_: object) -> tuple[str, bool]:
        ast.parse(text)
        return text, False

    with (
        quick_reading(),
        patch('hrnet_mm.engine._mmengine._format', check),
        patch('hrnet_mm.engine.curves.Figure.savefig', lambda figure, file, **_: Path(file).touch()),
        patch('mmengine.dataset.base_dataset.gc'),
    ):
        yield


def await_new_folder(work_dir: Path) -> None:
    """Wait for the second after the last run's, because mmengine names the folder of a run by the second."""
    while (work_dir / time.strftime('%Y%m%d_%H%M%S')).exists():
        time.sleep(0.05)
