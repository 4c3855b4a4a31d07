"""mAP and MOTA on cases counted by hand, on a sample in PoseTrack's form, and against poseval's MOT code."""

import json
import math

import motmetrics as mot
import numpy as np
import pytest
from posetrack_sample import PERSONS, write_sample
from shapely import Point, Polygon

from hrnet_mm.tracking import Frame, evaluate_poses, evaluate_tracking, read_videos
from hrnet_mm.tracking.evaluate import main
from hrnet_mm.tracking.posetrack import EVALUATED

# The diagonal of a head box of which 0.6 is 10 pixels: a joint is right within 5.
HEAD = 10 / 0.6  # the diagonal of a head box of which 0.6 is 10 pixels
NOSE = EVALUATED.index('nose')


def noses(*persons, ignored=()):
    """A frame of persons that have a nose alone: (id, x) or (id, x, score), all at y = 100."""
    points = np.zeros((len(persons), len(EVALUATED), 2))
    present = np.zeros((len(persons), len(EVALUATED)), bool)
    scores = np.zeros((len(persons), len(EVALUATED)))
    for row, (_, x, *score) in enumerate(persons):
        points[row, NOSE] = x, 100
        present[row, NOSE] = True
        scores[row, NOSE] = score[0] if score else 1
    ids = np.array([person[0] for person in persons], dtype=np.int64)
    return Frame('frame', points, present, scores, ids, np.full(len(persons), HEAD), tuple(map(np.array, ignored)))


def counts(truth, found, **kwargs):
    scores = evaluate_tracking([(truth, found)], **{'as_poseval': False, **kwargs})
    return scores.objects, scores.misses, scores.false_positives, scores.switches


def test_everything_found():
    truth = [noses((7, 20), (8, 60)), noses((7, 22), (8, 58))]
    found = [noses((1, 20), (0, 60)), noses((1, 22), (0, 58))]
    scores = evaluate_tracking([(truth, found)], as_poseval=False)
    assert (scores.mota['Head'], scores.mota['Total'], scores.precision, scores.recall) == (100, 100, 100, 100)
    assert scores.motp == pytest.approx(100)
    assert math.isnan(scores.mota['Ankl'])
    poses = evaluate_poses([(truth, found)])
    assert poses.ap['Total'] == poses.precision['Total'] == poses.recall['Total'] == pytest.approx(100)


def test_the_distance_is_half_a_head():
    truth = [noses((0, 20))]
    assert counts(truth, [noses((0, 24.99))]) == (1, 0, 0, 0)
    assert counts(truth, [noses((0, 25.01))]) == (1, 1, 1, 0)
    # MOTP: 2 of 10 pixels away.
    assert evaluate_tracking([(truth, [noses((0, 22))])], as_poseval=False).motp == pytest.approx(80)


def test_a_miss_and_a_false_positive():
    truth = [noses((0, 20), (1, 60)), noses((0, 20), (1, 60))]
    found = [noses((0, 20), (1, 60), (2, 90)), noses((0, 20))]
    assert counts(truth, found) == (4, 1, 1, 0)
    scores = evaluate_tracking([(truth, found)], as_poseval=False)
    assert scores.mota['Total'] == pytest.approx(100 * (1 - 2 / 4))
    assert (scores.precision, scores.recall) == pytest.approx((75, 75))


def test_a_switch_counts_once_and_is_remembered_over_a_gap():
    truth = [noses((0, 20))] * 4
    assert counts(truth, [noses((5, 20)), noses((5, 20)), noses((6, 20)), noses((6, 20))]) == (4, 0, 0, 1)
    assert counts(truth, [noses((5, 20)), noses(), noses((5, 20)), noses((5, 20))]) == (4, 1, 0, 0)
    assert counts(truth, [noses((5, 20)), noses(), noses((6, 20)), noses((6, 20))]) == (4, 1, 0, 1)


