"""Predictor for a model of any of the four libraries: weights, test pipeline and visualizer."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import VISUALIZERS, init_default_scope

from ..datasets import Annotations
from ..datasets.labels import UNLABELED
from ..errors import UserError
from ..images import ImageError, header_of, read_bands, read_picture
from ..registry import scope_of, type_name
from ..tasks import TASKS
from ..tasks.calibration import KINDS, calibrate_samples, check_calibration
from ..weights import ModelSpec
from ..weights.io import written_aside
from .geo import GeoReference
from .open import OpenedNetwork, data_set
from .raster import UnreadableError, without_data, write_labels

__all__ = ['Predictor', 'UnreadableError', 'shares_of', 'write_png']

Image = npt.NDArray[np.uint8]
Place = tuple[Path, GeoReference]

_TOP_CLASSES = 5
_SMALL = 224  # shortest side of the pictures of classified images, so that the text fits
_LEAST_DRAWN = 480  # shortest side of the pictures of poses
_SHIFT = 4  # OpenCV takes places in 1/16 pixel


class Predictor:
    """A model of a config, with its test pipeline and its library's visualizer.

    Args:
        opened: A network with a config and weights, from `open_network`.

    Attributes:
        opened: The opened network.
        library: The name of the library, such as 'mmseg'.
        model: The library's model.
        dataset_meta: The data set's metadata.
        needs_boxes: Whether the model is a top-down pose model, which takes one object in a box.
        calibrated: What the calibration in the weights makes of the scores; empty where they have none.
        factor: By which the test pipeline resizes images of any size; None if it makes something else of them.

    Raises:
        UserError: The network has no config or no weights, or its config has no test data.

    Examples:
        ```python
        from pathlib import Path
        from hrnet_mm.inference import Predictor, open_network

        predictor = Predictor(open_network('weights.pth'))
        samples = predictor.predict(predictor.prepare(Path('image.jpg')))
        predictor.draw(Path('image.jpg'), samples, score=0.3, file=Path('drawn.png'))
        ```
    """

    def __init__(self, opened: OpenedNetwork) -> None:
        config, name = opened.config, opened.name
        if config is None:
            raise UserError(f'{name} has no config, whose test pipeline reads images; give a config')
        if opened.checkpoint is None:
            raise UserError(f'{name} is a config without weights; give the checkpoint as its weights')
        if config.get('test_dataloader') is None:
            raise UserError(f'the config of {name} has no test_dataloader, whose pipeline reads images; add one')
        scope = scope_of(config)
        init_default_scope(scope)
        self._task = _TASKS[scope]
        self.opened = opened
        self.library = scope
        self.model = opened.network
        self.dataset_meta = dict(opened.metadata)
        steps = [_strict(step) for step in data_set(config).get('pipeline', []) if not _reads_truth(step)]
        self._spec = opened.spec
        self._pipeline = Compose(steps)
        self._after_reading = Compose([step for step in steps if not _is_reader(step)])
        self.factor = _factor(steps)
        self.needs_boxes = any(type_name(step) in ('GetBBoxCenterScale', 'DeepLabCutCrop') for step in steps)
        if self._task is _POSE:
            from ..drop_in.mmpose import visualizer  # noqa: F401  # mmpose's own fails with numpy 2.4
        settings = {**config.get('visualizer', {'type': self._task.visualizer}), 'vis_backends': None}
        self._visualizer: Any = VISUALIZERS.build({**settings, 'name': f'predict {id(self)}', 'save_dir': None})
        self._visualizer.add_image = self._keep  # what it draws and writes to no file
        self._drawn: Image | None = None
        self._task.tell_classes(self._visualizer, self.dataset_meta)
        self._calibration, self._kind = _calibration(opened.spec or opened.checkpoint.spec)
        self.calibrated = KINDS[self._kind].about if self._kind else ''

    def prepare(self, source: Path | Image, boxes: Sequence[Sequence[float]] | None = None) -> list[Any]:
        """Prepare the model's inputs for an image.

        Args:
            source: The image's file, or its pixels `(H, W, C)`, those of three channels in B, G, R.
            boxes: Boxes for a top-down pose model, (x1, y1, x2, y2) in pixels. Default: the whole image.

        Returns:
            One input, or for a top-down pose model one for each box.

        Raises:
            UnreadableError: The image cannot be decoded.
        """
        base = {'img_id': 0, **(self.dataset_meta if self._task is _POSE else {})}
        if not isinstance(source, Path):
            size = source.shape[:2]
            base |= {'img': source, 'img_path': '', 'img_shape': size, 'ori_shape': size}
            return self._prepared(self._after_reading, base, boxes)
        if source.exists() and not source.is_file():  # a pipe would be waited for
            raise UnreadableError('it is a folder, a pipe or a device')
        try:
            return self._prepared(self._pipeline, {**base, 'img_path': str(source)}, boxes)
        except ImageError as error:
            raise UnreadableError(str(error)) from error
        except Exception as error:  # a damaged file raises any exception
            if (reason := _why_unreadable(source)) is None:
                raise
            raise UnreadableError(reason) from error

    def _prepared(
        self, pipeline: Compose, base: Mapping[str, Any], boxes: Sequence[Sequence[float]] | None
    ) -> list[Any]:
        if not self.needs_boxes:
            return [pipeline(dict(base))]
        if boxes is None:
            if 'img' in base:
                height, width = base['ori_shape']
            else:
                header = header_of(Path(base['img_path']))
                height, width = header.height, header.width
            boxes = [(0, 0, width, height)]
        places = [np.array([box], dtype=np.float32) for box in boxes]
        return [pipeline({**base, 'bbox': box, 'bbox_score': np.ones(1, np.float32)}) for box in places]

    def predict(self, inputs: Sequence[Any]) -> list[Any]:
        """Predict on prepared inputs, those of one size in one batch, so that none is padded.

        Args:
            inputs: Inputs from `prepare`, of one image or several.

        Returns:
            The library's data sample of each input, on the CPU. Where the weights are calibrated, the scores of classes
            and boxes are probabilities, `pred_instances` of keypoints have `keypoint_radii` in pixels, and samples of
            segmentation have the probability of each pixel's class, `confidence`.
        """
        places: dict[Any, list[int]] = {}
        for place, one in enumerate(inputs):
            places.setdefault(_shape(one['inputs']), []).append(place)
        samples: dict[int, Any] = {}
        for same in places.values():
            with torch.inference_mode():
                found = self.model.test_step(pseudo_collate([inputs[place] for place in same]))
            samples.update(zip(same, (sample.cpu() for sample in found), strict=True))
        if self._calibration and self._kind:
            calibrate_samples(list(samples.values()), self._calibration, self._kind)
        return [samples[place] for place in range(len(inputs))]

    def to_json(self, samples: Sequence[Any], file: Path, place: Place | None = None) -> dict[str, Any]:
        """Return the predictions for one image as JSON values.

        Args:
            samples: The data samples of the image.
            file: Where a segmentation is written, class indices as PNG; as TIFF where the image has a place.
            place: The image's file and its georeference, which a segmentation keeps.

        Returns:
            Boxes, scores, labels, masks, keypoints or shares of classes, depending on the library; of calibrated
            weights also the radii of keypoints, and the mean probability of the pixels of each class.
        """
        return self._task.to_json(samples, self.dataset_meta, file, place)

    def drawn(self, image: Image, samples: Sequence[Any], score: float) -> Image:
        """Draw the predictions for one image.

        Args:
            image: The image `(H, W, 3)` in R, G, B.
            samples: Its data samples.
            score: The lowest score that is drawn.

        Returns:
            The picture in R, G, B; a small image is enlarged where points or a text would hide it.
        """
        self._task.draw(self._visualizer, image, samples, score, self.dataset_meta)
        assert self._drawn is not None
        return self._drawn

    def _picture(self, path: Path) -> Image:
        if self._spec is None:
            return read_picture(path)
        return read_picture(path, self._spec.reads, self._spec.mean, self._spec.std)

    def draw(self, path: Path, samples: Sequence[Any], score: float, file: Path) -> None:
        """Draw the predictions for one image into a PNG file.

        Args:
            path: The image.
            samples: Its data samples.
            score: The lowest score that is drawn.
            file: The PNG file.
        """
        image = np.ascontiguousarray(self._picture(path)[..., ::-1])
        write_png(file, self.drawn(image, samples, score)[..., ::-1])

    def _keep(self, name: str, image: Image, step: int = 0) -> None:
        self._drawn = image


def write_png(file: Path, image: Image) -> None:
    """Write an image, `(H, W)` or in B, G, R, into a PNG file, whole or not at all."""
    ok, data = cv2.imencode('.png', image)
    assert ok
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(file) as aside:
        aside.write_bytes(data.tobytes())


def _strict(step: Any) -> Any:
    """A step of a pipeline; ours for a library's reader, which makes 8 bits and three channels of any image."""
    is_plain = type_name(step) in ('LoadImage', 'LoadImageFromFile') and not any(
        value for name, value in step.items() if name not in ('type', '_scope_')
    )
    return {'type': 'hrnet_mm.LoadImageBands'} if is_plain else step


