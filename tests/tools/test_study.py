"""The study: networks of equal multiply-adds and heads, runs that reach their rows, statistics, and reports."""

import importlib
import json
import re
import shutil
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData

from hrnet_mm.data.coco import write_coco
from hrnet_mm.data.rendered import dataset, people

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools' / 'research')
        yield importlib.import_module('study')


@pytest.fixture(scope='module')
def data(study):
    return importlib.import_module('_study_data')


@pytest.fixture(scope='module')
def claims(study):
    return importlib.import_module('_study_claims')


@pytest.fixture(scope='module')
def costs(study):
    return importlib.import_module('_study_costs')


@pytest.fixture(scope='module')
def report(study):
    return importlib.import_module('_study_report')


@pytest.fixture(scope='module')
def statistics(study):
    return importlib.import_module('_study_statistics')


@pytest.fixture(scope='module')
def small(claims):
    return claims.SCALES['small']


@pytest.fixture(scope='module')
def small_sized(small, claims, costs):
    return costs.size_all(small, claims.define_comparisons(small))


@pytest.fixture(scope='module')
def unsized(small, claims, costs):
    """Every network with a cost that was not counted."""
    cost = costs.Cost(100, 90, 10)
    return {name: costs.Sized(one, 8, cost) for name, one in claims.define_networks(small).items()}


# Networks.


@pytest.mark.slow
def test_compared_networks_have_equal_multiply_adds_and_published_heads(small, small_sized, claims, costs):
    assert set(small_sized) == set(claims.define_networks(small))
    for comparison in claims.define_comparisons(small).values():
        for first, second in combinations([small_sized[name] for name in comparison.networks], 2):
            if comparison.bodies:
                assert abs(first.cost.body / second.cost.body - 1) < 0.1
                assert max(first.cost.head, second.cost.head) < 0.01
            else:
                assert abs(first.cost.macs / second.cost.macs - 1) < 0.1
        for name in comparison.networks:
            one = small_sized[name]
            assert one.cost.body > 1e6
            assert comparison.bodies or abs(one.cost.head - costs.published_head(one.network)) <= 0.1, name


@pytest.mark.slow
def test_published_heads_have_their_known_shares(small, claims, costs):
    networks = claims.define_networks(small)
    shares = {name: costs.published_head(networks[name]) for name in ('HRNetV1', 'SimpleBaseline', 'HRNetV2')}
    # W32's classifier of 17 keypoints and its published 7.1 GFLOPs; 5.43 - 4.00 G MACs of deconvolutions; V2's head.
    assert shares['HRNetV1'] == pytest.approx(32 * 17 * 64 * 48 / (7.12 * 2**30), rel=0.01)
    assert shares['SimpleBaseline'] == pytest.approx(1.42 / 5.43, abs=0.01)
    assert shares['HRNetV2'] == pytest.approx((480 * 480 + 480 * 17) * 64 * 48 / 8.46e9, rel=0.01)


@pytest.mark.slow
def test_the_large_scale_has_equal_networks_too(claims, costs):
    scale = claims.SCALES['large']
    names = ('recovery', 'detection', 'classification')
    comparisons = {name: claims.define_comparisons(scale)[name] for name in names}
    assert len(costs.size_all(scale, comparisons)) == 8  # equalise raises where they differ


@pytest.mark.slow
def test_unequal_networks_and_heads_are_refused(small, claims, costs):
    networks = claims.define_networks(small)
    comparison = claims.Comparison('', ('4x stream', 'U-Net'), ())
    with pytest.raises(ValueError, match='more than 5% apart'):
        costs.equalise(comparison, networks, 1)
    networks['SimpleBaseline'] = replace(networks['SimpleBaseline'], published=networks['HRNetV1'].published)
    networks['SimpleBaseline'] = replace(networks['SimpleBaseline'], build=networks['HRNetV2'].build)
    networks['HRNetV2'] = replace(networks['HRNetV2'], published=networks['U-Net'].published)
    with pytest.raises(ValueError, match=r'the head of HRNetV2 has 1\d% .* more than 10% apart'):
        costs.equalise(claims.Comparison('', ('HRNetV2',), ()), networks, 8)


