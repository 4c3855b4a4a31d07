"""CenterNet's parts against cases worked out by hand, and the head inside mmdet."""

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import nn

import hrnet_mm.drop_in.mmdet.heads  # noqa: F401  # registers the head
from hrnet_mm.models.heads import CascadeCornerPool, CenterPool, Peaks, draw_gaussian, find_peaks, match_triplets


def peaks(*points):
    """Peaks of (x, y, label, score)."""
    values = torch.tensor(points, dtype=torch.float32)
    return Peaks(values[:, 3], values[:, 2].long(), values[:, :2], torch.arange(len(points)))


def matched(tl, br, ct, tl_tags=(0.0,), br_tags=(0.0,)):
    return match_triplets(tl, br, ct, torch.tensor(tl_tags), torch.tensor(br_tags))


@pytest.mark.parametrize(
    ('side', 'center', 'inside'),
    [
        (90, (45, 45), True),
        (90, (31, 59), True),  # the middle third is 30 to 60
        (90, (29, 45), False),
        (90, (45, 61), False),
        (90, (30, 45), False),  # its border is outside
        (150, (51, 99), True),  # 150 x 150 still has thirds: 50 to 100
        (200, (81, 119), True),  # the middle fifth is 80 to 120
        (200, (79, 100), False),
        (200, (100, 121), False),
    ],
)
def test_a_box_needs_a_centre_in_its_central_region(side, center, inside):
    boxes, scores, labels = matched(peaks((0, 0, 0, 0.8)), peaks((side, side, 0, 0.6)), peaks((*center, 0, 0.5)))
    if inside:
        assert boxes.tolist() == [[0, 0, side, side]]
        assert scores.tolist() == pytest.approx([(0.8 + 0.6 + 0.5) / 3])
        assert labels.tolist() == [0]
    else:
        assert boxes.shape == (0, 4)


def test_a_centre_of_another_class_does_not_count_and_the_best_of_the_same_does():
    tl, br = peaks((0, 0, 1, 0.8)), peaks((90, 90, 1, 0.6))
    assert len(matched(tl, br, peaks((45, 45, 0, 0.9)))[0]) == 0
    _, scores, labels = matched(tl, br, peaks((45, 45, 0, 0.9), (44, 44, 1, 0.3), (50, 50, 1, 0.7)))
    assert scores.tolist() == pytest.approx([(0.8 + 0.6 + 0.7) / 3])
    assert labels.tolist() == [1]


def test_corners_group_within_a_class_an_embedding_distance_and_an_order():
    centers = peaks((45, 45, 0, 0.5), (145, 45, 0, 0.5), (45, 45, 1, 0.5), (95, 45, 0, 0.5))
    tl = peaks((0, 0, 0, 0.9), (100, 0, 0, 0.8), (0, 0, 1, 0.7))
    br = peaks((90, 90, 0, 0.9), (190, 90, 0, 0.8))
    # The embeddings separate two boxes side by side that would otherwise give a third across both.
    boxes, _, _ = matched(tl, br, centers, (0.0, 5.0, 0.0), (0.5, 5.2))
    assert boxes.tolist() == [[0, 0, 90, 90], [100, 0, 190, 90]]
    boxes, _, _ = matched(tl, br, centers, (0.0, 0.0, 0.0), (0.0, 0.0))
    assert sorted(boxes.tolist()) == [[0, 0, 90, 90], [0, 0, 190, 90], [100, 0, 190, 90]]
    boxes, _, _ = matched(tl, br, centers, (0.0, 0.0, 0.0), (0.51, 0.51))
    assert len(boxes) == 0
    # A bottom-right corner above or left of the top-left one makes no box.
    assert len(matched(peaks((90, 0, 0, 1)), peaks((0, 90, 0, 1)), peaks((45, 45, 0, 1)))[0]) == 0


def test_only_the_best_pairs_are_looked_at():
    tl, br = peaks((0, 0, 0, 0.2), (1, 1, 0, 0.9)), peaks((90, 90, 0, 0.9))
    tags = torch.zeros(2), torch.zeros(1)
    boxes, _, _ = match_triplets(tl, br, peaks((45, 45, 0, 1)), *tags, max_pairs=1)
    assert boxes.tolist() == [[1, 1, 90, 90]]


def test_peaks_are_local_maxima_with_offsets():
    heatmap = torch.zeros(2, 4, 5)
    heatmap[0, 1, 2], heatmap[0, 1, 3], heatmap[1, 3, 0] = 0.9, 0.8, 0.7
    offset = torch.zeros(2, 4, 5)
    offset[:, 1, 2] = torch.tensor([0.25, 0.5])
    found = find_peaks(heatmap, offset, 2)
    assert found.scores.tolist() == pytest.approx([0.9, 0.7])  # 0.8 has a higher neighbour
    assert found.labels.tolist() == [0, 1]
    assert found.xy.tolist() == [[2.25, 1.5], [0, 3]]
    assert found.place.tolist() == [7, 15]


