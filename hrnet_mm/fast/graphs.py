"""Graphs of a network for other runtimes: torch.export's program, and models of ONNX, OpenVINO, MNN and ncnn.

Other runtimes read the folded form of the network: it has 292 batch norms fewer to export, and the runtimes would fold
them in any case. torch.export's program is that of the network itself.
"""

import importlib.util
import logging
import shutil
import subprocess
import sys
import tempfile
import warnings
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UserError
from ..weights.io import SPEC_KEY
from .fold import fold

__all__ = [
    'EngineError',
    'Inputs',
    'Job',
    'need',
    'onnx_model',
    'openvino_model',
    'program',
    'quiet',
    'write_mnn',
    'write_ncnn',
    'write_onnx',
    'write_openvino',
]

SIZE_STEP = 32
"""Graphs of any size take sides that divide by this: the sizes of the branches are then multiples of each other."""

_RANGES = {'batch': 1024, 'height': 128, 'width': 128}


class EngineError(UserError):
    """An engine that cannot run a network here; the message is the reason."""


Inputs = Tensor | Sequence[Tensor]
"""The one input of a network, or its inputs."""


@dataclass(frozen=True)
class Job:
    """A network to run, and how; what several engines need is made once and freed with the job.

    Attributes:
        module: The network, in evaluation mode.
        inputs: Example inputs.
        precision: 'fp32', 'bf16', 'fp16' or 'int8'.
        dynamic: Whether inputs of other batches and sizes are to come.
        calibration: Inputs that stand for the data, on which int8 measures the ranges of the activations.
        folder: The folder with an engine's files of an earlier start; None to convert the network.
        metadata: The network's metadata as JSON, for files whose format has a place for it.
    """

    module: nn.Module
    inputs: tuple[Tensor, ...]
    precision: str = 'fp32'
    dynamic: bool = False
    calibration: tuple[Inputs, ...] = ()
    folder: Path | None = None
    metadata: str | None = None

    @property
    def device(self) -> torch.device:
        """The device of the inputs."""
        return self.inputs[0].device

    @cached_property
    def files(self) -> Path:
        """The folder for the engines' files, which is deleted with the job unless it is that of an earlier start."""
        if self.folder is not None:
            return self.folder
        folder = tempfile.mkdtemp(prefix='hrnet_mm-')
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @cached_property
    def folded(self) -> nn.Module:
        """The network without batch norms."""
        return fold(self.module).network

    @cached_property
    def onnx(self) -> Any:
        """The network's ONNX model, not quantized."""
        return _exported(self)


def program(job: Job) -> torch.export.ExportedProgram:
    """The network as torch.export's graph, of the example's size or, if `job.dynamic`, of any sides that divide by 32.

    Raises:
        EngineError: The network cannot be a graph.
    """
    inputs, shapes = job.inputs, None
    if job.dynamic:
        batch, height, width = (torch.export.Dim(name, min=1, max=top) for name, top in _RANGES.items())
        shapes = tuple({0: batch, 2: SIZE_STEP * height, 3: SIZE_STEP * width} for _ in inputs)
        # A size of one in the example would become a constant of the graph.
        inputs = tuple(x.new_zeros(2, x.shape[1], 3 * SIZE_STEP, 2 * SIZE_STEP) for x in inputs)
    try:
        with torch.no_grad():
            return torch.export.export(job.module, inputs, dynamic_shapes=shapes)
    except Exception as error:  # torch.export raises many classes, some of them private
        first = (str(error).strip() or 'no message').splitlines()[0]
        raise EngineError(f'torch.export: {type(error).__name__}: {first}') from error


def onnx_model(job: Job) -> Any:
    """The network as an ONNX model; for int8 with quantized weights and activations around each convolution.

    Its tensors are called 'input' and 'output', with numbers behind ('output_0') where there are several.

    Raises:
        EngineError: onnx or onnxscript is missing, or the network cannot be a graph.
    """
    return _quantized(job.onnx, job) if job.precision == 'int8' else job.onnx


def _exported(job: Job) -> Any:
    need('onnx', 'onnxscript')
    with quiet():
        graph = program(replace(job, module=job.folded))
        names = {
            'input_names': _numbered('input', len(job.inputs)),
            'output_names': _numbered('output', len(graph.graph_signature.user_outputs)),
        }
        try:
            exported = torch.onnx.export(graph, dynamo=True, verbose=False, **names)
        except Exception as error:  # the exporter raises classes of its own
            raise EngineError(f'torch.onnx: {type(error).__name__}: {error}') from error
    assert exported is not None
    return exported.model_proto


def openvino_model(job: Job) -> Any:
    """The network as OpenVINO's model; for int8 quantized by NNCF.

    Raises:
        EngineError: openvino, nncf, onnx or onnxscript is missing, or the network cannot be a graph.
    """
    need('openvino', 'onnx', 'onnxscript')
    import openvino

    # Its converter of programs takes as long as the export to ONNX, which other engines need as well.
    model = openvino.Core().read_model(job.onnx.SerializeToString())
    if job.precision != 'int8':
        return model
    with quiet():
        need('nncf')
        import nncf

        data = nncf.Dataset([x.numpy() for x in _calibration(job)])
        return nncf.quantize(model, data, subset_size=len(job.calibration))


