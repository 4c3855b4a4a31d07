"""Face recipes against the official arithmetic (HRNet-Facial-Landmark-Detection f776dbe), on made inputs."""

import numpy as np
import pytest
import torch
from mmpose.registry import KEYPOINT_CODECS, METRICS, MODELS, TRANSFORMS
from PIL import Image
from pose_protocols import DRAWS, built, draws, optimizer_of, rates, read, same_distribution, step, stepped

NAMES = ('wflw', '300w', 'cofw', 'aflw')
BILINEAR = Image.Resampling.BILINEAR


def config_of(name):
    return read(f'td-hm_hrnetv2-w18_1xb16-60e_{name}-256x256', 'face')


@pytest.mark.parametrize('name', NAMES)
def test_boxes_scale_and_rotate_by_uniform_numbers(name):
    def official():
        scale = np.random.uniform(0.75, 1.25)
        return scale, np.random.uniform(-30, 30) if np.random.rand() <= 0.6 else 0

    np.random.seed(1)
    boxes = {'bbox_scale': np.full((DRAWS, 2), 100, np.float32)}
    drawn = built(TRANSFORMS, step(config_of(name), 'OfficialBBoxTransform'))(boxes)
    scales, angles = np.array(draws(official)).T
    same_distribution(drawn['bbox_scale'][:, 0] / 100, scales)
    same_distribution(drawn['bbox_rotation'], angles)


def official_matrix(center, scale, size, angle=0):
    """The matrix of `get_transform`: from the image to `size` pixels of a box of 200 * `scale` pixels."""
    side = 200 * scale
    matrix = np.array(
        [
            [size / side, 0, size * (0.5 - center[0] / side)],
            [0, size / side, size * (0.5 - center[1] / side)],
            [0, 0, 1],
        ]
    )
    if angle:
        sine, cosine = np.sin(np.radians(-angle)), np.cos(np.radians(-angle))
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        middle = np.array([[1, 0, -size / 2], [0, 1, -size / 2], [0, 0, 1.0]])
        matrix = np.linalg.inv(middle) @ turn @ middle @ matrix
    return matrix


def official_pixel(point, center, scale, size, angle=0, invert=False):
    """`transform_pixel`: 1-based, and cut to whole numbers."""
    matrix = official_matrix(center, scale, size, angle)
    matrix = np.linalg.inv(matrix) if invert else matrix
    return (matrix @ [point[0] - 1, point[1] - 1, 1])[:2].astype(int) + 1


def scipy_image(values):
    """scipy.misc.toimage of an array: floats are stretched to 0 ... 255."""
    if values.dtype != np.uint8:
        low, high = values.min(), values.max()
        values = ((values - low) * (255.0 / ((high - low) or 1))).clip(0, 255) + 0.5
    return Image.fromarray(values.astype(np.uint8))


def scipy_resized(values, height, width):
    return np.asarray(scipy_image(values).resize((width, height), BILINEAR))


def official_crop(image, center, scale, angle):
    """`crop` to 256 x 256 pixels; `image` holds floats, as in the data sets."""
    center = np.array(center, float)
    factor = scale * 200 / 256
    if factor >= 2:
        height, width = image.shape[:2]
        image = scipy_resized(image, int(np.floor(height / factor)), int(np.floor(width / factor)))
        center, scale = center / factor, scale / factor
    start = official_pixel([0, 0], center, scale, 256, invert=True)
    stop = official_pixel([256, 256], center, scale, 256, invert=True)
    pad = int(np.linalg.norm(stop - start) / 2 - float(stop[1] - start[1]) / 2)
    if angle:
        start, stop = start - pad, stop + pad
    crop = np.zeros((stop[1] - start[1], stop[0] - start[0], 3), np.float32)
    for y in range(max(start[1], 0), min(stop[1], image.shape[0])):
        for x in range(max(start[0], 0), min(stop[0], image.shape[1])):
            crop[y - start[1], x - start[0]] = image[y, x]
    if angle:
        crop = np.asarray(scipy_image(crop).rotate(angle, BILINEAR))[pad:-pad, pad:-pad]
    return scipy_resized(crop, 256, 256)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('angle', [0, 17.0, -29.5])