def test_two_that_change_places_are_two_switches():
    truth = [noses((0, 20), (1, 60))] * 2
    assert counts(truth, [noses((0, 20), (1, 60)), noses((1, 20), (0, 60))]) == (4, 0, 0, 2)


def test_a_person_keeps_its_track_though_another_is_nearer():
    truth = [noses((0, 20)), noses((0, 20))]
    assert counts(truth, [noses((3, 20)), noses((4, 20), (3, 24))]) == (2, 0, 1, 0)


def test_as_many_as_possible_are_matched():
    # Person 0 is nearest to track 7, but person 1 is near track 7 alone.
    assert counts([noses((0, 20), (1, 24))], [noses((7, 21), (8, 16))]) == (2, 0, 0, 0)


def test_one_track_cannot_be_two_persons():
    truth = [noses((0, 20)), noses((1, 20)), noses((0, 20), (1, 21))]
    # Both had track 3; the first keeps it, the second is missed.
    assert counts(truth, [noses((3, 20))] * 3) == (4, 1, 0, 0)


def test_joints_in_ignore_regions_do_not_exist():
    region = [(50, 90), (70, 90), (70, 110), (50, 110)]
    truth = [noses((0, 20), (1, 60), ignored=[region])]
    assert counts(truth, [noses((0, 20), (2, 65))]) == (1, 0, 0, 0)
    assert counts(truth, [noses((0, 20), (2, 75))]) == (1, 0, 1, 0)
    # On its border a joint is outside; two points enclose nothing.
    assert counts(truth, [noses((0, 20), (2, 70))]) == (1, 0, 1, 0)
    assert counts([noses((0, 20), (1, 60), ignored=[region[:2]])], [noses((0, 20))]) == (2, 1, 0, 0)
    assert evaluate_poses([(truth, [noses((0, 20), (2, 65))])]).precision['Total'] == pytest.approx(100)


def test_frames_without_annotated_persons_are_left_out():
    assert counts([noses((0, 20)), noses()], [noses((0, 20)), noses((0, 20))]) == (1, 0, 0, 0)


def test_low_joints_are_left_out_of_mota_on_request():
    truth = [noses((0, 20))]
    found = [noses((0, 20, 0.9), (1, 60, 0.1))]
    assert counts(truth, found) == (1, 0, 1, 0)
    assert counts(truth, found, min_score=0.5) == (1, 0, 0, 0)


def test_what_poseval_does_to_last_and_empty_frames():
    truth = [noses((0, 20), (1, 60))] * 3
    found = [noses((0, 20), (1, 60)), noses(), noses()]
    assert counts(truth, found) == (6, 4, 0, 0)
    scores = evaluate_tracking([(truth, found)])
    # The last frame is not counted, and in the empty one each of 15 joints has one object, miss and false positive.
    assert (scores.objects, scores.misses, scores.false_positives) == (2 + 15, 15, 15)


def test_average_precision_by_hand():
    truth = [noses((0, 20), (1, 60)), noses((0, 20), (1, 60))]
    found = [noses((0, 20, 0.9), (1, 90, 0.8)), noses((0, 20, 0.7), (1, 60, 0.6))]
    # In order: right, wrong, right, right; of four persons. Precision 1, 1/2, 2/3, 3/4; recall 1/4, 1/4, 2/4, 3/4.
    poses = evaluate_poses([(truth, found)])
    assert poses.ap['Head'] == pytest.approx(100 * (1 / 4 * 1 + 1 / 4 * 3 / 4 + 1 / 4 * 3 / 4))
    assert (poses.precision['Total'], poses.recall['Total']) == pytest.approx((75, 75))


def test_a_true_person_is_found_once():
    poses = evaluate_poses([([noses((0, 20))], [noses((0, 20, 0.5), (1, 21, 0.9))])])
    # The second is as right as the first, and counts as wrong, above it.
    assert poses.ap['Total'] == pytest.approx(50)


def test_nothing_found():
    video = ([noses((0, 20))] * 2, [noses()] * 2)
    assert evaluate_poses([video]).ap['Total'] == 0
    assert evaluate_tracking([video], as_poseval=False).mota['Total'] == 0


