"""Suppression, matching and overlaps: decisions equal to those of compiled mmcv, on thousands of random cases."""

import math
import sys

import mmcv.ops
import numpy as np
import pytest
import torch
from torch import Tensor

NMS = sys.modules['mmcv.ops.nms']
THRESHOLDS = (0.0, 0.3, 1 / 3, 0.5, 0.6, 0.7, 0.9, 1.0)


def random_case(seed: int) -> tuple[Tensor, Tensor, float, int]:
    """Boxes, scores, a threshold and an offset; many seeds give ties, empty, inverted or repeated boxes, or NaN."""
    generator = np.random.default_rng(seed)
    count = int(generator.integers(0, 30))
    if seed % 2:  # whole pixels: overlaps that are fractions, just at the threshold
        corner, extent = (
            generator.integers(-3, 8, (count, 2)),
            generator.integers(-1 if seed % 7 == 0 else 0, 8, (count, 2)),
        )
    else:
        corner, extent = generator.uniform(-10, 60, (count, 2)), generator.uniform(0, 40, (count, 2))
    boxes = np.concatenate([corner, corner + extent], 1).astype(np.float32)
    scores = generator.random(count).astype(np.float32)
    if seed % 3 == 0:
        scores = np.round(scores, 1).astype(np.float32)
    if seed % 5 == 0 and count > 4:
        boxes[1::3], scores[generator.integers(count)] = boxes[0], np.nan
    if seed % 11 == 0 and count > 4:
        boxes[generator.integers(count), generator.integers(4)] = np.nan
    return torch.tensor(boxes), torch.tensor(scores), float(generator.choice(THRESHOLDS)), seed // 2 % 2


def same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(first.nan_to_num(-7), second.nan_to_num(-7))


def test_nms(compiled, python):
    for seed in range(2000):
        boxes, scores, threshold, offset = random_case(seed)
        expected = compiled.nms(boxes, scores, iou_threshold=threshold, offset=offset)
        assert torch.equal(python.nms(boxes, scores, iou_threshold=threshold, offset=offset), expected), seed


def test_nms_of_many_boxes(compiled, python):
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2000, 2, generator=generator) * 700
    boxes = torch.cat([corner, corner + torch.rand(2000, 2, generator=generator) * 200], 1)
    scores = torch.rand(2000, generator=generator)
    for offset in (0, 1):
        expected = compiled.nms(boxes, scores, iou_threshold=0.5, offset=offset)
        assert 10 < len(expected) < 1990
        assert torch.equal(python.nms(boxes, scores, iou_threshold=0.5, offset=offset), expected)


def test_nms_in_float64(python):
    """The compiled operator takes float32 only, so a loop is the reference."""
    for seed in range(1000):
        boxes, scores, threshold, offset = random_case(seed)
        boxes, scores = boxes.double(), scores.double()
        threshold = float(np.float32(threshold)) if offset == 0 else threshold
        kept: list[int] = []
        for index in scores.argsort(descending=True).tolist():
            if not any(overlap(boxes[other], boxes[index], offset) > threshold for other in kept):
                kept.append(index)
        assert python.nms(boxes, scores, iou_threshold=threshold, offset=offset).tolist() == kept, seed


def overlap(first: Tensor, second: Tensor, offset: int) -> float:
    (x1, y1, x2, y2), (u1, v1, u2, v2) = first.tolist(), second.tolist()
    shared = max(0.0, min(x2, u2) - max(x1, u1) + offset) * max(0.0, min(y2, v2) - max(y1, v1) + offset)
    union = (x2 - x1 + offset) * (y2 - y1 + offset) + (u2 - u1 + offset) * (v2 - v1 + offset) - shared
    return shared / union if union else math.nan


