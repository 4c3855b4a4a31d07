"""Top-down pose recipes against the official arithmetic (deep-high-resolution-net.pytorch), on made inputs."""

import numpy as np
import pytest
import torch
from mmpose.datasets.transforms import TopdownAffine
from mmpose.evaluation.functional import oks_nms
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.registry import KEYPOINT_CODECS, METRICS, MODELS, TRANSFORMS
from pose_protocols import DRAWS, built, draws, optimizer_of, rates, read, same_distribution, step, stepped

COCO, SIMPLE = 'td-hm_hrnet-w32_4xb32-210e_coco-256x192', 'td-hm_res50_4xb32-140e_coco-256x192'
LARGE, MPII = 'td-hm_hrnet-w48_4xb24-210e_coco-384x288', 'td-hm_hrnet-w32_4xb32-210e_mpii-256x256'
SIGMAS = np.array(
    [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
)


@pytest.mark.parametrize(
    ('config', 'scale_factor', 'rotation'), [(COCO, 0.35, 45), (LARGE, 0.35, 45), (MPII, 0.25, 30), (SIMPLE, 0.3, 40)]
)
def test_boxes_scale_and_rotate_as_officially(config, scale_factor, rotation):
    def official():
        scale = np.clip(np.random.randn() * scale_factor + 1, 1 - scale_factor, 1 + scale_factor)
        angle = np.clip(np.random.randn() * rotation, -2 * rotation, 2 * rotation)
        return scale, angle if np.random.rand() <= 0.6 else 0

    np.random.seed(1)
    boxes = {'bbox_scale': np.full((DRAWS, 2), 100, np.float32)}
    drawn = built(TRANSFORMS, step(read(config), 'OfficialBBoxTransform'))(boxes)
    scales, angles = np.array(draws(official)).T
    same_distribution(drawn['bbox_scale'][:, 0] / 100, scales)
    same_distribution(drawn['bbox_rotation'], angles)


def official_half_body(keypoints, visible, upper_ids, aspect_ratio):
    """Center and size of a half body, before the augmentation; None where the whole body stays."""
    if visible.sum() <= 8 or np.random.rand() >= 0.3:
        return None
    halves = [[], []]
    for joint in np.flatnonzero(visible):
        halves[joint not in upper_ids].append(keypoints[joint])
    upper, lower = halves
    is_upper = np.random.randn() < 0.5 and len(upper) > 2
    chosen = lower if not is_upper and len(lower) > 2 else upper
    if len(chosen) < 2:
        return None
    chosen = np.array(chosen)
    width, height = np.ptp(chosen, axis=0)
    width, height = max(width, aspect_ratio * height), max(height, width / aspect_ratio)
    return (*chosen.mean(axis=0), 1.5 * width, 1.5 * height)


def test_half_bodies_are_the_official_ones():
    keypoints = np.random.default_rng(0).uniform(0, 100, (17, 2)).astype(np.float32)
    visible = np.ones(17)
    visible[[1, 12]] = 0
    upper = list(range(11))
    transform = built(TRANSFORMS, step(read(COCO), 'RandomHalfBody'))

    def ours():
        results = {
            'keypoints': keypoints[None],
            'keypoints_visible': visible[None],
            'upper_body_ids': upper,
            'lower_body_ids': list(range(11, 17)),
            'bbox_center': np.array([[1.0, 1.0]]),
            'bbox_scale': np.array([[2.0, 2.0]]),
        }
        results = transform(results)
        if results['bbox_center'][0, 0] == 1:
            return None
        size = TopdownAffine._fix_aspect_ratio(results['bbox_scale'], 192 / 256)
        return (*results['bbox_center'][0], *size[0])

    drawn = draws(ours)
    official = draws(lambda: official_half_body(keypoints, visible, upper, 192 / 256))
    boxes = sorted({tuple(np.round(box, 2)) for box in official if box})
    assert len(boxes) == 2
    assert np.allclose(sorted({tuple(np.round(box, 2)) for box in drawn if box}), boxes, atol=0.02)
    assert np.mean([box is None for box in drawn]) == pytest.approx(np.mean([b is None for b in official]), abs=0.02)
    shares = [np.mean([box[0] for box in of if box]) for of in (drawn, official)]  # which says how many are upper ones
    assert shares[0] == pytest.approx(shares[1], abs=0.02 * float(abs(boxes[0][0] - boxes[1][0])))


@pytest.mark.parametrize('config', [MPII, SIMPLE])
def test_other_recipes_have_no_half_bodies(config):
    assert 'RandomHalfBody' not in [part.type for part in read(config).train_dataloader.dataset.pipeline]


def official_target(point, size, stride, sigma):
    """The heatmap of a keypoint, in cells of `stride` pixels; None outside."""
    width, height = size
    mu = [int(coordinate / stride + 0.5) for coordinate in point]
    start, stop = [m - 3 * sigma for m in mu], [m + 3 * sigma + 1 for m in mu]
    heatmap = np.zeros((height, width))
    if start[0] >= width or start[1] >= height or stop[0] < 0 or stop[1] < 0:
        return None
    for y in range(max(start[1], 0), min(stop[1], height)):
        for x in range(max(start[0], 0), min(stop[0], width)):
            heatmap[y, x] = np.exp(-((x - mu[0]) ** 2 + (y - mu[1]) ** 2) / (2 * sigma**2))
    return heatmap


@pytest.mark.parametrize(('config', 'size', 'sigma'), [(COCO, (48, 64), 2), (LARGE, (72, 96), 3), (MPII, (64, 64), 2)])
def test_targets_are_the_official_ones(config, size, sigma):
    points = np.random.default_rng(0).uniform(-40, 4 * np.array(size) + 40, (1, 30, 2)).astype(np.float32)
    codec = built(KEYPOINT_CODECS, step(read(config), 'GenerateTarget')['encoder'])
    encoded = codec.encode(points)
    for heatmap, weight, point in zip(encoded['heatmaps'], encoded['keypoint_weights'][0], points[0], strict=True):
        expected = official_target(point, size, 4, sigma)
        assert weight == (expected is not None)
        if expected is not None:
            assert np.allclose(heatmap, expected, atol=1e-6)


@pytest.mark.parametrize('config', [COCO, MPII, SIMPLE])
def test_the_loss_is_the_official_one(config):
    torch.manual_seed(0)
    output, target, weight = torch.rand(2, 5, 8, 6), torch.rand(2, 5, 8, 6), torch.randint(0, 2, (2, 5)).float()
    expected = 0.0
    for joint in range(5):
        w = weight[:, joint, None]
        difference = output[:, joint].flatten(1) * w - target[:, joint].flatten(1) * w
        expected += 0.5 * float((difference**2).mean())
    loss = built(MODELS, read(config).model.head.loss)
    assert loss(output, target, weight).item() == pytest.approx(expected / 5)


def test_decoding_and_flip_are_the_official_ones():
    rng = np.random.default_rng(0)
    heatmaps = rng.random((17, 64, 48), np.float32)
    heatmaps[3] = -1
    points, scores = built(KEYPOINT_CODECS, read(COCO).model.head.decoder).decode(heatmaps)
    for joint, heatmap in enumerate(heatmaps):
        y, x = np.unravel_index(heatmap.argmax(), heatmap.shape)
        assert scores[0, joint] == heatmap.max()
        if heatmap.max() > 0 and 1 < x < 47 and 1 < y < 63:
            shift = np.sign([heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]])
            assert points[0, joint].tolist() == list(4 * (np.array([x, y]) + 0.25 * shift))

    settings = read(COCO).model.test_cfg
    assert settings.flip_test
    flipped = torch.from_numpy(rng.random((1, 4, 5, 6), np.float32))
    back = flip_heatmaps(flipped.clone(), [1, 0, 2, 3], settings.flip_mode, settings.shift_heatmap)
    expected = flipped.numpy()[..., ::-1][:, [1, 0, 2, 3]].copy()
    expected[..., 1:] = expected[..., :-1].copy()
    assert np.array_equal(back.numpy(), expected)


