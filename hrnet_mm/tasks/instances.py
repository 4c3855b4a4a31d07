"""Boxes and masks of objects, HRNetV2p."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import prepare_nuclei
from ..datasets import Folder
from ..datasets.masks import encode
from ..tracking.persons import box_iou
from . import pictures
from .base import Metric, Task, steps
from .regions import configure_regions, draw_regions, measure_regions, use_regions

if TYPE_CHECKING:
    from ..weights import ModelSpec

__all__ = ['TASK']

_SAME = 0.5  # overlap of boxes of one object

_BOXES = (Metric('box AP50', 'coco/bbox_mAP_50', 100), Metric('box AP', 'coco/bbox_mAP', 100))
_MASKS = (Metric('mask AP50', 'coco/segm_mAP_50', 100), Metric('mask AP', 'coco/segm_mAP', 100))


def _metrics(evaluator: Any) -> tuple[Metric, ...]:
    return (*_BOXES, *_MASKS) if 'segm' in evaluator.metric else _BOXES


def _measure(folder: Folder) -> dict[str, Any]:
    return {'classes': folder.classes, 'masks': folder.has_masks, **measure_regions(folder)}


def _configure(config: Any, spec: 'ModelSpec') -> None:
    """Mask R-CNN becomes Faster R-CNN where there are no masks."""
    config.model.roi_head.bbox_head.num_classes = len(spec.classes)
    if spec.masks:
        config.model.roi_head.mask_head.num_classes = len(spec.classes)
    else:
        config.model.type = 'FasterRCNN'
        for name in ('mask_roi_extractor', 'mask_head'):
            del config.model.roi_head[name]
        config.test_evaluator.metric = ['bbox']
    configure_regions(config, spec)
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in steps(loader, 'LoadAnnotations'):
            step.with_mask = spec.masks
        loader.dataset.metainfo = {'classes': spec.classes}


def _use_folder(config: Any, folder: Folder, work_dir: Path) -> None:
    use_regions(config)
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.data_prefix = {'img': ''}
    config.test_evaluator.ann_file = config.test_dataloader.dataset.ann_file


def _use_arch(model: Any, arch: str, channels: Sequence[int]) -> None:
    model.neck.arch = arch


def _baseline(runner: Any, key: str) -> tuple[float, str]:
    return 0.0, 'nothing found'


def _draw(work_dir: Path, samples: Sequence[Any], metainfo: Mapping[str, Any]) -> tuple[list[Path], pictures.Pair]:
    def draw(file: Path, image: pictures.Image, sample: Any) -> pictures.Pair:
        truth, found = sample.gt_instances, sample.pred_instances
        found = found[found.scores > pictures.SHOWN_SCORE]
        return pictures.draw_objects(file, image, _objects(truth), _objects(found), metainfo['classes'])

    return draw_regions(work_dir, samples, draw)


def _assess(sample: Any, metainfo: Mapping[str, Any]) -> tuple[float, Any]:
    """Match objects of any class by their boxes, those of the highest scores first."""
    truth, found = sample.gt_instances, sample.pred_instances
    found = found[found.scores > pictures.SHOWN_SCORE]
    nothing = len(metainfo['classes'])
    of_truth, of_found = truth.labels.cpu().numpy(), found.labels.cpu().numpy()
    overlap = box_iou(found.bboxes.cpu().numpy().astype(float), truth.bboxes.cpu().numpy().astype(float))
    table = np.zeros((nothing + 1, nothing + 1))
    free = np.ones(len(of_truth), bool)
    for index in np.argsort(-found.scores.cpu().numpy()):
        fitting = overlap[index] * free
        best = int(fitting.argmax()) if len(fitting) else 0
        if len(fitting) and fitting[best] >= _SAME:
            free[best] = False
            table[of_truth[best], of_found[index]] += 1
        else:
            table[nothing, of_found[index]] += 1
    np.add.at(table, (of_truth[free], nothing), 1)
    count = len(of_truth) + len(of_found)
    return (1 - float(2 * table.trace() / count) if count else 0.0), table


def _pair(sample: Any, metainfo: Mapping[str, Any]) -> pictures.Pair:
    truth, found = sample.gt_instances, sample.pred_instances
    found = found[found.scores > pictures.SHOWN_SCORE]
    image = pictures.read(sample.img_path)
    return pictures.pair_of_objects(image, _objects(truth), _objects(found), len(metainfo['classes']))


def _labels(results: Mapping[str, Any]) -> dict[str, Any]:
    boxes = np.asarray(results['gt_bboxes'].tensor, float)
    masks = results['gt_masks'].masks if 'gt_masks' in results else [None] * len(boxes)
    return {
        'annotations': [
            {
                'category_id': int(label),
                'bbox': [float(box[0]), float(box[1]), float(box[2] - box[0]), float(box[3] - box[1])],
                **({} if mask is None else {'segmentation': encode(mask)}),
            }
            for box, label, mask in zip(boxes, results['gt_bboxes_labels'], masks, strict=True)
        ]
    }


def _objects(instances: Any) -> pictures.Objects:
    masks = instances.get('masks')
    if masks is not None:
        # mmdet has the true masks as BitmapMasks and the predicted ones as a tensor.
        masks = np.asarray(masks.masks if hasattr(masks, 'masks') else masks.cpu(), dtype=bool)
    return pictures.Objects(instances.bboxes.cpu().numpy(), instances.labels.cpu().numpy(), masks)


TASK = Task(
    title='instances, HRNetV2p',
    about=('instance segmentation, Mask R-CNN on HRNetV2p', '125 nuclei of a microscopy image, left 3/4 -> right 1/4'),
    config='mask-rcnn_hrnetv2p_nuclei.py',
    readout='hrnetv2p',
    batch_size=4,
    libraries=('mmdet',),
    annotations='boxes',
    prepare=prepare_nuclei,
    targets={'box AP50': 50.0, 'mask AP50': 50.0},
    metrics=_metrics,
    measure=_measure,
    configure=_configure,
    use_folder=_use_folder,
    use_arch=_use_arch,
    baseline=_baseline,
    draw=_draw,
    assess=_assess,
    pair=_pair,
    labels=_labels,
)
