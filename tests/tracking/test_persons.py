import numpy as np
import pytest
from mmpose.evaluation.functional import nms, oks_nms
from mmpose.evaluation.functional.nms import oks_iou

from hrnet_mm.tracking import COCO_SIGMAS, Persons
from hrnet_mm.tracking.persons import box_iou, boxes_around, oks, suppress


def some_persons(count, seed=0):
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 60, (count, 1, 2))
    size = random.uniform(60, 90, (count, 1, 2))
    keypoints = corner + size * random.uniform(0.4, 0.6, (count, 17, 2))
    boxes = np.concatenate([corner, corner + size], axis=-1)[:, 0]
    return Persons(
        keypoints, random.random((count, 17)), boxes, random.random(count), np.arange(count), np.ones(count, bool)
    )


def test_oks_and_its_suppression_are_mmposes():
    persons = some_persons(12)
    flat = np.concatenate([persons.keypoints, persons.joint_scores[..., None]], axis=-1).reshape(12, -1)
    areas = (persons.boxes[:, 2:] - persons.boxes[:, :2]).prod(-1)
    ours = oks(persons, persons, COCO_SIGMAS, 0.3)
    theirs = [oks_iou(flat[i], flat, areas[i], areas, COCO_SIGMAS, 0.3) for i in range(12)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    found = [{'score': s, 'keypoints': k, 'area': a} for s, k, a in zip(persons.scores, flat, areas, strict=True)]
    for threshold in (0.1, 0.3, 0.5):
        expected = oks_nms(found, threshold, COCO_SIGMAS, 0.3)
        assert suppress(ours, persons.scores, threshold).tolist() == expected.tolist()
        assert threshold > 0.3 or 1 < len(expected) < 12


def test_box_suppression_is_mmposes():
    persons = some_persons(12, seed=1)
    # mmpose counts pixels, the last one included; these boxes are given without it.
    theirs = np.column_stack([persons.boxes[:, :2], persons.boxes[:, 2:] - 1, persons.scores])
    for threshold in (0.2, 0.4, 0.6):
        kept = suppress(box_iou(persons.boxes, persons.boxes), persons.scores, threshold)
        assert kept.tolist() == nms(theirs, threshold)


def test_one_shared_joint_is_no_person():
    persons = some_persons(2)
    persons.joint_scores[:] = 0
    persons.joint_scores[:, 0] = 1
    persons.keypoints[1] = persons.keypoints[0]
    assert oks(persons, persons, COCO_SIGMAS, 0.5)[0, 1] == pytest.approx(1 / 3)
    persons.joint_scores[:] = 0
    assert oks(persons, persons, COCO_SIGMAS, 0.5).max() == 0


def test_boxes_around_confident_joints():
    persons = some_persons(2)
    persons.joint_scores[:] = 0
    persons.joint_scores[0, :2] = 1
    persons.keypoints[0, :2] = [[10, 20], [30, 60]]
    np.testing.assert_allclose(boxes_around(persons, 0.5, 1.5)[0], [5, 10, 35, 70])
    np.testing.assert_array_equal(boxes_around(persons, 0.5, 1.5)[1], persons.boxes[1])
