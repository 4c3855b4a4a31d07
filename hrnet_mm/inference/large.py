"""Prediction on one large image by windows, with an overview that is drawn."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData

from ..images import ImageError
from .predictor import Image, Predictor, shares_of, write_png
from .progress import reported
from .raster import Raster, UnreadableError, open_raster, without_data, write_labels
from .windows import Array, Found, Read, objects, run_lengths_of, segment

__all__ = ['MOST_PIXELS', 'predict_large', 'scores_of']

MOST_PIXELS = 1 << 23
"""Pixels of the network's input above which an image is predicted by windows."""

_OVERVIEW = 1000  # longest side in pixels; the library that draws it needs much memory


def predict_large(
    predictor: Predictor,
    path: Path,
    sides: tuple[int, int],
    segments: Path,
    picture: Path | None,
    score: float,
    prefix: str = '',
) -> dict[str, Any]:
    """Predict on one image by windows.

    Args:
        predictor: A predictor of mmseg or mmdet with a `factor`.
        path: The image.
        sides: The side and the overlap of the windows in pixels of the network's input; see `tiling`.
        segments: Where a segmentation is written, a TIFF of class indices.
        picture: Where the picture is written, an overview.
        score: The lowest score that is drawn.
        prefix: The begin of the printed lines.

    Returns:
        The prediction, as `Predictor.to_json` returns it.

    Raises:
        UnreadableError: The image cannot be decoded, or the network cannot read its bands.
    """
    with open_raster(path) as raster:
        read = _reader(raster, predictor)
        size, factor = (raster.height, raster.width), predictor.factor
        assert factor is not None
        overview = _Overview(size, raster.bands)
        bands = f', {raster.bands} bands' if raster.bands != 3 else ''
        prefix = f'{prefix}{path}: '
        print(
            f'{prefix}{raster.width} x {raster.height} pixels{bands}, by windows of {sides[0]} pixels that overlap by '
            f'{2 * sides[1]} (--window, --overlap){"; " * bool(raster.note)}{raster.note}',
            flush=True,
        )
        each = partial(_each, prefix)
        seen = overview.seeing(read)
        if predictor.library == 'mmseg':
            parts = overview.labelled(segment(seen, scores_of(predictor), size, factor, *sides, each))
            classes = predictor.dataset_meta['classes']
            counts = write_labels(segments, without_data(parts, path, raster.geo), size, len(classes), raster.geo)
            prediction = {'segments': str(segments), 'shares': shares_of(counts, predictor.dataset_meta)}
            if picture is not None:
                from mmseg.structures import SegDataSample

                labels = torch.from_numpy(overview.labels)[None]
                sample = SegDataSample(pred_sem_seg=PixelData(data=labels))
                write_png(picture, predictor.drawn(overview.image, [sample], score)[..., ::-1])
            return prediction
        found = objects(seen, _instances(predictor), size, factor, *sides, each)
        if cut := int(found.is_cut.sum()):
            print(f'{prefix}{cut} of {len(found.boxes)} objects end at the edge of a window; a larger --overlap helps')
        if picture is not None:
            write_png(picture, _drawn(overview, found, score)[..., ::-1])
        return _to_json(predictor, found, size, segments)


def _each(prefix: str, windows: list[Any]) -> Any:
    return reported(windows, len(windows), prefix, 'windows')


def _reader(raster: Raster, predictor: Predictor) -> Read:
    """A function that reads the bands of the network, three of them in B, G, R."""
    channels = predictor.opened.in_channels
    spec = predictor.opened.spec
    chosen = spec.bands if spec is not None else ()
    if spec is not None and spec.reads:
        try:
            spec.reads.require(raster.bands, raster.dtype.name)
        except ImageError as error:
            raise UnreadableError(str(error)) from error
        order = [band - 1 for band in chosen]
    elif not chosen and raster.bands == channels:
        order = list(range(channels))
    elif not chosen and channels == 3 and raster.bands - raster.has_alpha in (1, 3):
        order = [0, 0, 0] if raster.bands < 3 else [0, 1, 2]
    else:
        raise UnreadableError(f'the image has {raster.bands} bands; the network expects {channels} bands')
    if channels == 3 and not chosen and raster.dtype != np.uint8:
        raise UnreadableError(f'the values are {raster.dtype}; the network expects colors of 8 bits')
    order = order[::-1] if channels == 3 else order
    # A range of bands is a view, and others a copy.
    kind = np.uint8 if raster.dtype == np.uint8 else np.float32  # as whole images are read
    return lambda rows, columns: raster.read(rows, columns)[..., order].astype(kind, copy=False)


