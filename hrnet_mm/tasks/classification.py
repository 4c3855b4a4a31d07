"""Classes of images, HRNet-C."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data import prepare_digits
from ..datasets import Folder
from . import pictures
from .base import Metric, Task, steps

if TYPE_CHECKING:
    from ..weights import ModelSpec

__all__ = ['TASK']

_SIDES = 64, 128  # least and most, of the network's input
_SHOWN_IN_TILE = 25


def _measure(folder: Folder) -> dict[str, Any]:
    least, most = _SIDES
    shorter = float(np.median([min(image['width'], image['height']) for image in folder.train['images']]))
    side = min(max(32 * round(shorter / 32), least), most)
    return {
        'classes': folder.classes,
        'input_size': (side, side),
        'resize': {'shorter_side': round(side * 8 / 7)},
    }


def _configure(config: Any, spec: 'ModelSpec') -> None:
    from ..weights import CheckpointError

    config.data_preprocessor.num_classes = config.model.head.num_classes = len(spec.classes)
    side = spec.input_size[0]
    if spec.input_size != (side, side):
        raise CheckpointError(f'the model specification has the input_size {spec.input_size}; expected equal sides')
    if spec.resize:
        config.train_dataloader.dataset.pipeline = [
            {'type': 'LoadImageFromFile'},
            {'type': 'RandomResizedCrop', 'scale': side, 'crop_ratio_range': (0.4, 1.0)},
            {'type': 'RandomFlip', 'prob': 0.5},
            {'type': 'PackInputs'},
        ]
        config.test_dataloader.dataset.pipeline = [
            {'type': 'LoadImageFromFile'},
            {'type': 'ResizeEdge', 'scale': int(spec.resized_by('shorter_side'))},
            {'type': 'CenterCrop', 'crop_size': side},
            {'type': 'PackInputs'},
        ]
    for loader in (config.train_dataloader, config.test_dataloader):
        for step in steps(loader, 'Resize'):
            step.scale = side
        loader.dataset.classes = list(spec.classes)


def _use_folder(config: Any, folder: Folder, work_dir: Path) -> None:
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.update(ann_file=_write_list(Path(loader.dataset.ann_file)), data_prefix='')


def _write_list(file: Path) -> str:
    """mmpretrain's list, beside a file in COCO's form: an image and its class a line."""
    images = json.loads(file.read_text())['images']
    listed = file.with_suffix('.txt')
    listed.write_text(''.join(f'{image["file_name"]} {image["category_id"]}\n' for image in images))
    return str(listed)


def _use_arch(model: Any, arch: str, channels: Sequence[int]) -> None:
    model.neck[0].arch = arch


def _baseline(runner: Any, key: str) -> tuple[float, str]:
    dataset = runner.test_dataloader.dataset
    counts = np.bincount([int(dataset.get_data_info(i)['gt_label']) for i in range(len(dataset))])
    return 100 * float(counts.max() / counts.sum()), 'always the same class'


def _draw(work_dir: Path, samples: Sequence[Any], metainfo: Mapping[str, Any]) -> tuple[list[Path], pictures.Pair]:
    file = work_dir / 'predictions.png'
    images = [_classified(sample, metainfo['classes']) for sample in samples]
    pictures.draw_classified(file, images)
    # Those at equal distances in the order of the test part, which is by class.
    return [file], pictures.label_images(images[:: max(1, len(images) // _SHOWN_IN_TILE)][:_SHOWN_IN_TILE])


def _assess(sample: Any, metainfo: Mapping[str, Any]) -> tuple[float, Any]:
    truth, table = int(sample.gt_label), np.zeros((len(metainfo['classes']),) * 2)
    table[truth, int(sample.pred_label)] = 1
    return 1 - float(sample.pred_score[truth]), table


def _pair(sample: Any, metainfo: Mapping[str, Any]) -> pictures.Pair:
    return pictures.label_images([_classified(sample, metainfo['classes'])], side=320)


def _labels(results: Mapping[str, Any]) -> dict[str, Any]:
    return {'category_id': int(results['gt_label']), 'annotations': []}


def _classified(sample: Any, classes: Sequence[str]) -> pictures.Classified:
    found = int(sample.pred_label)
    score = float(sample.pred_score[found])
    return pictures.Classified(Path(sample.img_path), classes[int(sample.gt_label)], classes[found], score)


TASK = Task(
    title='classification, HRNet-C',
    about=('classification, HRNet-C', '5,000 handwritten digits, 4,000 -> 1,000'),
    config='hrnet-c_digits.py',
    readout='hrnet',
    batch_size=32,
    libraries=('mmpretrain',),
    annotations='classes',
    prepare=prepare_digits,
    targets={'top-1': 95.0},
    metrics=lambda evaluator: (Metric('top-1', 'accuracy/top1'),),
    measure=_measure,
    configure=_configure,
    use_folder=_use_folder,
    use_arch=_use_arch,
    baseline=_baseline,
    draw=_draw,
    assess=_assess,
    pair=_pair,
    labels=_labels,
    shown_images=None,
    swap_channels='to_rgb',
)
