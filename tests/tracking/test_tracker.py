"""The tracker in worlds whose persons, boxes and flow are known."""

import numpy as np
import pytest

from hrnet_mm.tracking import PoseTracker, Settings, without_short_tracks

FIGURE = np.random.default_rng(0).uniform(5, 45, (17, 2))
IMAGE = np.zeros((120, 300, 3), np.uint8)


class World:
    """Persons of 50 x 50 pixels at given x in each frame; `seen` lists those that the detector finds."""

    def __init__(self, places, seen=None):
        self.places = places
        self.seen = places if seen is None else seen
        self.frame = -1
        self.boxes = []

    def detector(self, image):
        self.frame += 1
        boxes = np.array([(x, 20, x + 50, 70) for x in self.seen[self.frame]], dtype=float).reshape(-1, 4)
        return boxes, np.full(len(boxes), 0.9)

    def pose(self, image, boxes):
        """In each box the person nearest to it, surely if it is there."""
        self.boxes.append(boxes)
        x = np.array([min(self.places[self.frame], key=lambda x: abs(x - box[0]), default=np.nan) for box in boxes])
        there = np.abs(x - boxes[:, 0]) < 25
        keypoints = np.where(there, x, boxes[:, 0])[:, None, None] * [1, 0] + FIGURE + [0, 20]
        return keypoints, np.where(there, 0.9, 0.05)[:, None].repeat(17, 1)

    def track(self, flow=None, **settings):
        tracker = PoseTracker(self.detector, self.pose, flow, Settings(**settings))
        return [tracker(IMAGE) for _ in self.seen]


def by_speed(speed):
    return lambda first, second: np.full((*IMAGE.shape[:2], 2), (speed, 0), np.float32)


def ids(frames):
    return [sorted(persons.ids.tolist()) for persons in frames]


def test_ids_stay_while_people_move():
    frames = World([[10, 200], [14, 196], [18, 192]]).track()
    assert ids(frames) == [[0, 1]] * 3
    for persons, x in zip(frames, (10, 14, 18), strict=True):
        assert persons.keypoints[persons.ids == 0][0, :, 0] == pytest.approx(x + FIGURE[:, 0])


def test_fast_people_need_the_flow():
    places = [[10], [50], [90], [130]]
    assert ids(World(places).track(flow=by_speed(40))) == [[0]] * 4
    assert ids(World(places).track(propagate=False)) == [[0], [1], [2], [3]]


def test_a_person_that_is_not_detected_lives_on_its_moved_box():
    world = World([[10], [20], [30], [40]], seen=[[10], [], [], [40]])
    frames = world.track(flow=by_speed(10))
    assert ids(frames) == [[0]] * 4
    assert [persons.detected.tolist() for persons in frames] == [[True], [False], [False], [True]]
    # The box of the second frame: the joints of the first, moved, with 15 % more.
    low, high = FIGURE.min(0) + 20, FIGURE.max(0) + 20
    expected = [*((low + high) / 2 - 1.15 * (high - low) / 2), *((low + high) / 2 + 1.15 * (high - low) / 2)]
    np.testing.assert_allclose(world.boxes[1][0], expected)
    world = World([[10], [20], [30], [40]], seen=[[10], [], [], [40]])
    assert ids(world.track(flow=by_speed(10), propagate=False)) == [[0], [], [], [0]]


def test_a_person_is_remembered_for_some_frames():
    places = [[10], [], [], [], [10]]
    assert ids(World(places).track(memory=4)) == [[0], [], [], [], [0]]
    assert ids(World(places).track(memory=3)) == [[0], [], [], [], [1]]


def test_who_is_not_detected_for_long_is_dropped():
    frames = World([[10]] * 5, seen=[[10], [], [], [], []]).track(undetected=2)
    assert ids(frames) == [[0], [0], [0], [], []]


def test_who_left_is_not_seen_in_the_old_box():
    assert ids(World([[10], [], []]).track()) == [[0], [], []]


def test_one_person_in_two_boxes_is_one():
    frames = World([[10]], seen=[[10, 11]]).track()
    assert len(frames[0]) == 1
    # Boxes that overlap little, of which the network finds the same person.
    frames = World([[10]], seen=[[0, 22]]).track(box_overlap=0.9)
    assert len(frames[0]) == 1


def test_the_most_similar_pair_comes_first():
    # The second person comes close to where the first was; both keep their ids.
    frames = World([[10, 26], [20, 12]]).track(propagate=False, pose_overlap=1.0, box_overlap=0.95)
    first, second = frames
    for x_before, x_after in ((10, 12), (26, 20)):
        before = first.ids[np.isclose(first.keypoints[:, 0, 0], x_before + FIGURE[0, 0])]
        after = second.ids[np.isclose(second.keypoints[:, 0, 0], x_after + FIGURE[0, 0])]
        assert before.tolist() == after.tolist() != []


def test_reset_forgets():
    world = World([[10], [10]])
    tracker = PoseTracker(world.detector, world.pose, by_speed(0))
    tracker(IMAGE)
    with pytest.raises(ValueError, match=r'call reset\(\) between videos'):
        tracker(IMAGE[:50])
    tracker.reset()
    assert tracker(IMAGE[:50]).ids.tolist() == [0]


def test_short_tracks_are_dropped():
    frames = World([[10, 200], [10], [10]]).track()
    assert ids(without_short_tracks(frames, 2)) == [[0], [0], [0]]
    assert ids(without_short_tracks(frames, 4)) == [[], [], []]


def test_wrong_shapes_and_settings_are_named():
    world = World([[10]])
    with pytest.raises(ValueError, match=r'\(1, 17, 2\).*sigmas are for 15 joints'):
        PoseTracker(world.detector, world.pose, None, sigmas=np.full(15, 0.05))(IMAGE)
    with pytest.raises(ValueError, match=r'boxes \(2, 3\) and 2 scores'):
        PoseTracker(lambda image: (np.zeros((2, 3)), np.ones(2)), world.pose, None)(IMAGE)
    with pytest.raises(ValueError, match='memory=0'):
        Settings(memory=0)
    with pytest.raises(ValueError, match=r'similarity=1\.5'):
        Settings(similarity=1.5)
    with pytest.raises(ValueError, match=r'enlargement=0\.5'):
        Settings(enlargement=0.5)