def scores_of(predictor: Predictor) -> Callable[[Array], Array]:
    """Return a function from pixels `(h, w, bands)` to the scores `(classes, h, w)` of a network of mmseg."""
    from mmseg.structures import SegDataSample

    def network(pixels: Array) -> Array:
        size = pixels.shape[:2]
        meta = {'ori_shape': size, 'img_shape': size, 'pad_shape': size}
        inputs = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
        (sample,) = predictor.predict([{'inputs': inputs, 'data_samples': SegDataSample(metainfo=meta)}])
        scores: Array = sample.seg_logits.data.numpy()
        return scores if len(scores) > 1 else scores - predictor.model.decode_head.threshold

    return network


def _instances(predictor: Predictor) -> Callable[[Array], tuple[Array, Array, Array, Array | None]]:
    def network(pixels: Array) -> tuple[Array, Array, Array, Array | None]:
        (sample,) = predictor.predict(predictor.prepare(np.ascontiguousarray(pixels)))
        found = sample.pred_instances
        masks = found.masks.numpy().astype(bool) if 'masks' in found else None
        return found.bboxes.numpy().astype(float), found.scores.numpy(), found.labels.numpy(), masks

    return network


def _to_json(predictor: Predictor, found: Found, size: tuple[int, int], file: Path) -> dict[str, Any]:
    instances = InstanceData(
        bboxes=torch.from_numpy(found.boxes),
        scores=torch.from_numpy(found.scores),
        labels=torch.from_numpy(found.labels),
    )
    prediction = predictor.to_json([SimpleNamespace(pred_instances=instances)], file)
    if found.masks is not None:
        from pycocotools import mask as coco

        packed = [
            coco.frPyObjects({'size': list(size), 'counts': run_lengths_of(part, size)}, *size) for part in found.masks
        ]
        prediction['masks'] = [{'size': one['size'], 'counts': one['counts'].decode()} for one in packed]
    return prediction


class _Overview:
    """A smaller copy of an image, and of its labels, of every n-th pixel: made while windows are read."""

    def __init__(self, size: tuple[int, int], bands: int) -> None:
        self.step = -(-max(size) // _OVERVIEW)
        self._shape = [-(-side // self.step) for side in size]
        self._pixels: Array | None = None
        self.labels = np.zeros(self._shape, np.int16)

    def seeing(self, read: Read) -> Read:
        """Return a function that reads as the given one, and keeps what it read."""

        def see(rows: slice, columns: slice) -> Array:
            pixels = read(rows, columns)
            if self._pixels is None:
                self._pixels = np.zeros((*self._shape, pixels.shape[2]), pixels.dtype)
            (y, top), (x, left) = (self._places(part) for part in (rows, columns))
            part = pixels[top :: self.step, left :: self.step]
            self._pixels[y : y + part.shape[0], x : x + part.shape[1]] = part
            return pixels

        return see

    def labelled(self, parts: Any) -> Any:
        """Yield parts of labels from above, and keep every n-th label."""
        top = 0
        for labels in parts:
            y, first = self._places(slice(top, top + len(labels)))
            part = labels[first :: self.step, :: self.step]
            self.labels[y : y + len(part)] = part
            top += len(labels)
            yield labels

    def _places(self, part: slice) -> tuple[int, int]:
        """The first place of the overview in a part of an axis, and the pixel of the part that it shows."""
        place = -(-part.start // self.step)
        return place, place * self.step - part.start

    @property
    def image(self) -> Image:
        """The overview in R, G, B; of other bands the first three, of other than 8 bits without extremes."""
        assert self._pixels is not None
        shown = self._pixels[..., :3] if self._pixels.shape[2] != 3 else self._pixels[..., ::-1]
        if shown.shape[2] < 3:
            shown = shown[..., [0, 0, 0]]
        if shown.dtype == np.uint8:
            return np.ascontiguousarray(shown)
        low, high = np.nanpercentile(shown, (2, 98), axis=(0, 1))
        scaled = np.nan_to_num((shown - low) / np.maximum(high - low, 1e-9)).clip(0, 1) * 255
        return np.asarray(scaled, dtype=np.uint8)


def _drawn(overview: _Overview, found: Found, score: float) -> Image:
    """The overview with boxes and masks in a color for each class."""
    image = overview.image
    for i in np.flatnonzero(found.scores >= score).tolist():
        color = [round(255 * one) for one in mpl.colormaps['tab10'](int(found.labels[i]) % 10)[:3]]
        if found.masks is not None:
            top, left, mask = found.masks[i]
            y, x = -(-top // overview.step), -(-left // overview.step)
            small = mask[y * overview.step - top :: overview.step, x * overview.step - left :: overview.step]
            part = image[y : y + small.shape[0], x : x + small.shape[1]]
            part[small] = (part[small] * 0.5 + np.array(color) * 0.5).astype(np.uint8)
        x1, y1, x2, y2 = (round(side / overview.step) for side in found.boxes[i].tolist())
        cv2.rectangle(image, (x1, y1), (x2, y2), color, 1)
    return image
