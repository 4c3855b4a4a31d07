"""Choice of an engine: each is built, compared with the network and timed, the likely fastest first."""

import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from .compare import TOLERANCES, difference
from .engines import ENGINES
from .graphs import EngineError, Job
from .kept import Files
from .sessions import Run

__all__ = ['APPLIED', 'Report', 'candidates', 'choose']

APPLIED = {
    'eager': ['batch norm folded', 'channels_last'],
    'compile': ['batch norm folded', 'channels_last', 'torch.compile'],
    'cudagraph': ['batch norm folded', 'channels_last', 'branches concurrent', 'CUDA graph'],
    'onnxruntime': ['batch norm folded', 'ONNX Runtime'],
    'openvino': ['batch norm folded', 'OpenVINO'],
    'mnn': ['batch norm folded', 'MNN'],
    'ncnn': ['batch norm folded', 'ncnn'],
    'native': ['batch norm folded', 'native kernels'],
    'native-bf16x3': ['batch norm folded', 'native kernels, fp32 numbers as two bf16 parts'],
}

_AUTO = {
    'cpu': {
        'native': 8,
        'native-bf16x3': 2,
        'ncnn': 6,
        'openvino': 9,
        'eager': 1,
        'mnn': 4,
        'onnxruntime': 1,
        'compile': 70,
    },
    'cuda': {'cudagraph': 2, 'compile': 10, 'eager': 1, 'onnxruntime': 10},
}
"""The engines that may be fast on a device, in the order in which 'auto' tries them, with about the seconds of building
each for HRNet-W32 on two cores. `native` compiles its kernels the first time, and takes two seconds later. `openvino`
exports the network to ONNX, which `mnn` and `onnxruntime` then read. The seconds on a GPU are guesses.
"""

_BUDGET = 27.0
"""Seconds of 'auto'; an engine that would take longer is left out, unless no other engine can run."""

_ROUNDS, _ROUNDS_SECONDS = 7, 5.0
"""Rounds in which the fastest engines are timed in turn, and the seconds after which no further round begins."""

_BEHIND = 1.5
"""An engine that takes this many times as long as another in a single run is not timed again."""


@dataclass
class Report:
    """The outcome of `accelerate`.

    Attributes:
        engine: The engine that computes, a key of `ENGINES`.
        precision: The precision that was asked for.
        difference: The largest difference from the network's outputs on the example, relative to the largest output.
        tolerance: The largest difference that was allowed.
        applied: The optimizations, in words.
        milliseconds: The median time of each engine, where several were measured on the example.
        stopped: The single time of each engine that was clearly behind, in milliseconds, and not measured again.
        refused: The reason of each engine that could not run or left the tolerance.
        left_out: The reason of each engine that was not tried.
        is_stored: Whether the engine was chosen at an earlier start.
    """

    engine: str
    precision: str
    difference: float
    tolerance: float
    applied: list[str] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)
    stopped: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    is_stored: bool = False

    def __str__(self) -> str:
        lines = [
            f'engine {self.engine}, {self.precision}: {", ".join(self.applied)}'
            + (' (chosen at an earlier start)' if self.is_stored else ''),
            f'largest difference {self.difference:.1e} of the largest output, allowed {self.tolerance:.1e}',
        ]
        lines += [f'  {name:13} {ms:9.2f} ms' for name, ms in sorted(self.milliseconds.items(), key=lambda i: i[1])]
        lines += [f'  {name:13} {ms:9.2f} ms in one run: stopped' for name, ms in self.stopped.items()]
        lines += [f'  {name:13} refused: {why}' for name, why in self.refused.items()]
        lines += [f'  {name:13} left out: {why}' for name, why in self.left_out.items()]
        return '\n'.join(lines)


def candidates(device: torch.device) -> list[str]:
    """The engines that 'auto' tries on a device, in order: all of `ENGINES`, the likely fastest first."""
    first = [name for name in _AUTO.get(device.type, {}) if name in ENGINES]
    return [*first, *(name for name in ENGINES if name not in first)]