@pytest.mark.parametrize(('side', 'center'), [(90, (60, 70)), (300, (80, 90)), (620, (120, 100))])
def test_crops_are_the_official_ones(name, angle, side, center):
    rng = np.random.default_rng(0)
    image = (40 + 20 * rng.random((180, 220, 3)) + np.linspace(0, 100, 220)[None, :, None]).astype(np.uint8)
    for pipeline in ('train', 'val'):
        crop = built(TRANSFORMS, step(config_of(name), 'FaceCrop', pipeline))
        results = {
            'img': image,
            'bbox_center': np.array([center], np.float32),
            'bbox_scale': np.array([[side, side]], np.float32),
            'bbox_rotation': np.array([angle], np.float32),
            'keypoints': np.array([[[50.0, 60.0]]], np.float32),
        }
        results = crop(results)
        expected = official_crop(image.astype(np.float32), center, side / 200, angle)
        assert results['img'].shape == (256, 256, 3)
        assert np.abs(results['img'].astype(int) - expected).max() <= 1
        matrix = official_matrix(center, side / 200, 256, angle)
        assert np.allclose(results['transformed_keypoints'][0, 0], (matrix @ [50, 60, 1])[:2], atol=0.01)


def test_large_faces_are_filtered_before_they_are_made_smaller():
    """Stripes finer than the input become grey; an interpolation without a filter would alias."""
    image = np.zeros((800, 800, 3), np.uint8)
    image[:, ::2] = 255
    image[60:120], image[680:740] = 0, 255  # so that the contrast of the crop is that of the image
    results = {'img': image, 'bbox_center': np.array([[400.0, 400]]), 'bbox_scale': np.array([[700.0, 700]])}
    inner = built(TRANSFORMS, {'type': 'FaceCrop', 'input_size': (256, 256)})({**results, 'keypoints': None})['img']
    assert inner[60:-60, 20:-20].std() < 20
    aliased = built(TRANSFORMS, {'type': 'TopdownAffine', 'input_size': (256, 256)})({**results, 'keypoints': None})
    assert aliased['img'][60:-60, 20:-20].std() > 60


def test_a_flipped_image_is_cropped_one_pixel_further_right():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (100, 120, 3), dtype=np.uint8)
    crop = built(TRANSFORMS, {'type': 'FaceCrop', 'input_size': (256, 256)})
    flipped, center = np.ascontiguousarray(image[:, ::-1]), (50, 45)
    results = {
        'img': flipped,
        'flip': True,
        'bbox_center': np.array([[120 - 1 - center[0], center[1]]], np.float32),  # mmpose's RandomFlip
        'bbox_scale': np.array([[64.0, 64]], np.float32),
        'keypoints': None,
    }
    expected = official_crop(flipped.astype(np.float32), (120 - center[0], center[1]), 64 / 200, 0)
    assert np.array_equal(crop(results)['img'], expected)


def official_target(cell, size, sigma):
    """`generate_target` at a cell (already cut to whole numbers)."""
    heatmap = np.zeros((size, size))
    reach = sigma * 3
    start = [int(c - reach) for c in cell]
    stop = [int(c + reach + 1) for c in cell]
    if start[0] >= size or start[1] >= size or stop[0] < 0 or stop[1] < 0:
        return heatmap
    length = np.arange(0, 2 * reach + 1, 1, np.float32)
    middle = (2 * reach + 1) // 2
    gaussian = np.exp(-((length - middle) ** 2 + (length[:, None] - middle) ** 2) / (2 * sigma**2))
    for y in range(max(start[1], 0), min(stop[1], size)):
        for x in range(max(start[0], 0), min(stop[0], size)):
            heatmap[y, x] = gaussian[y - max(start[1], 0) + max(0, -start[1]), x - max(start[0], 0) + max(0, -start[0])]
    return heatmap


