"""Export of a network as a file for another runtime, with a comparison of the outputs."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from ..errors import UserError, did_you_mean
from ..images import IMAGE_SUFFIXES, Bands, ImageError, order_of, read_color
from ..weights.io import SPEC_KEY, written_aside
from ..weights.zoo import IMAGENET_MEAN, IMAGENET_STD
from .compare import TOLERANCES, difference
from .graphs import (
    SIZE_STEP,
    EngineError,
    Job,
    program,
    quiet,
    write_mnn,
    write_ncnn,
    write_onnx,
    write_openvino,
)
from .sessions import Run, mnn_session, ncnn_session, onnxruntime_session, openvino_session

__all__ = ['MOST_IMAGES', 'Exported', 'check_format', 'export', 'read_images']

_LEAST_SIDE = 2 * SIZE_STEP
"""In a program of torch.export a side of one step is a constant: the coarsest branch is then one pixel high or wide."""

MOST_IMAGES = 100
"""More images hardly change the ranges that calibration measures, and all of them are held in memory."""


@dataclass(frozen=True)
class Exported:
    """An exported file.

    Attributes:
        path: The file.
        runtime: The runtime that loaded it and ran it for the comparison.
        precision: The precision of its weights and activations.
        difference: The largest difference from the network's outputs, relative to the largest output.
        tolerance: The largest difference that was allowed.
        shapes: The shapes of the inputs that were compared.
        bytes: The size of the file with its weights.
        parameter_bytes: The size of the network's parameters and buffers in memory.
    """

    path: Path
    runtime: str
    precision: str
    difference: float
    tolerance: float
    shapes: tuple[tuple[int, ...], ...]
    bytes: int
    parameter_bytes: int

    def __str__(self) -> str:
        shapes = ' and '.join('x'.join(map(str, shape)) for shape in self.shapes)
        return (
            f'{self.path}: {self.precision}, {self.bytes / 1e6:.1f} MB (the network in memory: '
            f'{self.parameter_bytes / 1e6:.1f} MB)\n'
            f'reloaded in {self.runtime} and compared with the network on {shapes}: largest difference '
            f'{self.difference:.1e} of the largest output, allowed {self.tolerance:.1e}'
        )


@dataclass(frozen=True)
class _Format:
    """A kind of file: its runtime, its precisions, how it is written and loaded, whether metadata has a place in it."""

    runtime: str
    precisions: tuple[str, ...]
    write: Callable[[Job, Path], None]
    load: Callable[[Path], Run]
    holds_metadata: bool = False


def export(
    model: nn.Module,
    path: str | os.PathLike[str],
    example: Tensor | Sequence[Tensor],
    precision: str = 'fp32',
    dynamic: bool = False,
    calibration: Iterable[Tensor] = (),
    aot: bool = False,
    tolerance: float | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Exported:
    """Export a network in evaluation mode to a file of the format that its name ends in.

    The file is written aside, loaded in its own runtime and compared with the network on the example, with `dynamic` on
    another size too. It takes its name if the outputs agree; otherwise an older file of the name stays.

    Args:
        model: The network.
        path: The file: `.onnx` for ONNX Runtime, `.xml` (with a `.bin` beside it) for OpenVINO, `.pt2` for
            torch.export, `.mnn` for MNN, `.param` (with a `.bin` beside it) for ncnn.
        example: An input `(N, C, H, W)` like those to come, or several inputs.
        precision: 'fp32', or 'int8' for `.onnx` and `.xml`.
        dynamic: Whether the file takes any batch, and any sides from 64 that divide by 32.
        calibration: Inputs that stand for the data, on which int8 measures the ranges of the activations.
        aot: Whether AOTInductor compiles the `.pt2` for this machine, which needs a C++ compiler.
        tolerance: The largest difference from the network's outputs, relative to the largest output (default: that of
            the precision in `TOLERANCES`).
        metadata: JSON values on the network, such as a model specification. They are written as `hrnet_mm` into the
            metadata of an `.onnx` file, the `rt_info` of an `.xml` file and the extra files of a `.pt2` file; beside
            other files, and one that AOTInductor compiles, as a file with `.json` behind its name.

    Returns:
        The file, its size, and the difference of its outputs.

    Raises:
        UserError: An argument does not fit, or the outputs on the example are not finite.
        EngineError: A library is missing, the network cannot be exported, or the outputs differ by more.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> from hrnet_mm import create_model
        >>> model = create_model('hrnetv1_test-w8').eval()
        >>> with TemporaryDirectory() as folder:
        ...     exported = export(model, f'{folder}/pose.pt2', torch.randn(1, 3, 64, 64))
        >>> exported.runtime, exported.difference <= exported.tolerance
        ('torch.export', True)
    """
    path = Path(path)
    inputs = (example,) if isinstance(example, Tensor) else tuple(example)
    chosen = _format(path, precision, aot)
    if model.training:
        raise UserError('the network is in training mode; expected evaluation mode: call model.eval()')
    if dynamic and any(side % SIZE_STEP or side < _LEAST_SIDE for x in inputs for side in x.shape[2:]):
        shapes = [tuple(x.shape) for x in inputs]
        raise UserError(
            f'the example is {shapes}; files of any size expect sides from {_LEAST_SIDE} that divide by {SIZE_STEP}'
        )
    checks = [inputs, tuple(map(_another_size, inputs))] if dynamic else [inputs]
    text = None if metadata is None else json.dumps(metadata)
    job = Job(model, inputs, precision, dynamic, tuple(calibration), metadata=text)
    allowed = TOLERANCES[precision] if tolerance is None else tolerance
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as folder:
        file = Path(folder, path.name)
        with quiet():
            chosen.write(job, file)
            run = chosen.load(file)
        differences = [_measured(model, run, check) for check in checks]
        if not all(d <= allowed for d in differences):  # false for NaN
            raise EngineError(
                f'{path} was not written: reloaded in {chosen.runtime}, the {precision} file differs by '
                f'{" and ".join(f"{d:.1e}" for d in differences)} of the largest output, and {allowed:.1e} is allowed'
            )
        size = sum(part.stat().st_size for part in Path(folder).iterdir())
        # The weights first, and an old description that does not belong to them not beside them.
        weights = file.with_suffix('.bin')
        if weights.exists():
            path.unlink(missing_ok=True)
            _put(weights, path.with_suffix('.bin'))
        beside = path.with_name(f'{path.name}.json')
        if text is not None and not chosen.holds_metadata:
            with written_aside(beside) as aside:
                aside.write_text(text)
        _put(file, path)
    held = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    checked = tuple(tuple(check[0].shape) for check in checks)
    return Exported(path, chosen.runtime, precision, max(differences), allowed, checked, size, held)


def check_format(path: Path, precision: str, aot: bool = False) -> None:
    """Check that files of this name can be exported in this precision.

    Raises:
        UserError: There is no such format, or it lacks the precision.
    """
    _format(path, precision, aot)


def _format(path: Path, precision: str, aot: bool) -> _Format:
    if path.suffix not in _FORMATS:
        raise UserError(f'{path} has an unknown ending{did_you_mean(path.suffix, _FORMATS)}')
    if aot and path.suffix != '.pt2':
        raise UserError(f'{path} is not the name of an AOTInductor package; expected one that ends in .pt2')
    chosen = _AOT if aot else _FORMATS[path.suffix]
    if precision not in chosen.precisions:
        known = ', '.join(chosen.precisions)
        raise UserError(f'{chosen.runtime} files have no precision {precision!r}; allowed: {known}')
    return chosen


def _another_size(x: Tensor) -> Tensor:
    """A larger batch, and sides shorter by a step, or longer where they would be below `_LEAST_SIDE`."""
    height, width = (side + (SIZE_STEP if side <= _LEAST_SIDE else -SIZE_STEP) for side in x.shape[2:])
    return F.interpolate(torch.cat([x, x[:1]]), (height, width), mode='bilinear')


def _measured(model: nn.Module, run: Run, inputs: Sequence[Tensor]) -> float:
    with torch.inference_mode():
        expected = [y.cpu() for y in pytree.tree_leaves(model(*inputs))]
    if not all(torch.isfinite(y).all() for y in expected):
        raise UserError('the outputs for the example are NaN or infinite, so they cannot be compared')
    return difference([y.cpu() for y in run(inputs)], expected)


def _put(source: Path, target: Path) -> None:
    with written_aside(target) as aside:
        source.rename(aside)


def _write_program(job: Job, path: Path) -> None:
    extra = {} if job.metadata is None else {f'{SPEC_KEY}.json': job.metadata}
    torch.export.save(program(job), path, extra_files=extra)


def _load_program(path: Path) -> Run:
    return _flat(torch.export.load(path).module())


def _write_compiled(job: Job, path: Path) -> None:
    from torch._dynamo.exc import BackendCompilerFailed
    from torch._inductor import aoti_compile_and_package

    try:
        aoti_compile_and_package(program(replace(job, module=job.folded)), package_path=str(path))
    except BackendCompilerFailed as error:
        raise EngineError(f'AOTInductor cannot compile it: {str(error).splitlines()[0]}') from error


def _load_compiled(path: Path) -> Run:
    from torch._inductor import aoti_load_package

    return _flat(aoti_load_package(str(path)))


def _flat(call: Callable[..., Any]) -> Run:
    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        with torch.no_grad():
            return list(pytree.tree_leaves(call(*inputs)))

    return run


_FORMATS = {
    '.onnx': _Format('ONNX Runtime', ('fp32', 'int8'), write_onnx, onnxruntime_session, True),
    '.xml': _Format('OpenVINO', ('fp32', 'int8'), write_openvino, openvino_session, True),
    '.pt2': _Format('torch.export', ('fp32',), _write_program, _load_program, True),
    '.mnn': _Format('MNN', ('fp32',), write_mnn, mnn_session),
    '.param': _Format('ncnn', ('fp32',), write_ncnn, ncnn_session),
}
_AOT = _Format('AOTInductor', ('fp32',), _write_compiled, _load_compiled)


def read_images(
    folder: Path,
    size: Sequence[int],
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    bands: Bands | None = None,
) -> list[Tensor]:
    """Read images as inputs for calibration, each resized until it covers the size and cropped at a random place.

    Args:
        folder: The folder; its subfolders are read too.
        size: Height and width in pixels.
        mean: The mean of each channel: of R, G and B from 0 to 255 (default: ImageNet's), or of the bands.
        std: The standard deviation.
        bands: The bands that are read; None for pictures of 8 bits.

    Returns:
        Up to 100 inputs `(1, C, *size)`, the same in every call.

    Raises:
        UserError: The folder has no images, or one cannot be read.
    """
    paths = sorted(p for p in folder.rglob('*') if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise UserError(f'{folder} holds no images')
    chosen = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, MOST_IMAGES).astype(int))]
    random = np.random.default_rng(0)
    return [_prepared(path, size, mean, std, bands, random) for path in chosen]


def _prepared(
    path: Path,
    size: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float],
    bands: Bands | None,
    random: np.random.Generator,
) -> Tensor:
    try:
        image = read_color(path) if bands is None else bands.read(path)
    except ImageError as error:
        raise UserError(f'{path}: {error}') from error
    factor = max(side / given for side, given in zip(size, image.shape, strict=False))
    wanted = [max(side, round(factor * given)) for side, given in zip(size, image.shape, strict=False)]
    method = cv2.INTER_AREA if factor < 1 and image.shape[2] <= 4 else cv2.INTER_LINEAR  # that of OpenCV has four
    image = cv2.resize(image, wanted[::-1], interpolation=method).reshape(*wanted, -1)
    top, left = (int(random.integers(have - need + 1)) for have, need in zip(wanted, size, strict=True))
    image = image[top : top + size[0], left : left + size[1], list(order_of(range(image.shape[2])))]
    pixels = (image - np.array(mean)) / np.array(std)
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None].contiguous()
