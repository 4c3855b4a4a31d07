"""Boxes of the official detection code: annotations, anchors, coding, overlaps, NMS, RoIs and what is submitted."""

import copy
import re

import numpy as np
import official_detection as official
import pytest
import torch
from detection_configs import FOLDER, build, read, roi_head, rpn_head
from mmdet.registry import TASK_UTILS, TRANSFORMS
from mmengine.structures import InstanceData
from shrink import with_options

DET = ['faster-rcnn_hrnetv2p-w18_1x_coco', 'mask-rcnn_hrnetv2p-w18_1x_coco']
BENCHMARK = ['faster-rcnn_hrnetv2p-w18_frozenbn-1x_coco']
NAMES = [path.stem for path in sorted(FOLDER.glob('*.py'))]
OFFICIAL = [name for name in NAMES if name.startswith(('faster', 'mask')) and '-mmdet' not in name]
VARIANTS = [name for name in NAMES if 'official-boxes' in name]
SHAPE = (96, 128)
STRIDES = (4, 8, 16, 32, 64)


def random_boxes(count, seed=0, shape=SHAPE):
    rng = np.random.default_rng(seed)
    first = rng.uniform(0, np.array(shape[::-1]) * 0.7, (count, 2))
    boxes = np.hstack([first, first + rng.uniform(0, np.array(shape[::-1]) * 0.5, (count, 2))])
    return official.clip(torch.from_numpy(boxes).float(), shape)


def test_all_published_rows_have_official_boxes():
    assert len(OFFICIAL) == 33
    assert len(VARIANTS) == 3


@pytest.mark.parametrize('name', [*OFFICIAL, *VARIANTS])
def test_settings(name):
    """The values of the two repositories' files; the tests below are about what they do."""
    model, benchmark = read(name).model, 'frozenbn' in name
    heads = model.roi_head.bbox_head if isinstance(model.roi_head.bbox_head, list) else [model.roi_head.bbox_head]
    stages = model.train_cfg.rcnn if isinstance(model.train_cfg.rcnn, list) else [model.train_cfg.rcnn]
    extractors = [part for key, part in model.roi_head.items() if key.endswith('roi_extractor')]
    assert (model.rpn_head.loss_bbox.type, model.rpn_head.loss_bbox.beta) == ('SmoothL1Loss', 1 / 9)
    assert all((head.loss_bbox.type, head.loss_bbox.beta) == ('SmoothL1Loss', 1) for head in heads)
    assert all((part.roi_layer.sampling_ratio, part.roi_layer.aligned) == (2, False) for part in extractors)
    assert all(part.get('whole_pixels', True) != benchmark for part in extractors)
    assert model.train_cfg.rpn.allowed_border == 0
    assert (model.train_cfg.rpn_proposal.nms_pre, model.train_cfg.rpn_proposal.max_per_img) == (2000, 2000)
    assert model.test_cfg.rpn.nms_pre == model.test_cfg.rpn.max_per_img == (1000 if benchmark else 2000)
    assert all(stage.assigner.get('match_low_quality', True) != benchmark for stage in stages)
    coders = [part.bbox_coder.type for part in (model.rpn_head, *heads)]
    assert set(coders) == {'OfficialBoxCoder'}
    assert {stage.assigner.iou_calculator.type for stage in (model.train_cfg.rpn, *stages)} == {'OfficialOverlaps'}
    suppressions = (model.train_cfg.rpn_proposal.nms, model.test_cfg.rpn.nms, model.test_cfg.rcnn.nms)
    assert [(nms.offset, nms.iou_threshold) for nms in suppressions] == [(1, 0.7), (1, 0.7), (1, 0.5)]
    assert 'ToInclusiveBoxes' in [step.type for step in read(name).train_dataloader.dataset.pipeline]


@pytest.mark.parametrize('name', ['faster-rcnn_hrnetv2p-w18_1x-mmdet_coco', 'mask-rcnn_hrnetv2p-w18_2x-mmdet_coco'])
def test_variants_of_mmdet_are_its_own(name):
    model, kind = read(name).model, name.partition('_')[0]
    upstream = read_upstream(f'hrnet/{kind}_hrnetv2p-w18-1x_coco.py').model
    for part in ('rpn_head', 'roi_head', 'train_cfg', 'test_cfg'):
        assert model[part] == upstream[part]