def _calibration(spec: ModelSpec | None) -> tuple[Mapping[str, Any] | None, Annotations | None]:
    """The calibration that comes with the weights, and the kind of annotations that it is for."""
    if spec is None or spec.calibration is None or spec.task not in TASKS:
        return None, None
    kind = TASKS[spec.task].annotations
    check_calibration(spec, kind)
    return spec.calibration, kind


def _shape(images: Any) -> Any:
    """Return the shape of an image, or the shapes of those of an augmented test."""
    return tuple(map(_shape, images)) if isinstance(images, list) else tuple(images.shape)


def _reads_truth(step: Mapping[str, Any]) -> bool:
    kind = type_name(step)
    return (kind.startswith('Load') and kind.endswith('Annotations')) or kind in ('FilterAnnotations', 'GenerateTarget')


def _is_reader(step: Mapping[str, Any]) -> bool:
    return type_name(step).startswith('LoadImage')


def _factor(steps: Sequence[Mapping[str, Any]]) -> float | None:
    """The factor by which a pipeline resizes images, if it does nothing else but read and pack them."""
    factor = 1.0
    for step in steps:
        if type_name(step) == 'Resize' and isinstance(step.get('scale_factor'), int | float):
            factor *= step['scale_factor']
        elif not _is_reader(step) and not type_name(step).startswith('Pack'):
            return None
    return factor


