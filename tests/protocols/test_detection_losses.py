"""Losses of the detectors at given logits, against the official formulas."""

import official_detection as official
import pytest
import torch
from detection_configs import build, read, roi_head, rpn_head
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch.nn import functional as F

CASCADES = [f'cascade-{kind}_hrnetv2p-w32_20e_coco' for kind in ('rcnn', 'mask-rcnn')] + ['htc_hrnetv2p-w32_20e_coco']
FASTER = ['faster-rcnn_hrnetv2p-w18_1x_coco', 'mask-rcnn_hrnetv2p-w18_1x_coco']
BENCHMARK = 'faster-rcnn_hrnetv2p-w18_frozenbn-1x_coco'
SHAPE = (128, 192)
TRUTH = torch.tensor([[20.0, 30, 90, 100], [100, 10, 170, 60]])
STRIDES = (4, 8, 16, 32, 64)


@pytest.mark.parametrize('name', [*FASTER, BENCHMARK, *CASCADES])
def test_rpn(name):
    """Binary cross entropy and smooth L1 with beta 1/9 over the sampled anchors, both divided by their number."""
    config = read(name)
    head = rpn_head(config)
    sizes = [(SHAPE[0] // stride, SHAPE[1] // stride) for stride in STRIDES]
    torch.manual_seed(0)
    logits = [torch.randn(1, 3, *size) for size in sizes]
    deltas = [torch.randn(1, 12, *size) * 0.3 for size in sizes]
    truth = InstanceData(bboxes=TRUTH, labels=torch.zeros(2, dtype=torch.long))
    meta = {'img_shape': SHAPE, 'pad_shape': SHAPE}
    sampled = {}
    sample = head.sampler.sample

    def keep(*arguments, **options):
        sampled['result'] = sample(*arguments, **options)
        return sampled['result']

    head.sampler.sample = keep
    losses = head.loss_by_feat(logits, deltas, [truth], [meta])
    result = sampled['result']
    logit = torch.cat([one[0].permute(1, 2, 0).flatten() for one in logits])
    delta = torch.cat([one[0].permute(1, 2, 0).reshape(-1, 4) for one in deltas])
    priors = torch.cat(head.prior_generator.grid_priors(sizes, device='cpu'))
    inside = ((priors >= 0) & (priors < torch.tensor([192, 128] * 2))).all(1).nonzero().flatten()
    positive, negative = inside[result.pos_inds], inside[result.neg_inds]
    count = len(positive) + len(negative)
    assert (count, len(positive) > 3) == (256, True)
    expected = F.binary_cross_entropy_with_logits(logit[positive], torch.ones(len(positive)), reduction='sum')
    expected += F.binary_cross_entropy_with_logits(logit[negative], torch.zeros(len(negative)), reduction='sum')
    torch.testing.assert_close(sum(losses['loss_rpn_cls']), expected / count)
    if name in CASCADES:
        targets = head.bbox_coder.encode(priors[positive], result.pos_gt_bboxes)
    else:
        targets = official.encode(priors[positive], result.pos_gt_bboxes)
    expected = official.smooth_l1(delta[positive] - targets, 1 / 9).sum() / count
    torch.testing.assert_close(sum(losses['loss_rpn_bbox']), expected)


def sampled_rois(generator):
    """30 sampled RoIs, 10 of them positive, and their true boxes."""
    boxes = torch.rand(30, 2, generator=generator) * 80
    boxes = torch.cat([boxes, boxes + 10 + torch.rand(30, 2, generator=generator) * 40], dim=1)
    owners = torch.arange(10) % 2
    return InstanceData(priors=boxes), boxes[:10], TRUTH[owners], torch.tensor([3, 70])[owners]


@pytest.mark.parametrize(
    ('name', 'stage', 'weight', 'stds'),
    [
        *((name, None, 1, (0.1, 0.1, 0.2, 0.2)) for name in (*FASTER, BENCHMARK)),
        *((name, 0, 1, (0.1, 0.1, 0.2, 0.2)) for name in CASCADES),
        *((name, 1, 0.5, (0.05, 0.05, 0.1, 0.1)) for name in CASCADES),
        *((name, 2, 0.25, (0.033, 0.033, 0.067, 0.067)) for name in CASCADES),
    ],
)
def test_rois(name, stage, weight, stds):
    """Cross entropy over 81 classes and smooth L1 with beta 1, both divided by the number of sampled RoIs."""
    config = read(name)
    roi = roi_head(config)
    head = roi.bbox_head if stage is None else roi.bbox_head[stage]
    generator = torch.manual_seed(0)
    _, positive, truth, labels = sampled_rois(generator)
    negative = sampled_rois(generator)[0].priors[10:]
    result = ConfigDict(
        pos_priors=positive, neg_priors=negative, pos_gt_bboxes=truth, pos_gt_labels=labels, priors=None
    )
    classes = 1 if head.reg_class_agnostic else 80
    logits, deltas = torch.randn(30, 81), torch.randn(30, 4 * classes)
    settings = config.model.train_cfg.rcnn if stage is None else config.model.train_cfg.rcnn[stage]
    rois = torch.cat([torch.zeros(30, 1), torch.cat([positive, negative])], dim=1)
    losses = head.loss_and_target(logits, deltas, rois, [result], settings)['loss_bbox']

    all_labels = torch.cat([labels, torch.full((20,), 80)])  # mmdet's background is the last class
    torch.testing.assert_close(losses['loss_cls'], F.cross_entropy(logits, all_labels))
    chosen = deltas[:10] if classes == 1 else deltas.view(30, 80, 4)[torch.arange(10), labels]
    targets = head.bbox_coder.encode(positive, truth) if name in CASCADES else official.encode(positive, truth, stds)
    expected = official.smooth_l1(chosen - targets, 1).sum() / 30
    torch.testing.assert_close(losses['loss_bbox'], expected)
    assert tuple(head.bbox_coder.stds) == stds
    if stage is not None:
        assert classes == 1
        assert roi.stage_loss_weights[stage] == weight
        assert settings.assigner.pos_iou_thr == settings.assigner.neg_iou_thr == 0.5 + 0.1 * stage


@pytest.mark.parametrize('name', ['mask-rcnn_hrnetv2p-w18_1x_coco', *CASCADES[1:]])
def test_masks(name):
    """Binary cross entropy of the map of the true class, the mean over all pixels."""
    head = roi_head(read(name)).mask_head
    head = head if not hasattr(head, '__len__') else head[-1]
    generator = torch.manual_seed(0)
    logits, labels = torch.randn(6, 80, 28, 28, generator=generator), torch.tensor([3, 70, 5, 3, 0, 79])
    targets = (torch.rand(6, 28, 28, generator=generator) > 0.5).float()
    expected = F.binary_cross_entropy_with_logits(logits[torch.arange(6), labels], targets)
    torch.testing.assert_close(head.loss_mask(logits, targets, labels).squeeze(), expected)


def test_stuff_of_htc():
    """Cross entropy over 183 classes of stuff and things, with a weight of 0.2; 255 is none, and in the mean."""
    head = build({**read('htc_hrnetv2p-w32_20e_coco').model.roi_head.semantic_head})
    logits = torch.randn(1, 183, 4, 5, generator=torch.manual_seed(0))
    labels = torch.randint(0, 183, (1, 4, 5))
    labels[0, 0] = 255
    of_pixels = labels.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None]
    counted = F.cross_entropy(logits, labels, ignore_index=255, reduction='sum')
    torch.testing.assert_close(head.loss(logits, of_pixels), 0.2 * counted / 20)


@pytest.mark.parametrize('name', ['fcos_hrnetv2p-w18_bgr255-2x_coco', 'fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco'])
def test_fcos(name):
    """Focal loss by the positives, -log(IoU) weighted by centerness, and binary cross entropy of the centerness."""
    config = read(name)
    head = build({**config.model.bbox_head, 'in_channels': 8, 'feat_channels': 32})
    strides = config.model.bbox_head.strides
    sizes = [(SHAPE[0] // stride, SHAPE[1] // stride) for stride in strides]
    generator = torch.manual_seed(0)
    logits = [torch.randn(1, 80, *size, generator=generator) for size in sizes]
    distances = [torch.rand(1, 4, *size, generator=generator) * 60 + 1 for size in sizes]
    centers = [torch.randn(1, 1, *size, generator=generator) for size in sizes]
    labels = torch.tensor([3, 70])
    losses = head.loss_by_feat(
        logits, distances, centers, [InstanceData(bboxes=TRUTH, labels=labels)], [{'img_shape': SHAPE}]
    )

    ranges, focal, regression, weights, center = [-1, 64, 128, 256, 512, 1e8], 0, [], [], []
    for level, stride in enumerate(strides):
        y, x = torch.meshgrid(*(torch.arange(side) * stride + stride // 2 for side in sizes[level]), indexing='ij')
        point = torch.stack([x, y], dim=-1).reshape(-1, 1, 2)
        sides = torch.cat([point - TRUTH[:, :2], TRUTH[:, 2:] - point], dim=-1)  # left, top, right, bottom
        farthest = sides.amax(-1)
        fits = (sides.amin(-1) > 0) & (farthest >= ranges[level]) & (farthest <= ranges[level + 1])
        areas = torch.where(fits, (TRUTH[:, 2:] - TRUTH[:, :2]).prod(-1), torch.inf)
        area, owner = areas.min(1)
        positive = area.isfinite()
        truth = torch.zeros(len(positive), 80)
        truth[positive, labels[owner[positive]]] = 1
        logit = logits[level][0].permute(1, 2, 0).reshape(-1, 80)
        likely = torch.where(truth == 1, logit.sigmoid(), 1 - logit.sigmoid())
        balance = torch.where(truth == 1, 0.25, 0.75)
        focal = focal - (balance * (1 - likely) ** 2 * likely.log()).sum()
        found = distances[level][0].permute(1, 2, 0).reshape(-1, 4)[positive]
        wanted = sides[positive, owner[positive]]
        shared = (torch.minimum(found, wanted)[:, :2] + torch.minimum(found, wanted)[:, 2:]).prod(-1)
        union = (found[:, :2] + found[:, 2:]).prod(-1) + (wanted[:, :2] + wanted[:, 2:]).prod(-1) - shared
        regression.append(-(shared / union).log())
        ratio = torch.minimum(wanted[:, :2], wanted[:, 2:]) / torch.maximum(wanted[:, :2], wanted[:, 2:])
        weights.append(ratio.prod(-1).sqrt())
        center.append(centers[level].flatten()[positive])
    weights = torch.cat(weights)
    assert len(weights) > 10
    torch.testing.assert_close(losses['loss_cls'], focal / len(weights))
    torch.testing.assert_close(losses['loss_bbox'], (torch.cat(regression) * weights).sum() / weights.sum())
    expected = F.binary_cross_entropy_with_logits(torch.cat(center), weights)
    torch.testing.assert_close(losses['loss_centerness'], expected)
