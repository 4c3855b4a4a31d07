"""Faster reading of data with the same samples, each enabled by one line of a config; docs/performance.md measures."""

import io
import pickle
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal

import numpy as np
import torch
from mmengine.registry import FUNCTIONS as _ROOT_FUNCTIONS
from torch import Tensor
from torch.utils.data import get_worker_info

from ..errors import UserError
from ..registry import FUNCTIONS, TRANSFORMS

__all__ = ['ContiguousImage', 'block_collate']

_ALIGNMENT = 64  # bytes, of tensors within a block, as in torch's own allocations


@TRANSFORMS.register_module()
class ContiguousImage:
    """Element of a pipeline that puts the pixels of a mirrored image in order; its place is after `RandomFlip`.

    mmcv mirrors an image by negative strides, which costs nothing until OpenCV needs the pixels in order and copies
    them one by one. `cv2.flip` does the same several times as fast.
    """

    def __call__(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sample with `img`, an image `(H, W)` or `(H, W, C)` or a list of them, contiguous in memory."""
        image = results['img']
        return {**results, 'img': [*map(_contiguous, image)] if isinstance(image, list) else _contiguous(image)}

    def __repr__(self) -> str:
        return 'ContiguousImage()'


def _contiguous(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    vertical, horizontal = (stride < 0 for stride in image.strides[:2])
    if not (vertical or horizontal) or image.dtype not in (np.uint8, np.float32):
        return np.ascontiguousarray(image)
    import cv2  # the engine works without it

    stored = image[:: -1 if vertical else 1, :: -1 if horizontal else 1]
    code = -1 if vertical and horizontal else int(horizontal)
    flipped: np.ndarray[Any, Any] = cv2.flip(stored, code)
    return np.reshape(flipped, image.shape)  # OpenCV drops the axis of a single channel


@FUNCTIONS.register_module()  # type: ignore[untyped-decorator]
def block_collate(
    data_batch: Sequence[Any], collate: Literal['pseudo_collate', 'default_collate'] = 'pseudo_collate'
) -> Any:
    """Collate a batch that a worker sends in one block of shared memory, instead of one for each tensor.

    The process that trains opens and maps every block that it receives, while its GPU may wait. A batch keeps its whole
    block in memory as long as any of its tensors is in use.

    Args:
        data_batch: The samples.
        collate: The name of the function that collates them: 'pseudo_collate', or mmpretrain's 'default_collate'.

    Returns:
        What that function returns; in a worker, an object that becomes it in the process that trains.

    Raises:
        UserError: No function has that name.
    """
    function: Callable[[Sequence[Any]], Any] | None = _ROOT_FUNCTIONS.get(collate)
    if function is None:
        raise UserError(f"collate={collate!r} is no function; expected 'pseudo_collate' or 'default_collate'")
    batch = function(data_batch)
    return batch if get_worker_info() is None else _Block(batch)


class _Block:
    """A batch whose pickle has the bytes of all tensors and arrays in one tensor, and which unpickles as the batch."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch

    def __reduce__(self) -> Any:
        buffers: list[pickle.PickleBuffer] = []
        file = io.BytesIO()
        _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(self._batch)
        parts = [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]
        sizes = [part.size for part in parts]
        # Shared before it is filled: untouched memory costs little to copy there.
        block = torch.empty(_starts(sizes)[-1], dtype=torch.uint8)
        block.share_memory_()  # type: ignore[no-untyped-call]
        pixels = block.numpy()
        for start, part in zip(_starts(sizes), parts, strict=False):
            pixels[start : start + part.size] = part
        return _unpickled, (file.getvalue(), block, sizes)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        plain = type(value) is Tensor and value.device.type == 'cpu' and value.layout is torch.strided
        if not plain or value.requires_grad or not value.is_contiguous() or not value.numel():
            return NotImplemented  # numpy's arrays are passed as buffers without help
        data = value.view(-1).view(torch.uint8).numpy()
        return _tensor, (pickle.PickleBuffer(data), value.dtype, value.shape)


def _tensor(buffer: Any, dtype: torch.dtype, shape: Sequence[int]) -> Tensor:
    return torch.frombuffer(buffer, dtype=dtype).view(shape)


def _unpickled(content: bytes, block: Tensor, sizes: Sequence[int]) -> Any:
    pixels = block.numpy().data
    buffers = [pixels[start : start + size] for start, size in zip(_starts(sizes), sizes, strict=False)]
    return pickle.loads(content, buffers=buffers)  # noqa: S301  # from this process's own worker


def _starts(sizes: Sequence[int]) -> list[int]:
    """Return where each part begins, and the size of the block."""
    return list(accumulate((-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes), initial=0))