@pytest.mark.parametrize(
    ('name', 'sigma', 'count'), [('wflw', 1.5, 98), ('300w', 1.0, 68), ('cofw', 1.5, 29), ('aflw', 1.5, 19)]
)
def test_targets_and_the_loss_are_the_official_ones(name, sigma, count):
    config = config_of(name)
    rng = np.random.default_rng(0)
    center, scale, angle = (100.0, 90.0), 0.6, 12.0
    points = rng.uniform(20, 180, (1, count, 2)).astype(np.float32)
    points[0, :2, 1] = (-3, 0)  # above the image: no target
    results = {
        'img': np.zeros((200, 200, 3), np.uint8),
        'keypoints': points,
        'keypoints_visible': np.ones((1, count), np.float32),
        'bbox_center': np.array([center], np.float32),
        'bbox_scale': np.array([[200 * scale] * 2], np.float32),
        'bbox_rotation': np.array([angle], np.float32),
    }
    for kind in ('SkipNonPositiveY', 'FaceCrop', 'GenerateTarget'):
        results = built(TRANSFORMS, step(config, kind))(results)
    differing = 0
    for point, heatmap in zip(points[0], results['heatmaps'], strict=True):
        if point[1] > 0:
            expected = official_target(official_pixel(point + 1, center, scale, 64, angle) - 1, 64, sigma)
        else:
            expected = np.zeros((64, 64))
        differing += not np.allclose(heatmap, expected, atol=1e-6)
    assert differing <= count * 0.02  # a coordinate on the edge of a cell may fall on either side
    assert results['keypoint_weights'].all()
    output, target = torch.rand(2, count, 8, 8), torch.rand(2, count, 8, 8)
    loss = built(MODELS, config.model.head.loss)(output, target, torch.ones(2, count))
    assert loss.item() == pytest.approx(float(((output - target) ** 2).mean()))


def test_decoding_back_to_the_image_is_the_official_one():
    heatmaps = np.random.default_rng(0).random((98, 64, 64), np.float32)
    center, scale = np.array([110.3, 95.7]), 0.83
    points, _ = built(KEYPOINT_CODECS, config_of('wflw').model.head.decoder).decode(heatmaps)
    in_image = points[0] / 256 * 200 * scale + center - 100 * scale  # mmpose's way back
    metric = built(METRICS, config_of('wflw').test_evaluator)
    metric.dataset_meta = {'dataset_name': 'wflw'}
    assert metric.whole_pixels
    for heatmap, point in zip(heatmaps, in_image, strict=True):
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        cell = np.array([x, y]) + 1.0
        if 0 < x < 63 and 0 < y < 63:
            cell += 0.25 * np.sign([heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]])
        expected = official_pixel(cell + 0.5, center, scale, 64, invert=True)
        assert np.array_equal(np.trunc(point) + 1, expected) or np.abs(point - np.round(point)).min() < 1e-3


@pytest.mark.parametrize(('name', 'rate'), [('wflw', 1e-4), ('300w', 1e-4), ('cofw', 1e-4), ('aflw', 2e-4)])
def test_rates_optimizer_batch_norm_and_test_are_the_official_ones(name, rate):
    config = config_of(name)
    assert list(rates(config)) == pytest.approx(stepped(rate, 60, 30, 50))
    optimizer = optimizer_of(config)
    assert type(optimizer) is torch.optim.Adam
    assert [group['weight_decay'] for group in optimizer.param_groups] == [0]
    assert config.train_dataloader.batch_size == 16
    assert not config.model.test_cfg.flip_test
    with torch.device('meta'):
        model = built(MODELS, config.model)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert {m.momentum for m in layers} == {0.01}  # of the backbone and of the head
    assert sum(m in layers for m in model.head.modules()) == 1
