"""The command `hrnet-mm benchmark`: our networks and others', in one process, in turn, with ratios."""

import argparse
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..factory import create_model
from .accelerate import TOLERANCES, difference
from .engines import ENGINES
from .graphs import EngineError, Job
from .machine import machine
from .measure import Row, macs, peak_memory, time_in_turn, write_csv
from .peers import PEERS, build_peer

__all__ = ['add_benchmark_arguments', 'benchmark', 'calibrated', 'inference', 'measure']

_PLAIN = 'plain'
"""As the network is, neither folded nor compiled: how PyTorch users run it."""


def add_benchmark_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `hrnet-mm benchmark`."""
    parser.add_argument('model', help="a name of create_model, such as 'hrnetv1_w32'")
    parser.add_argument('--size', nargs=2, type=int, default=(256, 192), metavar=('H', 'W'), help='(default: 256 192)')
    parser.add_argument('--batch', type=int, default=1, help='images a call (default: 1)')
    parser.add_argument('--num-classes', type=int, help="classes, joints or points of the head (default: the model's)")
    parser.add_argument(
        '--engines',
        nargs='+',
        default=['plain', 'eager'],
        metavar='ENGINE[:PRECISION]',
        help=f'{_PLAIN}, {", ".join(ENGINES)}; with :bf16, :fp16 or :int8 (default: plain eager)',
    )
    parser.add_argument(
        '--against',
        nargs='+',
        default=[],
        metavar='PEER[@ENGINE]',
        help=f'{", ".join(PEERS)}, or a config such as mmpose::...; ratios are to the first (default: none)',
    )
    parser.add_argument('--part', choices=['neck', 'head'], help='measure the neck or head alone, on the streams')
    parser.add_argument('--train', action='store_true', help='time training steps; engines: plain, compile, with :bf16')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--threads', type=int, help="PyTorch's threads (default: as it is)")
    parser.add_argument('--repeats', type=int, default=20, help='timed calls of each (default: 20)')
    parser.add_argument('--csv', metavar='FILE', help='append the rows to this results file')


def benchmark(args: argparse.Namespace) -> int:
    """Measures, prints a table and appends to the results file; 1 if something asked for could not run."""
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    model = calibrated(create_model(args.model, num_classes=args.num_classes)).to(device)
    x = torch.randn(args.batch, 3, *args.size, device=device)
    inputs = _streams(model, x) if args.part else (x,)
    own = _part(model, args.part)
    peers = [(peer, engine or _PLAIN) for peer, _, engine in (p.partition('@') for p in args.against)]
    subjects, refused = [], {}
    for name, engine in [*peers, *((args.model, engine) for engine in args.engines)]:
        network = own if name == args.model else _part(build_peer(name, model).to(device), args.part)
        kind, _, precision = engine.partition(':')
        try:
            if args.train:
                subjects.append(_training(name, network, kind, precision or 'fp32', inputs))
            else:
                subjects.append(inference(name, network, kind, precision or 'fp32', inputs, own))
        except EngineError as error:
            refused[f'{name}@{engine}'] = str(error)
    rows = measure(subjects, x, args.part or ('train' if args.train else 'test'), args.repeats)
    print_table(rows)
    for name, why in refused.items():
        print(f'{name} could not run: {why}')
    if args.csv:
        write_csv(rows, args.csv)
    return 1 if refused else 0


class _Part(nn.Module):
    """A neck or head, which reads all streams, as a network that takes them one by one."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, *maps: Tensor) -> Any:
        return self.part(maps)


def _part(network: Any, part: str | None) -> nn.Module:
    """The neck or head of a network, ours or a library's, or the whole of it."""
    if part is None:
        whole: nn.Module = network
        return whole
    found = network.neck if part == 'neck' else getattr(network, 'decode_head', None) or network.head
    if found is None:
        raise ValueError(f'{network.name} has no {part}; give --num-classes for a head')
    return _Part(found).eval()


def _streams(model: Any, x: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return tuple(model.backbone.streams(x) if model.readout == 'hrnetv2' else model.backbone(x))


@dataclass
class Subject:
    """Something to time: what it is, and a call; `difference` is that of its outputs from ours, if they can compare."""

    model: str
    engine: str
    precision: str
    layout: str
    run: Callable[[], Any]
    macs: int | None = None
    difference: float | None = None

    @property
    def name(self) -> str:
        """As the command line names it."""
        return f'{self.model}@{self.engine}:{self.precision}'


def calibrated(model: nn.Module) -> nn.Module:
    """Random weights with the batch norm statistics of random images: without, activations grow from layer to layer."""
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(2, 3, 128, 128))
    return model.eval()