def test_claims_are_about_networks_that_are_compared(small, claims):
    networks = claims.define_networks(small)
    for comparison in claims.define_comparisons(small).values():
        for claim in comparison.claims:
            names = {*claim.better, *claim.worse}
            assert names <= set(comparison.networks or networks)
            assert len(claim.better) == len(claim.worse)
            assert len({networks[name].task for name in names}) == 1


@pytest.mark.parametrize('slide', [24, 28, 29, 46, 49])
def test_the_main_claims_need_eight_seeds(small, slide, claims):
    pattern = re.compile(rf'slides? (\d+ and )?{slide}\b')
    found = [one for one in claims.define_comparisons(small).values() if pattern.search(one.title)]
    assert {one.seeds for one in found} == {8}


def test_pooled_streams_are_means(study):
    module = importlib.import_module('_study_networks').PooledStreams()
    maps = torch.arange(8.0).view(1, 2, 2, 2), torch.full((1, 1, 1, 1), 9.0)
    assert module(maps)[0].tolist() == [[1.5, 5.5, 9.0]]


def test_boxes_are_counted_by_level(study):
    # RoIAlign's levels change at geometric means of 42, 84 and 168 pixels; anchors are 12, 24, 48, 96, 192 pixels.
    sides = [12, 41, 43, 83, 85, 167, 169, 192]
    levels = study.count_levels(np.array([[128 - s / 2, 128 - s / 2, s, s] for s in sides]))
    assert levels['rois'] == [2, 2, 2, 2, 0]
    assert levels['anchors'] == [1, 0, 2, 2, 3]


# Data and records.


def test_people_have_all_sizes(data):
    pattern = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    scenes = [data.render_sizes(np.random.default_rng(seed), [pattern]) for seed in range(12)]
    heights = [np.flatnonzero(mask.any(axis=1)) for scene in scenes for mask, _ in scene.instances]
    heights = [rows[-1] - rows[0] + 1 for rows in heights]
    assert min(heights) < 32 < 128 < max(heights)
    assert all(scene.image.shape == (256, 256, 3) for scene in scenes)


