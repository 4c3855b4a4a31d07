"""Classes of pixels, HRNetV2."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ..data import prepare_nuclei
from ..datasets.content import Content, Folder
from ..datasets.labels import UNLABELED, label_array, read_labels
from ..datasets.masks import draw_masks
from ..datasets.turning import is_before_turn
from . import pictures
from .base import Metric, Task
from .regions import configure_regions, draw_regions, measure_regions, use_regions

if TYPE_CHECKING:
    from ..weights import ModelSpec

__all__ = ['TASK']


def _measure(folder: Folder) -> dict[str, Any]:
    return {'classes': ('background', *folder.classes), **measure_regions(folder)}


def _configure(config: Any, spec: 'ModelSpec') -> None:
    config.model.decode_head.num_classes = len(spec.classes)
    configure_regions(config, spec)
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.metainfo = {'classes': spec.classes}


def _use_folder(config: Any, folder: Folder, work_dir: Path) -> None:
    use_regions(config)
    for loader, content in ((config.train_dataloader, folder.train), (config.test_dataloader, folder.val)):
        content = _with_labels(folder, content, work_dir / 'labels')
        Path(loader.dataset.ann_file).write_text(json.dumps(content))
        loader.dataset.update(type='CocoSegDataset', data_prefix={'img_path': '', 'seg_map_path': ''})


def _with_labels(folder: Folder, content: Content, labels: Path) -> Content:
    """The content whose images have a `seg_file_name`: the label image, or one that is made from it or the masks."""
    images = []
    for image in content['images']:
        file = folder.path / image.get('label_image', '')
        if 'label_image' not in image or 'label_values' in content or is_before_turn(file, image):
            # Two images may differ in their suffix only.
            file = labels / f'{image["file_name"]}.png'
            file.parent.mkdir(parents=True, exist_ok=True)
            drawn = label_array(folder.path, content, image) if 'label_image' in image else draw_masks(content, image)
            file.write_bytes(cv2.imencode('.png', drawn)[1].tobytes())  # imwrite says nothing of a full disk
        images.append({**image, 'seg_file_name': str(file.resolve())})
    return {**content, 'images': images}


def _use_arch(model: Any, arch: str, channels: Sequence[int]) -> None:
    model.decode_head.update(in_channels=list(channels), channels=sum(channels))


def _baseline(runner: Any, key: str) -> tuple[float, str]:
    """The most common class everywhere."""
    dataset = runner.test_dataloader.dataset
    counts = np.zeros(256, dtype=np.int64)
    for i in range(len(dataset)):
        label = read_labels(Path(dataset.get_data_info(i)['seg_map_path']))
        counts += np.bincount(label.ravel(), minlength=256)
    counts = counts[:UNLABELED]
    # The predicted class has the IoU of its share, every other class that occurs zero.
    name = dataset.metainfo['classes'][int(counts.argmax())]
    return 100 * float(counts.max() / counts.sum() / (counts > 0).sum()), f'all {name}'


def _assess(sample: Any, metainfo: Mapping[str, Any]) -> tuple[float, Any]:
    truth, found = (data.data[0].cpu().numpy() for data in (sample.gt_sem_seg, sample.pred_sem_seg))
    count, labeled = len(metainfo['classes']), truth != UNLABELED
    pairs = truth[labeled].astype(np.int64) * count + found[labeled]
    table = np.bincount(pairs, minlength=count * count).reshape(count, count).astype(float)
    return 1 - float(table.trace() / max(table.sum(), 1)), table


def _pair(sample: Any, metainfo: Mapping[str, Any]) -> pictures.Pair:
    truth, found = (data.data[0].cpu().numpy() for data in (sample.gt_sem_seg, sample.pred_sem_seg))
    return pictures.pair_of_labels(pictures.read(sample.img_path), truth, found)


def _labels(results: Mapping[str, Any]) -> dict[str, Any]:
    return {'labels': results['gt_seg_map'], 'annotations': []}


def _draw(work_dir: Path, samples: Sequence[Any], metainfo: Mapping[str, Any]) -> tuple[list[Path], pictures.Pair]:
    def draw(file: Path, image: pictures.Image, sample: Any) -> pictures.Pair:
        truth, found = (data.data[0].cpu().numpy() for data in (sample.gt_sem_seg, sample.pred_sem_seg))
        return pictures.draw_labels(file, image, truth, found, metainfo['classes'])

    return draw_regions(work_dir, samples, draw)


TASK = Task(
    title='segmentation, HRNetV2',
    about=('semantic segmentation, FCN on HRNetV2', 'the same image'),
    config='fcn_hrnetv2_nuclei.py',
    readout='hrnetv2',
    batch_size=4,
    libraries=('mmseg', 'pycocotools'),
    annotations='regions',
    prepare=prepare_nuclei,
    targets={'mIoU': 85.0},
    metrics=lambda evaluator: (Metric('mIoU', 'mIoU'),),
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
