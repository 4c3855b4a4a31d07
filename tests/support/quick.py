"""Savings of time where many runs share a process."""

import ast
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

from hrnet_mm.engine import quick_reading

_CLOCK = SimpleNamespace(**vars(time) | {'time': partial(next, count(int(time.time())))})


@contextmanager
def quick_work() -> Iterator[None]:
    """Skip work that takes seconds in each run and has no effect.

    The text of a config, which a run needs seven times, is checked but not formatted. The curves are laid out but not
    rendered. Data sets collect no garbage, and no compilers are asked for their versions. Each run has a second of its
    own, by which mmengine names its folder, so that no run has to wait for the next. Nor does any wait for the worker
    processes of an earlier one: their end is asked for where the garbage collector has closed the queue to them.
    """

    def check(text: str, **_: object) -> tuple[str, bool]:
        ast.parse(text)
        return text, False

    with (
        patch('hrnet_mm.engine._mmengine._format', check),
        patch('hrnet_mm.engine.curves.Figure.savefig', lambda figure, file, **_: Path(file).touch()),
        patch('mmengine.dataset.base_dataset.gc'),
        patch('mmengine.runner.runner.collect_env', dict),
        patch('mmengine.runner.runner.time', _CLOCK),
        patch('torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL', 0.1),
    ):
        yield


@contextmanager
def quick_runs() -> Iterator[None]:
    """Skip what `quick_work` does, and read each config file once; none may change meanwhile."""
    with quick_reading(), quick_work():
        yield