def test_records_of_pose_are_mmposes_pck(data, statistics):
    from mmpose.evaluation.metrics import PCKAccuracy

    random = np.random.default_rng(0)
    metric, read = PCKAccuracy(thr=0.1, norm_item='bbox'), []
    for person in range(30):
        true = random.uniform(0, 60, (1, 17, 2))
        gt = InstanceData(keypoints=true, keypoints_visible=random.integers(0, 2, (1, 17)))
        gt.bboxes = np.array([[10.0, 20, 60, 50 + person]])
        predicted = InstanceData(keypoints=true + random.normal(0, 4, true.shape))
        sample = SimpleNamespace(img_id=person // 2, gt_instances=gt, pred_instances=predicted)
        read.append(data.read_pose(sample))
        metric.process([], [{'gt_instances': dict(gt.items()), 'pred_instances': dict(predicted.items())}])
    records, looser = data.merge_ratios(read, '')
    assert records['hits'].shape == (15, 17)
    value = statistics.evaluate(records)[0]
    assert value == pytest.approx(100 * metric.evaluate(30)['PCK'])
    assert value < statistics.evaluate(looser)[0]


def test_records_of_segmentation_are_mmsegs_iou(data, statistics):
    from mmseg.evaluation.metrics import IoUMetric

    random = np.random.default_rng(0)
    metric, read = IoUMetric(iou_metrics=['mIoU']), []
    metric.dataset_meta = {'classes': data.CLASSES}
    for _ in range(5):
        true, predicted = (torch.as_tensor(random.integers(0, 7, (1, 9, 9))) for _ in range(2))
        true[0, 0] = 255
        sample = SimpleNamespace(pred_sem_seg=PixelData(data=predicted), gt_sem_seg=PixelData(data=true))
        read.append(data.read_segmentation(sample))
        metric.process({}, [{'pred_sem_seg': {'data': predicted}, 'gt_sem_seg': {'data': true}}])
    values = metric.evaluate(5)
    for records, name in zip(data.merge_ratios(read, ''), ('mIoU', 'aAcc'), strict=True):
        assert statistics.evaluate(records)[0] == pytest.approx(values[name], abs=0.006)  # mmseg rounds


def test_records_of_classes_are_mmpretrains_accuracy(data, statistics):
    from mmpretrain.evaluation import Accuracy

    random = np.random.default_rng(0)
    metric, read = Accuracy(topk=(1, 2)), []
    for _ in range(40):
        scores, label = torch.as_tensor(random.random(4)), torch.tensor([random.integers(4)])
        read.append(data.read_class(SimpleNamespace(pred_score=scores, gt_label=label)))
        metric.process([], [{'pred_score': scores, 'gt_label': label}])
    values = metric.evaluate(40)
    for records, name in zip(data.merge_ratios(read, ''), ('top1', 'top2'), strict=True):
        assert statistics.evaluate(records)[0] == pytest.approx(values[f'accuracy/{name}'], abs=1e-4)


@pytest.fixture
def boxes(tmp_path):
    """COCO's file of 12 images with three boxes each, and detections near them."""
    random, annotations, read = np.random.default_rng(0), [], []
    for image in range(1, 13):
        true = random.uniform((10, 10, 30, 30), (60, 60, 80, 80), (3, 4))
        for number, (x, y, w, h) in enumerate(true.tolist(), 3 * image):
            box = {'id': number, 'image_id': image, 'category_id': 1, 'iscrowd': 0, 'area': w * h, 'bbox': [x, y, w, h]}
            annotations.append(box)
        found = np.concatenate([true, true[:2]]) + random.normal(0, 6, (5, 4))
        found[:, 2:] += found[:, :2]
        read.append((image, torch.as_tensor(found), torch.as_tensor(random.random(5))))
    file = tmp_path / 'boxes.json'
    write_coco(file, [{'id': n, 'width': 200, 'height': 200} for n in range(1, 13)], annotations, {'name': 'person'})
    samples = [
        SimpleNamespace(img_id=image, pred_instances=SimpleNamespace(bboxes=found, scores=scores))
        for image, found, scores in read
    ]
    return file, samples


def test_records_of_boxes_are_pycocotools_average_precision(data, statistics, boxes):
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    file, samples = boxes
    records = data.merge_boxes([data.read_boxes(one) for one in samples], str(file))
    found = []
    for one in samples:
        for (x0, y0, x1, y1), score in zip(one.pred_instances.bboxes.tolist(), one.pred_instances.scores, strict=True):
            box = [x0, y0, x1 - x0, y1 - y0]
            found.append({'image_id': one.img_id, 'category_id': 1, 'bbox': box, 'score': float(score)})
    true = COCO(file)
    evaluation = COCOeval(true, true.loadRes(found), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    values = [statistics.evaluate(one)[0] for one in records]
    assert values == pytest.approx((100 * evaluation.stats[:2]).tolist(), abs=1e-6)
    assert 5 < values[0] < values[1] < 95


def test_a_detector_that_finds_nothing_has_an_average_precision_of_zero(data, statistics, boxes):
    file, samples = boxes
    read = [(one.img_id, np.zeros((0, 4)), np.zeros(0)) for one in samples]
    records = data.merge_boxes(read, str(file))[0]
    assert statistics.evaluate(records).tolist() == [0]


def test_a_subset_of_images_is_measured_on_its_own_objects(data, statistics, boxes):
    file, samples = boxes
    records = data.merge_boxes([data.read_boxes(one) for one in samples], str(file))[0]
    part = data.merge_boxes([data.read_boxes(one) for one in samples[3:7]], str(file))[0]
    assert part['objects'].tolist() == [3] * 4
    weights = np.zeros((1, 12))
    weights[0, 3:7] = 1
    assert statistics.evaluate(part)[0] == pytest.approx(statistics.evaluate(records, weights)[0])


# Statistics.


def test_ratios_are_averaged_over_the_classes_that_are_there(statistics):
    records = {'hits': np.array([[1, 0, 0], [2, 3, 0]]), 'of': np.array([[2, 0, 0], [2, 4, 0]])}
    assert statistics.evaluate(records)[0] == pytest.approx(100 * (3 / 4 + 3 / 4) / 2)
    assert statistics.evaluate(records, [[1, 0], [0, 3]]).tolist() == pytest.approx([50, 100 * (1 + 3 / 4) / 2])


def test_an_image_that_counts_twice_is_two_images(data, statistics, boxes):
    file, samples = boxes
    one = data.merge_boxes([data.read_boxes(sample) for sample in samples], str(file))[0]
    twice = {
        'scores': np.concatenate([one['scores'], one['scores'][one['image'] == 0]]),
        'matches': np.concatenate([one['matches'], one['matches'][one['image'] == 0]]),
        'image': np.concatenate([one['image'], np.full((one['image'] == 0).sum(), 12)]),
        'objects': np.append(one['objects'], one['objects'][0]),
    }
    weights = [[2, *[1] * 11]]
    assert statistics.evaluate(one, weights)[0] == pytest.approx(statistics.evaluate(twice)[0], abs=0.3)
    assert statistics.evaluate(one, weights)[0] != pytest.approx(statistics.evaluate(one)[0], abs=1e-3)


def test_the_standard_error_has_both_parts(statistics):
    random = np.random.default_rng(0)
    seeds = random.normal(3, 2, 8)
    of_seeds = np.tile(seeds, (4000, 1))
    error = statistics.standard_error(of_seeds, np.random.default_rng(1))
    assert error == pytest.approx(seeds.std(ddof=1) / np.sqrt(8), rel=0.05)
    of_images = np.tile(random.normal(0, 1.5, (4000, 1)), (1, 8))
    assert statistics.standard_error(of_images, np.random.default_rng(1)) == pytest.approx(1.5, rel=0.05)
    both = statistics.standard_error(of_seeds + of_images, np.random.default_rng(1))
    assert both == pytest.approx(np.hypot(error, 1.5), rel=0.05)


def test_samples_of_images_have_their_number(statistics):
    drawn = statistics.draw_images(50, np.random.default_rng(0))
    assert drawn.shape == (1000, 50)
    assert set(drawn.sum(axis=1)) == {50}
    assert drawn.mean(axis=0) == pytest.approx(np.ones(50), abs=0.15)


def test_p_values_and_intervals_are_students(statistics):
    assert statistics.p_value(2.0, 1.0, 3) == pytest.approx(0.183503, abs=1e-6)
    assert statistics.half_width(1.0, 3, 0.05) == pytest.approx(4.302653, abs=1e-6)
    assert statistics.p_value(4.302653, 1.0, 3) == pytest.approx(0.05, abs=1e-6)
    assert statistics.p_value(0.0, 0.0, 3) == 1


def test_holms_correction(statistics):
    rejected, levels = statistics.holm([0.01, 0.04, 0.03, 0.005])
    assert rejected.tolist() == [True, False, False, True]
    assert levels.tolist() == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    # A value below its own level is not rejected behind one that is above.
    assert statistics.holm([0.03, 0.04])[0].tolist() == [False, False]
    assert statistics.holm([0.01, 0.04])[0].tolist() == [True, True]


def test_holms_correction_limits_false_findings(statistics):
    random = np.random.default_rng(0)
    wrong = sum(statistics.holm(random.random(24))[0].any() for _ in range(2000))
    assert 0.035 < wrong / 2000 < 0.065


@pytest.mark.parametrize('level', [0.05, 0.05 / 24])
def test_a_difference_that_could_have_been_seen_is_seen_in_four_of_five_studies(statistics, level):
    random = np.random.default_rng(0)
    shift = statistics.detectable(1 / np.sqrt(8), 8, level)
    samples = random.normal(shift, 1, (20_000, 8))
    error = samples.std(axis=1, ddof=1) / np.sqrt(8)
    seen = abs(samples.mean(axis=1)) > statistics.half_width(1.0, 8, level) * error
    assert seen.mean() == pytest.approx(0.8, abs=0.01)


# The plan.


def trials_of(study, claims, sized, values, **changes):
    """Rows of a network's trials."""
    one = study.Run('HRNetV1', sized['HRNetV1'], claims.Recipe(500, 16, 2), 0.0, 0, is_trial=True)
    rows = []
    for rate, value in zip(study.RATES['pose'], values, strict=False):
        row = {name: str(cell) for name, cell in replace(one, rate=rate).describe('small').items()}
        rows.append(row | {'value': str(value)} | changes)
    return one, rows


def test_a_rate_is_chosen_by_its_value_when_all_are_there(study, claims, unsized):
    one, rows = trials_of(study, claims, unsized, [50, 70, 60])
    assert study.choose_trial(rows, one) == rows[1]
    assert study.choose_trial(rows[:2], one) is None
    one, rows = trials_of(study, claims, unsized, [50, 70, 70])
    assert study.choose_trial(rows[::-1], one) == rows[1]
    for changes in ({'width': '9'}, {'trained_on': 'train'}, {'network': 'U-Net'}, {'iterations': '2'}):
        _, rows = trials_of(study, claims, unsized, [50, 70, 60], **changes)
        assert study.choose_trial(rows, one) is None


def test_the_plan_is_balanced_wherever_it_is_interrupted(study, small, unsized, monkeypatch, claims):
    comparisons = claims.define_comparisons(small)
    assert all(one.is_trial for one in study.plan(small, unsized, comparisons, 8, None, []))
    trial = {'rate': '0.006', 'train_value': '96', 'train_second_value': '96'}
    monkeypatch.setattr(study, 'choose_trial', lambda *_: trial)
    runs = list(study.plan(small, unsized, comparisons, 8, None, []))
    assert len(runs) == len({(one.name, one.rate, one.seed, one.is_trial) for one in runs})
    turns = {
        turn: {name for one in comparisons.values() if one.turn == turn for name in one.networks} for turn in range(3)
    }
    seen = set()
    for names in (turns[0], turns[1] - turns[0], turns[2]):
        group, runs = runs[: len(names) * (3 + 8)], runs[len(names) * (3 + 8) :]
        trials = [one for one in group if one.is_trial]
        assert group[: len(trials)] == trials
        assert sorted((one.name, one.rate) for one in trials) == sorted(
            (n, r) for n in names for r in study.RATES[unsized[n].network.task]
        )
        made = dict.fromkeys(names, 0)
        for one in group[len(trials) :]:
            assert one.seed == made[one.name]
            made[one.name] += 1
            assert max(made.values()) - min(made.values()) <= 1
        assert set(made.values()) == {8}
        seen |= names
    assert runs == []
    assert seen == set(unsized)


def test_networks_whose_trials_are_below_the_mark_come_last(study, claims, small, unsized, monkeypatch):
    def choose_trial(_, one):
        weak = one.name in ('Faster R-CNN V1h', 'HRNet body')  # 50 box AP50 and 95 top-1 are the marks
        return {'rate': '0.006', 'train_value': '94' if weak else '95', 'train_second_value': '49' if weak else '80'}

    monkeypatch.setattr(study, 'choose_trial', choose_trial)
    runs = [
        one for one in study.plan(small, unsized, claims.define_comparisons(small), 2, None, []) if not one.is_trial
    ]
    assert len(runs) == 2 * len(unsized)
    assert sorted(one.name for one in runs[-4:]) == ['Faster R-CNN V1h'] * 2 + ['HRNet body'] * 2


# Verdicts.


@pytest.fixture
def judge(study, report, small, unsized, tmp_path, claims, statistics):
    """The findings of made runs of pose: for each network a mean, and training values that pass the mark or not."""

    def judge(means, seeds=8, spread=0.3, reached=90.0, rate=0.006, trials=()):
        random, rows = np.random.default_rng(0), []
        for name, mean in means.items():
            for seed in range(seeds):
                share = (mean + random.normal(0, spread)) / 100
                of = np.full((400, 1), 100)
                hits = (100 * np.clip(share + np.random.default_rng(5).normal(0, 0.1, (400, 1)), 0, 1)).astype(int)
                run = study.Run(name, unsized[name], claims.Recipe(500, 16, 2), rate, seed, is_trial=False)
                row = {key: str(cell) for key, cell in run.describe('small').items()}
                file = statistics.records_file(tmp_path / 'study.csv', row)
                file.parent.mkdir(exist_ok=True)
                np.savez(file, hits=hits, of=of)
                value = str(100 * hits.sum() / of.sum())
                row |= {'measure': 'PCK@0.1', 'value': value, 'train_value': '60', 'train_second_value': str(reached)}
                rows.append(row)
        found = report.find(rows, trials, tmp_path / 'study', claims.define_comparisons(small), unsized)
        return {claim.text: one for claim, one in found.items()}

    return judge


def test_verdicts(judge):
    found = judge({'HRNetV1': 75, 'SimpleBaseline': 70, 'U-Net': 78, 'exchange across stages': 75, 'HRNetV2': 75.2})
    one = found['HRNetV1 > SimpleBaseline']
    assert (one.verdict, one.seeds) == ('agrees', 8)
    assert one.mean == pytest.approx(5, abs=0.5)
    assert one.level == pytest.approx(0.05 / len(found), rel=0.1)
    assert found['HRNetV1 > U-Net'].verdict == 'disagrees'
    assert found['HRNetV1 > exchange across stages'].verdict == 'not decided'
    assert found['HRNetV2 = HRNetV1'].verdict in ('agrees', 'not decided')
    assert found['HRNetV1 > 2x stream'].verdict == 'not compared: none of 8 seeds'
    assert found['HRNet body > ResNet body'].verdict == 'not compared: none of 8 seeds'


def test_networks_below_the_mark_are_not_compared(judge):
    verdict = judge({'HRNetV1': 75, 'SimpleBaseline': 70}, reached=74.9)['HRNetV1 > SimpleBaseline'].verdict
    assert verdict == 'not compared: HRNetV1 reaches 74.9 of 75 PCK@0.2 on its training images'


def test_networks_below_the_mark_in_every_trial_need_no_seeds(judge, study, claims, unsized):
    _, trials = trials_of(study, claims, unsized, [50, 70, 60], train_second_value='74.9')
    text = 'HRNetV1 > SimpleBaseline'
    expected = 'not compared: HRNetV1 reaches 74.9 of 75 PCK@0.2 on its training images in its best trial'
    assert judge({}, trials=trials)[text].verdict == expected
    assert judge({}, trials=trials[:2])[text].verdict == 'not compared: none of 8 seeds'
    trials[1]['train_second_value'] = '75'
    assert judge({}, trials=trials)[text].verdict == 'not compared: none of 8 seeds'


def test_a_training_that_diverged_leaves_nothing_to_compare(judge, tmp_path, monkeypatch):
    means = {'HRNetV1': 75, 'SimpleBaseline': 70}
    judge(means)
    savez, lost = np.savez, 'small-SimpleBaseline-3-0.006-500-train.npz'
    (tmp_path / 'study' / lost).unlink()
    monkeypatch.setattr(np, 'savez', lambda file, **arrays: None if file.name == lost else savez(file, **arrays))
    verdict = judge(means)['HRNetV1 > SimpleBaseline'].verdict
    assert verdict == 'not compared: SimpleBaseline has no records of seed 3'


def test_a_claim_needs_its_seeds(judge):
    found = judge({'HRNetV1': 75, 'SimpleBaseline': 70, 'HRNetV2': 75}, seeds=7)
    assert found['HRNetV1 > SimpleBaseline'].verdict == 'not compared: 7 of 8 seeds'
    assert not found['HRNetV2 = HRNetV1'].verdict.startswith('not compared')


def test_equal_networks_agree_within_the_margin_alone(judge, monkeypatch):
    same = {'HRNetV1': 75, 'HRNetV2': 75}
    assert judge(same, spread=0.05)['HRNetV2 = HRNetV1'].verdict == 'agrees'
    assert judge(same, spread=4)['HRNetV2 = HRNetV1'].verdict == 'not decided'
    assert judge({'HRNetV1': 75, 'HRNetV2': 72}, spread=0.05)['HRNetV2 = HRNetV1'].verdict == 'disagrees'


# Runs.


@pytest.fixture
def made(tmp_path, data, monkeypatch):
    """People of three forms, few of each part, and digits, where the study looks for them."""
    pattern = np.random.default_rng(0).integers(0, 255, (300, 300, 3)).astype(np.uint8)
    monkeypatch.setattr(dataset, 'read_photographs', lambda *_: [pattern])
    counts, prepare = {'fit': 3, 'val': 2, 'test': 2}, people.prepare_people
    monkeypatch.setattr(data, 'prepare_people', lambda root, *_: prepare(root, 'people', counts))
    category = {'name': 'person'}
    prepare_sizes = lambda part: dataset.prepare_rendered(part.root, 'sizes', 1, counts, data.render_sizes, category)  # noqa: E731
    monkeypatch.setattr(data, 'prepare_sizes', prepare_sizes)
    return tmp_path


@pytest.fixture
def call(study, tmp_path, monkeypatch):
    def call(*options):
        arguments = ['study.py', *options, '--results', str(tmp_path / 'results'), '--data', str(tmp_path)]
        monkeypatch.setattr(sys, 'argv', arguments)
        study.main()
        return [study.read_rows(tmp_path / 'results' / f'study{part}.csv') for part in ('_recipes', '')]

    return call


@pytest.mark.slow
def test_runs_end_in_rows_that_are_not_made_again(study, claims, statistics, call, made, monkeypatch, capsys):
    monkeypatch.setattr(study, 'RATES', dict.fromkeys(study.RATES, (0.002, 0.006)))
    options = ('segmentation-readout', '--iterations', '2')
    trials, rows = call(*options, '--seeds', '1', '--hours', '0')
    assert trials == rows == []
    trials, rows = call(*options, '--seeds', '1')
    names = ['segmentation V2', 'segmentation V1h', 'segmentation V1']
    assert [row['network'] for row in trials] == names * 2
    assert {(row['trained_on'], row['tested_on']) for row in trials} == {('fit', 'val')}
    assert [row['network'] for row in rows] == names
    assert {(row['trained_on'], row['tested_on']) for row in rows} == {('train', 'test')}
    for row in rows:
        own = {one['rate']: float(one['value']) for one in trials if one['network'] == row['network']}
        assert own[row['rate']] == max(own.values())
        assert 0 <= float(row['train_value']) <= 100
        assert float(row['seconds']) > 0
        with np.load(statistics.records_file(made / 'results/study.csv', row)) as records:
            assert records['hits'].shape == (2, 7)
            assert statistics.evaluate(dict(records))[0] == pytest.approx(float(row['value']), abs=1e-3)
    trials, rows = call(*options, '--seeds', '2')
    assert (len(trials), len(rows)) == (6, 6)
    assert len(capsys.readouterr().out.splitlines()) == 12  # one line a run, and nothing of what was there already

    for name in ('study_levels.csv', 'study_first.csv'):
        shutil.copy(study.RESULTS / name, made / 'results')
    document = made / 'study.md'
    document.write_text(
        'before\n'
        + ''.join(f'<!-- study:{m}:begin -->\n<!-- study:{m}:end -->\n' for m in ('networks', 'summary', 'other'))
    )
    recipes = dict(claims.SCALES['small'].recipes) | {'segmentation': claims.Recipe(2, 8, 2)}
    monkeypatch.setitem(claims.SCALES, 'small', replace(claims.SCALES['small'], recipes=recipes))
    call('segmentation-readout', '--tables', '--document', str(document))
    text = document.read_text()
    values = [float(row['value']) for row in rows if row['network'] == 'segmentation V1h']
    assert f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f} mIoU' in text
    assert '| segmentation V2 > segmentation V1 | V2 better (a bar chart without numbers) |  | not compared:' in text
    assert text.startswith('before\n')
    assert '<!-- study:other:begin -->\n<!-- study:other:end -->' in text


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.parametrize('name', ['detection', 'instances'])
def test_detectors_run(study, call, made, monkeypatch, name, claims, statistics):
    monkeypatch.setattr(study, 'RATES', dict.fromkeys(study.RATES, (0.002,)))
    _, rows = call(name, '--iterations', '2', '--seeds', '1')
    assert [row['network'] for row in rows] == list(claims.define_comparisons(claims.SCALES['small'])[name].networks)
    assert {(row['measure'], row['second_measure']) for row in rows} == {('box AP', 'box AP50')}
    with np.load(statistics.records_file(made / 'results/study.csv', rows[0])) as records:
        assert records['objects'].shape == (2,)
        assert records['matches'].shape == (len(records['scores']), 10)


@pytest.mark.slow
def test_a_rate_that_diverges_counts_as_nothing_learned(study, call, made, monkeypatch):
    def diverge(*_):
        raise FloatingPointError('the loss became nan')

    monkeypatch.setattr(study, 'RATES', dict.fromkeys(study.RATES, (0.002,)))
    monkeypatch.setattr(study, 'train', diverge)
    _, rows = call('size-small', '--iterations', '2', '--seeds', '1')
    assert {(row['value'], row['train_second_value']) for row in rows} == {('0.000', '0.000')}


@pytest.fixture
def digits(tmp_path):
    """A folder that passes for the one of prepare_digits: noise of 10 classes."""
    from hrnet_mm.data import digits

    folder = tmp_path / 'digits'
    (folder / 'images').mkdir(parents=True)
    (folder / 'prepared.json').write_text(json.dumps(digits._RECORD, indent=1, sort_keys=True) + '\n')
    for part in ('fit', 'val', 'train', 'test'):
        lines = []
        for number in range(24):
            pixels = np.random.default_rng(number).integers(0, 256, (28, 28)).astype(np.uint8)
            cv2.imwrite(str(folder / f'images/{part}_{number}.png'), pixels)
            lines.append(f'{part}_{number}.png {number % 10}\n')
        (folder / f'{part}.txt').write_text(''.join(lines))


@pytest.mark.slow
def test_two_processes_share_the_runs(study, call, digits, monkeypatch):
    monkeypatch.setattr(study, 'RATES', dict.fromkeys(study.RATES, (0.002,)))
    trials, rows = call('classification', '--iterations', '1', '--seeds', '2', '--processes', '2')
    assert sorted((row['network'], row['seed']) for row in rows) == [
        (name, seed) for name in ('HRNet body', 'ResNet body') for seed in ('0', '1')
    ]
    assert len(trials) == 2
    assert all('1 thread' in row['device'] for row in rows)


@pytest.mark.slow
def test_the_large_scale_reads_idx_files(study, call, tmp_path, monkeypatch):
    monkeypatch.setattr(study, 'WORKERS', 1)
    monkeypatch.setattr(study, 'RATES', dict.fromkeys(study.RATES, (0.002,)))
    data = importlib.import_module('_study_data')
    monkeypatch.setattr(data, 'FASHION_HELD_OUT', 60)
    random = np.random.default_rng(0)
    for part, size in (('train', 160), ('t10k', 100)):
        images = random.integers(0, 256, (size, 28, 28)).astype(np.uint8)
        head = np.array([2051, size, 28, 28], '>i4').tobytes()
        (tmp_path / f'{part}-images-idx3-ubyte').write_bytes(head + images.tobytes())
        labels = np.array([2049, size], '>i4').tobytes() + (np.arange(size) % 10).astype(np.uint8).tobytes()
        (tmp_path / f'{part}-labels-idx1-ubyte').write_bytes(labels)
    options = ('classification', '--scale', 'large', '--iterations', '1', '--seeds', '1', '--fashion', str(tmp_path))
    trials, rows = call(*options)
    assert [row['network'] for row in rows] == ['HRNet body', 'ResNet body']
    assert {row['scale'] for row in [*trials, *rows]} == {'large'}


# The document.


@pytest.mark.slow
def test_the_document_has_the_tables_of_its_rows(study, report, small_sized, tmp_path):
    document = tmp_path / 'reproduction.md'
    document.write_text((ROOT / 'docs/reproduction.md').read_text())
    report.write_report(study.RESULTS, document, 'small', small_sized)
    assert document.read_text() == (ROOT / 'docs/reproduction.md').read_text()


@pytest.mark.slow
def test_recorded_rows_are_of_the_networks_defined_here(study, small_sized):
    for table in ('study.csv', 'study_recipes.csv'):
        for row in study.read_rows(study.RESULTS / table):
            if row['scale'] == 'small':
                one = small_sized[row['network']]
                assert (one.width, one.cost.macs) == (int(row['width']), int(row['macs'])), row
