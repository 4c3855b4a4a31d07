"""HigherHRNet and associative embedding against the official arithmetic, on made inputs.

Source: HigherHRNet-Human-Pose-Estimation aa23881, `lib/{dataset,core,utils}`, `tools/valid.py`.
"""

import numpy as np
import pytest
import torch
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS
from mmpose.structures import PoseDataSample
from munkres import Munkres
from pose_protocols import built, draws, optimizer_of, rates, read, same_distribution, step, stepped
from torch.nn import functional as F

SMALL, LARGE = 'higherhrnet_hrnet-w32_4xb12-300e_coco-512x512', 'higherhrnet_hrnet-w32_4xb10-300e_coco-640x640'
WIDE, AE = 'higherhrnet_hrnet-w48_4xb10-300e_coco-640x640', 'ae_hrnet-w32_4xb12-300e_coco-512x512'
CROWD = 'higherhrnet_hrnet-w48_4xb10-300e_crowdpose-640x640'
ORDER = [0, 1, 2, 3, 4, 5, 6, 11, 12, 7, 8, 9, 10, 13, 14, 15, 16]


@pytest.mark.parametrize(('config', 'size'), [(SMALL, 512), (LARGE, 640), (WIDE, 640), (CROWD, 640), (AE, 512)])
@pytest.mark.parametrize(('width', 'height'), [(640, 480), (300, 500)])
def test_images_scale_rotate_and_shift_by_uniform_numbers(config, size, width, height, monkeypatch):
    def official():
        short = min(width, height)
        scale = np.random.random() * (1.5 - 0.75) + 0.75
        angle = (np.random.random() * 2 - 1) * 30
        reach = 40 * short * scale / 200
        return scale, angle, *np.random.randint(-reach, reach, 2), reach

    transform = built(TRANSFORMS, step(read(config), 'OfficialBottomupAffine'))
    monkeypatch.setattr('hrnet_mm.drop_in.mmpose.bottom_up.cv2.warpAffine', lambda image, *_, **__: image)
    image = np.zeros((height, width, 3), np.uint8)

    def ours():
        results = transform({'img': image})
        assert results['input_size'] == (size, size)
        # The matrix maps the image to the input; its inverse maps the middle of the input to the shifted center.
        a, b = results['warp_mat'][0, :2]
        side = size / np.hypot(a, b)
        linear = results['warp_mat'][:, :2]
        center = np.linalg.solve(linear, np.array([size / 2, size / 2]) - results['warp_mat'][:, 2])
        dx, dy = center - (width / 2, height / 2)
        return side / min(width, height), np.degrees(np.arctan2(b, a)), dx, dy, 0.2 * side

    drawn, expected = np.array(draws(ours)).T, np.array(draws(official)).T
    for part in range(4):
        same_distribution(drawn[part], expected[part])
    assert np.allclose(drawn[2:4], np.round(drawn[2:4]), atol=1e-2)  # whole pixels
    same_distribution(drawn[2] / drawn[4], expected[2] / expected[4])  # a share of the short side times the scale
    assert np.corrcoef(np.abs(drawn[2]), drawn[0])[0, 1] > 0.15  # with the scale, the shift grows


def test_keypoints_follow_the_image():
    transform = built(TRANSFORMS, step(read(SMALL), 'OfficialBottomupAffine'))
    np.random.seed(3)
    image = np.zeros((300, 400, 3), np.uint8)
    image[148:153, 208:213] = 255
    box = np.array([[208.0, 148, 212, 152]], np.float32)
    results = transform({'img': image, 'keypoints': np.array([[[210.0, 150.0]]], np.float32), 'bbox': box})
    y, x = np.argwhere(results['img'][..., 0] > 200).mean(axis=0)
    assert np.allclose(results['keypoints'][0, 0], (x, y), atol=0.6)
    left, top, right, bottom = results['bbox'][0]
    assert left < x < right
    assert top < y < bottom


