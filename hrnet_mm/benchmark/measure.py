"""Measurement of times and memory, in turn so that noise affects all networks alike."""

import ctypes
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch.utils.benchmark import Timer

from ..errors import UserError
from ..weights.tables import append_rows

__all__ = ['Row', 'Timing', 'peak_memory', 'time_in_turn', 'write_csv']


@dataclass(frozen=True)
class Timing:
    """Milliseconds of a call: median, 90th percentile, and spread, the distance between the quartiles."""

    median: float
    p90: float
    spread: float


@dataclass(frozen=True)
class Row:
    """A line of a results file: a network in an engine on a machine, its time, and its outputs.

    `ratio` is the time of the row that `against` names divided by this row's; `difference` is the largest one from the
    plain network's outputs, relative to the largest output. MACs are multiply-adds of a call, `peak_mb` is the growth
    of memory during a call (2**20 bytes). Fields that do not apply are empty.
    """

    model: str
    engine: str
    precision: str
    memory_format: str
    task: str
    batch: int
    height: int
    width: int
    threads: int
    median_ms: float
    p90_ms: float
    spread_ms: float
    images_s: float
    peak_mb: float | None
    macs: int | None
    difference: float | None
    against: str
    ratio: float | None
    repeats: int
    device: str
    driver: str
    torch: str
    commit: str


def time_in_turn(runs: Mapping[str, Callable[[], Any]], repeats: int = 20) -> dict[str, Timing]:
    """Time functions, one after the other in every round; a GPU is waited for.

    PyTorch's Timer calls a function twice before it times it, so that each finds the caches as it left them.

    Args:
        runs: The functions by name.
        repeats: Timed calls of each, 2 or more.

    Raises:
        UserError: There are fewer than two repeats.
    """
    if repeats < 2:
        raise UserError(f'repeats is {repeats}; expected at least 2, which have a spread')
    threads = torch.get_num_threads()
    timers = {name: Timer('run()', globals={'run': run}, num_threads=threads) for name, run in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, timer in timers.items():
            times[name].append(1e3 * timer.timeit(1).median)
    return {name: _timing(values) for name, values in times.items()}


def _timing(values: list[float]) -> Timing:
    quarters = statistics.quantiles(values, n=4, method='inclusive')
    p90 = statistics.quantiles(values, n=10, method='inclusive')[-1]
    return Timing(statistics.median(values), p90, quarters[2] - quarters[0])


def peak_memory(run: Callable[[], Any], device: torch.device) -> float | None:
    """The growth of memory during a call, in 2**20 bytes: PyTorch's on a GPU, the process's on Linux, else None."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    status, reset = Path('/proc/self/status'), Path('/proc/self/clear_refs')
    if not (status.exists() and reset.exists()):
        return None
    ctypes.CDLL(None).malloc_trim(0)  # else a call takes from what calls before it left, and nothing grows
    reset.write_text('5', encoding='utf-8')  # the peak becomes what is in use now
    before = _kilobytes(status, 'VmRSS')
    run()
    return (_kilobytes(status, 'VmHWM') - before) / 2**10


def _kilobytes(status: Path, name: str) -> int:
    line = next(line for line in status.read_text(encoding='utf-8').splitlines() if line.startswith(name))
    return int(line.split()[1])


def write_csv(rows: Iterable[Row], path: str | Path) -> None:
    """Append rows to a results file, with the header if it is new; numbers have four digits.

    Raises:
        UserError: The file has other columns; nothing is written.
    """
    cells = [{name: _cell(value) for name, value in asdict(row).items()} for row in rows]
    append_rows(path, cells, [field.name for field in fields(Row)])


def _cell(value: Any) -> Any:
    return f'{value:.4g}' if isinstance(value, float) else value
