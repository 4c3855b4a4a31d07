"""Acceleration of a network on this machine, within a tolerance of its outputs."""

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..errors import UserError, did_you_mean
from ..models.dense import Body, MapsAsInputs, dense_head
from ..weights.io import written_aside
from .compare import TOLERANCES, difference
from .engines import ENGINES
from .graphs import EngineError, Job
from .machine import machine
from .sessions import Run

__all__ = ['Accelerated', 'Report', 'accelerate']

_REPEATS = 7


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
        refused: The reason of each engine that could not run or left the tolerance.
    """

    engine: str
    precision: str
    difference: float
    tolerance: float
    applied: list[str] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [
            f'engine {self.engine}, {self.precision}: {", ".join(self.applied)}',
            f'largest difference {self.difference:.1e} of the largest output, allowed {self.tolerance:.1e}',
        ]
        lines += [f'  {name:12} {ms:9.2f} ms' for name, ms in sorted(self.milliseconds.items(), key=lambda i: i[1])]
        lines += [f'  {name:12} refused: {why}' for name, why in self.refused.items()]
        return '\n'.join(lines)


class Accelerated:
    """A network that computes in an engine; it is called like the network and has its attributes.

    On a CPU, the network itself computes the outputs of inputs with NaN or infinity.

    Attributes:
        model: The network.
        report: The engine and the difference of its outputs.
    """

    def __init__(self, model: nn.Module, run: Run, spec: Any, job: Job, report: Report) -> None:
        self.model = model
        self.report = report
        self._run, self._spec, self._job = run, spec, job

    def __call__(self, *inputs: Tensor) -> Any:
        """Compute the network's outputs.

        Raises:
            UserError: The engine was made for inputs of another size.
        """
        self._check(inputs)
        if not _finite(inputs):  # the kernels of some engines turn NaN into 0
            return self.model(*inputs)
        return pytree.tree_unflatten(self._run(inputs), self._spec)

    def _check(self, inputs: Sequence[Tensor]) -> None:
        example = [tuple(x.shape) for x in self._job.inputs]
        given = [tuple(x.shape) for x in inputs]
        if self.report.engine in ANY_SIZE or given == example:
            return
        if not self._job.dynamic:
            raise UserError(
                f'the inputs are {given}; expected {example}, for which engine={self.report.engine!r} was made: '
                "accelerate with dynamic=True or engine='eager' for other sizes"
            )
        if any(side % 32 for shape in given for side in shape[2:]):
            raise UserError(
                f'the inputs are {given}; engine={self.report.engine!r} expects sides that divide by 32: pad them, or '
                "use engine='eager'"
            )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__['model'], name)


ANY_SIZE = ('eager', 'compile')
"""Engines that take any batch and size; the others take the example's, or with `dynamic` multiples of 32."""

APPLIED = {
    'eager': ['batch norm folded', 'channels_last'],
    'compile': ['batch norm folded', 'channels_last', 'torch.compile'],
    'cudagraph': ['batch norm folded', 'channels_last', 'branches concurrent', 'CUDA graph'],
    'onnxruntime': ['ONNX Runtime'],
    'openvino': ['OpenVINO'],
    'native': ['batch norm folded', 'convolutions on AMX, fp32 numbers as three bf16 parts'],
    'native-bf16x3': ['batch norm folded', 'convolutions on AMX, fp32 numbers as two bf16 parts'],
}


def accelerate(
    model: nn.Module,
    example: Tensor | Sequence[Tensor],
    precision: str = 'fp32',
    engine: str | Sequence[str] = 'auto',
    tolerance: float | None = None,
    dynamic: bool = False,
    calibration: Iterable[Tensor] = (),
    choice: str | Path | None = None,
) -> Any:
    """Accelerate a network in evaluation mode, within a tolerance of its outputs.

    A whole model of an OpenMMLab library is accelerated in place: its backbone with the neck, and its dense head,
    compute in the engine, and everything else and all parameters stay. Any other module stays as it is.

    Args:
        model: The network.
        example: An input `(N, C, H, W)` like those to come, or several inputs.
        precision: 'fp32', 'bf16', 'fp16' or 'int8'.
        engine: 'eager', 'compile', 'cudagraph', 'onnxruntime', 'openvino', 'native' or 'native-bf16x3'; several of
            them; or 'auto', all of them. Several are timed in turn on the example, and the fastest one is kept.
        tolerance: The largest difference from the network's outputs on the example, relative to the largest output
            (default: that of the precision in `TOLERANCES`).
        dynamic: Whether inputs of any batch, and of any size that divides by 32, are to come.
        calibration: Inputs that stand for the data, for 'int8'.
        choice: A JSON file that keeps the fastest engine for the next time.

    Returns:
        The library's model, or an `Accelerated` network; both have the `report`.

    Raises:
        UserError: An argument is unknown, or the outputs on the example are not finite.
        EngineError: No engine can compute it here within the tolerance; the message has the reason of each.

    Examples:
        >>> import torch
        >>> from hrnet_mm import create_model
        >>> x = torch.randn(1, 3, 64, 64)
        >>> fast = accelerate(create_model('hrnetv1_test-w8', num_classes=17).eval(), x, engine='eager')
        >>> fast(x).shape, fast.report.engine
        (torch.Size([1, 17, 16, 16]), 'eager')
    """
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    if precision not in TOLERANCES:
        raise UserError(f'unknown precision {precision!r}{did_you_mean(precision, TOLERANCES)}')
    names = list(ENGINES) if engine == 'auto' else [engine] if isinstance(engine, str) else list(engine)
    for name in names:
        if name not in ENGINES:
            raise UserError(f'unknown engine {name!r}{did_you_mean(name, ["auto", *ENGINES])}')
    if model.training:
        raise UserError('the network is in training mode; expected evaluation mode: call model.eval()')
    limit = TOLERANCES[precision] if tolerance is None else tolerance
    settings = _Settings(precision, names, limit, dynamic, tuple(calibration), choice)
    if hasattr(model, 'backbone') and hasattr(model, 'data_preprocessor'):
        return _accelerate_in_place(model, inputs, settings)
    return _accelerate(model, inputs, settings)