def test_gaussians_are_cut_at_the_border_and_keep_what_is_higher():
    heatmap = torch.zeros(4, 5)
    heatmap[0, 1] = 0.9
    draw_gaussian(heatmap, 0, 0, 1, 1.0)
    edge, corner = torch.tensor([-0.5, -1.0]).exp()
    assert torch.equal(heatmap[:2, :2], torch.stack([torch.tensor([1, 0.9]), torch.stack([edge, corner])]))
    assert heatmap.sum() == heatmap[:2, :2].sum()


def plain(pool):
    """The pooling alone: every convolution passes its input on, the shortcut gives nothing."""
    for module in pool.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight)
    nn.init.zeros_(pool.shortcut[0].weight)
    return pool.eval()


def test_center_pool_adds_the_maxima_of_row_and_column():
    x = torch.zeros(1, 128, 3, 4)
    x[0, 0] = torch.tensor([[1, 2, 0, 0], [0, 5, 0, 3], [4, 0, 0, 0]])
    with torch.no_grad():
        out = plain(CenterPool(128))(x)[0, 0]
    columns, rows = torch.tensor([4, 5, 0, 3]), torch.tensor([2, 5, 4])
    assert torch.allclose(out, (rows[:, None] + columns).float(), atol=1e-3)


def test_cascade_corner_pool_looks_right_then_down_and_down_then_right():
    x = torch.zeros(1, 128, 3, 3)
    x[0, 0, 1, 1] = 1.0
    with torch.no_grad():
        out = plain(CascadeCornerPool(128, top_left=True))(x)[0, 0]
    # Down the column and to the right of the row, each of x + the maximum ahead on the other axis.
    assert torch.allclose(out, torch.tensor([[2.0, 3, 0], [3, 4, 0], [0, 0, 0]]), atol=1e-3)
    with torch.no_grad():
        other = plain(CascadeCornerPool(128, top_left=False))(x.flip(2, 3))[0, 0]
    assert torch.allclose(other, out.flip(0, 1), atol=1e-3)


@pytest.fixture
def head():
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build({'type': 'CenterNetTripletHead', 'num_classes': 2, 'in_channels': 4, 'test_cfg': {}})


def sample(boxes, labels, size=(64, 64), **meta):
    instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4), labels=torch.tensor(labels).long()
    )
    meta = {'img_shape': size, 'ori_shape': size, 'batch_input_shape': size, **meta}
    return DetDataSample(gt_instances=instances, metainfo=meta)


def test_targets(head):
    boxes, labels = [torch.tensor([[8.0, 4, 34, 50]]), torch.zeros(0, 4)], [torch.tensor([1]), torch.tensor([]).long()]
    targets = head.get_targets(boxes, labels, (2, 2, 16, 16), (64, 64))
    for name, (x, y), offset in [
        ('topleft', (2, 1), (0, 0)),
        ('bottomright', (8, 12), (0.5, 0.5)),
        ('center', (5, 6), (0.25, 0.75)),  # (21, 27) / 4
    ]:
        heatmap = targets[f'{name}_heatmap']
        assert (heatmap == 1).nonzero().tolist() == [[0, 1, y, x]]
        assert targets[f'{name}_offset'][0, :, y, x].tolist() == list(offset)
    # 7 x 12 cells give the radius 1 of overlap 0.3: sigma is 3 / 6 for corners, 3 / 5 for centres.
    assert targets['topleft_heatmap'][0, 1, 1, 3] == pytest.approx(torch.tensor(-0.5 / 0.5**2).exp().item())
    assert targets['center_heatmap'][0, 1, 6, 6] == pytest.approx(torch.tensor(-0.5 / 0.6**2).exp().item())
    assert targets['corner_embedding'] == [[[[1, 2], [12, 8]]], []]


def made_maps(points, size=16):
    """Maps of a head that is certain of points (kind, label, x, y)."""
    maps = {f'{p}_heat': torch.full((1, 2, size, size), -20.0) for p in ('tl', 'br', 'ct')}
    maps |= {f'{p}_offset': torch.zeros(1, 2, size, size) for p in ('tl', 'br', 'ct')}
    maps |= {f'{p}_tag': torch.zeros(1, 1, size, size) for p in ('tl', 'br')}
    for kind, label, x, y, logit in points:
        maps[f'{kind}_heat'][0, label, y, x] = logit
    return maps


