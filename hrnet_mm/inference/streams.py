"""Picture of the branches' maps after each stage."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..errors import UserError
from ..images import ImageError, header_of, read_color, read_picture
from ..models import HRNet
from .open import OpenedNetwork, open_network

__all__ = ['draw_streams', 'stage_outputs']

Image = npt.NDArray[np.uint8]

_STAGES = ('layer1', 'stage2', 'stage3', 'stage4')
_MOST_PIXELS = 1024  # longest side of the input where no test pipeline sets the size
_CELL = 2.6  # inches


def draw_streams(
    path: Path,
    model: str | os.PathLike[str],
    weights: str | os.PathLike[str] | None,
    file: Path,
    raw: bool = False,
) -> None:
    """Run one image through a network, and draw the map of every branch after every stage.

    The colors are the first three principal components of a map's channels: within one map, places with similar
    features have similar colors. All cells have the size of the image, so that the pixels show each resolution.

    Args:
        path: The image.
        model: See `open_network`.
        weights: See `open_network`.
        file: The picture to write, a PNG.
        raw: See `open_network`.

    Raises:
        UserError: The image or the network cannot be read, or its backbone is not an HRNet.
    """
    try:
        header_of(path)  # before a network is opened
    except ImageError as error:
        raise UserError(f'{path}: {error}') from error
    opened = open_network(model, weights, raw=raw)
    backbone = opened.network if isinstance(opened.network, HRNet) else opened.network.backbone
    if not isinstance(backbone, HRNet):
        raise UserError(f'the backbone of {opened.name} is a {type(backbone).__name__}; expected an HRNet')
    spec = opened.spec
    try:
        image = read_picture(path) if spec is None else read_picture(path, spec.reads, spec.mean, spec.std)
        inputs = _inputs(opened, path)
    except ImageError as error:
        raise UserError(f'{path}: {error}') from error
    with torch.inference_mode():
        outputs = stage_outputs(backbone, inputs)
    weights_are = 'random weights' if opened.checkpoint is None else f'weights of {opened.checkpoint.path.name}'
    _draw(file, image[..., ::-1], outputs, f'{path.name}, {opened.name}, {weights_are}')


def stage_outputs(backbone: HRNet, inputs: Tensor) -> list[tuple[Tensor, ...]]:
    """Return the maps of each stage, finest first.

    Args:
        backbone: The backbone.
        inputs: An image, `(1, 3, H, W)`.

    Returns:
        For each of the four stages, the maps `(1, C_i, H_i, W_i)` of its branches.
    """
    kept: list[tuple[Tensor, ...]] = []
    with _hooks(backbone, kept):
        backbone(inputs)
    return kept


@contextmanager
def _hooks(backbone: HRNet, kept: list[tuple[Tensor, ...]]) -> Iterator[None]:
    def keep(module: nn.Module, inputs: Any, output: Any) -> None:
        maps = (output,) if isinstance(output, Tensor) else output
        kept.append(tuple(one.clone() for one in maps))  # later layers may modify them in place

    handles = [backbone.get_submodule(name).register_forward_hook(keep) for name in _STAGES]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _inputs(opened: OpenedNetwork, path: Path) -> Tensor:
    """Return the network's input, by the test pipeline of its config if there is one."""
    if opened.config is not None:
        from .predictor import Predictor, UnreadableError

        try:
            batch = {key: [value] for key, value in Predictor(opened).prepare(path)[0].items()}
        except UnreadableError as error:
            raise UserError(f'{path}: {error}') from error
        prepared: Tensor = opened.network.data_preprocessor(batch)['inputs']
        return prepared
    if opened.in_channels != 3:
        raise UserError(
            f'{opened.name} takes {opened.in_channels} channels, and nothing says which bands they are; give weights '
            'of hrnet-mm train --data'
        )
    image = read_color(path)
    factor = min(1.0, _MOST_PIXELS / max(image.shape[:2]))
    resized = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[..., ::-1]
    pixels = (resized - np.array(opened.preprocessing.mean)) / np.array(opened.preprocessing.std)
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None]


def _draw(file: Path, image: Image, outputs: Sequence[tuple[Tensor, ...]], title: str) -> None:
    streams = max(map(len, outputs))
    height = _CELL * image.shape[0] / image.shape[1]
    figure = Figure(
        figsize=(_CELL * (1 + len(outputs)), (height + 0.35) * streams + 0.5), dpi=100, layout='constrained'
    )
    figure.suptitle(title)
    cells = figure.subplots(streams, 1 + len(outputs), squeeze=False)
    for axes in cells.flat:
        axes.axis('off')
    cells[0, 0].imshow(image)
    cells[0, 0].set_title('image', fontsize=10)
    for column, maps in enumerate(outputs, 1):
        for row, one in enumerate(maps):
            channels, high, wide = one.shape[1:]
            cells[row, column].imshow(_colors(one[0]), interpolation='nearest', extent=(0, wide, high, 0))
            head = f'stage {column}\n' if row == 0 else ''
            cells[row, column].set_title(f'{head}1/{4 * 2**row}: {channels} x {high} x {wide}', fontsize=10)
    for row in range(1, streams):
        cells[row, 0].text(
            0.5, 0.5, f'stream 1/{4 * 2**row}', ha='center', va='center', transform=cells[row, 0].transAxes
        )
    figure.savefig(file)


def _colors(features: Tensor) -> npt.NDArray[np.float64]:
    """Return the first three principal components of `(C, H, W)` as R, G, B from 0 to 1, `(H, W, 3)`."""
    channels, height, width = features.shape
    points = features.reshape(channels, -1).double().numpy()
    points = points - points.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(points @ points.T)
    vectors = vectors[:, np.argsort(values)[::-1][:3]]
    vectors = vectors * np.sign(vectors.sum(axis=0) + 1e-12)  # the sign of an eigenvector is arbitrary
    shown = np.zeros((height * width, 3))
    shown[:, : vectors.shape[1]] = points.T @ vectors
    low, high = np.percentile(shown, 1, axis=0), np.percentile(shown, 99, axis=0)
    scaled: npt.NDArray[np.float64] = np.clip((shown - low) / np.maximum(high - low, 1e-12), 0, 1)
    return scaled.reshape(height, width, 3)
