"""Faster reading gives the same samples: contiguous images, and batches in one block of shared memory."""

import pickle

import cv2
import mmcv
import mmpose.datasets.transforms
import mmpose.registry
import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.registry import FUNCTIONS, TRANSFORMS
from mmengine.structures import BaseDataElement
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from hrnet_mm.engine import block_collate
from hrnet_mm.errors import UserError


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal', None])
@pytest.mark.parametrize('shape', [(5, 7), (5, 7, 1), (5, 7, 3), (33, 1, 3), (1, 33, 4), (6, 8, 5)])
@pytest.mark.parametrize('dtype', ['uint8', 'float32', 'int64'])
def test_an_image_becomes_contiguous(rng, direction, shape, dtype):
    image = rng.integers(0, 256, (shape[0] + 2, shape[1] + 3, *shape[2:])).astype(dtype)[1:-1, 1:-2]  # a crop
    view = image if direction is None else mmcv.imflip(image, direction)
    results = TRANSFORMS.build({'type': 'hrnet_mm.ContiguousImage'})({'img': view, 'flip': True})
    assert results['img'].flags.c_contiguous
    assert results['img'].dtype == view.dtype
    assert results['flip']
    np.testing.assert_array_equal(results['img'], view)


def test_images_of_a_list_become_contiguous(rng):
    images = [rng.integers(0, 256, (4, 5, 3)).astype(np.uint8)[:, ::-1] for _ in range(2)]
    results = TRANSFORMS.build({'type': 'hrnet_mm.ContiguousImage'})({'img': images})
    assert all(image.flags.c_contiguous for image in results['img'])
    np.testing.assert_array_equal(results['img'], images)


def test_the_warp_of_a_mirrored_image_is_the_same(rng):
    image = rng.integers(0, 256, (48, 63, 3)).astype(np.uint8)[:, ::-1]
    matrix = cv2.getRotationMatrix2D((60, 10), 33, 1.7)  # partly outside
    contiguous = TRANSFORMS.build({'type': 'hrnet_mm.ContiguousImage'})({'img': image})['img']
    np.testing.assert_array_equal(cv2.warpAffine(contiguous, matrix, (40, 30)), cv2.warpAffine(image, matrix, (40, 30)))


EXIF = Image.Exif()
EXIF[0x0112] = 6  # rotated
FILES = {
    'gray': ('L', (63, 41), 'x.jpg', {}),
    'CMYK': ('CMYK', (63, 41), 'x.jpg', {}),
    'rotated': ('RGB', (63, 41), 'x.jpg', {'exif': EXIF}),
    'progressive': ('RGB', (64, 48), 'x.jpg', {'progressive': True}),
    'PNG': ('RGBA', (63, 41), 'x.png', {}),
    'palette': ('P', (17, 9), 'x.png', {}),
    'one pixel': ('RGB', (1, 1), 'x.jpg', {}),
}


@pytest.mark.parametrize('kind', FILES)
@pytest.mark.parametrize('corner', [(3, 5), (-40, 30), (200, 300)])  # inside, partly outside, outside
def test_a_pose_pipeline_gives_the_same_samples_of_every_file(rng, kind, corner, tmp_path):
    mode, size, name, options = FILES[kind]
    image = Image.fromarray(rng.integers(0, 256, (*size[::-1], 3)).astype(np.uint8))
    image.convert(mode).save(tmp_path / name, **options)
    kinds = ['LoadImage', 'GetBBoxCenterScale', 'RandomFlip', 'RandomBBoxTransform', 'TopdownAffine', 'PackPoseInputs']
    steps = [mmpose.registry.TRANSFORMS.build({'type': kind, **SETTINGS.get(kind, {})}) for kind in kinds]
    faster = [*steps[:3], TRANSFORMS.build({'type': 'hrnet_mm.ContiguousImage'}), *steps[3:]]
    for seed in range(4):
        samples, numbers = [], []
        for pipeline in (steps, faster):
            np.random.seed(seed)
            results = person(tmp_path / name, corner)
            for step in pipeline:
                results = step(results)
            samples.append(results['inputs'])
            numbers.append(np.random.rand())
        assert torch.equal(*samples)
        assert numbers[0] == numbers[1]


SETTINGS = {'RandomFlip': {'prob': 0.5}, 'TopdownAffine': {'input_size': (24, 32)}}


def person(path, corner):
    return {
        'img_path': str(path),
        'bbox': np.array([[*corner, corner[0] + 30, corner[1] + 20]], np.float32),
        'keypoints': np.array([[[*corner], [8, 9]]], np.float32),
        'keypoints_visible': np.ones((1, 2), np.float32),
        'flip_indices': [1, 0],
    }


class Samples(Dataset):
    """Samples of every kind of value."""

    def __len__(self):
        return 4

    def __getitem__(self, index):
        random = torch.Generator().manual_seed(index)
        image = torch.rand(3, 4, 5, generator=random)
        values = {
            'float': image,
            'empty': torch.zeros(0, 4),
            'bf16': image.bfloat16(),
            'bool': image > 0.5,
            'scalar': torch.tensor(index),
            'channels_last': image[None].to(memory_format=torch.channels_last),
            'array': image.numpy().astype(np.uint16),
            'no_boxes': np.zeros((0, 4), np.float32),
            'fortran': np.asfortranarray(image[0].numpy()),
            'mirrored': image.numpy()[:, ::-1],
            'objects': np.array([{'name': 'x'}, None], dtype=object),
            'path': f'{index}.jpg',
            'twice': [image, image],
        }
        return {'inputs': image.mul(255).byte(), 'data_samples': BaseDataElement(metainfo=values)}


def loaded(collate, workers, **kwargs):
    return list(DataLoader(Samples(), 2, num_workers=workers, collate_fn=collate, **kwargs))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'function'), [('pseudo_collate', pseudo_collate), ('default_collate', default_collate)]
)
def test_workers_send_the_same_batches(name, function):
    expected, collate = loaded(function, 0), FUNCTIONS.get('hrnet_mm.block_collate')
    for batches in (loaded(lambda batch: collate(batch, name), workers) for workers in (0, 2)):
        assert len(batches) == len(expected) == 2
        for batch, same in zip(batches, expected, strict=True):
            assert type(batch['inputs']) is type(same['inputs'])
            for image, other in zip(batch['inputs'], same['inputs'], strict=True):
                assert torch.equal(image, other)
                image += 1  # writable
            for sample, other in zip(batch['data_samples'], same['data_samples'], strict=True):
                for key, value in other.metainfo_items():
                    equal(sample.get(key), value)


def equal(value, other):
    assert type(value) is type(other)
    if isinstance(other, torch.Tensor):
        assert torch.equal(value, other)
        assert (value.dtype, value.stride()) == (other.dtype, other.stride())
    elif isinstance(other, np.ndarray):
        np.testing.assert_array_equal(value, other)
        assert value.dtype == other.dtype
    else:
        assert str(value) == str(other)


def test_one_block_for_a_batch(monkeypatch):
    monkeypatch.setattr('hrnet_mm.engine.feed.get_worker_info', lambda: object())
    block = block_collate([Samples()[0], Samples()[1]])
    _, (content, tensor, sizes) = block.__reduce__()
    assert tensor.dtype == torch.uint8
    assert tensor.numel() % 64 == 0
    assert len(sizes) >= 12
    assert len(content) + tensor.numel() < 1.2 * len(pickle.dumps(pseudo_collate([Samples()[0], Samples()[1]])))


def test_an_unknown_function_is_a_sentence():
    with pytest.raises(UserError, match="collate='psuedo_collate' is no function"):
        block_collate([], 'psuedo_collate')
