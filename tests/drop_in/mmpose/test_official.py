"""The official pose augmentation and face protocol, against cases worked out by hand."""

import numpy as np
import pytest
from mmpose.codecs import MSRAHeatmap
from mmpose.datasets.transforms import RandomHalfBody
from mmpose.evaluation import MpiiPCKAccuracy
from mmpose.registry import KEYPOINT_CODECS, METRICS, MODELS, TRANSFORMS

import hrnet_mm.drop_in.mmpose  # noqa: F401  # registers what is built here by name


def boxes(count):
    return {'bbox_scale': np.full((count, 2), 100, np.float32)}


def test_pose_boxes_scale_and_rotate_by_cut_normal_distributions():
    np.random.seed(0)
    results = TRANSFORMS.build({'type': 'OfficialBBoxTransform'})(boxes(20000))
    scale, angle = results['bbox_scale'][:, 0] / 100, results['bbox_rotation']
    assert np.allclose([scale.min(), scale.max()], [0.65, 1.35])
    # 32 % of a normal distribution lie beyond one sigma: so many boxes get a limit.
    assert np.mean(np.isclose(scale, 0.65) | np.isclose(scale, 1.35)) == pytest.approx(0.317, abs=0.02)
    assert np.mean(angle == 0) == pytest.approx(0.4, abs=0.02)
    rotated = angle[angle != 0]
    assert np.abs(rotated).max() == 90
    assert np.mean(np.abs(rotated) == 90) == pytest.approx(0.0455, abs=0.01)
    assert np.mean(np.abs(rotated) < 45) == pytest.approx(0.683, abs=0.02)
    assert results['bbox_scale'].dtype == np.float32


def test_face_boxes_do_so_uniformly():
    np.random.seed(0)
    cfg = {'type': 'OfficialBBoxTransform', 'scale_factor': 0.25, 'rotate_factor': 30, 'distribution': 'uniform'}
    results = TRANSFORMS.build(cfg)(boxes(20000))
    scale, rotated = results['bbox_scale'][:, 0] / 100, results['bbox_rotation'][results['bbox_rotation'] != 0]
    assert scale.min() >= 0.75
    assert scale.max() <= 1.25
    assert np.mean(scale < 0.875) == pytest.approx(0.25, abs=0.02)
    assert np.abs(rotated).max() <= 30
    assert np.mean(np.abs(rotated) < 15) == pytest.approx(0.5, abs=0.02)


def test_another_distribution_is_refused():
    with pytest.raises(ValueError, match=r"'normal' \(pose\) or 'uniform' \(faces\), got 'gauss'"):
        TRANSFORMS.build({'type': 'OfficialBBoxTransform', 'distribution': 'gauss'})


def test_mmpose_s_arguments_give_the_official_half_bodies():
    np.random.seed(0)
    half = RandomHalfBody(
        min_total_keypoints=9, min_upper_keypoints=3, min_lower_keypoints=3, prob=1.0, upper_prioritized_prob=0.6915
    )
    upper, lower = list(range(11)), list(range(11, 17))
    chosen = half._random_select_half_body(np.ones((5000, 17)), upper, lower)
    assert np.mean([ids == upper for ids in chosen]) == pytest.approx(0.6915, abs=0.02)
    seen = np.ones((1, 17))
    seen[0, 8:] = 0
    assert half._random_select_half_body(seen, upper, lower) == [None]  # eight points are too few
    seen[0, 8:13] = 1
    assert half._random_select_half_body(seen, upper, lower) == [upper]  # two lower points are too few


def test_mmpose_measures_mpii_s_published_pckh_at_its_true_threshold():
    metric = MpiiPCKAccuracy(thr=0.11, norm_item='head')
    truth = np.full((1, 16, 2), 50.0)
    gt = {'keypoints': truth, 'keypoints_visible': np.ones((1, 16)), 'head_size': 100.0}
    predicted = truth + np.array([10.5 - 1, -1])  # the metric adds the 1 that MATLAB counts from
    metric.process(None, [{'gt_instances': gt, 'pred_instances': {'keypoints': predicted}}])
    scores = metric.compute_metrics(metric.results)
    assert scores['PCK'] == pytest.approx(100)
    assert scores['PCK@0.1'] == 0


