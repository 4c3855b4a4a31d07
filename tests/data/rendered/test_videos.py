import json

import cv2
import numpy as np
import pytest

from hrnet_mm.data.rendered.bodies import KEYPOINTS
from hrnet_mm.data.rendered.videos import render_video, write_posetrack
from hrnet_mm.tracking import read_video
from hrnet_mm.tracking.posetrack import JOINTS


@pytest.fixture(scope='module')
def video(plain_photographs):
    return render_video(3, plain_photographs, frames=24, people=4, width=320, height=192)


def test_people_keep_their_numbers_and_move_little_by_little(video):
    paths = {}
    for frame, people in enumerate(video.people):
        for person in people:
            paths.setdefault(person.number, {})[frame] = person.keypoints[:, :2]
    assert set(paths) == {1, 2, 3, 4}
    for path in paths.values():
        for frame in path.keys() & {frame - 1 for frame in path}:
            steps = np.linalg.norm(path[frame + 1] - path[frame], axis=1)
            assert steps.max() < 30
            assert np.median(steps) < 12
    assert max(np.ptp([points[:, 0].mean() for points in path.values()]) for path in paths.values()) > 60


def test_people_hide_one_another_and_are_seen_again(video):
    shares = np.zeros((24, 5))
    for frame, people in enumerate(video.people):
        for person in people:
            shares[frame, person.number] = person.share
    hidden = shares[:, 1:].min(0) < 0.7
    assert hidden.any()
    assert (shares[:, 1:].max(0)[hidden] > 0.8).any()


def test_keypoints_move_with_the_pixels(plain_photographs):
    """Optical flow between two frames agrees with the keypoints: the drawing and the truth are of the same moment."""
    video = render_video(5, plain_photographs, frames=6, people=1, width=320, height=192)
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in video.frames]
    errors = []
    for frame in range(5):
        moved = flow.calc(gray[frame], gray[frame + 1], None)
        (before,), (after,) = video.people[frame], video.people[frame + 1]
        for index in (KEYPOINTS.index(name) for name in ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')):
            if before.keypoints[index, 2] == 2:
                x, y = np.rint(before.keypoints[index, :2]).astype(int)
                errors.append(np.linalg.norm(moved[y, x] - (after.keypoints - before.keypoints)[index, :2]))
    assert len(errors) >= 8
    assert np.median(errors) < 1.5


def test_the_same_arguments_give_the_same_video(plain_photographs):
    one, same, other = (
        render_video(seed, plain_photographs, frames=2, people=2, width=160, height=96) for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one.frames, same.frames)
    assert (np.array(one.frames) != np.array(other.frames)).any()


def test_a_video_needs_someone_and_some_time(plain_photographs):
    with pytest.raises(ValueError, match='frames=0, people=2'):
        render_video(0, plain_photographs, frames=0, people=2)


def test_file_has_the_form_of_posetrack(video, tmp_path):
    file = write_posetrack(tmp_path, '000007_rendered', video, number=7)
    content = json.loads(file.read_text())
    first = content['images'][0]
    assert (first['id'], first['vid_id'], first['nframes']) == (10_000_070_000, '000007', 24)
    assert cv2.imread(str(tmp_path / first['file_name'])).shape == (192, 320, 3)
    assert content['categories'][0]['keypoints'] == list(JOINTS)
    ears = [JOINTS.index('left_ear'), JOINTS.index('right_ear')]
    for annotation in content['annotations']:
        joints = np.array(annotation['keypoints']).reshape(17, 3)
        assert set(joints[:, 2]) <= {0, 1}
        assert not joints[joints[:, 2] == 0].any()
        assert not joints[ears].any()
        assert min(annotation['bbox_head'][2:]) > 1
    frames = read_video(file)
    assert len(frames) == 24
    assert [set(frame.ids) for frame in frames] == [
        {person.number for person in people if person.is_labeled} for people in video.people
    ]


def test_mmpose_reads_it(video, tmp_path):
    from mmpose.datasets import PoseTrack18Dataset

    file = write_posetrack(tmp_path, '000001_rendered', video, number=1)
    dataset = PoseTrack18Dataset(ann_file=str(file), data_prefix={'img': f'{tmp_path}/'}, test_mode=True)
    people = [person for frame in video.people for person in frame if person.is_labeled]
    assert len(dataset) == len(people)
    info = dataset.get_data_info(0)
    shoulder = people[0].keypoints[KEYPOINTS.index('left_shoulder')]
    if shoulder[2] == 2:
        np.testing.assert_allclose(info['keypoints'][0, JOINTS.index('left_shoulder')], shoulder[:2], atol=1e-3)
    np.testing.assert_allclose(info['bbox'][0, :2], people[0].box[:2])