def test_decoding_gives_boxes_of_the_input_or_of_the_file(head):
    maps = made_maps([('tl', 1, 4, 4, 5.0), ('br', 1, 13, 13, 5.0), ('ct', 1, 8, 8, 5.0)])
    meta = {'batch_input_shape': (64, 64), 'ori_shape': (128, 128), 'scale_factor': (0.5, 0.5)}
    (found,) = head.predict_by_feat(maps, [meta])
    assert found.bboxes[0].tolist() == [16, 16, 52, 52]
    assert found.labels[0] == 1
    assert found.scores[0] == pytest.approx(torch.tensor(5.0).sigmoid().item())
    (found,) = head.predict_by_feat(maps, [meta], rescale=True)
    assert found.bboxes[0].tolist() == [32, 32, 104, 104]
    # The border that padding added is taken off, and boxes are cut to the image.
    meta = {'batch_input_shape': (64, 64), 'ori_shape': (44, 44), 'border': (10, 54, 20, 64)}
    (found,) = head.predict_by_feat(maps, [meta], rescale=True)
    assert found.bboxes[0].tolist() == [0, 6, 32, 42]
    meta['border'] = (10, 54, 21, 64)  # 5 pixels outside
    (found,) = head.predict_by_feat(maps, [meta], rescale=True)
    assert (found.scores < 1e-6).all()  # nothing but background is left


def test_soft_nms_lowers_what_overlaps_and_keeps_what_does_not(head):
    # Boxes of 36 x 36 two cells apart on each axis: their overlap is 28 x 28.
    maps = made_maps(
        [
            *[('tl', 0, 2, 2, 5.0), ('br', 0, 11, 11, 5.0), ('ct', 0, 7, 7, 5.0)],
            *[('tl', 0, 4, 4, 3.0), ('br', 0, 13, 13, 3.0)],
        ]
    )
    maps['tl_tag'][0, 0, 4, 4] = maps['br_tag'][0, 0, 13, 13] = 9.0
    maps['ct_offset'][0, :, 7, 7] = 0.5  # in the middle third of both
    metas = [{'batch_input_shape': (64, 64), 'ori_shape': (64, 64)}]
    (raw,), (found,) = head.predict_by_feat(maps, metas, with_nms=False), head.predict_by_feat(maps, metas)
    raw = raw[raw.scores > 0.5]
    assert raw.bboxes.tolist() == [[8, 8, 44, 44], [16, 16, 52, 52]]
    assert found.bboxes[:2].tolist() == raw.bboxes.tolist()
    iou = 28**2 / (2 * 36**2 - 28**2)
    assert found.scores[0] == raw.scores[0]
    assert found.scores[1] == pytest.approx(raw.scores[1].item() * torch.tensor(-(iou**2) / 0.5).exp().item(), abs=1e-4)


def detector(backbone):
    return ConfigDict(
        type='CornerNet',
        data_preprocessor={'type': 'DetDataPreprocessor'},
        backbone=backbone,
        neck=None,
        bbox_head={'type': 'hrnet_mm.CenterNetTripletHead', 'num_classes': 2, 'in_channels': 15 * 4},
        test_cfg={'max_per_img': 5},
    )


@pytest.mark.slow
def test_a_detector_learns_one_image_and_finds_its_box(monkeypatch):
    monkeypatch.setattr('hrnet_mm.drop_in.mmdet.heads._CHANNELS', 32)
    monkeypatch.setattr('hrnet_mm.models.heads.triplet._INNER_CHANNELS', 16)
    torch.manual_seed(0)
    backbone = {'type': 'hrnet_mm.HRNetV2', 'arch': 'w4'}
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(detector(backbone))
    model.init_weights()
    model.train()
    data = sample([[8, 8, 40, 40]], [1])
    image = torch.zeros(1, 3, 64, 64)
    image[..., 8:40, 8:40] = 1
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    totals = []
    for _ in range(30):
        losses = model.loss(image, [data])
        assert set(losses) == {'loss_heatmap', 'loss_offset', 'loss_pull', 'loss_push'}
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < totals[0] / 4
    with torch.no_grad():
        (result,) = model.train().predict(image, [data])  # batch statistics: 30 steps do not settle the running ones
    assert len(result.pred_instances) <= 5
    best = result.pred_instances[0]
    assert best.labels.tolist() == [1]
    assert best.bboxes[0].tolist() == pytest.approx([8, 8, 40, 40], abs=3)


def test_an_image_without_boxes_trains_too(head):
    losses = head.loss((torch.rand(1, 4, 16, 16),), [sample([], [])])
    assert all(torch.isfinite(value) for value in losses.values())
    sum(losses.values()).backward()