def official_targets(keypoints, visible, size, cells, flip, pairs, sigma=2):
    """Heatmaps and cells of keypoints in the pixels of the input before its flip."""
    joints = keypoints * cells / size
    if flip:
        joints, visible = joints[:, pairs].copy(), visible[:, pairs]
        joints[..., 0] = cells - joints[..., 0] - 1
    heatmaps = np.zeros((joints.shape[1], cells, cells), np.float32)
    where = np.zeros((*visible.shape, 2), int)
    for person, joint in np.ndindex(*visible.shape):
        x, y = (int(value) for value in joints[person, joint])
        if visible[person, joint] <= 0 or not (0 <= x < cells and 0 <= y < cells):
            continue
        where[person, joint] = y * cells + x, 1
        for row in range(max(y - 3 * sigma - 1, 0), min(y + 3 * sigma + 2, cells)):
            for column in range(max(x - 3 * sigma - 1, 0), min(x + 3 * sigma + 2, cells)):
                value = np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * sigma**2))
                heatmaps[joint, row, column] = max(heatmaps[joint, row, column], value)
    return heatmaps, where


@pytest.mark.parametrize(('config', 'sizes'), [(SMALL, (128, 256)), (WIDE, (160, 320)), (AE, (128,))])
@pytest.mark.parametrize('flip', [False, True])
def test_targets_are_the_official_ones(config, sizes, flip):
    encoder = step(read(config), 'GenerateTarget')['encoder']
    size = encoder['input_size'][0]
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(-30, size + 30, (4, 17, 2)).astype(np.float32)
    visible = rng.integers(0, 2, (4, 17)).astype(np.float32)
    pairs = [0, *(joint + (1 if joint % 2 else -1) for joint in range(1, 17))]
    results = {'keypoints': keypoints.copy(), 'keypoints_visible': visible.copy(), 'flip': flip}
    if flip:  # as mmpose's RandomFlip
        results['keypoints'], results['keypoints_visible'] = keypoints[:, pairs].copy(), visible[:, pairs].copy()
        results['keypoints'][..., 0] = size - 1 - results['keypoints'][..., 0]
    results = built(TRANSFORMS, {'type': 'GenerateTarget', 'encoder': encoder})(results)
    assert len(results['heatmaps']) == len(sizes)
    for level, cells in enumerate(sizes):
        heatmaps, where = official_targets(keypoints, visible, size, cells, flip, pairs)
        assert np.allclose(results['heatmaps'][level], heatmaps, atol=1e-6)
        if level == 0:
            indices = results['keypoint_indices']
            assert np.array_equal(indices[..., 1], where[..., 1])
            assert np.array_equal(indices[..., 0][where[..., 1] == 1], where[..., 0][where[..., 1] == 1])


