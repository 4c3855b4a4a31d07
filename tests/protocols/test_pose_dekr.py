"""DEKR against the official arithmetic (HRNet/DEKR 7a30313), on made inputs."""

import numpy as np
import pytest
import torch
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS
from mmpose.structures import PoseDataSample
from pose_protocols import built, draws, optimizer_of, rates, read, same_distribution, step, stepped
from scipy.optimize import curve_fit
from torch.nn import functional as F

COCO = {
    'w32': 'dekr_hrnet-w32_official-4xb10-140e_coco-512x512',
    'w48': 'dekr_hrnet-w48_official-8xb5-140e_coco-640x640',
}
CROWD = {
    'w32': 'dekr_hrnet-w32_official-4xb10-300e_crowdpose-512x512',
    'w48': 'dekr_hrnet-w48_official-8xb5-300e_crowdpose-640x640',
}
ALL = [*COCO.values(), *CROWD.values()]
PAIRS = [0, *(joint + (1 if joint % 2 else -1) for joint in range(1, 17))]
CROWD_PAIRS = [1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 12, 13]


@pytest.mark.parametrize('config', ALL)
def test_images_are_augmented_by_uniform_numbers(config, monkeypatch):
    transform = built(TRANSFORMS, step(read(config), 'OfficialBottomupAffine'))
    monkeypatch.setattr('hrnet_mm.drop_in.mmpose.bottom_up.cv2.warpAffine', lambda image, *_, **__: image)
    image = np.zeros((480, 640, 3), np.uint8)

    def ours():
        matrix = transform({'img': image})['warp_mat'][:, :2]
        return transform.input_size[0] / np.sqrt(np.linalg.det(matrix)) / 480, np.degrees(np.arctan2(*matrix[0, ::-1]))

    scales, angles = np.array(draws(ours)).T
    expected = draws(lambda: (np.random.random() * 0.75 + 0.75, (np.random.random() * 2 - 1) * 30))
    same_distribution(scales, np.array(expected)[:, 0])
    same_distribution(angles, np.array(expected)[:, 1])


def official_targets(annotations, matrix, cells, flip, pairs, is_coco):
    """Heatmaps, displacements (joint - position), and the weights of both; a cell is four pixels of the input."""
    joints = len(pairs)
    people = []
    for annotation in annotations:
        if annotation['iscrowd'] and not annotation['num_keypoints']:
            continue
        points = np.zeros((joints + 1, 3))
        points[:joints] = np.reshape(annotation['keypoints'], (-1, 3))
        sides = points[:, :2].max(axis=0) - points[:, :2].min(axis=0)  # with the center, which is still at (0, 0)
        area = (sides**2).sum() * np.linalg.det(matrix[:, :2])
        if not is_coco or annotation['area'] >= 32**2:
            labeled = (points[:joints, 2] > 0).sum()
            points[-1, :2] = points[:joints, :2].sum(axis=0) / labeled if labeled else 0
            points[-1, 2] = 1
        points[:, :2] = (points[:, :2] @ matrix[:, :2].T + matrix[:, 2]) / 4
        if flip:
            points = points[[*pairs, joints]]
            points[:, 0] = cells - points[:, 0] - 1
        people.append((points, area))
    heatmaps, weights = np.zeros((joints + 1, cells, cells)), np.full((joints + 1, cells, cells), 0.1)
    offsets, offset_weights = np.zeros((2 * joints, cells, cells)), np.zeros((2 * joints, cells, cells))
    owners = np.zeros((cells, cells))
    for points, _ in people:
        for joint, (x, y, seen) in enumerate(points):
            sigma = 2 if joint < 17 else 4
            if seen > 0 and 0 <= x < cells and 0 <= y < cells:
                for row in range(max(int(np.floor(y - 3 * sigma - 1)), 0), min(int(np.ceil(y + 3 * sigma + 2)), cells)):
                    for column in range(
                        max(int(np.floor(x - 3 * sigma - 1)), 0), min(int(np.ceil(x + 3 * sigma + 2)), cells)
                    ):
                        value = np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
                        heatmaps[joint, row, column] = max(heatmaps[joint, row, column], value)
                        weights[joint, row, column] = 1
    for points, area in people:
        cx, cy, seen = (int(value) for value in points[-1])
        if seen < 1 or not (0 <= cx < cells and 0 <= cy < cells):
            continue
        for joint, (x, y, seen) in enumerate(points[:-1]):
            if seen <= 0 or not (0 <= x < cells and 0 <= y < cells):
                continue
            for column in range(max(cx - 4, 0), min(cx + 4, cells)):
                for row in range(max(cy - 4, 0), min(cy + 4, cells)):
                    taken = offsets[2 * joint : 2 * joint + 2, row, column].any()
                    if taken and owners[row, column] < area:
                        continue
                    offsets[2 * joint : 2 * joint + 2, row, column] = column - x, row - y
                    offset_weights[2 * joint : 2 * joint + 2, row, column] = 1 / np.sqrt(area)
                    owners[row, column] = area
    return heatmaps, weights, -offsets, offset_weights


