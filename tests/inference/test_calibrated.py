"""A calibration in a specification changes predictions as its numbers say, and a wrong one is refused."""

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from hrnet_mm.tasks.calibration import KINDS, calibrate_samples, check_calibration
from hrnet_mm.weights import CheckpointError, ModelSpec


class Classified(BaseDataElement):
    def set_pred_score(self, value):
        self.pred_score = value


def test_classes():
    sample = Classified(pred_score=torch.tensor([0.8, 0.2]), gt_label=torch.tensor([0]))
    assert KINDS['classes'].uncertainty(sample) == pytest.approx(0.2)
    calibrate_samples([sample], {'temperature': 2.0}, 'classes')
    assert sample.pred_score.tolist() == pytest.approx([2 / 3, 1 / 3])  # the roots of 4 and 1


def test_pixels():
    logits = torch.log(torch.tensor([[[0.8, 0.5]], [[0.2, 0.5]]]))
    sample = BaseDataElement(seg_logits=PixelData(data=logits))
    sample.set_field(PixelData(data=torch.tensor([[[0, 255]]])), 'gt_sem_seg')
    probabilities, labels = KINDS['regions'].observe(sample)
    np.testing.assert_allclose(probabilities, [[0.8, 0.2]], rtol=1e-6)
    assert labels.tolist() == [0]  # 255 is neither
    calibrate_samples([sample], {'temperature': 2.0}, 'regions')
    assert sample.confidence.data.flatten().tolist() == pytest.approx([2 / 3, 0.5])
    assert KINDS['regions'].uncertainty(sample) == pytest.approx(1 - (2 / 3 + 0.5) / 2)


def test_boxes():
    found = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 10, 10], [1, 1, 10, 10], [50, 50, 60, 60], [20, 20, 30, 30]]),
        scores=torch.tensor([0.9, 0.8, 0.7, 0.6]),
        labels=torch.tensor([0, 0, 0, 1]),
    )
    truth = InstanceData(bboxes=torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]]), labels=torch.tensor([0, 0]))
    sample = BaseDataElement(pred_instances=found, gt_instances=truth)
    scores, hits = KINDS['boxes'].observe(sample)
    # The second is a second one of its object, the third of none, the fourth of another class.
    assert hits.tolist() == [True, False, False, False]
    calibrate_samples([sample], {'score_factor': 2.0, 'score_offset': -1.0}, 'boxes')
    expected = 1 / (1 + np.exp(1 - 2 * np.log(scores / (1 - scores))))
    np.testing.assert_allclose(sample.pred_instances.scores, expected, rtol=1e-5)


def test_points():
    found = InstanceData(
        bboxes=np.array([[0.0, 0, 20, 5]]),
        keypoints=np.array([[[1.0, 1], [5, 5], [9, 9]]]),
        keypoint_scores=np.array([[0.2, 0.5, 0.9]]),
    )
    truth = InstanceData(keypoints=np.array([[[1.0, 4], [5, 5], [0, 0]]]), keypoints_visible=np.array([[1, 1, 0]]))
    sample = BaseDataElement(pred_instances=found, gt_instances=truth)
    scores, errors = KINDS['keypoints'].observe(sample)
    assert scores.tolist() == [0.2, 0.5]
    assert errors.tolist() == [0.3, 0]  # 3 pixels of 10, the root of 20 x 5
    calibrate_samples([sample], {'coverage': 0.9, 'radius_scores': [0.5], 'radii': [0.4, 0.1]}, 'keypoints')
    np.testing.assert_allclose(found.keypoint_radii, [[4, 1, 1]])
    assert KINDS['keypoints'].uncertainty(sample) == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    'calibration',
    [
        {},
        {'temperature': 0.0},
        {'temperature': [1.0]},
        {'score_factor': -1.0, 'score_offset': 0.0},
        {'coverage': 0.9, 'radius_scores': [0.1], 'radii': [1.0]},
        {'coverage': 0.9, 'radius_scores': 0.1, 'radii': [1.0, 2.0]},
    ],
)
def test_others_are_refused(kind, calibration):
    spec = ModelSpec('pose', 'hrnetv1_w18', (64, 64), (0,) * 3, (1,) * 3, {}, calibration=calibration)
    with pytest.raises(CheckpointError, match='has the calibration'):
        check_calibration(spec, kind)


def test_few_labels_are_not_fitted():
    kind = KINDS['classes']
    assert kind.fit_all([]) is None
    assert kind.fit_all([(np.array([[0.9, 0.1]]), np.array([0]))] * 49) is None
    assert kind.fit_all([(np.array([[0.9, 0.1]]), np.array([0]))] * 50).keys() == {'temperature'}
