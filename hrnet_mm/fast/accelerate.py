"""Acceleration of a network on this machine, within a tolerance of its outputs."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ..errors import UserError, did_you_mean
from ..models.dense import Body, MapsAsInputs, dense_head
from .choose import Report, candidates, choose
from .compare import TOLERANCES
from .engines import ENGINES
from .graphs import EngineError, Inputs, Job
from .kept import Choices, Files
from .sessions import Run

__all__ = ['Accelerated', 'accelerate']


_HEAD_IMAGES = 16
"""Inputs of which a head's maps are calculated for its calibration, and are held in memory."""


@dataclass(frozen=True)
class _Settings:
    precision: str
    names: list[str]
    is_auto: bool
    tolerance: float
    dynamic: bool
    calibration: tuple[Inputs, ...]
    choice: str | Path | Literal[False] | None


_VERSION = attrgetter('_version')


class _Watch:
    """Notices that the weights of a network are others than those that an engine computes with."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._assigned = False  # load_state_dict(assign=True) gives a network other tensors
        self.renew()
        for module in model.modules():
            module.register_load_state_dict_post_hook(self._note)

    def __deepcopy__(self, memo: Any) -> '_Watch':
        return self  # engines copy networks, and the copies have the hooks

    def _note(self, *_: Any) -> None:
        self._assigned = True

    def renew(self) -> None:
        """Take the weights as they are."""
        # A training's kernels do not count their changes of a batch norm's statistics, but it changes the counter.
        # Tensors of the inference mode have no version.
        tensors = [*self._model.parameters(), *self._model.buffers()]
        self._tensors = [x for x in tensors if not x.is_inference()]
        self._versions, self._assigned = self._version(), False
        self._form = self._form_now()

    def is_changed(self) -> bool:
        """Whether a weight has changed in place, by a step of training, a checkpoint or a write without gradients.

        PyTorch counts no write through `.data`.

        Raises:
            UserError: The network has moved to another device or precision.
        """
        if (form := self._form_now()) != self._form:
            (device, dtype), (old_device, old_dtype) = form, self._form
            raise UserError(
                f'the network was accelerated on {old_device} in {old_dtype} and is now on {device} in {dtype}; '
                'move it first and accelerate it then'
            )
        return self._assigned or self._version() != self._versions

    def _version(self) -> int:
        return sum(map(_VERSION, self._tensors))

    def _form_now(self) -> tuple[Any, Any]:
        first = next(self._model.parameters(), None)
        return (None, None) if first is None else (first.device, first.dtype)


_MOVES = frozenset(['bfloat16', 'cpu', 'cuda', 'double', 'float', 'half', 'ipu', 'mtia', 'to', 'type', 'xpu'])
"""Methods that return the object where they change nothing, and are refused where they would move the network."""

_CHANGES = frozenset(
    [
        'add_module',
        'append',
        'apply',
        'compile',
        'extend',
        'init_weights',
        'insert',
        'register_backward_hook',
        'register_buffer',
        'register_forward_hook',
        'register_forward_pre_hook',
        'register_full_backward_hook',
        'register_full_backward_pre_hook',
        'register_module',
        'register_parameter',
        'set_extra_state',
        'set_submodule',
        'to_empty',
    ]
)
"""Methods that are refused, as the engine would not notice; it does notice `load_state_dict` and steps of training."""


class Accelerated:
    """A network that computes in an engine; it is called like the network and has its attributes.

    It can take the network's place in another one (`model.backbone = accelerate(model.backbone, maps)`): it is an
    instance of the network's class, and its modules, parameters and state dict are the network's.

    On a CPU, the network itself computes the outputs of inputs with NaN or infinity. After `load_state_dict`, by
    whomever, and after any write to a weight in place, the engine is made anew at the next call, and compared again.
    PyTorch does not count writes through `.data`: call `renew()` after them. `eval()` and `to(...)` where the network
    is return this object. Training, other devices and precisions, hooks and changes of layers are refused.

    Attributes:
        model: The network.
        report: The engine and the difference of its outputs.
        replaced: The modules that compute by this object.
    """

    def __init__(
        self, model: nn.Module, run: Run, spec: Any, job: Job, report: Report, settings: _Settings | None = None
    ) -> None:
        self.model = model
        self.report = report
        self._run, self._spec, self._job, self._settings = run, spec, job, settings
        self.replaced: list[nn.Module] = []
        self._watch = _Watch(model)

    @property
    def __class__(self) -> Any:  # what isinstance asks, and a module requires of those that it holds
        return type(self.model)

    def renew(self) -> None:
        """Make the engine anew from the network's weights, and compare it again.

        Raises:
            EngineError: It leaves the tolerance.
        """
        assert self._settings is not None
        settings = replace(self._settings, names=[self.report.engine], choice=False)
        # The network itself must compute, for the engine and for the comparison.
        forwards = {module: module.__dict__.pop('forward') for module in self.replaced}
        try:
            new = _accelerate(self.model, self._job.inputs, settings)
        finally:
            for module, forward in forwards.items():
                module.__dict__['forward'] = forward
        self._run, self._spec, self._job = new._run, new._spec, new._job
        self.report.difference = new.report.difference
        self._watch.renew()

    def __call__(self, *inputs: Tensor) -> Any:
        """Compute the network's outputs.

        Raises:
            UserError: The engine was made for inputs of another size, or the network has moved.
            EngineError: The network has other weights, with which the engine leaves the tolerance.
        """
        if self._watch.is_changed():
            self.renew()
        self._check(inputs)
        if not _finite(inputs):  # the kernels of some engines turn NaN into 0
            return self.model(*inputs)
        outputs = self._run(inputs)
        if torch.is_grad_enabled():  # for layers after it, which cannot read tensors of the inference mode
            outputs = [y.clone() if y.is_inference() else y for y in outputs]
        return pytree.tree_unflatten(outputs, self._spec)

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

    def train(self, mode: bool = True) -> 'Accelerated':
        """Stay in evaluation mode.

        Raises:
            UserError: It is to be trained.
        """
        if mode:
            raise UserError('an accelerated network cannot be trained; train the network itself, then accelerate it')
        self.model.eval()
        return self

    def eval(self) -> 'Accelerated':
        """Return this object, which is in evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> 'Accelerated':
        """Leave the parameters without gradients.

        Raises:
            UserError: They are to have gradients.
        """
        if requires_grad:
            raise UserError('an accelerated network has no gradients; train the network itself, then accelerate it')
        self.model.requires_grad_(False)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the network's gradients."""
        self.model.zero_grad(set_to_none)

    def share_memory(self) -> 'Accelerated':
        """Move the network's tensors to memory that processes share; the engine keeps its own."""
        self.model.share_memory()
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be copied or pickled.

        Raises:
            UserError: Always, as an engine cannot be.
        """
        raise UserError('an accelerated network cannot be copied or pickled; copy the network, and accelerate the copy')

    def _move(self, name: str) -> Callable[..., 'Accelerated']:
        def move(*args: Any, **kwargs: Any) -> 'Accelerated':
            first = next(self.model.parameters(), torch.zeros(0))
            after = getattr(nn.Linear(1, 1).to(first.device, first.dtype), name)(*args, **kwargs).weight
            if (after.device, after.dtype) != (first.device, first.dtype):
                raise UserError(
                    f'{name}() would move the network, which was accelerated on {first.device} in {first.dtype}, to '
                    f'{after.device} in {after.dtype}; move it first and accelerate it then'
                )
            return self

        return move

    def __getattr__(self, name: str) -> Any:
        if name in _MOVES:
            return self._move(name)
        if name in _CHANGES:
            raise UserError(
                f'{name} would have no effect on an accelerated network; call it on the network, then accelerate that'
            )
        return getattr(self.__dict__['model'], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if 'model' in self.__dict__ and isinstance(value, nn.Module | nn.Parameter):
            raise UserError(f'{name} would have no effect on an accelerated network; set it before you accelerate')
        super().__setattr__(name, value)


ANY_SIZE = ('eager', 'compile')
"""Engines that take any batch and size; the others take the example's, or with `dynamic` multiples of 32."""


