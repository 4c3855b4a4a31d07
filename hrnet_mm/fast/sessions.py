"""Sessions of ONNX Runtime and OpenVINO: a model or its file as a function of tensors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .graphs import EngineError, need

__all__ = ['Run', 'onnxruntime_session', 'openvino_session']

Run = Callable[[Sequence[Tensor]], list[Tensor]]
"""A network as a function of its inputs; its outputs are a flat list."""


def onnxruntime_session(model: bytes | Path, device: torch.device | str = 'cpu') -> Run:
    """A session of ONNX Runtime with as many threads as PyTorch has.

    Args:
        model: The model's bytes, or its file.
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
        source = model if isinstance(model, bytes) else str(model)
        session = onnxruntime.InferenceSession(source, options, providers=[chosen])
    except Exception as error:  # the runtime raises classes of its own
        raise EngineError(f'{type(error).__name__}: {error}') from error
    names = [i.name for i in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        feed = {name: x.detach().cpu().contiguous().numpy() for name, x in zip(names, inputs, strict=True)}
        return [torch.from_numpy(y).to(device) for y in session.run(None, feed)]

    return run


def openvino_session(model: Any, precision: str = 'fp32') -> Run:
    """A request of OpenVINO on the CPU with as many threads as PyTorch has.

    Args:
        model: OpenVINO's model, or its file.
        precision: In which it computes: 'fp32', 'fp16' or 'bf16'.

    Raises:
        EngineError: openvino is missing, or this CPU is not fast in the precision.
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
    source = str(model) if isinstance(model, Path) else model
    request = core.compile_model(source, 'CPU', settings).create_infer_request()

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        results = request.infer([x.detach().cpu().contiguous().numpy() for x in inputs])
        return [torch.from_numpy(y.copy()) for y in results.values()]

    return run
