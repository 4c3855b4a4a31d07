"""Outputs of every engine against float64, and times in turn with other implementations, on one NVIDIA GPU.

bash tools/research/gpu_visit.sh [CSV [OPTION...]]

Every step leaves rows: 'network' (the outputs in float64), 'check' (the differences of an engine's outputs from these)
and 'time' (the engines whose outputs are right). A step that cannot run leaves a row with the reason, and so does one
that is expected to end after the budget. TF32 "on" is PyTorch's default: convolutions use it, and matrix products do
not. The exit code is 1 if an output leaves its tolerance or a step fails.
"""

import argparse
import gc
import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from hrnet_mm.benchmark import build_peer
from hrnet_mm.benchmark.measure import Row
from hrnet_mm.benchmark.run import PLAIN, Subject, calibrated, inference, measure
from hrnet_mm.compat import activate
from hrnet_mm.errors import UserError
from hrnet_mm.factory import create_model
from hrnet_mm.fast.compare import TOLERANCES, difference
from hrnet_mm.fast.fold import fold
from hrnet_mm.fast.graphs import EngineError
from hrnet_mm.fast.machine import machine
from hrnet_mm.weights.tables import append_rows

COLUMNS = ['date', 'step', 'outcome', 'seconds', 'tf32', *(field.name for field in fields(Row))]
COLUMNS += ['rms_difference', 'tolerance', 'versions']

ESTIMATES = {
    **{'network': 15, 'plain': 5, 'channels_last': 5, 'eager': 5, 'concurrent': 5, 'cudagraph': 10, 'compile': 45},
    'time': 30,
}
"""Seconds of each kind of step at first; one that takes longer raises the estimate of the next of its kind."""


@dataclass(frozen=True)
class Case:
    """A network on random images, in engines '[PEER@]ENGINE[:PRECISION]' as `hrnet-mm benchmark` takes them.

    `engines` compute with TF32, and are timed if `is_timed`; `exact` compute without TF32 and are not timed.
    """

    network: str
    num_classes: int
    batch: int
    size: tuple[int, int]
    engines: Sequence[str] = ()
    exact: Sequence[str] = ()
    is_timed: bool = False


