import json

import numpy as np
import pytest

from hrnet_mm.tracking import Persons, in_places, read_video, write_video
from hrnet_mm.tracking.posetrack import EVALUATED, JOINTS, image_id_of


def persons_in_places(count):
    random = np.random.default_rng(count)
    keypoints, scores = random.uniform(1, 90, (count, 17, 2)), random.uniform(0.1, 1, (count, 17))
    boxes = np.tile([1.0, 2.0, 31.0, 62.0], (count, 1))
    return Persons(keypoints, scores, boxes, scores.mean(1), np.arange(count) + 3, np.ones(count, bool))


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / '000342_mpii_test.json'
    names = [f'images/val/000342_mpii_test/{index:06d}.jpg' for index in (7, 8, 9)]
    frames = [persons_in_places(2), persons_in_places(0), persons_in_places(1)]
    write_video(file, names, frames, joint_score=0.5)
    columns = [JOINTS.index(name) for name in EVALUATED]
    for frame, name, persons in zip(read_video(file), names, frames, strict=True):
        there = persons.joint_scores[:, columns] >= 0.5
        assert frame.name == name
        assert frame.ids.tolist() == persons.ids.tolist()
        np.testing.assert_array_equal(frame.present, there)
        np.testing.assert_allclose(frame.points[there], persons.keypoints[:, columns][there], atol=0.006)
        np.testing.assert_allclose(frame.scores, persons.joint_scores[:, columns], atol=6e-5)
        assert np.isnan(frame.heads).all()
    content = json.loads(file.read_text())
    assert [image['id'] for image in content['images']] == [10003420007, 10003420008, 10003420009]
    assert content['annotations'][0]['bbox'] == [1, 2, 30, 60]
    assert content['categories'][0]['keypoints'] == JOINTS


def test_numbers_of_images():
    assert image_id_of('data/images/val/000342_mpii_test/000007.jpg', 3) == 10003420007
    assert image_id_of('holiday/000007.jpg', 3) == 3


def test_the_ends_of_the_head_are_put_on_its_line():
    coco = ['nose', 'left_eye', 'right_eye', *JOINTS[3:]]
    keypoints, scores = np.zeros((1, 17, 2)), np.ones((1, 17))
    keypoints[0, 0] = 50, 20
    keypoints[0, 5], keypoints[0, 6] = (60, 40), (40, 40)
    scores[0, 6] = 0.3
    placed, placed_scores = in_places(keypoints, scores, coco)
    assert placed[0, 1] == pytest.approx([50, 34])
    assert placed[0, 2] == pytest.approx([50, 10])
    assert placed_scores[0, 1:3].tolist() == [0.3, 0.3]
    np.testing.assert_array_equal(placed[0, 3:], keypoints[0, 3:])


def test_joints_go_by_their_names():
    names = EVALUATED[::-1]
    keypoints, scores = np.random.default_rng(0).random((2, 15, 2)), np.ones((2, 15))
    placed, placed_scores = in_places(keypoints, scores, names)
    np.testing.assert_array_equal(placed[:, JOINTS.index('head_top')], keypoints[:, names.index('head_top')])
    assert placed_scores.sum() == 2 * 15
    with pytest.raises(ValueError, match='left_knee, right_knee, which are not among'):
        in_places(keypoints[:, :13], scores[:, :13], [name for name in EVALUATED if 'knee' not in name])


def test_other_files_are_refused(tmp_path):
    file = tmp_path / 'x.json'
    for text, reason in (
        ('{', 'Expecting'),
        ('{"annolist": []}', "no 'categories'"),
        ('{"categories": [{"keypoints": ["nose"]}], "images": [], "annotations": []}', 'it has no head_bottom'),
    ):
        file.write_text(text)
        with pytest.raises(ValueError, match=f'is not a file of PoseTrack 2018: .*{reason}'):
            read_video(file)