def official_tag_loss(tags, people):
    """Push and pull of one image; `people` are lists of (joint, cell)."""
    groups = [torch.stack([tags[joint, cell] for joint, cell in person]) for person in people if person]
    means = torch.stack([group.mean() for group in groups])
    pull = sum(((group - mean) ** 2).mean() for group, mean in zip(groups, means, strict=True)) / len(groups)
    if len(groups) == 1:
        return 0.0, float(pull)
    push = torch.exp(-((means[:, None] - means) ** 2)).sum() - len(groups)
    return float(push / (len(groups) * (len(groups) - 1)) * 0.5), float(pull)


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools on numpy 2
def test_losses_are_the_official_ones():
    torch.manual_seed(0)
    config = read(SMALL)
    head = built(MODELS, {**config.model.head, 'in_channels': 4, 'deconv_out_channels': (4,), 'num_blocks': 1})
    encoder = {
        **step(config, 'GenerateTarget')['encoder'],
        'input_size': (64, 64),
        'heatmap_sizes': [(16, 16), (32, 32)],
    }
    samples, people = [], []
    for count in (2, 1):
        results = {
            'img': np.zeros((64, 64, 3), np.uint8),
            'img_shape': (64, 64),
            'warp_mat': np.eye(2, 3),
            'input_size': (64, 64),
            'keypoints': np.random.default_rng(count).uniform(0, 64, (count, 17, 2)).astype(np.float32),
            'keypoints_visible': np.ones((count, 17), np.float32),
            'invalid_segs': [[[0, 0, 30, 0, 30, 30, 0, 30]]],
        }
        for transform in [{'type': 'GenerateTarget', 'encoder': encoder}, *config.pack]:
            results = built(TRANSFORMS, transform)(results)
        samples.append(results['data_samples'])
        indices = samples[-1].gt_instance_labels.keypoint_indices
        people.append([[(k, int(cell)) for k, (cell, seen) in enumerate(person) if seen] for person in indices])
    features = torch.rand(2, 4, 16, 16)
    losses = {name: loss.item() for name, loss in head.loss((features,), samples).items()}
    heatmap_loss = 0.0
    outputs = [output.detach() for output in head.outputs((features,))]
    for level, output in enumerate(outputs):
        truth = torch.stack([sample.gt_fields[level].heatmaps for sample in samples])
        mask = torch.stack([sample.gt_fields[level].heatmap_mask for sample in samples]).reshape(2, 1, *truth.shape[2:])
        heatmap_loss += float((((output[:, :17] - truth) ** 2) * mask).mean(dim=(1, 2, 3)).mean())
    assert losses['loss_kpt'] == pytest.approx(heatmap_loss, rel=1e-5)
    tags = outputs[0][:, 17:].flatten(2)
    push, pull = np.mean([official_tag_loss(t, p) for t, p in zip(tags, people, strict=True)], axis=0)
    assert losses['loss_pull'] == pytest.approx(1e-3 * pull, rel=1e-3)
    # mmpose's push also counts each person with itself, a constant: 0.5 * 2 / (2 * 1) for two people, none for one.
    assert losses['loss_push'] - 1e-3 * 0.25 == pytest.approx(1e-3 * push, rel=1e-3)