@pytest.mark.slow
def test_softnms(compiled, python):
    """The kept boxes are equal in every case, and their scores but for the last bit of an exponential."""
    for seed in range(1200):
        boxes, scores, threshold, offset = random_case(seed)
        settings = {
            'iou_threshold': threshold,
            'sigma': (0.1, 0.5, 2.0)[seed % 3],
            'min_score': (0.0, 1e-3, 0.05, 0.3)[seed // 3 % 4],
            'method': seed // 12 % 3,
            'offset': offset,
        }
        dets = [torch.empty(len(boxes), 5) for _ in range(2)]
        kept = [ext.softnms(boxes, scores, out, **settings) for ext, out in zip((compiled, python), dets, strict=True)]
        assert torch.equal(*kept), seed
        first, second = (out[: len(index)] for out, index in zip(dets, kept, strict=True))
        torch.testing.assert_close(second, first, rtol=1e-6, atol=0, equal_nan=True)


def test_nms_match(compiled, python):
    for seed in range(1200):
        boxes, scores, threshold, _ = random_case(seed)
        dets = torch.cat([boxes, scores[:, None]], 1)
        if len(dets):
            expected = compiled.nms_match(dets, iou_threshold=threshold)
            assert python.nms_match(dets, iou_threshold=threshold) == expected, seed


@pytest.mark.slow
@pytest.mark.parametrize('name', ['nms', 'soft_nms'])
def test_batched_nms(name, compiled, in_python):
    """As mmdet calls it: one or many classes, class-agnostic, a limit, a threshold of the score, in groups."""
    cases = []
    for seed in range(1300 if name == 'nms' else 400):
        boxes, scores, threshold, offset = random_case(seed)
        if len(boxes) and not boxes.isnan().any():
            labels = torch.tensor(np.random.default_rng(seed).integers(0, (1, 3, 80)[seed % 3], len(boxes)))
            cfg = {'type': name, 'iou_threshold': threshold, 'offset': offset, 'split_thr': (10000, 20)[seed % 2]}
            if name == 'nms':
                cfg |= {'max_num': (-1, 5)[seed // 2 % 2], 'score_threshold': (0, 0.3)[seed // 4 % 2]}
            cases.append((boxes, scores, labels, cfg, seed % 4 == 0))
    expected = [NMS.batched_nms(*case) for case in cases]
    in_python('nms')
    for case, (dets, kept) in zip(cases, expected, strict=True):
        mine, mine_kept = NMS.batched_nms(*case)
        assert torch.equal(mine_kept, kept)
        torch.testing.assert_close(mine, dets, rtol=1e-6 if name == 'soft_nms' else 0, atol=0, equal_nan=True)


@pytest.mark.parametrize('call', [mmcv.ops.nms, mmcv.ops.soft_nms])
def test_arrays_and_no_boxes(call, in_python):
    in_python('nms')
    dets, kept = call(np.array([[0, 0, 2, 2], [0, 0, 2, 2]], np.float32), np.array([0.5, 0.9], np.float32), 0.5)
    assert isinstance(dets, np.ndarray)
    assert kept[0] == 1
    dets, kept = call(torch.empty(0, 4), torch.empty(0), 0.5)
    assert dets.shape == (0, 5)
    assert kept.shape == (0,)
    assert mmcv.ops.nms_match(torch.empty(0, 5), 0.5) == []


@pytest.mark.parametrize('offset', [0, 1])
def test_boxes_that_need_gradients(offset, in_python):
    in_python('nms')
    boxes, scores, *_ = random_case(2)
    expected = mmcv.ops.nms(boxes, scores, 0.5, offset)[1], mmcv.ops.soft_nms(boxes, scores, 0.5, offset=offset)[1]
    boxes, scores = boxes.requires_grad_(), scores.requires_grad_()
    found = mmcv.ops.nms(boxes, scores, 0.5, offset)[1], mmcv.ops.soft_nms(boxes, scores, 0.5, offset=offset)[1]
    assert len(boxes) > 3
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('mode', ['iou', 'iof'])
@pytest.mark.parametrize('aligned', [False, True])
def test_bbox_overlaps(dtype, mode, aligned, compiled, in_python):
    cases = [(random_case(seed)[0].to(dtype), random_case(seed + 1)[0].to(dtype), seed % 2) for seed in range(150)]
    cases = [(first[: len(second)], second[: len(first)] if aligned else second, o) for first, second, o in cases]
    expected = [mmcv.ops.bbox_overlaps(*boxes, mode, aligned, offset) for *boxes, offset in cases]
    in_python('bbox')
    for (*boxes, offset), result in zip(cases, expected, strict=True):
        assert same(mmcv.ops.bbox_overlaps(*boxes, mode, aligned, offset), result)