@dataclass(frozen=True)
class _Settings:
    precision: str
    names: list[str]
    tolerance: float
    dynamic: bool
    calibration: tuple[Tensor, ...]
    choice: str | Path | None


def _accelerate(model: nn.Module, inputs: tuple[Tensor, ...], settings: _Settings) -> Accelerated:
    job = Job(model, inputs, settings.precision, settings.dynamic, settings.calibration)
    names, tolerance = settings.names, settings.tolerance
    with torch.inference_mode():
        expected, spec = pytree.tree_flatten(model(*inputs))
    if not all(torch.isfinite(y).all() for y in expected):
        raise UserError('the outputs for the example are NaN or infinite, so they cannot be compared')
    book = _Choices(settings.choice, job)
    if len(names) > 1 and book.engine in names:
        names = [book.engine]
    runs: dict[str, Run] = {}
    differences: dict[str, float] = {}
    refused: dict[str, str] = {}
    for name in names:
        try:
            run = ENGINES[name](job)
            differences[name] = difference(run(inputs), expected)
        except (EngineError, NotImplementedError) as error:
            refused[name] = str(error)
            continue
        if differences[name] <= tolerance:  # false for NaN
            runs[name] = run
        else:
            refused[name] = f'differs by {differences[name]:.1e} of the largest output, and {tolerance:.1e} is allowed'
    if not runs:
        reasons = '; '.join(f'{name}: {why}' for name, why in refused.items())
        raise EngineError(f'no engine can run this network in {settings.precision} within the tolerance. {reasons}')
    milliseconds = _medians(runs, inputs) if len(runs) > 1 else {}
    best = min(milliseconds, key=milliseconds.__getitem__) if milliseconds else next(iter(runs))
    if len(names) > 1:
        book.write(best)
    report = Report(best, settings.precision, differences[best], tolerance, list(APPLIED[best]), milliseconds, refused)
    return Accelerated(model, runs[best], spec, job, report)


def _finite(inputs: Iterable[Tensor]) -> bool:
    """Whether inputs on the CPU hold neither NaN nor infinity; on a GPU, where asking would wait for it, True."""
    return all(bool(torch.isfinite(x.sum())) for x in inputs if x.device.type == 'cpu')


def _medians(runs: dict[str, Run], inputs: Sequence[Tensor]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(inputs)
    for _ in range(_REPEATS):
        for name, run in runs.items():
            _wait(inputs)
            start = time.perf_counter()
            run(inputs)
            _wait(inputs)
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def _wait(inputs: Sequence[Tensor]) -> None:
    if inputs[0].is_cuda:
        torch.cuda.synchronize(inputs[0].device)


class _Choices:
    """The engines of earlier choices, in a JSON file, by machine, versions, network and input."""

    def __init__(self, path: str | Path | None, job: Job) -> None:
        self.path = None if path is None else Path(path)
        shapes = {name: list(p.shape) for name, p in job.module.state_dict().items()}
        what = [list(x.shape) for x in job.inputs], job.precision, job.dynamic, torch.get_num_threads()
        self.key = json.dumps(
            [machine(job.device), *what, hashlib.sha256(json.dumps(shapes).encode()).hexdigest()[:16]]
        )
        self.known: dict[str, str] = {}
        if self.path is not None and self.path.is_file():
            self.known = json.loads(self.path.read_text(encoding='utf-8'))
        self.engine = self.known.get(self.key)

    def write(self, engine: str) -> None:
        if self.path is not None:
            self.known[self.key] = engine
            with written_aside(self.path) as partial:
                partial.write_text(json.dumps(self.known, indent=1), encoding='utf-8')


def _accelerate_in_place(model: Any, inputs: tuple[Tensor, ...], settings: _Settings) -> nn.Module:
    neck = getattr(model, 'neck', None)
    body = _accelerate(Body(model).eval(), inputs, settings)
    head = dense_head(model)
    report = body.report
    if head is not None:
        try:
            maps = tuple(body(*inputs))
            # Its maps have sizes that depend on one another, which only engines without a graph of sizes can follow.
            names = [n for n in settings.names if n in ANY_SIZE] if settings.dynamic else settings.names
            fast_head = _accelerate(MapsAsInputs(head).eval(), maps, replace(settings, names=names, calibration=()))
        except EngineError as error:
            report.refused['head'] = str(error)
        else:
            report.applied.append(f'head: {fast_head.report.engine}')
            _replace_forward(head, lambda maps: fast_head(*maps))
    _replace_forward(model.backbone, body)
    if neck is not None:
        _replace_forward(neck, lambda maps: maps)
    model.report = report
    return model


def _replace_forward(module: nn.Module, forward: Callable[..., Any]) -> None:
    """Make a module compute by `forward` in evaluation mode, and as before in training."""
    plain = module.forward

    def either(*args: Any, **kwargs: Any) -> Any:
        return (plain if module.training else forward)(*args, **kwargs)

    module.forward = either