def test_errors_name_what_is_wrong():
    truth = [noses((0, 20))]
    with pytest.raises(ValueError, match='the results have 2 frames; expected 1'):
        evaluate_poses([(truth, [noses(), noses()])])
    with pytest.raises(ValueError, match='share a track_id'):
        evaluate_tracking([(truth, [noses((1, 20), (1, 30))])], as_poseval=False)
    truth[0].heads[:] = np.nan
    with pytest.raises(ValueError, match='no bbox_head'):
        evaluate_poses([(truth, truth)])


def test_counts_are_those_of_motmetrics():
    metrics = ['num_objects', 'num_misses', 'num_false_positives', 'num_switches']
    for seed in range(20):
        random = np.random.default_rng(seed)
        accumulator = mot.MOTAccumulator(auto_id=True)
        truth, found = [], []
        places, names = random.uniform(0, 60, 6), random.permutation(9)
        for _ in range(12):
            places = places + random.normal(0, 2, 6)
            names[:2] = names[:2][:: random.choice((1, -1))]
            true = [(i, places[i]) for i in range(6) if random.random() < 0.8]
            one = [(int(names[i]), places[i] + random.normal(0, 3)) for i in range(6) if random.random() < 0.8]
            truth.append(noses(*true))
            found.append(noses(*one))
            apart = np.abs(np.subtract.outer([x for _, x in true], [x for _, x in one])) / 10
            accumulator.update(truth[-1].ids, found[-1].ids, np.where(apart <= 0.5, apart, np.nan))
        expected = mot.metrics.create().compute(accumulator, metrics=metrics, return_dataframe=False)
        assert counts(truth, found) == tuple(expected[name] for name in metrics), seed


def test_a_sample_in_the_form_of_posetrack(tmp_path, capsys, monkeypatch):
    sample, found = write_sample(tmp_path / 'truth'), tmp_path / 'found'
    videos = read_videos(sample, sample)
    assert [len(truth[0].ids) for truth, _ in videos] == list(PERSONS.values())
    poses, tracks = evaluate_poses(videos), evaluate_tracking(videos, as_poseval=False)
    # The truth finds itself, unless an ignore region hides part of it, which then is not there to be found either.
    assert list(poses.ap.values()) == pytest.approx([100] * 8)
    assert (tracks.mota['Total'], tracks.switches, tracks.misses) == (100, 0, 0)
    # Shapely, with which poseval looks, sees the same joints inside.
    outside = 0
    for (frame,), _ in videos:
        polygons = [Polygon(region) for region in frame.ignored]
        outside += sum(not any(map(Point(xy).within, polygons)) for xy in frame.points[frame.present])
    assert tracks.objects == outside
    assert outside < sum(int(frame.present.sum()) for (frame,), _ in videos)

    # Without the nose of everybody, that joint alone is lost.
    found.mkdir()
    for file in sample.glob('*.json'):
        content = json.loads(file.read_text())
        place = content['categories'][0]['keypoints'].index('nose')
        for annotation in content['annotations']:
            annotation['keypoints'][3 * place : 3 * place + 3] = [0, 0, 0]
        (found / file.name).write_text(json.dumps(content))
    videos = read_videos(sample, found)
    noses_there = sum(int(truth[0].present[:, NOSE].sum()) for truth, _ in videos)
    assert evaluate_poses(videos).ap['Head'] == pytest.approx(200 / 3)
    assert evaluate_tracking(videos, as_poseval=False).misses == noses_there > 0

    monkeypatch.setattr('sys.argv', ['evaluate', str(sample), str(found), '--all-frames'])
    assert main() == 0
    rows = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert rows['AP'] == ['66.7', *['100.0'] * 6, '93.3']
    (found / '003418_mpii_test.json').unlink()
    assert main() == 2
    assert 'lacks 1 of 3 videos' in capsys.readouterr().err