FP32 = (PLAIN, 'channels_last', 'eager', 'concurrent', 'cudagraph')
HALF = tuple(f'{engine}:{precision}' for precision in ('fp16', 'bf16') for engine in ('eager', 'cudagraph'))
POSE, SCENE = ('hrnetv1_w32', 17), ('hrnetv2_w48', 19)
CASES = (  # what matters most comes first, and of the other cases compilation, which takes longest, comes last
    Case(
        *POSE,
        1,
        (256, 192),
        ('mmpose@plain', *FP32, *HALF, 'compile', 'compile:fp16', 'compile:bf16'),
        FP32,
        is_timed=True,
    ),
    Case(*SCENE, 1, (512, 1024), (*FP32, *HALF), FP32),
    Case(*POSE, 8, (256, 192), (*FP32, *HALF), FP32),
    Case(
        *('hrnet_w32', 1000, 256, (224, 224)),
        (
            *('timm@plain', 'timm@channels_last', *FP32, *HALF),
            *('timm@compile', 'compile', 'timm@compile:bf16', 'compile:bf16', 'compile:fp16'),
        ),
        FP32,
        is_timed=True,
    ),
    Case(*SCENE, 1, (512, 1024), exact=['compile']),
    Case(*POSE, 8, (256, 192), exact=['compile']),
)
QUICK = (
    Case('hrnetv1_test_w4', 17, 1, (64, 64), ('mmpose@plain', *FP32, *HALF, 'compile'), is_timed=True),
    Case('hrnet_w18_small_v2', 10, 2, (64, 64), ('timm@plain', 'timm@channels_last', 'eager'), is_timed=True),
    Case('hrnetv2_test_w4', 19, 1, (64, 128), (PLAIN, 'eager:bf16'), ['eager']),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', default='tools/research/results/gpu.csv', help='results file to append to')
    parser.add_argument('--device', default='cuda', help='(default: cuda)')
    parser.add_argument('--quick', action='store_true', help='tiny networks and two repeats, to try the script')
    parser.add_argument('--minutes', type=float, default=9.5, help='the budget (default: 9.5)')
    args = parser.parse_args()
    activate()  # for mmpose beside mmcv-lite, where this package is not installed
    device = torch.device(args.device)
    if device.type == 'cuda' and not torch.cuda.is_available():
        parser.error('PyTorch finds no GPU here; --device cpu --quick tries the script')
    visit = Visit(args.out, device, 60 * args.minutes, repeats=2 if args.quick else 15)
    for case in QUICK if args.quick else CASES:
        visit.run(case)
    return int(not visit.is_right)


class Visit:
    """Steps within a budget of time, each of which leaves rows in a results file.

    Attributes:
        is_right: Whether all outputs are within their tolerances, and no step has failed.
    """

    def __init__(self, path: str | Path, device: torch.device, seconds: float, repeats: int) -> None:
        self.is_right = True
        self._path, self._device, self._repeats = path, device, repeats
        self._deadline = time.monotonic() + seconds
        self._estimates = dict(ESTIMATES)
        self._facts = {'date': f'{datetime.now():%Y-%m-%d %H:%M}', **machine(device), 'versions': versions()}

    def run(self, case: Case) -> None:
        """Check the outputs of a case in every engine, then time those that are right in turn."""
        torch.compiler.reset()  # it keeps few versions of one forward
        gc.collect()
        torch.cuda.empty_cache()
        height, width = case.size
        facts = {'model': case.network, 'task': 'test', 'batch': case.batch, 'height': height, 'width': width}
        made: list[Prepared] = []

        def prepare() -> list[dict[str, Any]]:
            made.append(Prepared(case, self._device))
            return [{'precision': 'fp64'}]

        self._step('network', facts, prepare)
        for prepared in made:  # none, if it was left out
            subjects = self._check(prepared, facts, case.engines, True, ['time'] if case.is_timed else [])
            if case.is_timed and subjects:
                self._step('time', facts, partial(self._time, subjects, prepared.x))
            self._check(prepared, facts, case.exact, False)

    def _check(
        self, prepared: 'Prepared', facts: dict[str, Any], specs: Sequence[str], tf32: bool, then: Sequence[str] = ()
    ) -> list[Subject]:
        """Check outputs in several engines, and return those engines whose outputs are right."""
        right: list[Subject] = []
        torch.backends.cudnn.allow_tf32 = tf32
        for spec in specs:
            peer, _, name = spec.rpartition('@')
            engine, _, precision = name.partition(':')
            row = {**facts, 'model': peer or facts['model'], 'engine': engine, 'precision': precision or 'fp32'}
            row['tf32'] = self._tf32(row['precision'])
            self._step(engine, row, partial(prepared.check, row, right), *then)
        return right

    def _time(self, subjects: list[Subject], x: Tensor) -> list[dict[str, Any]]:
        rows = measure(subjects, x, 'test', self._repeats)
        return [{**asdict(row), 'tf32': self._tf32(row.precision)} for row in rows]

    def _tf32(self, precision: str) -> str:
        """Return 'on' or 'off', and '' where it makes no difference."""
        if precision != 'fp32':
            return ''
        return 'on' if self._device.type == 'cuda' and torch.backends.cudnn.allow_tf32 else 'off'

    def _step(self, kind: str, facts: dict[str, Any], work: Callable[[], list[dict[str, Any]]], *then: str) -> None:
        """Do work that returns rows, and append them, or the reason why there are none.

        Args:
            kind: A key of `ESTIMATES`.
            facts: The columns that are known before.
            work: The work.
            then: Kinds of the steps without which the work would be useless, so that all must fit into the budget.
        """
        start = time.monotonic()
        rows: list[dict[str, Any]] = [{}]
        outcome = 'ok'
        if start + sum(self._estimates[name] for name in (kind, *then)) > self._deadline:
            outcome = 'left out: budget'
        else:
            try:
                rows = work()
            except (UserError, ImportError) as error:
                outcome = f'left out: {first_line(error)}'
            except Exception as error:  # a fault of one engine must not hide the outputs of the others
                outcome = f'failed: {type(error).__name__}: {first_line(error)}'
        seconds = time.monotonic() - start
        self._estimates[kind] = max(self._estimates[kind], seconds)
        step = kind if kind in ('network', 'time') else 'check'
        for row in rows:
            line = {'step': step, 'outcome': outcome, 'seconds': seconds, **facts, **row, **self._facts}
            self.is_right &= line['outcome'].startswith(('ok', 'left out'))
            append_rows(self._path, [{name: cell(value) for name, value in line.items()}], COLUMNS)
            print(*(cell(line.get(name, '')) for name in PRINTED), flush=True)


PRINTED = ('step', 'model', 'engine', 'precision', 'tf32', 'batch', 'outcome', 'difference', 'median_ms', 'seconds')


class Prepared:
    """A case's network on a device, random images, and the network's outputs for them in float64."""

    def __init__(self, case: Case, device: torch.device) -> None:
        torch.manual_seed(0)
        self.model = calibrated(create_model(case.network, num_classes=case.num_classes)).to(device)
        self.images = torch.randn(case.batch, 3, *case.size, device=device)
        self.x = self.images.clone()  # what the engines take
        with torch.inference_mode():
            self.expected = pytree.tree_leaves(deepcopy(self.model).double()(self.images.double()))

    def check(self, row: dict[str, Any], right: list[Subject]) -> list[dict[str, Any]]:
        """Compute the outputs in an engine; where they are right, it is appended to `right`.

        Args:
            row: The columns that name the engine.
            right: The engines to time.

        Returns:
            The columns of the differences.

        Raises:
            UserError: The engine or the peer cannot compute the network here.
            ImportError: The peer's library is missing.
        """
        self.x.zero_()  # an engine is made for other images, so that one that keeps their outputs is found
        try:
            subject = self._subject(row)
        finally:
            self.x.copy_(self.images)
        for _ in range(3):  # torch.compile runs, captures a graph, and replays it
            outputs = subject.run()
        largest = difference(outputs, self.expected)
        tolerance = TOLERANCES['fp16' if row['tf32'] == 'on' else row['precision']]  # TF32 has the digits of fp16
        is_right = largest <= tolerance  # false for NaN
        if is_right:
            right.append(replace(subject, difference=largest))
        return [
            {
                'outcome': 'ok' if is_right else 'outside the tolerance',
                'memory_format': subject.memory_format,
                'macs': subject.macs,
                'difference': largest,
                'rms_difference': rms_difference(outputs, self.expected),
                'tolerance': tolerance,
            }
        ]

    def _subject(self, row: dict[str, Any]) -> Subject:
        name, engine, precision = row['model'], row['engine'], row['precision']
        network = self.model if name == self.model.name else build_peer(name, self.model).to(self.x.device)
        if engine not in ('channels_last', 'concurrent'):
            return inference(name, network, engine, precision, (self.x,), network)
        if engine == 'concurrent':
            if not self.x.is_cuda:
                raise EngineError('concurrent branches need the network and the inputs on a GPU')
            network = fold(network, concurrent=True).network
        subject = inference(name, ChannelsLast(network), PLAIN, precision, (self.x,), network)
        return replace(subject, engine=engine, memory_format='NHWC')


class ChannelsLast(nn.Module):
    """A copy of a network with weights and images in channels_last."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = deepcopy(network).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Any:
        """Map `(N, C, H, W)` to the network's outputs."""
        return self.network(x.contiguous(memory_format=torch.channels_last))


def rms_difference(outputs: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Return the largest root mean square of any output's differences, relative to that of the output itself."""
    return max(
        (torch.linalg.vector_norm(y.double() - e) / torch.linalg.vector_norm(e)).item()
        for y, e in zip(outputs, expected, strict=True)
    )


def versions() -> str:
    found = {'python': platform.python_version(), 'cudnn': torch.backends.cudnn.version()}
    for name in ('mmengine', 'mmpose', 'timm', 'triton'):
        with suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return ', '.join(f'{name} {version}' for name, version in found.items() if version)


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def cell(value: Any) -> Any:
    return f'{value:.4g}' if isinstance(value, float) else value


if __name__ == '__main__':
    raise SystemExit(main())
