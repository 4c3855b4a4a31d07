"""Sessions of ONNX Runtime, OpenVINO, MNN and ncnn: a model or its file as a function of tensors."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .graphs import EngineError, need

__all__ = ['Run', 'mnn_session', 'ncnn_session', 'onnxruntime_session', 'openvino_session']

_WINOGRAD_LEVEL = 3
"""MNN's hint of memory for Winograd's convolutions. At 3, its default, blocks are so large that outputs of HRNet-W32
leave the tolerance of fp32; at 1 they keep it, and are computed faster.
"""

Run = Callable[[Sequence[Tensor]], list[Tensor]]
"""A network as a function of its inputs; its outputs are a flat list."""


def onnxruntime_session(path: Path, device: torch.device | str = 'cpu') -> Run:
    """A session of ONNX Runtime with as many threads as PyTorch has.

    Args:
        path: The `.onnx` file.
        device: Where it computes, and where its outputs are.

    Raises:
        EngineError: onnxruntime is missing, has no provider for the device, or cannot run the model.
    """
    need('onnxruntime')
    import onnxruntime

    device = torch.device(device)
    provider = 'CUDAExecutionProvider' if device.type == 'cuda' else 'CPUExecutionProvider'
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(f'this onnxruntime has no {provider}')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    # Its threads wait busily for the next operator; after the last one that takes the time of whatever runs next.
    options.add_session_config_entry('session.force_spinning_stop', '1')
    chosen = (provider, {'device_id': device.index or 0}) if device.type == 'cuda' else provider
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[chosen])
    except Exception as error:  # the runtime raises classes of its own
        raise EngineError(f'{type(error).__name__}: {error}') from error
    names = [i.name for i in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        feed = {name: x.detach().cpu().contiguous().numpy() for name, x in zip(names, inputs, strict=True)}
        return [torch.from_numpy(y).to(device) for y in session.run(None, feed)]

    return run


def openvino_session(path: Path, precision: str = 'fp32') -> Run:
    """A request of OpenVINO on the CPU with as many threads as PyTorch has.

    Args:
        path: The `.xml` file, with a `.bin` beside it.
        precision: In which it computes: 'fp32', 'fp16' or 'bf16'.

    Raises:
        EngineError: openvino is missing or cannot read the files, or this CPU is not fast in the precision.
    """
    need('openvino')
    import openvino

    core = openvino.Core()
    able = core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    if precision != 'fp32' and precision.upper() not in able:
        raise EngineError(f'this CPU has no fast {precision} (it has {", ".join(able)})')
    settings = {
        'INFERENCE_NUM_THREADS': torch.get_num_threads(),
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': precision.replace('fp', 'f'),
    }
    try:
        request = core.compile_model(str(path), 'CPU', settings).create_infer_request()
    except RuntimeError as error:
        raise EngineError(f'OpenVINO cannot read {path}: {str(error).strip().splitlines()[-1]}') from error

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        results = request.infer([x.detach().cpu().contiguous().numpy() for x in inputs])
        return [torch.from_numpy(y.copy()) for y in results.values()]

    return run


def mnn_session(path: Path) -> Run:
    """A module of MNN on the CPU with as many threads as PyTorch has.

    Raises:
        EngineError: MNN is missing, or cannot read the file.
    """
    need('MNN', extra='mobile')
    settings = {'backend': 'CPU', 'precision': 'high', 'numThread': torch.get_num_threads()}
    with _silent():
        from MNN import expr, nn

        manager = nn.create_runtime_manager((settings,))
        manager.set_hint(_WINOGRAD_LEVEL, 1)
        module = nn.load_module_from_file(str(path), [], [], runtime_manager=manager)
    if module is None:
        raise EngineError(f'MNN cannot read {path}')

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        given = [expr.const(x.detach().float().contiguous().numpy(), list(x.shape), expr.NCHW) for x in inputs]
        # A copy, because the next call writes into the same memory.
        return [torch.from_numpy(np.array(expr.convert(y, expr.NCHW).read())) for y in module.forward(given)]

    return run


@contextmanager
def _silent() -> Iterator[None]:
    """Discard what a library writes to the terminal without Python."""
    kept = os.dup(1)
    with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def ncnn_session(path: Path) -> Run:
    """A network of ncnn on the CPU with as many threads as PyTorch has; images of a batch run one after the other.

    Args:
        path: The `.param` file, with a `.bin` beside it.

    Raises:
        EngineError: ncnn is missing, or cannot read the files.
    """
    need('ncnn', extra='mobile')
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = torch.get_num_threads()
    for name in ('use_fp16_packed', 'use_fp16_storage', 'use_fp16_arithmetic', 'use_bf16_storage'):
        setattr(net.opt, name, False)
    if net.load_param(str(path)) or net.load_model(str(path.with_suffix('.bin'))):
        raise EngineError(f'ncnn cannot read {path}')
    names = sorted(net.output_names(), key=lambda name: int(name.removeprefix('out')))

    def compute(images: Sequence[Tensor]) -> list[Tensor]:
        extractor = net.create_extractor()
        for i, image in enumerate(images):
            extractor.input(f'in{i}', ncnn.Mat(image.detach().float().contiguous().numpy()))
        found = [extractor.extract(name) for name in names]
        if any(code for code, _ in found):
            raise EngineError('ncnn ran out of memory, or the input has another size than the file is for')
        return [torch.from_numpy(np.array(y)) for _, y in found]

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        images = [compute(images) for images in zip(*inputs, strict=True)]
        return [torch.stack(maps) for maps in zip(*images, strict=True)]

    return run