def official_oks_nms(people, threshold):
    """The indices kept: a pose leaves when its OKS with a better one, by the mean area of both, exceeds the limit."""
    order = list(np.argsort([-person['score'] for person in people]))
    kept = []
    while order:
        best = order.pop(0)
        kept.append(best)
        left = []
        for other in order:
            difference = people[best]['keypoints'][:, :2] - people[other]['keypoints'][:, :2]
            area = (people[best]['area'] + people[other]['area']) / 2 + np.spacing(1)
            error = (difference**2).sum(axis=1) / (SIGMAS / 10 * 2) ** 2 / area / 2
            if np.exp(-error).mean() <= threshold:
                left.append(other)
        order = left
    return kept


def test_scores_and_oks_nms_are_the_official_ones():
    settings = {'nms_mode': 'oks_nms', 'nms_thr': 0.9, 'score_mode': 'bbox_keypoint', 'keypoint_score_thr': 0.2}
    metric = built(METRICS, {**read(COCO).test_evaluator, 'ann_file': None})
    assert {name: getattr(metric, name) for name in settings} == settings
    rng = np.random.default_rng(0)
    pose = rng.uniform(0, 100, (17, 3))
    people = []
    for spread in (0, 1, 2, 4, 8, 16):
        keypoints = pose + np.concatenate([rng.normal(0, spread, (17, 2)), np.zeros((17, 1))], axis=1)
        people.append({'keypoints': keypoints, 'score': rng.random(), 'area': 5000.0})
    kept = official_oks_nms(people, 0.9)
    assert 1 < len(kept) < len(people)
    assert list(oks_nms(people, settings['nms_thr'], SIGMAS / 10)) == kept


@pytest.mark.parametrize(
    ('config', 'expected'),
    [
        (COCO, stepped(1e-3, 210, 170, 200)),
        (LARGE, stepped(1e-3, 210, 170, 200)),
        (MPII, stepped(1e-3, 210, 170, 200)),
        (SIMPLE, stepped(1e-3, 140, 90, 120)),
        ('td-hm_hrnet-w48_4xb32-20e_posetrack17-384x288', stepped(1e-4, 20, 10, 15)),
    ],
)
def test_rates_and_optimizer_are_the_official_ones(config, expected):
    assert list(rates(read(config))) == pytest.approx(expected)
    optimizer = optimizer_of(read(config))
    assert type(optimizer) is torch.optim.Adam
    assert [group['weight_decay'] for group in optimizer.param_groups] == [0]


@pytest.mark.parametrize('config', ['res50', 'res101', 'res152'])
def test_simple_baseline_sees_bgr_images_normalized_as_rgb(config):
    preprocessor = built(MODELS, read(f'td-hm_{config}_4xb32-140e_coco-256x192').model.data_preprocessor)
    image = torch.arange(3, dtype=torch.uint8).reshape(3, 1, 1).expand(3, 2, 2)
    result = preprocessor.forward({'inputs': [image], 'data_samples': []})['inputs'][0, :, 0, 0]
    expected = (torch.tensor([0, 1, 2]) / 255 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor(
        [0.229, 0.224, 0.225]
    )
    assert torch.allclose(result, expected, atol=1e-5)
