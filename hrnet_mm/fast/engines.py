"""Engines: each turns a module and example inputs into a function of such inputs.

An engine raises EngineError with the reason where it cannot run a network: a library or device is missing, it lacks the
precision, or it does not know an operator.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ..weights.io import CheckpointError
from .fold import fold
from .graphs import EngineError, Job, write_mnn, write_ncnn, write_onnx, write_openvino
from .sessions import Run, mnn_session, ncnn_session, onnxruntime_session, openvino_session

if TYPE_CHECKING:
    from .native import NativeEngine

__all__ = ['DTYPES', 'ENGINES']

DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16, 'fp16': torch.float16}


def _eager(job: Job, concurrent: bool = False) -> Run:
    dtype = _dtype(job)
    network = fold(job.module, concurrent).network.to(dtype).to(memory_format=torch.channels_last)

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.inference_mode():
            outs = pytree.tree_leaves(network(*(_channels_last(x.to(dtype)) for x in inputs)))
            return [y.to(inputs[0].dtype) for y in outs]

    return run


def _compile(job: Job) -> Run:
    dtype = _dtype(job)
    network = fold(job.module).network.to(dtype).to(memory_format=torch.channels_last)
    cuda = job.device.type == 'cuda'
    # On a GPU in captured graphs, which batches of one need most; on a CPU with the weights as constants.
    options: dict[str, Any] = {'triton.cudagraphs': True} if cuda else {'freezing': True}
    compiled = torch.compile(network, fullgraph=True, dynamic=job.dynamic or None, options=options)
    from torch._dynamo.exc import BackendCompilerFailed  # torch.compile has imported it

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        try:
            with torch.no_grad():
                outs = pytree.tree_leaves(compiled(*(_channels_last(x.to(dtype)) for x in inputs)))
        except BackendCompilerFailed as error:  # for want of a C++ compiler, for instance
            raise EngineError(f'torch.compile: {str(error).splitlines()[0]}') from error
        # A captured graph writes into the same memory again.
        return [y.to(inputs[0].dtype, copy=cuda) for y in outs]

    return run


def _cudagraph(job: Job) -> Run:
    if job.device.type != 'cuda':
        raise EngineError('CUDA graphs need the network and the inputs on a GPU')
    if job.dynamic:
        raise EngineError('a captured graph has one size; leave dynamic out')
    run = _eager(job, concurrent=True)
    static = [x.clone() for x in job.inputs]
    stream = torch.cuda.Stream(job.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(job.device))
    with torch.cuda.stream(stream):
        for _ in range(3):  # cuDNN chooses its kernels, the allocator its blocks
            run(static)
    torch.cuda.current_stream(job.device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outs = run(static)

    def replay(inputs: Sequence[Tensor]) -> list[Tensor]:
        for place, x in zip(static, inputs, strict=True):
            place.copy_(x)
        graph.replay()
        return [y.clone() for y in outs]

    return replay


def _onnxruntime(job: Job) -> Run:
    if job.precision == 'bf16' or (job.precision == 'fp16' and job.device.type == 'cpu'):
        raise EngineError(f'onnxruntime has no {job.precision} on a {job.device.type}')
    return _from_file(job, 'onnxruntime.onnx', write_onnx, partial(onnxruntime_session, device=job.device))


def _openvino(job: Job) -> Run:
    if job.device.type != 'cpu':
        raise EngineError('openvino computes on the CPU; move the network and the inputs there')
    precision = 'fp32' if job.precision == 'int8' else job.precision
    return _from_file(job, 'openvino.xml', write_openvino, partial(openvino_session, precision=precision))


def _of_phones(job: Job, name: str, write: Callable[[Job, Path], None], load: Callable[[Path], Run]) -> Run:
    if job.device.type != 'cpu' or job.precision != 'fp32':
        raise EngineError(f'this engine has fp32 on the CPU, and not {job.precision} on a {job.device.type}')
    return _from_file(job, name, write, load)


def _from_file(job: Job, name: str, write: Callable[[Job, Path], None], load: Callable[[Path], Run]) -> Run:
    """Convert the network to a file whose stem is the engine's name, unless it is there, and load it."""
    file = job.files / name
    if not file.is_file():
        write(job, file)
    return load(file)


def _native(job: Job, fp32: str = 'fp32') -> Run:
    """Factors of fp32 products are whole ('fp32'), or 17 of their 24 bits ('bf16x3', on AMX alone)."""
    if job.device.type != 'cpu' or job.dynamic or any(x.ndim != 4 for x in job.inputs):
        raise EngineError('the native engine computes images or maps of one size, on the CPU')
    able = {'fp32': fp32} if fp32 != 'fp32' else {'fp32': 'fp32', 'bf16': 'bf16', 'int8': 'int8'}
    if job.precision not in able:
        raise EngineError(f'this engine has {" and ".join(able)}, and not {job.precision}')
    from .native import compile_native, read_quantized, write_quantized

    file = job.files / 'native.pt'
    plan = job.files / f'native{"" if fp32 == "fp32" else f"-{fp32}"}.json'
    is_planned = plan.is_file()
    try:
        kept: dict[str, Any] = {}
        if job.precision == 'fp32':
            kept = {'plan': plan}
        elif job.precision == 'int8':
            kept = {'quantized': read_quantized(file)} if file.is_file() else {'calibration': job.calibration}
        model = job.module if is_planned else job.folded
        network = compile_native(model, *job.inputs, precision=able[job.precision], **kept)
        if 'calibration' in kept:
            write_quantized(network.quantized, file)
    except (CheckpointError, OSError, RuntimeError, TypeError, ValueError) as error:
        # There is no compiler, it lacks an operator, or the file is of other kernels.
        raise EngineError(str(error).strip().splitlines()[0]) from error
    return _NativeRun(network, ['plan of an earlier start'] if is_planned else [])


class _NativeRun:
    def __init__(self, network: 'NativeEngine', applied: list[str]) -> None:
        self._network = network
        self.applied = [_UNITS[network.instructions], *applied]
        if network.quantized:
            self.applied.append(f'{len(network.quantized)} convolutions in int8')

    def __call__(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        return pytree.tree_leaves(self._network(*inputs))


_UNITS = {
    'amx': 'AMX, sums of bf16 parts',
    'avx512vnni': 'AVX-512 with VNNI',
    'avx512': 'AVX-512, Winograd convolutions',
    'avxvnni': 'AVX-VNNI',
    'avx2': 'AVX2, Winograd convolutions',
    'neon': 'NEON, Winograd convolutions',
}
"""What computes in the native engine, for the report."""


def _dtype(job: Job) -> torch.dtype:
    if job.precision not in DTYPES:
        raise EngineError(f'{job.precision} needs native, onnxruntime or openvino')
    return DTYPES[job.precision] if job.precision != 'fp32' else job.inputs[0].dtype


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


ENGINES: dict[str, Callable[[Job], Run]] = {
    'eager': _eager,
    'compile': _compile,
    'cudagraph': _cudagraph,
    'onnxruntime': _onnxruntime,
    'openvino': _openvino,
    'mnn': partial(_of_phones, name='mnn.mnn', write=write_mnn, load=mnn_session),
    'ncnn': partial(_of_phones, name='ncnn.param', write=write_ncnn, load=ncnn_session),
    'native': _native,
    'native-bf16x3': partial(_native, fp32='bf16x3'),
}
"""Every engine by its name."""
