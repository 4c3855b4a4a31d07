"""Predictor for a model of any of the four libraries: weights, test pipeline and visualizer."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import numpy.typing as npt
import torch
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import VISUALIZERS, init_default_scope

from ..errors import UserError
from ..registry import scope_of, type_name
from ..weights.io import written_aside
from .open import OpenedNetwork, data_set

__all__ = ['Predictor', 'UnreadableError']

Image = npt.NDArray[np.uint8]

_TOP_CLASSES = 5
_SMALL = 224  # shortest side of the pictures of classified images, so that the text fits
_LEAST_DRAWN = 480  # shortest side of the pictures of poses


class UnreadableError(UserError):
    """An image file that cannot be decoded; the message has the reason."""


class Predictor:
    """A model of a config, with its test pipeline and its library's visualizer.

    Args:
        opened: A network with a config and weights, from `open_network`.

    Attributes:
        model: The library's model.
        dataset_meta: The data set's metadata.
        needs_boxes: Whether the model is a top-down pose model, which takes one object in a box.

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
        self.model = opened.network
        self.dataset_meta = dict(opened.metadata)
        steps = [step for step in data_set(config).get('pipeline', []) if not _reads_truth(step)]
        self._pipeline = Compose(steps)
        self.needs_boxes = any(type_name(step) in ('GetBBoxCenterScale', 'DeepLabCutCrop') for step in steps)
        if self._task is _POSE:
            from ..drop_in.mmpose import visualizer  # noqa: F401  # mmpose's own fails with numpy 2.4
        settings = {**config.get('visualizer', {'type': self._task.visualizer}), 'vis_backends': None}
        self._visualizer: Any = VISUALIZERS.build({**settings, 'name': f'predict {id(self)}', 'save_dir': None})
        self._task.tell_classes(self._visualizer, self.dataset_meta)

    def prepare(self, path: Path, boxes: Sequence[Sequence[float]] | None = None) -> list[Any]:
        """Prepare the model's inputs for an image.

        Args:
            path: The image.
            boxes: Boxes for a top-down pose model, (x1, y1, x2, y2) in pixels. Default: the whole image.

        Returns:
            One input, or for a top-down pose model one for each box.

        Raises:
            UnreadableError: The image cannot be decoded.
        """
        try:
            base = {'img_path': str(path), 'img_id': 0, **(self.dataset_meta if self._task is _POSE else {})}
            if not self.needs_boxes:
                return [self._pipeline(base)]
            if boxes is None:
                height, width = mmcv.imread(path).shape[:2]
                boxes = [(0, 0, width, height)]
            places = [np.array([box], dtype=np.float32) for box in boxes]
            return [self._pipeline({**base, 'bbox': box, 'bbox_score': np.ones(1, np.float32)}) for box in places]
        except Exception as error:  # a damaged file raises any exception
            if (reason := _why_unreadable(path)) is None:
                raise
            raise UnreadableError(reason) from error

    def predict(self, inputs: Sequence[Any]) -> list[Any]:
        """Predict on prepared inputs, those of one size in one batch, so that none is padded.

        Args:
            inputs: Inputs from `prepare`, of one image or several.

        Returns:
            The library's data sample of each input, on the CPU.
        """
        places: dict[Any, list[int]] = {}
        for place, one in enumerate(inputs):
            places.setdefault(_shape(one['inputs']), []).append(place)
        samples: dict[int, Any] = {}
        for same in places.values():
            with torch.inference_mode():
                found = self.model.test_step(pseudo_collate([inputs[place] for place in same]))
            samples.update(zip(same, (sample.cpu() for sample in found), strict=True))
        return [samples[place] for place in range(len(inputs))]

    def to_json(self, samples: Sequence[Any], file: Path) -> dict[str, Any]:
        """Return the predictions for one image as JSON values.

        Args:
            samples: The data samples of the image.
            file: Where a segmentation is written, a PNG of class indices.

        Returns:
            Boxes, scores, labels, masks, keypoints or shares of classes, depending on the library.
        """
        return self._task.to_json(samples, self.dataset_meta, file)

    def draw(self, path: Path, samples: Sequence[Any], score: float, file: Path) -> None:
        """Draw the predictions for one image into a PNG file.

        Args:
            path: The image.
            samples: Its data samples.
            score: The lowest score that is drawn.
            file: The PNG file.
        """
        image = mmcv.imread(path, channel_order='rgb')
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_aside(file) as aside:
            drawn = aside.with_name(f'{aside.name}.png')  # the suffix selects a visualizer's format
            self._task.draw(self._visualizer, image, samples, score, str(drawn), self.dataset_meta)
            drawn.rename(aside)


def _shape(images: Any) -> Any:
    """Return the shape of an image, or the shapes of those of an augmented test."""
    return tuple(map(_shape, images)) if isinstance(images, list) else tuple(images.shape)


def _reads_truth(step: Mapping[str, Any]) -> bool:
    kind = type_name(step)
    return (kind.startswith('Load') and kind.endswith('Annotations')) or kind in ('FilterAnnotations', 'GenerateTarget')


def _why_unreadable(path: Path) -> str | None:
    """Return the reason why an image cannot be decoded; None if it can."""
    try:
        if path.stat().st_size == 0:
            return 'the file is empty'
        if cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR) is None:
            return 'the file is not an image that OpenCV reads, or is damaged'
    except OSError as problem:
        return str(problem.strerror or problem)
    return None