def test_mmpose_s_pose_gaussian_stands_at_the_rounded_cell():
    codec = MSRAHeatmap((16, 16), (4, 4), sigma=2)
    (heatmap,) = codec.encode(np.array([[[6.0, 9.9]]], np.float32))['heatmaps']
    assert np.argwhere(heatmap == 1).tolist() == [[2, 2]]  # 1.5 and 2.475


def face(size=64, heatmap=16, **kwargs):
    cfg = {'type': 'FaceHeatmap', 'input_size': (size, size), 'heatmap_size': (heatmap, heatmap)}
    return KEYPOINT_CODECS.build({**cfg, **kwargs})


def test_face_gaussians_stand_at_the_cell_without_its_decimals():
    points = np.array([[[27.9, 35.9], [30.0, 30.0], [-1.0, 20.0], [200.0, 20.0]]], np.float32)
    encoded = face(sigma=1.0).encode(points, np.array([[1, 0, 1, 1]], np.float32))
    heatmaps = encoded['heatmaps']
    assert np.argwhere(heatmaps[0] == 1).tolist() == [[8, 6]]  # 6.975 and 8.975
    assert heatmaps[0, 8, 7] == pytest.approx(np.exp(-0.5))
    assert heatmaps[0, 8, 9] == pytest.approx(np.exp(-4.5))
    assert heatmaps[0, 8, 10] == 0  # beyond 3 sigma
    assert not heatmaps[1].any()  # invisible
    assert np.argwhere(heatmaps[2] == 1).tolist() == [[5, 0]]  # -0.25 loses its decimals upwards
    assert not heatmaps[3].any()  # outside
    assert encoded['keypoint_weights'].tolist() == [[1, 1, 1, 1]]  # empty maps are learnt too


def test_face_gaussians_of_sigma_one_and_a_half_reach_five_cells_left_and_four_right():
    (row,) = face().encode(np.array([[[32.0, 32.0]]], np.float32))['heatmaps'][:, 8]
    assert np.flatnonzero(row).tolist() == list(range(3, 13))
    assert row.argmax() == 8
    # Nearer than 4.5 cells to the border the official code puts the peak a cell further in.
    (row,) = face().encode(np.array([[[16.0, 32.0]]], np.float32))['heatmaps'][:, 8]
    assert row.argmax() == 5


def test_face_decoding_moves_a_quarter_and_adds_a_half():
    maps = np.zeros((4, 16, 16), np.float32)
    maps[0, 5, 7], maps[0, 5, 8], maps[0, 4, 7] = 1, 0.5, 0.5
    maps[1, 5, 0] = 1
    maps[2, 9, 9] = 1
    points, scores = face().decode(maps)
    expected = [
        [(7 + 0.25 + 0.5) * 4, (5 - 0.25 + 0.5) * 4],
        [0.5 * 4, 5.5 * 4],  # at the border: no quarter
        [9.5 * 4, 9.5 * 4],  # neighbours are equal: none either
        [-0.5 * 4, -0.5 * 4],  # nothing positive
    ]
    assert points[0].tolist() == expected
    assert scores[0].tolist() == [1, 1, 1, 0]


def test_points_at_the_top_of_the_image_or_above_are_skipped():
    results = {
        'keypoints': np.array([[[5.0, 0.0], [5.0, -1.0], [5.0, 0.5], [5.0, 2.0]]]),
        'keypoints_visible': np.array([[1.0, 1, 1, 0]]),
    }
    results = TRANSFORMS.build({'type': 'SkipNonPositiveY'})(results)
    assert results['keypoints_visible'].tolist() == [[0, 0, 1, 0]]


def data_sample(truth, predicted, box=(0, 0, 100, 80)):
    gt = {'keypoints': np.array([truth], float), 'bboxes': np.array([box], float)}
    return {'gt_instances': gt, 'pred_instances': {'keypoints': np.array([predicted], float)}}


