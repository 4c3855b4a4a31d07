"""The data of the study: each task's parts for training and testing, its measures, and the records of a test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from _study_networks import heat_maps
from _study_statistics import Records
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hrnet_mm.data import prepare_digits, prepare_people
from hrnet_mm.data.photographs import Image
from hrnet_mm.data.rendered.bodies import draw_build, draw_pose, pose_body
from hrnet_mm.data.rendered.dataset import Rendered, prepare_rendered
from hrnet_mm.data.rendered.drawing import Canvas, crop_photograph, pick
from hrnet_mm.data.rendered.figures import CLASSES, Figure, class_map, draw_look
from hrnet_mm.data.rendered.people import draw_figures, draw_light, read_people

Config = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """Dataset configs: for training, its images (or some of them) without augmentation, and for testing."""

    train: Config
    check: Config
    test: Config


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
    folder = _people(part)
    crop = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
    affine = dict(type='TopdownAffine', input_size=(size, size))
    change = [
        dict(type='RandomFlip', direction='horizontal'),
        dict(type='RandomBBoxTransform', shift_prob=0.0, rotate_factor=15.0, rotate_prob=0.5, scale_factor=(0.9, 1.1)),
    ]
    pack = dict(type='PackPoseInputs')
    target = dict(type='GenerateTarget', encoder=heat_maps(size, stride))
    shared = dict(type='CocoDataset', data_root=str(folder), data_prefix=dict(img='images/'), data_mode='topdown')
    still = dict(**shared, test_mode=True, pipeline=[*crop, affine, pack])
    return Data(
        dict(**shared, ann_file=f'{part.train}.json', pipeline=[*crop, *change, affine, target, pack]),
        still | dict(ann_file=f'{part.train}.json', indices=500),
        still | dict(ann_file=f'{part.test}.json'),
    )


def _people(part: Part) -> Path:
    return prepare_people(part.root, *(('people-50000', LARGE_PEOPLE) if part.large else ()))


_FLIP = dict(type='RandomFlip', prob=0.5, direction='horizontal')


def segmentation_data(part: Part, size: int, stride: int) -> Data:
    """The same images of people at twice `size`, cropped to `size` in training and tested whole; their six parts."""
    folder = _people(part)
    names = sorted(file.name for file in (folder / 'images').iterdir())

    def places(name: str) -> list[int]:
        of = ('fit', 'val') if name == 'train' else (name,)
        return [place for place, one in enumerate(names) if one.startswith(of)]

    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    shrink = dict(type='Resize', scale=(2 * size, 2 * size))
    pack = dict(type='PackSegInputs')
    shared = dict(
        type='BaseSegDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        img_suffix='.jpg',
        seg_map_suffix='.png',
        metainfo=dict(classes=CLASSES),
    )
    still = dict(**shared, pipeline=[load[0], shrink, load[1], pack])  # labels keep their size, as in mmseg's configs
    crop = dict(type='RandomCrop', crop_size=(size, size))
    return Data(
        dict(**shared, indices=places(part.train), pipeline=[*load, shrink, crop, _FLIP, pack]),
        still | dict(indices=places(part.train)[:300]),
        still | dict(indices=places(part.test)),
    )


LEAST, MOST = 16, 256  # heights of people in pixels


def render_sizes(random: np.random.Generator, photographs: Sequence[Image]) -> Rendered:
    """Two to five people, 256 x 256 pixels; the logarithms of their heights, `LEAST` to `MOST` pixels, are uniform."""
    side = 256
    canvas = Canvas(crop_photograph(random, pick(random, photographs), side, side), draw_light(random))
    figures = []
    for size in sorted(np.exp(random.uniform(np.log(LEAST), np.log(MOST), random.integers(2, 6)))):
        build, pose = draw_build(random), draw_pose(random)
        x, y = side * random.uniform(0.05, 0.95), side * random.uniform(0.25, 0.75)
        if size > side / 2:  # the large ones are whole
            y = side * random.uniform(0.45, 0.6)
        figures.append(Figure(pose_body(build, pose).placed(x, y, size), build, draw_look(random, photographs)))
    people = read_people(canvas, figures, draw_figures(canvas, figures))
    classes = class_map(canvas)
    canvas.add_noise(random)
    return Rendered(canvas.image(), classes, [(person.mask, {}) for person in people if person.is_labeled])


def prepare_sizes(part: Part) -> Path:
    """Write 350 images of `render_sizes`, or 10,000 at the large scale, below `root`, unless they are there."""
    counts = {'fit': 160, 'val': 40, 'test': 150}
    if part.large:
        counts = {'fit': 8_000, 'val': 1_000, 'test': 1_000}
    name = 'people-sizes-10000' if part.large else 'people-sizes'
    return prepare_rendered(part.root, name, 1, counts, render_sizes, {'name': 'person'})


def detection_data(part: Part, size: int, stride: int, masks: bool = False) -> Data:
    """People of all sizes, whole images, with boxes and if asked for with masks."""
    folder = prepare_sizes(part)
    load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=masks)]
    whole = dict(type='Resize', scale=(size, size), keep_ratio=True)
    pack = dict(type='PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))
    shared = dict(
        type='CocoDataset',
        data_root=str(folder),
        data_prefix=dict(img='images'),
        metainfo=dict(classes=('person',)),
    )
    still = dict(**shared, test_mode=True, pipeline=[load[0], whole, pack])
    return Data(
        dict(**shared, ann_file=f'{part.train}.json', pipeline=[*load, whole, _FLIP, pack]),
        still | dict(ann_file=f'{part.train}.json', indices=100),
        still | dict(ann_file=f'{part.test}.json'),
    )


def instance_data(part: Part, size: int, stride: int) -> Data:
    return detection_data(part, size, stride, masks=True)


def classification_data(part: Part, size: int, stride: int) -> Data:
    """Digits enlarged to `size`: an eighth of the training digits, or at the large scale the whole of Fashion-MNIST."""
    resize, pack = dict(type='Resize', scale=size), dict(type='PackInputs')
    change = [
        dict(type='Rotate', angle=10.0, prob=0.7, pad_val=0),
        dict(type='RandomCrop', crop_size=size, padding=2),
    ]
    if part.large:
        if part.fashion is None:
            raise ValueError('the large scale classifies Fashion-MNIST: say with --fashion where its IDX files are')
        return _fashion(part, [resize, *change, pack], [resize, pack])
    folder = prepare_digits(part.root)
    load = dict(type='LoadImageFromFile', color_type='grayscale')
    shared = dict(
        type='CustomDataset',
        data_root=str(folder),
        data_prefix='images',
        classes=[str(digit) for digit in range(10)],
    )
    lines = (folder / f'{part.train}.txt').read_text().splitlines()
    every_eighth = dict(ann_file=f'{part.train}.txt', indices=list(range(0, len(lines), 8)))
    still = dict(**shared, pipeline=[load, resize, pack])
    return Data(
        dict(**shared, **every_eighth, pipeline=[load, resize, *change, pack]),
        still | every_eighth,
        still | dict(ann_file=f'{part.test}.txt'),
    )


FASHION_HELD_OUT = 10_000


def _fashion(part: Part, train: list[Config], test: list[Config]) -> Data:
    """60,000 and 10,000 images; rates are chosen on the first 50,000 and the other 10,000 of the training part."""
    shared = dict(type='FashionMNIST', data_root=str(part.fashion), download=False)
    with (Path(str(part.fashion)) / 'train-labels-idx1-ubyte').open('rb') as file:
        images = int.from_bytes(file.read(8)[4:], 'big')
    held_out = images - FASHION_HELD_OUT
    fit = dict(indices=held_out) if part.train == 'fit' else {}
    tested = dict(split='test', test_mode=True)
    if part.test == 'val':
        tested = dict(indices=list(range(held_out, images)))
    return Data(
        dict(**shared, **fit, pipeline=train),
        dict(**shared, indices=min(held_out, 10_000), pipeline=test),
        dict(**shared, **tested, pipeline=test),
    )


# Records of a test. A reader takes what is needed from a tested sample; a merger makes of all of them the records of
# both measures, whose forms are those of _study_statistics.


def read_pose(sample: Any) -> tuple[Any, ...]:
    """The image, and keypoints that are near enough at a tenth and a fifth of the box's longer side (mmpose's PCK)."""
    true, (x0, y0, x1, y1) = sample.gt_instances, sample.gt_instances.bboxes[0]
    distance = np.linalg.norm(sample.pred_instances.keypoints[0] - true.keypoints[0], axis=1) / max(x1 - x0, y1 - y0)
    of = np.asarray(true.keypoints_visible).reshape(-1) > 0
    return sample.img_id, (distance < 0.1) & of, of, (distance < 0.2) & of, of


def read_segmentation(sample: Any) -> tuple[Any, ...]:
    """Intersections and unions by class, and pixels that are right (mmseg's mIoU and aAcc)."""
    predicted, true = (one.data.squeeze().cpu().numpy() for one in (sample.pred_sem_seg, sample.gt_sem_seg))
    predicted = predicted[true != 255]
    true = true[true != 255]
    pairs = np.bincount(len(CLASSES) * true.astype(int) + predicted, minlength=len(CLASSES) ** 2)
    pairs = pairs.reshape(len(CLASSES), len(CLASSES))
    right = pairs.diagonal()
    return None, right, pairs.sum(0) + pairs.sum(1) - right, right.sum(keepdims=True), [true.size]


def read_class(sample: Any) -> tuple[Any, ...]:
    """Whether the best and one of the two best classes is the right one."""
    best = sample.pred_score.cpu().numpy().argsort()[::-1][:2] == int(sample.gt_label)
    return None, best[:1], [1], best.sum(keepdims=True), [1]


def merge_ratios(read: Sequence[tuple[Any, ...]], annotations: str) -> tuple[Records, Records]:
    """The sums of each image; where a reader names none, every sample is one."""
    names = [place if one[0] is None else one[0] for place, one in enumerate(read)]
    _, image = np.unique(names, return_inverse=True)

    def add(column: int) -> npt.NDArray[np.uint32]:
        rows = np.array([one[column] for one in read], dtype=np.uint32)
        total = np.zeros((image.max() + 1, rows.shape[1]), np.uint32)
        np.add.at(total, image, rows)
        return total

    return {'hits': add(1), 'of': add(2)}, {'hits': add(3), 'of': add(4)}


def read_boxes(sample: Any) -> tuple[Any, ...]:
    found = sample.pred_instances
    return sample.img_id, found.bboxes.cpu().numpy(), found.scores.cpu().numpy()


def merge_boxes(read: Sequence[tuple[Any, ...]], annotations: str) -> tuple[Records, Records]:
    """pycocotools' matches of all detections at ten thresholds, and at the first of them."""
    found = [
        dict(image_id=image, category_id=1, bbox=[x0, y0, x1 - x0, y1 - y0], score=score)
        for image, boxes, scores in read
        for (x0, y0, x1, y1), score in zip(boxes.tolist(), scores.tolist(), strict=True)
    ]
    true = COCO(annotations)
    images = sorted(one[0] for one in read)
    objects = np.array([len(true.getAnnIds(imgIds=[image])) for image in images], np.uint16)
    scores, matches, image = [np.zeros(0)], [np.zeros((10, 0))], [np.zeros(0)]
    if found:
        evaluation = COCOeval(true, true.loadRes(found), 'bbox')
        evaluation.params.imgIds = images
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ['all']
        evaluation.evaluate()
        for one in filter(None, evaluation.evalImgs):
            scores.append(one['dtScores'])
            matches.append(one['dtMatches'] > 0)
            image.append(np.full(len(one['dtScores']), images.index(one['image_id'])))
    records = {
        'scores': np.concatenate(scores).astype(np.float32),
        'matches': np.concatenate(matches, axis=1).T.astype(bool),
        'image': np.concatenate(image).astype(np.uint16),
        'objects': objects,
    }
    return records, records | {'matches': records['matches'][:, :1]}


@dataclass(frozen=True)
class Task:
    """A task of the study.

    Attributes:
        scope: The library.
        data: Its datasets.
        measures: The names of two measures; claims are about the first.
        mark: A measure, and the value that a network must reach on its own training images to be compared.
        read: See above.
        merge: See above.
        channels: Of an image.
    """

    scope: str
    data: Callable[[Part, int, int], Data]
    measures: tuple[str, str]
    mark: tuple[str, float]
    read: Callable[[Any], tuple[Any, ...]]
    merge: Callable[[Sequence[tuple[Any, ...]], str], tuple[Records, Records]]
    channels: int = 3

    def read_mark(self, row: Mapping[str, str]) -> float:
        """The value of the mark's measure on the training images, in a row of a run."""
        return float(row['train_value' if self.mark[0] == self.measures[0] else 'train_second_value'])


# Marks were set before any training of this form of the study. A network below half of the training boxes, or far from
# certain about 500 training digits, has not learned its own data. PCK@0.2 is within reach of heatmaps of 4 x 4 pixels.
_BOXES = (('box AP', 'box AP50'), ('box AP50', 50.0), read_boxes, merge_boxes)
TASKS = {
    'pose': Task('mmpose', pose_data, ('PCK@0.1', 'PCK@0.2'), ('PCK@0.2', 75.0), read_pose, merge_ratios),
    'segmentation': Task(
        'mmseg', segmentation_data, ('mIoU', 'pixels right'), ('mIoU', 40.0), read_segmentation, merge_ratios
    ),
    'detection': Task('mmdet', detection_data, *_BOXES),
    'instances': Task('mmdet', instance_data, *_BOXES),
    'classification': Task(
        'mmpretrain', classification_data, ('top-1', 'top-2'), ('top-1', 95.0), read_class, merge_ratios, channels=1
    ),
}