def read_upstream(path):
    from mmengine.config import Config
    from mmengine.utils import get_installed_path

    return Config.fromfile(f'{get_installed_path("mmdet")}/.mim/configs/{path}')


@pytest.mark.parametrize('name', [*DET, *BENCHMARK, *VARIANTS])
def test_coding(name):
    model = read(name).model
    heads = model.roi_head.bbox_head if isinstance(model.roi_head.bbox_head, list) else [model.roi_head.bbox_head]
    anchors, truth = random_boxes(200, 1), random_boxes(200, 2)
    for head in (model.rpn_head, *heads):
        coder = build(head.bbox_coder, TASK_UTILS)
        stds = head.bbox_coder.target_stds
        deltas = official.encode(anchors, truth, stds)
        torch.testing.assert_close(coder.encode(anchors, truth), deltas)
        torch.testing.assert_close(coder.decode(anchors, deltas), truth, atol=1e-4, rtol=0)
        wild = torch.randn(200, 4, generator=torch.manual_seed(0)) * 3 / torch.tensor(stds)
        decoded = official.decode(anchors, wild, SHAPE, stds)
        torch.testing.assert_close(coder.decode(anchors, wild, max_shape=SHAPE), decoded, atol=1e-3, rtol=1e-5)
        assert decoded.amax(0).tolist() == [127, 95, 127, 95]