@dataclass(frozen=True)
class _Task:
    """The form of a library's predictions, and the calls of its visualizer."""

    visualizer: str
    to_json: Callable[[Sequence[Any], Mapping[str, Any], Path], dict[str, Any]]
    draw: Callable[[Any, Image, Sequence[Any], float, str, Mapping[str, Any]], None]
    tell_classes: Callable[[Any, Mapping[str, Any]], None]


def _set_meta(visualizer: Any, meta: Mapping[str, Any]) -> None:
    visualizer.dataset_meta = dict(meta)


def _detections(samples: Sequence[Any], meta: Mapping[str, Any], file: Path) -> dict[str, Any]:
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
    visualizer: Any, image: Image, samples: Sequence[Any], score: float, file: str, meta: Mapping[str, Any]
) -> None:
    visualizer.add_datasample('', image, samples[0], draw_gt=False, pred_score_thr=score, out_file=file)


def _segments(samples: Sequence[Any], meta: Mapping[str, Any], file: Path) -> dict[str, Any]:
    labels = samples[0].pred_sem_seg.data[0].numpy()
    labels = labels.astype(np.uint8 if labels.max() < 256 else np.uint16)
    ok, data = cv2.imencode('.png', labels)
    assert ok
    file.parent.mkdir(parents=True, exist_ok=True)
    with written_aside(file) as aside:
        aside.write_bytes(data.tobytes())
    numbers = np.bincount(labels.ravel())
    classes = meta.get('classes') or [str(i) for i in range(len(numbers))]
    shares = {classes[i]: round(count / labels.size, 6) for i, count in enumerate(numbers.tolist()) if count}
    return {'segments': str(file), 'shares': shares}


def _draw_segments(
    visualizer: Any, image: Image, samples: Sequence[Any], score: float, file: str, meta: Mapping[str, Any]
) -> None:
    visualizer.alpha = 0.5  # the default of 0.8 hides the image
    visualizer.add_datasample('', image, samples[0], draw_gt=False, out_file=file)


def _tell_segment_classes(visualizer: Any, meta: Mapping[str, Any]) -> None:
    classes = list(meta['classes'])
    palette = meta.get('palette') or np.random.default_rng(0).integers(64, 256, (len(classes), 3)).tolist()
    visualizer.dataset_meta = {'classes': classes, 'palette': palette}


def _poses(samples: Sequence[Any], meta: Mapping[str, Any], file: Path) -> dict[str, Any]:
    instances = [sample.pred_instances for sample in samples]
    poses = [
        {
            'keypoints': _rounded(points, 2),
            'scores': _rounded(scores, 4),
            **({'box': _rounded(found.bboxes[i], 2)} if 'bboxes' in found else {}),
        }
        for found in instances
        for i, (points, scores) in enumerate(zip(found.keypoints, found.keypoint_scores, strict=True))
    ]
    names = meta.get('keypoint_id2name') or {}
    return {'poses': poses, 'names': [names[i] for i in sorted(names)]}


def _draw_poses(
    visualizer: Any, image: Image, samples: Sequence[Any], score: float, file: str, meta: Mapping[str, Any]
) -> None:
    from mmpose.structures import PoseDataSample, merge_data_samples

    factor = max(1, math.ceil(_LEAST_DRAWN / min(image.shape[:2])))
    image = cv2.resize(image, None, fx=factor, fy=factor)
    visualizer.radius = max(2, min(image.shape[:2]) // 120)  # the defaults are for images of 400 pixels
    visualizer.line_width = max(1, visualizer.radius // 2)
    merged = merge_data_samples([_enlarged(sample, factor) for sample in samples]) if samples else PoseDataSample()
    visualizer.add_datasample('', image, merged, draw_gt=False, draw_bbox=True, kpt_thr=score, out_file=file)


def _enlarged(sample: Any, factor: int) -> Any:
    """Return a copy of a pose for an upsampled image; the center of the first pixel is (0, 0) in both."""
    sample = copy.deepcopy(sample)
    found = sample.pred_instances
    found.keypoints = (found.keypoints + 0.5) * factor - 0.5
    if 'bboxes' in found:
        found.bboxes = found.bboxes * factor
    return sample


def _tell_keypoints(visualizer: Any, meta: Mapping[str, Any]) -> None:
    visualizer.set_dataset_meta(dict(meta))


def _labels(samples: Sequence[Any], meta: Mapping[str, Any], file: Path) -> dict[str, Any]:
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


def _draw_labels(
    visualizer: Any, image: Image, samples: Sequence[Any], score: float, file: str, meta: Mapping[str, Any]
) -> None:
    short = min(image.shape[:2])
    factor = _SMALL / short if short < _SMALL else None
    visualizer.visualize_cls(
        image, samples[0], classes=meta.get('classes'), draw_gt=False, rescale_factor=factor, out_file=file
    )


def _rounded(values: Any, digits: int) -> Any:
    return np.asarray(values, dtype=np.float64).round(digits).tolist()


_POSE = _Task('PoseLocalVisualizer', _poses, _draw_poses, _tell_keypoints)
_TASKS = {
    'mmdet': _Task('DetLocalVisualizer', _detections, _draw_detections, _set_meta),
    'mmpose': _POSE,
    'mmpretrain': _Task('UniversalVisualizer', _labels, _draw_labels, _set_meta),
    'mmseg': _Task('SegLocalVisualizer', _segments, _draw_segments, _tell_segment_classes),
}