def choose(
    job: Job, expected: Sequence[Tensor], tolerance: float, names: Sequence[str], is_auto: bool, files: Files | None
) -> tuple[Run, Report]:
    """Build engines, and choose the fastest one within a tolerance.

    Several are announced on the standard error, one line each.

    Args:
        job: The network.
        expected: Its outputs.
        tolerance: The largest difference from them that is allowed.
        names: The engines in the order in which they are tried.
        is_auto: Whether engines may be left out that do not fit into the time of 'auto'.
        files: The files of earlier starts, to which those of the engine are added; None for none.

    Returns:
        The engine, and the report.

    Raises:
        EngineError: No engine can compute it here within the tolerance; the message has the reason of each.
    """
    several = len(names) > 1
    runs: dict[str, Run] = {}
    differences: dict[str, float] = {}
    singles: dict[str, float] = {}
    refused: dict[str, str] = {}
    left_out: dict[str, str] = {}
    clock = _Clock(job.device)

    def say(sentence: str, end: str = '\n') -> None:
        if several:
            print(sentence, end=end, file=sys.stderr, flush=True)

    say(f'accelerate: trying {len(names)} engines' + (f' for {_BUDGET:.0f} s at most' if is_auto else ''))
    for name in names:
        say(f'  {name:13} ', end='')
        if is_auto and runs and (why := clock.why_too_late(name)):
            left_out[name] = why
            say(f'left out: {why}')
            continue
        try:
            with clock.building(name):
                runs[name], differences[name] = _built(name, job, expected, tolerance, files)
        except (EngineError, NotImplementedError) as error:
            refused[name] = str(error)
            say(f'refused: {error}')
            continue
        if several:
            runs[name](job.inputs)  # the second call of `compile` on a GPU captures a graph
            singles[name] = _milliseconds(runs[name], job.inputs)
            say(f'{singles[name]:9.2f} ms')
            for behind in [other for other in runs if singles[other] > _BEHIND * min(singles.values())]:
                del runs[behind]
    if not runs:
        reasons = '; '.join(f'{name}: {why}' for name, why in refused.items())
        raise EngineError(f'no engine can run this network in {job.precision} within the tolerance. {reasons}')
    medians = _medians(runs, job.inputs) if several else {}
    best = min(medians, key=medians.__getitem__) if medians else next(iter(runs))
    if files is not None:
        files.keep(best)
    stopped = {name: ms for name, ms in singles.items() if name not in runs}
    applied = [*APPLIED[best], *getattr(runs[best], 'applied', [])]  # the native engine names its instructions
    report = Report(best, job.precision, differences[best], tolerance, applied, medians, stopped)
    return runs[best], replace(report, refused=refused, left_out=left_out)


class _Clock:
    """The time of 'auto', and whether it suffices for another engine."""

    def __init__(self, device: torch.device) -> None:
        self._start = time.perf_counter()
        self._expected = _AUTO.get(device.type, {})
        self._slower = 1.0  # than the machine of the table

    @contextmanager
    def building(self, name: str) -> Iterator[None]:
        """Compare the time of a `with` block, which builds an engine, with the table's."""
        begin = time.perf_counter()
        yield
        if expected := self._expected.get(name):
            self._slower = max(self._slower, (time.perf_counter() - begin) / expected)

    def why_too_late(self, name: str) -> str:
        """The reason to leave an engine out; empty where there is none."""
        needed = self._slower * self._expected.get(name, 0)
        left = max(0.0, self._start + _BUDGET - _ROUNDS_SECONDS - time.perf_counter())
        if needed < left:
            return ''
        return f'it would take about {needed:.0f} s to build, and {left:.0f} s are left; name it to try it'


def _built(name: str, job: Job, expected: Sequence[Tensor], tolerance: float, files: Files | None) -> tuple[Run, float]:
    if files is not None and (folder := files.find(name)):
        # A network that only looks the same must not pass for it by a generous tolerance.
        limit = tolerance if files.has_weights(name) else min(tolerance, TOLERANCES[job.precision])
        try:
            return _compared(name, replace(job, folder=folder), expected, limit)
        except EngineError:  # damaged, or of a network that only looks the same
            shutil.rmtree(folder, ignore_errors=True)
    return _compared(name, job, expected, tolerance)


def _compared(name: str, job: Job, expected: Sequence[Tensor], tolerance: float) -> tuple[Run, float]:
    run = ENGINES[name](job)
    moved = difference(run(job.inputs), expected)
    if not moved <= tolerance:  # true for NaN
        raise EngineError(f'differs by {moved:.1e} of the largest output, and {tolerance:.1e} is allowed')
    return run, moved


def _medians(runs: dict[str, Run], inputs: Sequence[Tensor]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    start = time.perf_counter()
    for _ in range(_ROUNDS):
        for name, run in runs.items():
            times[name].append(_milliseconds(run, inputs))
        if time.perf_counter() - start > _ROUNDS_SECONDS:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def _milliseconds(run: Run, inputs: Sequence[Tensor]) -> float:
    _wait(inputs)
    start = time.perf_counter()
    run(inputs)
    _wait(inputs)
    return 1e3 * (time.perf_counter() - start)


def _wait(inputs: Sequence[Tensor]) -> None:
    if inputs[0].is_cuda:
        torch.cuda.synchronize(inputs[0].device)