def _why_unreadable(path: Path) -> str | None:
    """Return the reason why an image cannot be decoded; None if it can."""
    try:
        read_bands(path)
    except ImageError as problem:
        return str(problem)
    return None


@dataclass(frozen=True)
class _Task:
    """The form of a library's predictions, and the calls of its visualizer."""

    visualizer: str
    to_json: Callable[[Sequence[Any], Mapping[str, Any], Path, Place | None], dict[str, Any]]
    draw: Callable[[Any, Image, Sequence[Any], float, Mapping[str, Any]], None]
    tell_classes: Callable[[Any, Mapping[str, Any]], None]


def _set_meta(visualizer: Any, meta: Mapping[str, Any]) -> None:
    visualizer.dataset_meta = dict(meta)


def _detections(samples: Sequence[Any], meta: Mapping[str, Any], file: Path, place: Place | None) -> dict[str, Any]:
    found = samples[0].pred_instances
    classes = meta.get('classes')
    prediction = {
        'boxes': _rounded(found.bboxes, 2),
        'scores': _rounded(found.scores, 4),
        'labels': [classes[i] if classes else i for i in found.labels.tolist()],
    }
    if 'masks' in found:
        from pycocotools import mask as coco

        packed = [coco.encode(np.asfortranarray(one)) for one in found.masks.numpy().astype(np.uint8)]
        prediction['masks'] = [{'size': one['size'], 'counts': one['counts'].decode()} for one in packed]
    return prediction


def _draw_detections(
    visualizer: Any, image: Image, samples: Sequence[Any], score: float, meta: Mapping[str, Any]
) -> None:
    visualizer.add_datasample('', image, samples[0], draw_gt=False, pred_score_thr=score)


def _segments(samples: Sequence[Any], meta: Mapping[str, Any], file: Path, place: Place | None) -> dict[str, Any]:
    labels = samples[0].pred_sem_seg.data[0].numpy()
    if place is not None:
        parts = without_data([labels.astype(np.int16)], *place)
        counts = write_labels(file, parts, labels.shape, len(meta['classes']), place[1])
    else:
        counts = np.bincount(labels.ravel())
        write_png(file, labels.astype(np.uint8 if labels.max() < 256 else np.uint16))
    prediction: dict[str, Any] = {'segments': str(file), 'shares': shares_of(counts, meta)}
    if 'confidence' in samples[0]:
        sums = np.bincount(labels.ravel(), samples[0].confidence.data.numpy().ravel())
        numbers = np.bincount(labels.ravel())
        classes = meta.get('classes') or [str(i) for i in range(len(numbers))]
        means = {classes[i]: sums[i] / count for i, count in enumerate(numbers.tolist()) if count}
        prediction['confidence'] = {name: round(float(mean), 4) for name, mean in means.items()}
    return prediction


def shares_of(counts: npt.NDArray[np.int64], meta: Mapping[str, Any]) -> dict[str, float]:
    """The shares of the classes that occur, from their numbers of pixels."""
    classes = meta.get('classes') or [str(i) for i in range(len(counts))]
    total = max(int(counts.sum()), 1)
    return {classes[i]: round(count / total, 6) for i, count in enumerate(counts.tolist()) if count}


def _draw_segments(
    visualizer: Any, image: Image, samples: Sequence[Any], score: float, meta: Mapping[str, Any]
) -> None:
    visualizer.alpha = 0.5  # the default of 0.8 hides the image
    sample = samples[0]
    if 'confidence' in sample:
        sample = copy.deepcopy(sample)
        sample.pred_sem_seg.data[sample.confidence.data < score] = UNLABELED
    visualizer.add_datasample('', image, sample, draw_gt=False)


