"""Comparison of networks in every engine with other implementations: in one process, in turn, with ratios."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..errors import UserError
from ..fast.compare import TOLERANCES, difference
from ..fast.engines import ENGINES
from ..fast.graphs import EngineError, Job
from ..fast.machine import machine
from ..fast.native.layers import kernels
from ..fast.training import accelerate_training
from ..inference import open_network
from ..models.cost import macs
from ..models.dense import MapsAsInputs
from ..models.network import HRNetModel
from .measure import Row, peak_memory, time_in_turn
from .peers import build_peer

__all__ = ['PLAIN', 'benchmark', 'calibrated', 'inference', 'measure', 'print_table']

PLAIN = 'plain'
"""The engine of a network that is neither folded nor compiled, as PyTorch users run it."""


def benchmark(
    name: str,
    size: tuple[int, int] = (256, 192),
    batch: int = 1,
    num_classes: int | None = None,
    engines: Sequence[str] = (PLAIN, 'eager'),
    against: Sequence[str] = (),
    part: str | None = None,
    train: bool = False,
    device: str = 'cpu',
    repeats: int = 20,
    weights: str | None = None,
    raw: bool = False,
) -> tuple[list[Row], dict[str, str]]:
    """Time a network in engines, in turn with peers.

    Args:
        name: The network, as `open_network` takes it.
        size: Height and width in pixels.
        batch: Images in a call.
        num_classes: Classes, joints or points of a named network.
        engines: 'ENGINE:PRECISION' each, fp32 without the second.
        against: 'PEER@ENGINE' each.
        part: 'neck' or 'head', to measure it alone.
        train: Whether training steps are timed.
        device: Such as 'cuda'.
        repeats: Timed calls of each.
        weights: A checkpoint of the network.
        raw: See `open_network`.

    Returns:
        The rows, the peers' first, and the reason of each that could not run.

    Raises:
        UserError: A name is unknown.
    """
    torch.manual_seed(0)
    opened = open_network(name, weights, num_classes=num_classes, raw=raw)
    name, model = opened.name, opened.as_tensors()
    if opened.checkpoint is None:
        calibrated(model)
    model.to(device)
    if part and not isinstance(model, HRNetModel):
        raise UserError(f'{name} is not a network by name; only the {part} of such a one is measured alone')
    x = torch.randn(batch, opened.in_channels, *size, device=device)
    inputs = _streams(model, x) if part else (x,)
    own = _part(model, part)
    peers = [(peer, engine or PLAIN) for peer, _, engine in (p.partition('@') for p in against)]
    subjects, refused = [], {}
    for subject, engine in [*peers, *((name, engine) for engine in engines)]:
        network = own if subject == name else _part(build_peer(subject, model).to(device), part)
        kind, _, precision = engine.partition(':')
        try:
            if train:
                subjects.append(_training(subject, network, kind, precision or 'fp32', inputs))
            else:
                subjects.append(inference(subject, network, kind, precision or 'fp32', inputs, own))
        except EngineError as error:
            refused[f'{subject}@{engine}'] = str(error)
    return measure(subjects, x, part or ('train' if train else 'test'), repeats), refused


def _part(network: Any, part: str | None) -> nn.Module:
    """The neck or head of a network, ours or a library's, or the whole of it."""
    if part is None:
        whole: nn.Module = network
        return whole
    found = getattr(network, part, None)
    if found is None:
        raise UserError(f'{getattr(network, "name", "a peer")} has no {part}; give --num-classes for a head')
    return MapsAsInputs(found).eval()


def _streams(model: Any, x: Tensor) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return tuple(model.backbone.streams(x) if model.readout == 'hrnetv2' else model.backbone(x))


@dataclass
class Subject:
    """A network in an engine, as a call to time.

    Attributes:
        model: The name of the network or the peer.
        engine: The engine.
        precision: The precision.
        memory_format: Of the maps: NCHW, NHWC, or the engine's own.
        run: The call.
        macs: Multiply-adds of a call.
        difference: That of its outputs from the network's, where their shapes are equal.
    """

    model: str
    engine: str
    precision: str
    memory_format: str
    run: Callable[[], Any]
    macs: int | None = None
    difference: float | None = None

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return f'{self.model}@{self.engine}:{self.precision}'


def calibrated(model: nn.Module) -> nn.Module:
    """A network with the batch norm statistics of random images: without, activations grow from layer to layer."""
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(2, 3, 128, 128))
    return model.eval()


def inference(
    name: str, network: nn.Module, engine: str, precision: str, inputs: tuple[Tensor, ...], ours: nn.Module
) -> Subject:
    """A network in an engine, or `plain`, compared with the outputs of `ours`."""
    plain = engine == PLAIN
    if not plain and engine not in ENGINES:
        raise UserError(f'unknown engine {engine!r}; allowed: {PLAIN}, {", ".join(ENGINES)}')
    if precision not in TOLERANCES:
        raise UserError(f'unknown precision {precision!r}; allowed: {", ".join(TOLERANCES)}')

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
    memory_format = 'NCHW' if plain else 'NHWC' if engine in ('eager', 'compile', 'cudagraph') else 'own'
    count = macs(network, inputs)
    return Subject(name, engine, precision, memory_format, run, count, difference(outputs, expected) if same else None)


def _training(name: str, network: nn.Module, engine: str, precision: str, inputs: tuple[Tensor, ...]) -> Subject:
    """A training step: forward, the mean square of the outputs as loss, backward, Adam (fused but for `plain`)."""
    if engine not in (PLAIN, 'eager', 'compile', 'native'):
        raise EngineError('training runs in plain, eager (channels_last), compile or native')
    if precision not in ('fp32', 'bf16'):
        raise EngineError('training is timed in fp32 and bf16')
    if engine == 'native' and kernels()[0] is None:
        raise EngineError(f'there are no native kernels, because {kernels()[1]}')
    own = deepcopy(network).train()
    memory_format = torch.contiguous_format if engine == PLAIN else torch.channels_last
    own, images = own.to(memory_format=memory_format), [x.contiguous(memory_format=memory_format) for x in inputs]
    if engine == 'native':
        accelerate_training(own)
    forward: Callable[..., Any] = torch.compile(own) if engine == 'compile' else own
    optimizer = torch.optim.Adam(own.parameters(), lr=1e-4, fused=engine != PLAIN)

    def step() -> None:
        optimizer.zero_grad()
        with _autocast(images[0], precision):
            outputs = pytree.tree_leaves(forward(*images))
        loss = sum(y.float().square().mean() for y in outputs)
        loss.backward()  # type: ignore[union-attr]
        optimizer.step()

    return Subject(name, engine, precision, 'NCHW' if engine == PLAIN else 'NHWC', step)


def _autocast(x: Tensor, precision: str) -> Any:
    return torch.autocast(x.device.type, torch.bfloat16, enabled=precision == 'bf16')


def measure(subjects: list[Subject], x: Tensor, task: str, repeats: int) -> list[Row]:
    """Time subjects in turn, `repeats` times each; ratios are to the first."""
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
                s.memory_format,
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
    """Print rows as a table."""
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