def write_onnx(job: Job, path: Path) -> None:
    """Write the network as a file of ONNX.

    Raises:
        EngineError: onnxruntime, onnx or onnxscript is missing, or the network cannot be a graph.
    """
    need('onnxruntime', 'onnx', 'onnxscript')  # the runtime too, before an export that takes seconds
    import onnx

    model = onnx_model(job)
    if job.metadata is not None:
        model.metadata_props.add(key=SPEC_KEY, value=job.metadata)
    onnx.save(model, str(path))


def write_openvino(job: Job, path: Path) -> None:
    """Write the network as files of OpenVINO: `.xml` with the graph, and `.bin` beside it with the weights.

    Raises:
        EngineError: openvino, nncf, onnx or onnxscript is missing, or the network cannot be a graph.
    """
    model = openvino_model(job)
    import openvino

    if job.metadata is not None:
        model.set_rt_info(job.metadata, SPEC_KEY)
    openvino.save_model(model, str(path), compress_to_fp16=False)


def write_mnn(job: Job, path: Path) -> None:
    """Write the network as a file of MNN, by its converter of ONNX models.

    Raises:
        EngineError: MNN, onnx or onnxscript is missing, or MNN lacks an operator.
    """
    need('MNN', 'onnx', 'onnxscript', extra='mobile')
    model, path = onnx_model(job), path.absolute()  # the converter runs in a folder of its own
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, 'network.onnx')
        source.write_bytes(model.SerializeToString())
        # A process of its own, because the converter reports each step on the terminal and ends the process on a fault.
        convert = 'from MNN.tools.mnnconvert import main; main()'
        files = ['--modelFile', str(source), '--MNNModel', str(path)]
        _convert('MNN', [sys.executable, '-c', convert, '-f', 'ONNX', '--bizCode', 'hrnet', *files], folder, path)


def write_ncnn(job: Job, path: Path) -> None:
    """Write the network as files of ncnn: `.param` with the graph, and `.bin` beside it with the weights.

    Raises:
        EngineError: ncnn or pnnx is missing, several sizes are to come, or ncnn lacks an operator.
    """
    need('ncnn', 'pnnx', extra='mobile')
    if job.dynamic:
        raise EngineError('files of ncnn take inputs of one size; leave dynamic out')
    path = path.absolute()  # the converter runs in a folder of its own
    with tempfile.TemporaryDirectory() as folder, quiet(), torch.no_grad():
        # ncnn knows no batches.
        inputs = tuple(x[:1].float() for x in job.inputs)
        torch.jit.trace(job.folded, inputs, check_trace=False).save(str(Path(folder, 'network.pt')))
        shapes = ','.join(str(list(x.shape)).replace(' ', '') for x in inputs)
        import pnnx

        names = [f'ncnnparam={path}', f'ncnnbin={path.with_suffix(".bin")}', f'inputshape={shapes}', 'fp16=0']
        _convert('pnnx', [pnnx.EXEC_PATH, 'network.pt', *names], folder, path)


def _convert(name: str, command: Sequence[str], folder: str, written: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors='replace', check=False)  # noqa: S603
    if done.returncode or not written.is_file():
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise EngineError(f'{name} cannot convert it: {lines[-1] if lines else f"exit code {done.returncode}"}')


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f'{name}_{i}' for i in range(count)]


def need(*packages: str, extra: str = 'export') -> None:
    """Require packages.

    Args:
        packages: Their names, as they are imported.
        extra: The extra of this package that has them.

    Raises:
        EngineError: One is missing; the message has the command that installs it.
    """
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise EngineError(f"{' and '.join(missing)} missing: pip install 'hrnet_mm[{extra}]'")


def _quantized(model: Any, job: Job) -> Any:
    need('onnxruntime')
    import onnx
    from onnxruntime import quantization

    images = _calibration(job)
    name = model.graph.input[0].name

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self) -> dict[str, Any] | None:
            x = next(self.left, None)
            return None if x is None else {name: x.numpy()}

    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, small = (str(Path(folder, f'{step}.onnx')) for step in ('plain', 'prepared', 'int8'))
        onnx.save(model, plain)
        quantization.quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(prepared, small, Reader(), per_channel=True)
        return onnx.load(small)


def _calibration(job: Job) -> list[Tensor]:
    if not job.calibration:
        raise EngineError('int8 needs calibration=[...], inputs like those to come')
    if len(job.inputs) > 1:
        raise EngineError("int8 of a network of several inputs is in the engine 'native' alone")
    images = [x if isinstance(x, Tensor) else x[0] for x in job.calibration]
    shape = job.inputs[0].shape
    if not job.dynamic and (other := next((x.shape for x in images if x.shape != shape), None)):
        raise EngineError(f'calibration has an input {tuple(other)}; expected {tuple(shape)}, as the example is')
    return images


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporters and NNCF, which report each step and warn of functions that they call themselves."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