def _tell_segment_classes(visualizer: Any, meta: Mapping[str, Any]) -> None:
    classes = list(meta['classes'])
    palette = meta.get('palette') or np.random.default_rng(0).integers(64, 256, (len(classes), 3)).tolist()
    visualizer.dataset_meta = {'classes': classes, 'palette': palette}


def _poses(samples: Sequence[Any], meta: Mapping[str, Any], file: Path, place: Place | None) -> dict[str, Any]:
    instances = [sample.pred_instances for sample in samples]
    poses = [
        {
            'keypoints': _rounded(points, 2),
            'scores': _rounded(scores, 4),
            **({'box': _rounded(found.bboxes[i], 2)} if 'bboxes' in found else {}),
            **({'radii': _rounded(found.keypoint_radii[i], 2)} if 'keypoint_radii' in found else {}),
        }
        for found in instances
        for i, (points, scores) in enumerate(zip(found.keypoints, found.keypoint_scores, strict=True))
    ]
    names = meta.get('keypoint_id2name') or {}
    return {'poses': poses, 'names': [names[i] for i in sorted(names)]}


def _draw_poses(visualizer: Any, image: Image, samples: Sequence[Any], score: float, meta: Mapping[str, Any]) -> None:
    from mmpose.structures import PoseDataSample, merge_data_samples

    factor = max(1, math.ceil(_LEAST_DRAWN / min(image.shape[:2])))
    image = cv2.resize(image, None, fx=factor, fy=factor)
    visualizer.radius = max(2, min(image.shape[:2]) // 120)  # the defaults are for images of 400 pixels
    visualizer.line_width = max(1, visualizer.radius // 2)
    merged = merge_data_samples([_enlarged(sample, factor) for sample in samples]) if samples else PoseDataSample()
    if samples and 'keypoint_radii' in merged.pred_instances:
        _draw_radii(image, merged.pred_instances, score)
    visualizer.add_datasample('', image, merged, draw_gt=False, draw_bbox=True, kpt_thr=score)


def _enlarged(sample: Any, factor: int) -> Any:
    """Return a copy of a pose for an upsampled image; the center of the first pixel is (0, 0) in both."""
    sample = copy.deepcopy(sample)
    found = sample.pred_instances
    found.keypoints = (found.keypoints + 0.5) * factor - 0.5
    if 'bboxes' in found:
        found.bboxes = found.bboxes * factor
    if 'keypoint_radii' in found:
        found.keypoint_radii = found.keypoint_radii * factor
    return sample


def _draw_radii(image: Image, found: Any, score: float) -> None:
    """Draw a circle around each keypoint of a sufficient score, whose point is drawn over it."""
    shown = np.asarray(found.keypoint_scores) >= score
    for (x, y), radius in zip(found.keypoints[shown], found.keypoint_radii[shown], strict=True):
        for shade, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):  # seen on any color
            place = round(float(x) * (1 << _SHIFT)), round(float(y) * (1 << _SHIFT))
            cv2.circle(image, place, round(float(radius) * (1 << _SHIFT)), shade, width, cv2.LINE_AA, _SHIFT)


def _tell_keypoints(visualizer: Any, meta: Mapping[str, Any]) -> None:
    visualizer.set_dataset_meta(dict(meta))


def _labels(samples: Sequence[Any], meta: Mapping[str, Any], file: Path, place: Place | None) -> dict[str, Any]:
    scores = samples[0].pred_score
    classes = meta.get('classes')
    best = scores.topk(min(_TOP_CLASSES, len(scores)))
    names = [classes[i] if classes else i for i in best.indices.tolist()]
    return {
        'label': names[0],
        'score': round(float(best.values[0]), 4),
        'labels': names,
        'scores': _rounded(best.values, 4),
    }


def _draw_labels(visualizer: Any, image: Image, samples: Sequence[Any], score: float, meta: Mapping[str, Any]) -> None:
    short = min(image.shape[:2])
    factor = _SMALL / short if short < _SMALL else None
    visualizer.visualize_cls(image, samples[0], classes=meta.get('classes'), draw_gt=False, rescale_factor=factor)


def _rounded(values: Any, digits: int) -> Any:
    return np.asarray(values, dtype=np.float64).round(digits).tolist()


_POSE = _Task('PoseLocalVisualizer', _poses, _draw_poses, _tell_keypoints)
_TASKS = {
    'mmdet': _Task('DetLocalVisualizer', _detections, _draw_detections, _set_meta),
    'mmpose': _POSE,
    'mmpretrain': _Task('UniversalVisualizer', _labels, _draw_labels, _set_meta),
    'mmseg': _Task('SegLocalVisualizer', _segments, _draw_segments, _tell_segment_classes),
}