def inference(
    name: str, network: nn.Module, engine: str, precision: str, inputs: tuple[Tensor, ...], ours: nn.Module
) -> Subject:
    """A network in an engine, or `plain`; `ours` gives the outputs to compare with."""
    plain = engine == _PLAIN
    if not plain and engine not in ENGINES:
        raise ValueError(f'unknown engine {engine!r}; allowed: {_PLAIN}, {", ".join(ENGINES)}')
    if precision not in TOLERANCES:
        raise ValueError(f'unknown precision {precision!r}; allowed: {", ".join(TOLERANCES)}')

    def plainly() -> list[Tensor]:
        with torch.inference_mode(), _autocast(inputs[0], precision):
            return pytree.tree_leaves(network(*inputs))

    if plain:
        run: Callable[[], list[Tensor]] = plainly
    else:
        calibration = tuple(torch.randn_like(inputs[0]) for _ in range(8)) if precision == 'int8' else ()
        made = ENGINES[engine](Job(network, inputs, precision, calibration=calibration))

        def run() -> list[Tensor]:
            return made(inputs)

    with torch.inference_mode():
        expected = pytree.tree_leaves(ours(*inputs))
    outputs = run()
    same = [y.shape for y in outputs] == [y.shape for y in expected]
    layout = 'NCHW' if plain else 'NHWC' if engine in ('eager', 'compile', 'cudagraph') else 'own'
    count = macs(network, inputs)
    return Subject(name, engine, precision, layout, run, count, difference(outputs, expected) if same else None)


def _training(name: str, network: nn.Module, engine: str, precision: str, inputs: tuple[Tensor, ...]) -> Subject:
    """A step: forward, mean square of the outputs as loss, backward, Adam (fused but for `plain`)."""
    if engine not in (_PLAIN, 'eager', 'compile'):
        raise EngineError('training runs in plain, eager (channels_last) or compile')
    if precision not in ('fp32', 'bf16'):
        raise EngineError('training is timed in fp32 and bf16')
    own = deepcopy(network).train()
    layout = torch.contiguous_format if engine == _PLAIN else torch.channels_last
    own, images = own.to(memory_format=layout), [x.contiguous(memory_format=layout) for x in inputs]
    forward: Callable[..., Any] = torch.compile(own) if engine == 'compile' else own
    optimizer = torch.optim.Adam(own.parameters(), lr=1e-4, fused=engine != _PLAIN)

    def step() -> None:
        optimizer.zero_grad()
        with _autocast(images[0], precision):
            outputs = pytree.tree_leaves(forward(*images))
        loss = sum(y.float().square().mean() for y in outputs)
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()

    return Subject(name, engine, precision, 'NCHW' if engine == _PLAIN else 'NHWC', step)


def _autocast(x: Tensor, precision: str) -> Any:
    return torch.autocast(x.device.type, torch.bfloat16, enabled=precision == 'bf16')


def measure(subjects: list[Subject], x: Tensor, task: str, repeats: int) -> list[Row]:
    """Times subjects in turn; ratios are to the first."""
    timings = time_in_turn({s.name: s.run for s in subjects}, repeats)
    batch, _, height, width = x.shape
    rows = []
    for s in subjects:
        t = timings[s.name]
        rows.append(
            Row(
                s.model,
                s.engine,
                s.precision,
                s.layout,
                task,
                batch,
                height,
                width,
                torch.get_num_threads(),
                t.median,
                t.p90,
                t.spread,
                1e3 * batch / t.median,
                peak_memory(s.run, x.device),
                s.macs,
                s.difference,
                subjects[0].name,
                timings[subjects[0].name].median / t.median,
                repeats,
                **machine(x.device),
            )
        )
    return rows


def print_table(rows: list[Row]) -> None:
    """Prints results, the ratios against the first row."""
    if not rows:
        return
    first = rows[0]
    print(f'{first.task}, batch {first.batch}, {first.height}x{first.width}, {first.threads} threads, {first.device},')
    print(f'torch {first.torch}, commit {first.commit}; medians of {first.repeats} rounds in turn')
    print(f'ratio: time of {first.against} / time of the row')
    columns = f'{"ms":>9} {"p90":>9} {"spread":>8} {"img/s":>8} {"ratio":>6} {"MB":>6} difference'
    print(f'{"network":28} {"engine":16} {columns}')
    for row in rows:
        memory = '' if row.peak_mb is None else f'{row.peak_mb:.0f}'
        moved = '' if row.difference is None else f'{row.difference:.1e}'
        print(
            f'{row.model:28} {row.engine + ":" + row.precision:16} {row.median_ms:9.2f} {row.p90_ms:9.2f} '
            f'{row.spread_ms:8.2f} {row.images_s:8.1f} {row.ratio:6.2f} {memory:>6} {moved}'
        )