@pytest.mark.parametrize('config', ALL)
@pytest.mark.parametrize('flip', [False, True])
def test_targets_are_the_official_ones(config, flip):
    encoder = step(read(config), 'GenerateTarget')['encoder']
    size, is_coco = encoder['input_size'][0], 'crowdpose' not in config
    pairs = PAIRS if is_coco else CROWD_PAIRS
    rng = np.random.default_rng(0)
    matrix = np.array([[1.1, -0.3, 60], [0.3, 1.1, -40]])
    annotations = []
    for spread, area, crowd in ((60, 4000, 0), (50, 3000, 0), (20, 500, 0), (0, 2000, 0), (0, 9000, 1)):
        points = np.zeros((len(pairs), 3))
        if spread:
            points[:, :2] = np.add(rng.uniform(-spread, spread, (len(pairs), 2)), (200, 150))
            points[:, 2] = rng.integers(0, 3, len(pairs))
            points[points[:, 2] == 0] = 0
        annotations.append(
            {
                'keypoints': points.flatten().tolist(),
                'area': area,
                'iscrowd': crowd,
                'num_keypoints': int((points[:, 2] > 0).sum()),
            }
        )
    raw = np.array([one['keypoints'] for one in annotations], np.float32).reshape(len(annotations), -1, 3)
    keypoints, visible = raw[..., :2] @ matrix[:, :2].T.astype(np.float32) + matrix[:, 2], np.minimum(raw[..., 2], 1)
    if flip:  # as mmpose's RandomFlip
        keypoints, visible = keypoints[:, pairs].copy(), visible[:, pairs]
        keypoints[..., 0] = size - 1 - keypoints[..., 0]
    results = {
        'keypoints': keypoints.astype(np.float32),
        'keypoints_visible': visible,
        'flip': flip,
        'warp_mat': matrix,
        'raw_ann_info': annotations,
    }
    results = built(TRANSFORMS, {'type': 'GenerateTarget', 'encoder': encoder})(results)
    expected = official_targets(annotations, matrix, size // 4, flip, pairs, is_coco)
    assert (expected[3] > 0).sum() > 1000
    for name, value in zip(
        ('heatmaps', 'heatmap_weights', 'displacements', 'displacement_weights'), expected, strict=True
    ):
        assert np.abs(results[name] - value).max() < 1e-4, name


def test_losses_are_the_official_ones():
    torch.manual_seed(0)
    head = read(COCO['w32']).model.head
    predicted, truth = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    weights, mask = torch.rand(2, 3, 8, 8), torch.randint(0, 2, (2, 1, 8, 8)).float()
    loss = built(MODELS, head.heatmap_loss)(predicted, truth, weights, mask)
    assert loss.item() == pytest.approx(float((((predicted - truth) ** 2) * weights * mask).mean()))
    weights = weights * torch.randint(0, 2, (2, 3, 8, 8))
    error = (predicted - truth).abs()
    smooth = torch.where(error < 1 / 9, 0.5 * error**2 * 9, error - 0.5 / 9) * weights
    expected = 0.03 * float(smooth.sum() / (weights > 0).sum())
    assert built(MODELS, head.displacement_loss)(predicted, truth, weights).item() == pytest.approx(expected, rel=1e-5)


def official_test(outputs, scales, indices, decrease, rescore):
    """Poses and scores in pixels at scale 1; `outputs` are heatmaps and offsets of image and flipped image by scale."""
    total, poses = 0, []
    for scale in sorted(scales, reverse=True):
        (heatmap, offset), (other, other_offset) = outputs[scale]

        def posemap(offset, flip):
            height, width = offset.shape[-2:]
            y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing='ij')
            pose = torch.stack([x, y], dim=-1)[:, :, None] - offset[0].permute(1, 2, 0).reshape(height, width, -1, 2)
            if flip:
                pose = pose[:, :, indices]
                pose = torch.stack([width - pose[..., 0] - 1, pose[..., 1]], dim=-1).flip(1)
            return pose

        heatmap = (heatmap + other.flip(3)[:, [*indices, len(indices)]]) / 2
        pose = ((posemap(offset, False) + posemap(other_offset, True)) / 2).flatten(0, 1)
        factor = int(4 / scale)
        height, width = heatmap.shape[2] * factor, heatmap.shape[3] * factor
        inner = F.interpolate(heatmap, [height - factor + 1, width - factor + 1], mode='bilinear', align_corners=True)
        total = total + F.pad(inner, (0, factor - 1, 0, factor - 1), mode='replicate')
        center = heatmap[0, -1:]
        size = (center.shape[1] + center.shape[2]) / 2
        window = 7 if size > 300 else 5 if size > 200 else 3
        peak = F.max_pool2d(center[None], window, 1, window // 2)[0]
        score, place = (center * (peak == center)).flatten().topk(30)
        place, score = place[score > 0.01], score[score > 0.01]
        poses.append((4 / scale * pose[place], score))
    mean = total / len(scales)
    at = sorted(scales, reverse=True).index(1)
    best = poses[at][1].max()
    roots = torch.cat([s if i == at else s / s.max() * best * decrease for i, (_, s) in enumerate(poses)])
    poses = torch.cat([pose for pose, _ in poses])
    height, width = mean.shape[2:]
    x, y = poses[..., 0].floor().clamp(0, width - 1).long(), poses[..., 1].floor().clamp(0, height - 1).long()
    values = torch.stack([mean[0, k, y[:, k], x[:, k]] for k in range(poses.shape[1])], dim=1)
    score = values.mean(dim=1)
    area = ((poses.amax(dim=1) - poses.amin(dim=1)) ** 2).sum(dim=1)
    threshold = (0.15 if len(scales) > 1 else 0.05) * area.sqrt()
    kept, ignored = [], []
    for i in range(len(poses)):
        if i in ignored:
            continue
        near = (((poses[i] - poses) ** 2).sum(dim=2).sqrt() < threshold[i]).sum(dim=1) > poses.shape[1] // 2
        group = near.nonzero()[:, 0].tolist()
        winner = group[int(score[group].argmax())]
        if winner not in ignored:
            kept.append(winner)
            ignored += group
    if len(kept) > 30:
        kept = [kept[i] for i in score[kept].topk(30).indices]
    return poses[kept], (roots[:, None] * values)[kept] * rescore


@pytest.mark.parametrize('scales', [(1,), (1, 0.5, 2)])
@pytest.mark.parametrize(('config', 'joints', 'decrease'), [(COCO['w32'], 17, 0.9), (CROWD['w48'], 14, 0.8)])
def test_poses_of_all_scales_are_the_official_ones(config, joints, decrease, scales, monkeypatch):
    torch.manual_seed(0)
    config = read(config)
    head = built(MODELS, {**config.model.head, 'in_channels': 4, 'num_heatmap_filters': 4, 'rescore_cfg': None})
    monkeypatch.setattr(head, 'forward', lambda made: made)
    indices = PAIRS if joints == 17 else CROWD_PAIRS
    outputs = {}
    for scale in scales:
        height, width = int(24 * scale), int(32 * scale)
        outputs[scale] = []
        for _ in range(2):
            heatmap = torch.rand(1, joints + 1, height, width) ** 4
            outputs[scale].append(
                (heatmap, scale * torch.normal(0, 6.0, (1, 2 * joints, 1, 1)).expand(-1, -1, height, width))
            )
    poses, scores = official_test(outputs, scales, indices, decrease, 1)
    assert 1 < len(poses) <= 30
    made = [[(heatmap, -offset) for heatmap, offset in outputs[scale]] for scale in scales]
    sample = PoseDataSample(metainfo={'flip_indices': indices, 'aug_scales': list(scales[1:]) or None})
    (result,) = head.predict(made, [sample], config.model.test_cfg)
    assert np.allclose(result.keypoints, poses, atol=1e-3)
    assert np.allclose(result.keypoint_scores, scores, atol=1e-5)


def test_the_flipped_image_is_moved_by_three_pixels(monkeypatch):
    config = read(COCO['w32'])
    backbone = {**config.model.backbone, 'arch': 'w4', 'init_cfg': None}
    cfg = {**config.model.head, 'in_channels': 60, 'num_heatmap_filters': 4, 'rescore_cfg': None}
    model = built(MODELS, {**config.model, 'backbone': backbone, 'head': cfg})
    seen = []
    monkeypatch.setattr(model, 'extract_feat', seen.append)
    monkeypatch.setattr(model.head, 'predict', lambda *_: [])
    monkeypatch.setattr(model, 'add_pred_to_datasample', lambda *_: [])
    image = torch.arange(8.0).reshape(1, 1, 1, 8)
    model.predict(image, [])
    assert seen[0].flatten().tolist() == list(range(8))
    assert seen[1].flatten().tolist() == [4, 3, 2, 1, 0, 2, 1, 0]


@pytest.mark.parametrize('config', ALL)
def test_scales_of_a_test_are_multiples_of_scale_one(config):
    resize = built(TRANSFORMS, step(read(config), 'OfficialBottomupResize', 'tta'))
    (width, height), half, double = resize.sizes(640, 427)
    assert (width, height) == ({512: (768, 512), 640: (960, 640)}[resize.input_size[0]])
    assert half == (width // 2, height // 2)
    assert double == (2 * width, 2 * height)


@pytest.mark.parametrize('config', ALL)
def test_rates_optimizer_and_weights_are_the_official_ones(config):
    name, config = config, read(config)
    expected = stepped(1e-3, 300, 200, 260) if 'crowdpose' in name else stepped(1e-3, 140, 90, 120)
    assert list(rates(config)) == pytest.approx(expected)
    optimizer = optimizer_of(config)
    assert type(optimizer) is torch.optim.Adam
    assert [group['weight_decay'] for group in optimizer.param_groups] == [0]
    assert config.auto_scale_lr.base_batch_size == 40
    is_wide = 'w48' in name
    assert ('hrnetv2_w48' if is_wide else 'hrnet_w32-36af842e') in config.model.backbone.init_cfg.checkpoint


def test_the_adaptive_convolutions_start_as_the_official_ones():
    cfg = read(COCO['w32']).model.head
    head = built(MODELS, {**cfg, 'in_channels': 4, 'num_heatmap_filters': 4, 'rescore_cfg': None})
    head.init_weights()
    transforms = [m.weight for name, m in head.named_modules() if name.endswith('transform_matrix_conv')]
    assert len(transforms) == 2
    assert not any(weight.any() for weight in transforms)


def test_at_most_thirty_centers_above_the_official_threshold():
    codec = built(KEYPOINT_CODECS, read(COCO['w32']).model.head.decoder)
    assert codec.decode_max_instances == 30
    assert codec.decode_thr == 0.01


def official_match(poses, scores, heatmaps):
    """`absorb_heat` and `adjust`; `heatmaps` are `(joints, H, W)`."""
    poses = poses.copy()
    pooled = F.max_pool2d(torch.from_numpy(heatmaps)[None], 5, 1, 2)[0].numpy()
    for joint, heatmap in enumerate(heatmaps):
        best = torch.from_numpy(heatmap * (pooled[joint] == heatmap)).flatten().topk(30).indices.numpy()
        places = np.stack([best % heatmap.shape[1], best // heatmap.shape[1]], axis=1)
        for person in range(len(poses)):
            distance = np.linalg.norm(poses[person, joint] - places, axis=1)
            if distance.min() < 75:
                poses[person, joint] = places[distance.argmin()]
    for joint, heatmap in enumerate(heatmaps):
        known = {}
        for person in np.flatnonzero(scores[:, joint] > 0.05):
            row, column = int(poses[person, joint, 1] + 0.5), int(poses[person, joint, 0] + 0.5)
            if (row, column) in known:
                poses[person, joint] = known[row, column]
                continue
            at = min(max(row, 0), heatmap.shape[0] - 1), min(max(column, 0), heatmap.shape[1] - 1)
            low = max(at[0] - 6, 0), max(at[1] - 6, 0)
            high = min(at[0] + 6, heatmap.shape[0] - 1), min(at[1] + 6, heatmap.shape[1] - 1)
            window = heatmap[low[0] : high[0] + 1, low[1] : high[1] + 1]
            # Its grids are transposed: the first parameter is of the columns, and yet it is added to the lowest row.
            columns, rows = np.meshgrid(np.arange(window.shape[0]), np.arange(window.shape[1]))

            def gaussian(data, peak, a, b, sigma):
                return peak * np.exp(-((data[1] - b) ** 2 + (data[0] - a) ** 2) / (2 * sigma**2))

            guess = heatmap[at], at[0] - low[0], at[1] - low[1], 2.0
            try:
                found, _ = curve_fit(gaussian, (columns.ravel(), rows.ravel()), window.ravel(), p0=guess, maxfev=300)
            except RuntimeError:
                continue
            poses[person, joint] = known[row, column] = low[1] + found[2], low[0] + found[1]
    return poses


def test_poses_are_matched_to_heatmaps_as_officially(monkeypatch):
    config = read(COCO['w32'])
    head = built(MODELS, {**config.model.head, 'in_channels': 4, 'num_heatmap_filters': 4, 'rescore_cfg': None})
    monkeypatch.setattr(head, 'forward', lambda made: made)
    rng = np.random.default_rng(0)
    heatmaps = np.zeros((1, 18, 24, 32), np.float32)
    y, x = np.mgrid[:24, :32]
    for joint in range(18):
        for cx, cy in rng.uniform(3, 20, (2, 2)):
            heatmaps[0, joint] = np.maximum(heatmaps[0, joint], np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 8))
    offsets = rng.normal(0, 3, (1, 34, 1, 1)).astype(np.float32).repeat(24, 2).repeat(32, 3)
    made = [(torch.from_numpy(heatmaps), torch.from_numpy(offsets))] * 2
    sample = PoseDataSample(metainfo={'flip_indices': PAIRS})
    settings = dict(config.model.test_cfg)
    (plain,) = head.predict([made[:1]], [sample], settings)
    (matched,) = head.predict([made[:1]], [sample], {**settings, 'match_heatmaps': True})
    (large,) = F.pad(
        F.interpolate(made[0][0], (93, 125), mode='bilinear', align_corners=True), (0, 3, 0, 3), mode='replicate'
    ).numpy()
    expected = official_match(plain.keypoints, plain.keypoint_scores, large[:-1])
    assert np.abs(expected - plain.keypoints).max() > 1
    assert np.allclose(matched.keypoints, expected, atol=1e-2)
    assert np.array_equal(matched.keypoint_scores, plain.keypoint_scores)