def official_people(heatmaps, tags, order):
    """Group, refine and complete the people of one image; `tags` are `(joints, H, W, tags)`."""
    joints, height, width = heatmaps.shape
    pooled = F.max_pool2d(torch.from_numpy(heatmaps)[None], 5, 1, 2)[0].numpy()
    peaks = heatmaps * (pooled == heatmaps)
    people, sums = {}, {}
    for joint in order:
        best = torch.from_numpy(peaks[joint]).flatten().topk(30)
        found = [
            (cell % width, cell // width, value, tags[joint].reshape(-1, tags.shape[-1])[cell])
            for value, cell in zip(best.values.numpy(), best.indices.numpy(), strict=True)
            if value > 0.1
        ]
        if not found:
            continue
        if not people:
            for x, y, value, tag in found:
                people.setdefault(tag[0], np.zeros((joints, 3)))[joint] = x, y, value
                sums[tag[0]] = [tag]
            continue
        keys = list(people)[:30]
        means = np.array([np.mean(sums[key], axis=0) for key in keys])
        distance = np.linalg.norm(np.array([one[3] for one in found])[:, None] - means[None], axis=2)
        cost = np.round(distance) * 100 - np.array([[one[2]] for one in found])
        if len(found) > len(keys):
            cost = np.concatenate([cost, np.full((len(found), len(found) - len(keys)), 1e10)], axis=1)
        for row, column in Munkres().compute(cost.tolist()):
            x, y, value, tag = found[row]
            if column < len(keys) and distance[row, column] < 1:
                people[keys[column]][joint] = x, y, value
                sums[keys[column]].append(tag)
            else:
                people.setdefault(tag[0], np.zeros((joints, 3)))[joint] = x, y, value
                sums[tag[0]] = [tag]

    def refined(joint, x, y):
        of, x, y = heatmaps[joint], int(x), int(y)
        right = of[y, min(x + 1, width - 1)] > of[y, max(x - 1, 0)]
        below = of[min(y + 1, height - 1), x] > of[max(y - 1, 0), x]
        return x + (0.25 if right else -0.25) + 0.5, y + (0.25 if below else -0.25) + 0.5

    poses = list(people.values())
    scores = [pose[:, 2].mean() for pose in poses]
    for pose in poses:
        for joint in range(joints):
            if pose[joint, 2] > 0:
                pose[joint, :2] = refined(joint, *pose[joint, :2])
        mean = np.mean([tags[k, int(p[1]), int(p[0])] for k, p in enumerate(pose) if p[2] > 0], axis=0)
        for joint in np.flatnonzero(pose[:, 2] == 0):
            cost = heatmaps[joint] - np.round(np.sqrt(((tags[joint] - mean) ** 2).sum(axis=2)))
            y, x = np.unravel_index(cost.argmax(), cost.shape)
            if heatmaps[joint, y, x] > 0:
                pose[joint] = *refined(joint, x, y), heatmaps[joint, y, x]
    return np.array(poses), np.array(scores)


@pytest.mark.parametrize(('config', 'joints'), [(SMALL, 17), (CROWD, 14)])
def test_grouping_and_decoding_are_the_official_ones(config, joints):
    decoder = read(config).model.head.decoder
    assert list(decoder.decode_keypoint_order) == ORDER[:joints]  # COCO's order, cut to the number of keypoints
    codec = built(KEYPOINT_CODECS, {**decoder, 'input_size': (64, 64), 'heatmap_sizes': [(16, 16), (32, 32)]})
    rng = np.random.default_rng(0)
    heatmaps = rng.uniform(-0.02, 0.05, (joints, 64, 64)).astype(np.float32)
    tags = rng.normal(0, 5, (joints, 64, 64, 2)).astype(np.float32)
    for person in range(4):
        for joint in range(joints):
            x, y = rng.integers(0, 64, 2)
            if rng.random() < 0.7:
                heatmaps[joint, y, x] = rng.uniform(0.3, 1)
            tags[joint, y, x] = 3 * person + rng.normal(0, 0.1, 2)
    poses, scores = official_people(heatmaps, tags, ORDER[:joints])
    assert (poses[..., 2] > 0.1).sum() > joints
    batch = np.moveaxis(tags, -1, 0).reshape(1, 2 * joints, 64, 64)
    (keypoints,), (values,), (means,) = codec.batch_decode(torch.from_numpy(heatmaps)[None], torch.from_numpy(batch))
    assert np.allclose(keypoints, poses[..., :2], atol=1e-4)
    assert np.allclose(values, poses[..., 2], atol=1e-6)
    assert np.allclose(means, scores, atol=1e-6)


def official_size(width, height, size, scale, smallest):
    def up(x):
        return int((x + 63) // 64 * 64)

    base = up(smallest * size)
    if width < height:
        return int(base * scale / smallest), int(up(base / width * height) * scale / smallest)
    return int(up(base / height * width) * scale / smallest), int(base * scale / smallest)


@pytest.mark.parametrize(('config', 'size'), [(SMALL, 512), (LARGE, 640), (WIDE, 640), (CROWD, 640)])
def test_scales_of_a_test_are_the_official_ones(config, size):
    single = built(TRANSFORMS, step(read(config), 'OfficialBottomupResize', 'test'))
    several = built(TRANSFORMS, step(read(config), 'OfficialBottomupResize', 'tta'))
    assert several.scales == [1, 0.5, 2]
    for width, height in [(640, 480), (480, 640), (500, 500), (612, 407), (333, 499), (65, 64)]:
        assert single.sizes(width, height) == [official_size(width, height, size, 1, 1)]
        assert several.sizes(width, height) == [official_size(width, height, size, s, 0.5) for s in (1, 0.5, 2)]


def test_all_scales_show_the_same_part_of_the_image():
    transform = built(TRANSFORMS, {**step(read(SMALL), 'OfficialBottomupResize', 'tta'), 'input_size': (128, 128)})
    image = np.zeros((101, 151, 3), np.uint8)
    image[30:40, 100:110] = 255
    results = transform({'img': image})
    assert results['aug_scales'] == [0.5, 2]
    assert results['input_center'].tolist() == [76, 51]  # int(side / 2 + 0.5)
    for picture in results['img']:
        y, x = np.argwhere(picture[..., 0] > 128).mean(axis=0)
        size = np.array(picture.shape[1::-1])
        back = np.array([x, y]) / size * results['input_scale'] + results['input_center'] - results['input_scale'] / 2
        assert np.allclose(back, (104.5, 34.5), atol=0.8)


def test_heatmaps_of_scales_and_flips_are_averaged_and_tags_are_those_of_scale_one():
    """`get_multi_stage_outputs` and `aggregate_results`, on made outputs of the network."""
    torch.manual_seed(0)
    flip = [1, 0, 2]
    base = (96, 64)  # width and height at scale 1
    # By scale: the coarse output with tags, and the fine one, of the image and of the flipped image.
    made = {
        s: [(torch.rand(1, 6, int(16 * s), int(24 * s)), torch.rand(1, 3, int(32 * s), int(48 * s))) for _ in range(2)]
        for s in (1, 0.5, 2)
    }

    total, tags = 0, []
    for scale in (2, 1, 0.5):
        heatmaps = []
        for flipped, (coarse, fine) in enumerate(made[scale]):
            coarse = F.interpolate(coarse, fine.shape[2:], mode='bilinear', align_corners=False)
            if flipped:
                coarse, fine = coarse.flip(3), fine.flip(3)
                coarse, fine = torch.cat([coarse[:, :3][:, flip], coarse[:, 3:][:, flip]], dim=1), fine[:, flip]
            heatmap, tag = (
                F.interpolate(x, base[::-1], mode='bilinear', align_corners=False)
                for x in ((coarse[:, :3] + fine) / 2, coarse[:, 3:])
            )
            heatmaps.append(heatmap)
            if scale == 1:
                tags.append(tag)
        total = total + (heatmaps[0] + heatmaps[1]) / 2
    expected = total / 3

    cfg = {**read(SMALL).model.head, 'in_channels': 3, 'num_keypoints': 3, 'deconv_out_channels': (3,), 'num_blocks': 1}
    encoder = {**cfg['decoder'], 'input_size': (96, 96), 'decode_keypoint_order': [0, 1, 2]}
    head = built(MODELS, {**cfg, 'decoder': {**encoder, 'heatmap_sizes': [(24, 24), (48, 48)]}})
    head.outputs = list
    settings = {**read(SMALL).model.test_cfg, 'multiscale_test': True, 'output_heatmaps': True}
    sample = PoseDataSample(metainfo={'flip_indices': flip, 'img_shape': base[::-1]})
    _, (fields,) = head.predict([made[s] for s in (1, 0.5, 2)], [sample], settings)
    assert torch.allclose(fields.heatmaps, expected[0], atol=1e-5)
    assert torch.allclose(fields.tags, torch.cat(tags, dim=1)[0], atol=1e-5)


@pytest.mark.parametrize('config', [SMALL, LARGE, WIDE, CROWD, AE])
def test_rates_optimizer_and_batch_norm_are_the_official_ones(config):
    config = read(config)
    assert list(rates(config)) == pytest.approx(stepped(1e-3, 300, 200, 260))
    optimizer = optimizer_of(config)
    assert type(optimizer) is torch.optim.Adam
    assert [group['weight_decay'] for group in optimizer.param_groups] == [0]
    with torch.device('meta'):
        model = built(MODELS, config.model)
    assert {m.momentum for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.1}