def accelerate(
    model: nn.Module,
    example: Tensor | Sequence[Tensor],
    precision: str = 'fp32',
    engine: str | Sequence[str] = 'auto',
    tolerance: float | None = None,
    dynamic: bool = False,
    calibration: Iterable[Inputs] = (),
    choice: str | Path | Literal[False] | None = None,
) -> Any:
    """Accelerate a network in evaluation mode, within a tolerance of its outputs.

    A whole model of an OpenMMLab library is accelerated in place: its backbone with the neck, and its dense head,
    compute in the engine, and everything else and all parameters stay. Any other module stays as it is. Engines follow
    later changes of the weights: `load_state_dict`, steps of training, and writes in place. A write through `.data` is
    not counted by PyTorch and not noticed: `renew()` the accelerated network after it, or accelerate the library's
    model again. A network that has moved since is refused, and a copy of a library's model is an ordinary one.

    Args:
        model: The network.
        example: An input `(N, C, H, W)` like those to come, or several inputs.
        precision: 'fp32', 'bf16', 'fp16' or 'int8'.
        engine: 'eager', 'compile', 'cudagraph', 'onnxruntime', 'openvino', 'mnn', 'ncnn', 'native' or
            'native-bf16x3'; several of them; or 'auto'. Several are timed on the example, and the fastest one is kept.
            'auto' tries those that may be fast on the device in half a minute, the likely fastest first, and leaves
            out the others.
        tolerance: The largest difference from the network's outputs on the example, relative to the largest output
            (default: that of the precision in `TOLERANCES`).
        dynamic: Whether inputs of any batch, and of any size that divides by 32, are to come.
        calibration: Inputs that stand for the data, for 'int8': a tensor or, of a network of several inputs, a
            sequence of tensors each.
        choice: A JSON file that keeps the fastest engine for the next start (default: one in the cache folder, which
            keeps the engine's converted files too), or False to measure and convert again and to keep nothing.

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
    is_auto = engine == 'auto'
    names = candidates(inputs[0].device) if is_auto else [engine] if isinstance(engine, str) else list(engine)
    for name in names:
        if name not in ENGINES:
            raise UserError(f'unknown engine {name!r}{did_you_mean(name, ["auto", *ENGINES])}')
    if model.training:
        raise UserError('the network is in training mode; expected evaluation mode: call model.eval()')
    limit = TOLERANCES[precision] if tolerance is None else tolerance
    settings = _Settings(precision, names, is_auto, limit, dynamic, tuple(calibration), choice)
    if hasattr(model, 'backbone') and hasattr(model, 'data_preprocessor'):
        return _accelerate_in_place(model, inputs, settings)
    return _accelerate(model, inputs, settings)


def _accelerate(model: nn.Module, inputs: tuple[Tensor, ...], settings: _Settings) -> Accelerated:
    job = Job(model, inputs, settings.precision, settings.dynamic, settings.calibration)
    with torch.inference_mode():
        expected, spec = pytree.tree_flatten(model(*inputs))
    if not all(torch.isfinite(y).all() for y in expected):
        raise UserError('the outputs for the example are NaN or infinite, so they cannot be compared')
    run, report = _chosen(job, expected, settings)
    # Without the job's files and graphs, which nothing needs any more.
    return Accelerated(model, run, spec, replace(job), report, settings)


def _chosen(job: Job, expected: Sequence[Tensor], settings: _Settings) -> tuple[Run, Report]:
    """The engine of an earlier start, or a new choice."""
    names, tolerance = settings.names, settings.tolerance
    files = None if settings.choice is False else Files(job)
    if settings.choice is False or len(names) == 1:
        return choose(job, expected, tolerance, names, settings.is_auto, files)
    choices = Choices(settings.choice, job, names, tolerance)
    if choices.engine in names:
        with suppress(EngineError):  # for instance with other weights, with which it leaves the tolerance
            run, report = choose(job, expected, tolerance, [choices.engine], False, files)
            return run, replace(report, is_stored=True)
    run, report = choose(job, expected, tolerance, names, settings.is_auto, files)
    choices.write(report.engine)
    return run, report


def _finite(inputs: Iterable[Tensor]) -> bool:
    """Whether inputs on the CPU hold neither NaN nor infinity; on a GPU, where asking would wait for it, True."""
    return all(bool(torch.isfinite(x.sum())) for x in inputs if x.device.type == 'cpu')


def _accelerate_in_place(model: Any, inputs: tuple[Tensor, ...], settings: _Settings) -> nn.Module:
    neck, head = getattr(model, 'neck', None), dense_head(model)
    for module in filter(None, (model.backbone, neck, head)):
        if isinstance(module.__dict__.get('forward'), _Forward):  # of an earlier call
            del module.__dict__['forward']
    body = _accelerate(Body(model).eval(), inputs, settings)
    report = body.report
    if head is not None:
        try:
            maps = tuple(body(*inputs))
            # Its maps have sizes that depend on one another, which only engines without a graph of sizes can follow.
            names = [n for n in settings.names if n in ANY_SIZE] if settings.dynamic else settings.names
            with torch.inference_mode():
                data = tuple(tuple(Body(model).eval()(x)) for x in settings.calibration[:_HEAD_IMAGES])
            head_settings = replace(settings, names=names, calibration=data)
            fast_head = _accelerate(MapsAsInputs(head).eval(), maps, head_settings)
        except EngineError as error:
            report.refused['head'] = str(error)
        else:
            report.applied.append(f'head: {fast_head.report.engine}')
            _replace_forward(head, fast_head, lambda maps: fast_head(*maps))
    _replace_forward(model.backbone, body, body)
    if neck is not None:
        _replace_forward(neck, body, lambda maps: maps)
    model.report = report
    return model


def _replace_forward(module: nn.Module, fast: Accelerated, forward: Callable[..., Any]) -> None:
    module.forward = _Forward(module, forward)
    fast.replaced.append(module)


class _Forward:
    """The forward of a module that computes by an engine in evaluation mode, and as before in training."""

    def __init__(self, module: nn.Module, forward: Callable[..., Any]) -> None:
        self._module, self._plain, self._fast = module, module.forward, forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self._plain if self._module.training else self._fast)(*args, **kwargs)

    def __deepcopy__(self, memo: Any) -> Any:
        return deepcopy(self._plain, memo)  # the engine has the weights of the module, not of the copy