def test_errors_failures_and_area_of_three_faces():
    metric = METRICS.build({'type': 'FaceAlignmentMetric', 'norm': (0, 1), 'whole_pixels': False})
    truth = [[0, 0], [100, 0]]
    for error in (5, 9, 20):  # of both points, 100 pixels apart
        metric.process(None, [data_sample(truth, [[0, error], [100, -error]])])
    scores = metric.evaluate(3)
    assert scores['face/NME'] == pytest.approx((0.05 + 0.09 + 0.20) / 3)
    assert scores['face/FR@0.08'] == pytest.approx(2 / 3)
    assert scores['face/FR@0.10'] == pytest.approx(1 / 3)
    # Below 0.10 the distribution is 0, from 0.05 on 1/3, from 0.09 on 2/3.
    assert scores['face/AUC@0.10'] == pytest.approx((0.04 / 3 + 0.01 * 2 / 3) / 0.10)


def test_predictions_lose_their_decimals_and_gain_a_pixel():
    metric = METRICS.build({'type': 'FaceAlignmentMetric', 'norm': (0, 1)})
    metric.process(None, [data_sample([[10, 10], [110, 10]], [[9.9, 12.0], [109.0, 9.0]])])
    # (9.9, 12) becomes (10, 13), three pixels off; (109, 9) becomes the truth.
    assert metric.evaluate(1)['face/NME'] == pytest.approx(1.5 / 100)


@pytest.mark.parametrize(
    ('name', 'count', 'size'), [('wflw', 98, 12), ('300w', 68, 9), ('cofw', 29, 1), ('aflw', 19, 100)]
)
def test_each_data_set_has_its_norm(name, count, size):
    metric = METRICS.build({'type': 'FaceAlignmentMetric', 'whole_pixels': False})
    metric.dataset_meta = {'dataset_name': name}
    truth = np.array([[i, 0] for i in range(count)])  # points i and k are |i - k| apart
    metric.process(None, [data_sample(truth, truth + np.array([0, 1]))])
    assert metric.evaluate(1)['face/NME'] == pytest.approx(1 / size)


def test_an_unknown_data_set_needs_a_norm():
    metric = METRICS.build({'type': 'FaceAlignmentMetric'})
    metric.dataset_meta = {'dataset_name': 'lapa'}
    with pytest.raises(ValueError, match=r"data set 'lapa' is unknown, known are .*'wflw'.*give `norm`"):
        metric.process(None, [data_sample([[0, 0]], [[0, 0]])])


def test_bottom_up_inputs_are_squares_and_have_scale_one():
    with pytest.raises(ValueError, match=r'input_size is \(512, 640\); expected a square'):
        TRANSFORMS.build({'type': 'OfficialBottomupAffine', 'input_size': (512, 640)})
    with pytest.raises(ValueError, match=r'scales is \(0.5, 2\); expected 1 among them'):
        TRANSFORMS.build({'type': 'OfficialBottomupResize', 'input_size': (512, 512), 'scales': (0.5, 2)})


def test_images_of_several_sizes_are_packed_and_batched_by_scale():
    images = [np.full((4, 6, 3), 9, np.uint8), np.full((2, 3, 3), 9, np.uint8)]
    pack = TRANSFORMS.build({'type': 'PackPoseInputs'})
    packed = pack({'img': images, 'aug_scales': [0.5]})
    assert [tuple(image.shape) for image in packed['inputs']] == [(3, 4, 6), (3, 2, 3)]
    assert packed['data_samples'].aug_scales == [0.5]
    preprocessor = MODELS.build({'type': 'PoseDataPreprocessor', 'mean': [1.0] * 3, 'std': [2.0] * 3})
    batch = {'inputs': [[image] * 2 for image in packed['inputs']], 'data_samples': [packed['data_samples']] * 2}
    batch = preprocessor(batch)
    inputs = batch['inputs']
    assert [tuple(scale.shape) for scale in inputs] == [(2, 3, 4, 6), (2, 3, 2, 3)]
    assert (inputs[0] == 4).all()
    assert batch['data_samples'][1].batch_input_shape == (4, 6)  # of the first scale


def test_images_of_one_size_are_packed_as_by_mmpose():
    pack = TRANSFORMS.build({'type': 'PackPoseInputs'})
    assert pack({'img': [np.zeros((4, 6, 3), np.uint8)] * 2})['inputs'].shape == (2, 3, 4, 6)
    assert pack({'img': np.zeros((4, 6, 3), np.uint8)})['inputs'].shape == (3, 4, 6)
