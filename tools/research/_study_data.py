"""The data of the study: each task's parts for training and testing, and its measures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _study_networks import heat_maps

from hrnet_mm.data import prepare_digits, prepare_nuclei, prepare_people

Config = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """Dataset configs of the training and the test part, and the metrics."""

    train: Config
    test: Config
    metrics: list[Config]


@dataclass(frozen=True)
class Part:
    """The data of a run: the folder `root`, and the names of the parts for training and testing."""

    root: Path
    train: str
    test: str
    large: bool
    fashion: Path | None = None


# The large scale renders this many images of about two people each.
LARGE_PEOPLE = {'fit': 24_000, 'val': 2_000, 'test': 1_000}


def pose_data(part: Part, size: int, stride: int) -> Data:
    """Rendered people, cropped to `size` x `size`; heatmaps of a side of `size` / `stride`."""
    folder = prepare_people(part.root, *(('people-50000', LARGE_PEOPLE) if part.large else ()))
    crop = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
    affine = dict(type='TopdownAffine', input_size=(size, size))
    change = [
        dict(type='RandomFlip', direction='horizontal'),
        dict(type='RandomBBoxTransform', shift_prob=0.0, rotate_factor=15.0, rotate_prob=0.5, scale_factor=(0.9, 1.1)),
    ]
    pack = dict(type='PackPoseInputs')
    target = dict(type='GenerateTarget', encoder=heat_maps(size, stride))
    shared = dict(type='CocoDataset', data_root=str(folder), data_prefix=dict(img='images/'), data_mode='topdown')
    return Data(
        dict(**shared, ann_file=f'{part.train}.json', pipeline=[*crop, *change, affine, target, pack]),
        dict(**shared, ann_file=f'{part.test}.json', test_mode=True, pipeline=[*crop, affine, pack]),
        [
            dict(type='CocoMetric', ann_file=str(folder / f'{part.test}.json')),
            dict(type='PCKAccuracy', thr=0.1, norm_item='bbox'),
        ],
    )


_FLIP = dict(type='RandomFlip', prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])


def segmentation_data(part: Part, size: int, stride: int) -> Data:
    """Crops of `size` pixels of the microscopy image; the whole test part is tested at once."""
    folder = prepare_nuclei(part.root)
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    pack = dict(type='PackSegInputs')
    shared = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        img_suffix='.png',
        seg_map_suffix='.png',
        metainfo=dict(classes=('background', 'nucleus')),
    )
    crop = dict(type='RandomCrop', crop_size=(size, size))
    return Data(
        dict(**shared, ann_file=f'{part.train}.txt', pipeline=[*load, crop, _FLIP, pack]),
        dict(**shared, ann_file=f'{part.test}.txt', pipeline=[*load, pack]),
        [dict(type='IoUMetric', iou_metrics=['mIoU'])],
    )


def detection_data(part: Part, size: int, stride: int) -> Data:
    """As `segmentation_data`, with boxes and masks."""
    folder = prepare_nuclei(part.root)
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
    whole = dict(type='Resize', scale_factor=1.0)
    pack = dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
    shared = dict(
        type='CocoDataset',
        data_root=str(folder),
        data_prefix=dict(img='images'),
        metainfo=dict(classes=('nucleus',)),
    )
    crop = dict(type='RandomCrop', crop_size=(size, size))
    return Data(
        dict(**shared, ann_file=f'{part.train}.json', pipeline=[*load, crop, whole, _FLIP, pack]),
        dict(**shared, ann_file=f'{part.test}.json', test_mode=True, pipeline=[*load, whole, pack]),
        [dict(type='CocoMetric', ann_file=str(folder / f'{part.test}.json'), metric=['bbox'])],
    )


def instance_data(part: Part, size: int, stride: int) -> Data:
    """As `detection_data`, measured by masks too."""
    data = detection_data(part, size, stride)
    (metric,) = data.metrics
    return Data(data.train, data.test, [metric | dict(metric=['bbox', 'segm'])])


def classification_data(part: Part, size: int, stride: int) -> Data:
    """Digits enlarged to `size`: an eighth of the training digits, or at the large scale the whole of Fashion-MNIST."""
    resize, pack = dict(type='Resize', scale=size), dict(type='PackInputs')
    change = [
        dict(type='Rotate', angle=10.0, prob=0.7, pad_val=0),
        dict(type='RandomCrop', crop_size=size, padding=2),
    ]
    metrics = [dict(type='Accuracy', topk=(1, 2))]
    if part.large:
        if part.fashion is None:
            raise ValueError('the large scale classifies Fashion-MNIST: say with --fashion where its IDX files are')
        return _fashion(part, [resize, *change, pack], [resize, pack], metrics)
    folder = prepare_digits(part.root)
    load = dict(type='LoadImageFromFile', color_type='grayscale')
    shared = dict(
        type='CustomDataset',
        data_root=str(folder),
        data_prefix='images',
        classes=[str(digit) for digit in range(10)],
    )
    lines = (folder / f'{part.train}.txt').read_text().splitlines()
    every_eighth = list(range(0, len(lines), 8))
    return Data(
        dict(**shared, ann_file=f'{part.train}.txt', indices=every_eighth, pipeline=[load, resize, *change, pack]),
        dict(**shared, ann_file=f'{part.test}.txt', pipeline=[load, resize, pack]),
        metrics,
    )


def _fashion(part: Part, train: list[Config], test: list[Config], metrics: list[Config]) -> Data:
    """60,000 and 10,000 images; recipes are chosen on the first 50,000 and the other 10,000 of the training part."""
    shared = dict(type='FashionMNIST', data_root=str(part.fashion), download=False)
    fit = dict(indices=list(range(50_000))) if part.train == 'fit' else {}
    held_out = part.test == 'val'
    tested = dict(indices=list(range(50_000, 60_000))) if held_out else dict(split='test', test_mode=True)
    return Data(dict(**shared, **fit, pipeline=train), dict(**shared, **tested, pipeline=test), metrics)


@dataclass(frozen=True)
class Measure:
    """A value's name, its key in the library's metrics, and the factor to percent."""

    name: str
    key: str
    factor: float = 1


@dataclass(frozen=True)
class Task:
    """A library's scope, the data, two measures, the first of which claims are about, and an image's channels."""

    scope: str
    data: Callable[[Part, int, int], Data]
    measures: tuple[Measure, Measure]
    channels: int = 3


TASKS = {
    'pose': Task('mmpose', pose_data, (Measure('PCK@0.1', 'PCK', 100), Measure('OKS AP', 'coco/AP', 100))),
    'segmentation': Task('mmseg', segmentation_data, (Measure('mIoU', 'mIoU'), Measure('pixels right', 'aAcc'))),
    'detection': Task(
        'mmdet',
        detection_data,
        (Measure('box AP', 'coco/bbox_mAP', 100), Measure('box AP50', 'coco/bbox_mAP_50', 100)),
    ),
    'instances': Task(
        'mmdet',
        instance_data,
        (Measure('box AP', 'coco/bbox_mAP', 100), Measure('mask AP', 'coco/segm_mAP', 100)),
    ),
    'classification': Task(
        'mmpretrain',
        classification_data,
        (Measure('top-1', 'accuracy/top1'), Measure('top-2', 'accuracy/top2')),
        channels=1,
    ),
}