@pytest.mark.parametrize('name', [*DET, *BENCHMARK])
def test_anchors(name):
    generator = build(read(name).model.rpn_head.anchor_generator, TASK_UTILS)
    benchmark = name in BENCHMARK
    sizes = [(96 // stride or 1, 128 // stride) for stride in STRIDES]
    for stride, size, anchors in zip(STRIDES, sizes, generator.grid_priors(sizes, device='cpu'), strict=True):
        torch.testing.assert_close(anchors, official.grid_anchors(*size, stride, benchmark))
    first = generator.base_anchors[0][0].tolist()
    assert first == ([-22, -10, 25, 13] if benchmark else [-21, -9, 24, 12])


def test_anchors_beyond_the_image_are_not_used():
    head = rpn_head(read(DET[0]))
    anchors = torch.tensor([[0.0, 0, 127, 95], [0, 0, 128, 95], [0, 0, 127, 96], [-1, 0, 50, 50], [0, -1, 50, 50]])
    truth = InstanceData(bboxes=torch.tensor([[0.0, 0, 120, 90]]), labels=torch.zeros(1, dtype=torch.long))
    valid = torch.ones(5, dtype=torch.bool)
    weights = head._get_targets_single(anchors, valid, truth, {'img_shape': SHAPE}, None)[1]
    assert weights.tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize('part', ['rpn', 'rcnn'])
def test_overlaps(part):
    calculator = build(read(DET[0]).model.train_cfg[part].assigner.iou_calculator, TASK_UTILS)
    first, second = random_boxes(50, 1), random_boxes(60, 2)
    torch.testing.assert_close(calculator(first, second), official.iou(first, second))
    assert calculator(torch.tensor([[3.0, 3, 3, 3]]), torch.tensor([[3.0, 3, 3, 3]])).item() == 1  # one pixel


def reference_proposals(maps, config, benchmark, settings):
    """Proposals of one image from logits and deltas of each level."""
    boxes, scores, _ = [], [], None
    for stride, (logits, deltas) in zip(STRIDES, maps, strict=True):
        anchors = official.grid_anchors(*logits.shape[-2:], stride, benchmark)
        score = logits.permute(1, 2, 0).flatten().sigmoid()
        best = score.argsort(descending=True, stable=True)[: settings.nms_pre]
        decoded = official.decode(anchors[best], deltas.permute(1, 2, 0).reshape(-1, 4)[best], SHAPE)
        stays = official.nms(decoded, score[best], 0.7)
        boxes.append(decoded[stays])
        scores.append(score[best][stays])
    boxes, scores = torch.cat(boxes), torch.cat(scores)
    best = scores.argsort(descending=True, stable=True)[: settings.max_per_img]
    return boxes[best], scores[best]


def random_maps(seed, channels=3):
    torch.manual_seed(seed)
    sizes = [(SHAPE[0] // stride or 1, SHAPE[1] // stride) for stride in STRIDES]
    return [(torch.randn(channels, *size) * 2, torch.randn(4 * channels, *size) * 0.5) for size in sizes]


@pytest.mark.parametrize('name', [*DET, *BENCHMARK])
def test_proposals(name):
    config = read(name)
    head, maps = rpn_head(config), random_maps(0)
    for settings in (config.model.train_cfg.rpn_proposal, config.model.test_cfg.rpn):
        settings = copy.deepcopy(settings)
        settings.update(nms_pre=200, max_per_img=150)  # of fewer anchors than an image has
        (found,) = head.predict_by_feat(
            [logits[None] for logits, _ in maps],
            [deltas[None] for _, deltas in maps],
            batch_img_metas=[{'img_shape': SHAPE}],
            cfg=settings,
        )
        boxes, scores = reference_proposals(maps, config, name in BENCHMARK, settings)
        assert len(boxes) == 150
        torch.testing.assert_close(found.scores, scores)
        torch.testing.assert_close(found.bboxes, boxes, atol=1e-3, rtol=1e-5)


def test_benchmark_limits_the_proposals_of_a_batch(monkeypatch):
    """In training, the 2000 proposals are the best of a GPU's images together."""
    from mmdet.models.dense_heads import RPNHead

    config = read(BENCHMARK[0])
    scores = torch.rand(2, 1500, generator=torch.manual_seed(0))
    given = [InstanceData(scores=one, bboxes=one[:, None].repeat(1, 4)) for one in scores]
    monkeypatch.setattr(RPNHead, 'loss_and_predict', lambda *_: ({}, given))
    _, proposals = rpn_head(config).loss_and_predict((), [], config.model.train_cfg.rpn_proposal)
    kept = torch.cat([found.scores for found in proposals]).sort().values
    assert torch.equal(kept, scores.flatten().sort().values[-2000:])
    assert [len(found) for found in proposals] != [1000, 1000]


@pytest.mark.parametrize('name', [*DET, *BENCHMARK, VARIANTS[-1]])
def test_features_of_rois(name):
    head = roi_head(read(name))
    extractor = head.bbox_roi_extractor if name not in VARIANTS else head.bbox_roi_extractor[0]
    maps = [torch.randn(256, 32 // 2**i, 48 // 2**i, generator=torch.manual_seed(i)) for i in range(4)]
    shape = (128, 192)
    small, large = random_boxes(20, 1, (40, 40)), random_boxes(20, 2, shape)
    edges = torch.tensor([[10.0, 10, 121, 121], [10, 10, 120.9, 121], [0, 0, 191, 127], [180, 120, 191, 127]])
    boxes = torch.cat([small, large, edges])
    boxes = boxes[(official.sizes(boxes) > 5).all(1)]  # mmcv widens RoIs that are narrower than a cell, of 4 pixels
    assert len(boxes) > 30
    features = extractor([one[None] for one in maps], torch.cat([torch.zeros(len(boxes), 1), boxes], dim=1))
    for box, level, found in zip(boxes, official.level(boxes), features, strict=True):
        expected = official.roi_align(maps[level], box, STRIDES[level], 7, name in BENCHMARK)
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
    assert official.level(edges)[:2].tolist() == [1, 0]  # 112 pixels with the last one, and less


def run_roi_head(name, boxes, logits, deltas, meta, monkeypatch, mask=None):
    """Detections of an RoI head whose layers return these logits and deltas."""
    config = read(name)
    config.model.roi_head.bbox_head.update(in_channels=1, fc_out_channels=1)
    head = roi_head(config)
    outputs = {'cls_score': logits, 'bbox_pred': deltas, 'bbox_feats': None}
    monkeypatch.setattr(head, '_bbox_forward', lambda *_: outputs)
    if mask is not None:
        monkeypatch.setattr(head, '_mask_forward', lambda x, rois: {'mask_preds': mask.expand(len(rois), *mask.shape)})
    (found,) = head.predict((), [InstanceData(bboxes=boxes)], [DataSample(meta)], rescale=True)
    return found


class DataSample:
    def __init__(self, metainfo):
        self.metainfo = metainfo


@pytest.mark.parametrize('name', ['faster-rcnn_hrnetv2p-w18_1x_coco', *BENCHMARK])
def test_detections(name, monkeypatch):
    """From proposals, logits and deltas to boxes of the image file, as they are submitted."""
    torch.manual_seed(0)
    boxes, logits, deltas = random_boxes(60), torch.randn(60, 81) * 3, torch.randn(60, 320)
    meta = {'img_shape': SHAPE, 'scale_factor': (1.6, 1.6), 'ori_shape': (60, 80)}
    found = run_roi_head(name, boxes, logits, deltas, meta, monkeypatch)

    decoded = official.decode(boxes[:, None], deltas.view(60, 80, 4), SHAPE, (0.1, 0.1, 0.2, 0.2)) / 1.6
    scores, expected = logits.softmax(1), []
    for label in range(80):
        likely = scores[:, label] > 0.05
        stays = official.nms(decoded[likely, label], scores[likely, label], 0.5)
        expected += [
            (score, label, box)
            for score, box in zip(scores[likely, label][stays], decoded[likely, label][stays], strict=True)
        ]
    expected = sorted(expected, key=lambda one: -one[0])[:100]
    assert len(expected) == 100
    torch.testing.assert_close(found.scores, torch.stack([score for score, _, _ in expected]))
    assert found.labels.tolist() == [label for _, label, _ in expected]
    ends = torch.stack([box for _, _, box in expected]) + torch.tensor([0, 0, 1, 1])
    torch.testing.assert_close(found.bboxes, ends, atol=1e-3, rtol=1e-5)


def test_perfect_deltas_give_the_annotation(monkeypatch):
    """The width of an annotation comes back, whatever the scale of the network's input."""
    annotated = torch.tensor([[10.0, 20, 30, 25]])  # x, y, width, height
    truth = torch.cat([annotated[:, :2], annotated[:, :2] + annotated[:, 2:] - 1], dim=1) * 1.6
    proposal = random_boxes(1)
    deltas = official.encode(proposal, truth, (0.1, 0.1, 0.2, 0.2)).repeat(1, 80)
    logits = torch.zeros(1, 81).index_fill(1, torch.tensor([3]), 20)
    meta = {'img_shape': SHAPE, 'scale_factor': (1.6, 1.6), 'ori_shape': (60, 80)}
    for name in DET:
        mask = torch.full((80, 28, 28), 9.0) if name.startswith('mask') else None
        found = run_roi_head(name, proposal, logits, deltas, meta, monkeypatch, mask)
        x1, y1, x2, y2 = found.bboxes[0].tolist()
        assert (x1, y1, x2 - x1, y2 - y1) == pytest.approx((10, 20, 30, 25), abs=1e-3)
        if mask is not None:
            filled = torch.zeros(60, 80, dtype=torch.bool)
            filled[20:45, 10:40] = True
            assert torch.equal(found.masks[0], filled)


def annotations(width=80, height=60):
    boxes = np.array([[10, 20, 40, 45], [0, 0, width, height], [79, 59, 80, 60]], np.float32)
    return {
        'img': np.zeros((height, width, 3), np.uint8),
        'img_shape': (height, width),
        'gt_bboxes': boxes,
        'gt_bboxes_labels': np.arange(3),
        'gt_ignore_flags': np.zeros(3, bool),
    }


@pytest.mark.parametrize('flipped', [False, True])
def test_annotations(flipped):
    """Boxes end at their last pixel in the file, are scaled, flipped about the last column, and clipped to it."""
    from mmdet.structures.bbox import HorizontalBoxes

    results = annotations()
    results['gt_bboxes'] = HorizontalBoxes(results['gt_bboxes'])
    inclusive, resize = {'type': 'ToInclusiveBoxes'}, {'type': 'Resize', 'scale': (128, 96), 'keep_ratio': True}
    for step in (inclusive, resize, {'type': 'RandomFlip', 'prob': float(flipped)}):
        results = build(step, TRANSFORMS)(results)
    inside = torch.tensor([[10.0, 20, 39, 44], [0, 0, 79, 59], [79, 59, 79, 59]])
    boxes = official.clip(inside * 1.6, SHAPE)
    if flipped:
        boxes = torch.stack([127 - boxes[:, 2], boxes[:, 1], 127 - boxes[:, 0], boxes[:, 3]], dim=1)
    torch.testing.assert_close(results['gt_bboxes'].tensor, boxes)


def test_mask_targets():
    """The whole pixels of the true mask inside a proposal, resized to 28 x 28."""
    import cv2
    from mmdet.structures.mask import BitmapMasks
    from mmengine.config import ConfigDict

    rng = np.random.default_rng(0)
    masks = np.zeros((2, *SHAPE), np.uint8)
    cv2.ellipse(masks[0], (60, 50), (40, 30), 20, 0, 360, 1, -1)
    cv2.ellipse(masks[1], (30, 40), (25, 15), 70, 0, 360, 1, -1)
    proposals = random_boxes(12, 3)
    owners = torch.from_numpy(rng.integers(0, 2, 12))
    sampled = InstanceData(pos_priors=proposals, pos_assigned_gt_inds=owners)
    truth = InstanceData(masks=BitmapMasks(masks, *SHAPE), labels=torch.zeros(2))
    config = read('mask-rcnn_hrnetv2p-w18_1x_coco')
    head = roi_head(config).mask_head
    targets = head.get_targets([sampled], [truth], ConfigDict(config.model.train_cfg.rcnn))
    for target, proposal, owner in zip(targets, proposals.numpy().astype(np.int32), owners, strict=True):
        x, y, x2, y2 = proposal
        width, height = max(x2 - x + 1, 1), max(y2 - y + 1, 1)
        expected = cv2.resize(masks[owner][y : y + height, x : x + width], (28, 28), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(target.numpy(), expected)


@pytest.mark.parametrize('name', [name for name in NAMES if 'bgr255' in name])
def test_fcos_of_its_authors(name):
    """NMS at 0.6, boxes around points clipped to the last pixel, and submitted with it."""
    check_fcos(read(name), 0.6)
    assert 'ToInclusiveBoxes' in [step.type for step in read(name).train_dataloader.dataset.pipeline]


@pytest.mark.parametrize('name', [name for name in NAMES if 'gn-head' in name])
def test_fcos_with_the_options_of_its_header(name):
    header = ' '.join(re.findall(r'^# (.*)$', (FOLDER / f'{name}.py').read_text(), re.MULTILINE))
    options = re.search(r'its boxes with --cfg-options (.*)\.', header)[1].split()
    check_fcos(with_options(read(name), options), 0.5)


def check_fcos(config, threshold):
    """Compare the detections of a head at given maps with those of the official code."""
    head = build({**config.model.bbox_head, 'in_channels': 8, 'feat_channels': 32, 'test_cfg': config.model.test_cfg})
    strides = config.model.bbox_head.strides
    sizes = [(SHAPE[0] // stride or 1, SHAPE[1] // stride) for stride in strides]
    torch.manual_seed(0)
    logits = [torch.randn(1, 80, *size) * 2 - 8 for size in sizes]
    distances = [torch.rand(1, 4, *size) * 8 * stride for stride, size in zip(strides, sizes, strict=True)]
    centers = [torch.randn(1, 1, *size) + 3 for size in sizes]
    meta = {'img_shape': SHAPE, 'scale_factor': (1.6, 1.6)}
    (found,) = head.predict_by_feat(logits, distances, centers, batch_img_metas=[meta], rescale=True)

    boxes, scores, labels = [], [], []
    for level, stride in enumerate(strides):
        y, x = torch.meshgrid(*(torch.arange(side) * stride + stride // 2 for side in sizes[level]), indexing='ij')
        point = torch.stack([x, y], dim=-1).reshape(-1, 2)
        left_top, right_bottom = distances[level][0].permute(1, 2, 0).reshape(-1, 4).split(2, dim=1)
        box = official.clip(torch.cat([point - left_top, point + right_bottom], dim=1), SHAPE)
        score = logits[level][0].permute(1, 2, 0).reshape(-1, 80).sigmoid()
        place, label = (score > 0.05).nonzero().unbind(1)
        assert len(place) < 1000
        boxes.append(box[place] / 1.6)
        scores.append(score[place, label] * centers[level].flatten().sigmoid()[place])
        labels.append(label)
    boxes, scores, labels = torch.cat(boxes), torch.cat(scores), torch.cat(labels)
    stays = torch.cat([which[official.nms(boxes[which], scores[which], threshold)] for which in by_label(labels)])
    stays = stays[scores[stays].argsort(descending=True)][:100]
    torch.testing.assert_close(found.scores, scores[stays])
    torch.testing.assert_close(found.bboxes, boxes[stays] + torch.tensor([0, 0, 1, 1]), atol=1e-3, rtol=1e-5)


def by_label(labels):
    return [(labels == label).nonzero().flatten() for label in range(80)]
