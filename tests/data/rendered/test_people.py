import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hrnet_mm.data import prepare_people
from hrnet_mm.data.fetch import FetchError
from hrnet_mm.data.photographs import SPLITS
from hrnet_mm.data.rendered.bodies import KEYPOINTS, NUM_COCO, Build, Pose, draw_build, draw_pose, pose_body, walk
from hrnet_mm.data.rendered.drawing import Canvas
from hrnet_mm.data.rendered.figures import CLASSES, THING, Figure, Look, draw_figure, read_visibility
from hrnet_mm.data.rendered.people import draw_figures, read_people, render_people

ROOT = Path(__file__).parents[3] / 'data' / 'demo'
GREY = np.full((256, 256, 3), 128, np.uint8)


def make_look(**colors):
    kinds = ('skin', 'hair', 'upper', 'lower', 'shoes')
    return Look(**{kind: np.array(colors.get(kind, (90, 90, 90)), float) for kind in kinds})


def make_figure(pose=None, x=128.0, y=128.0, size=220.0):
    build = Build()
    return Figure(pose_body(build, pose or Pose()).placed(x, y, size), build, make_look())


def flags_of(figure, *others):
    """Return the visibility of keypoints after other objects were drawn over a figure."""
    canvas = Canvas(GREY)
    draw_figures(canvas, [figure, *others])
    return dict(zip(KEYPOINTS, read_visibility(canvas, figure.skeleton, 1).tolist(), strict=True))


def lengths(skeleton):
    at = dict(zip(KEYPOINTS, skeleton.points, strict=True))
    bones = ('shoulder', 'elbow'), ('elbow', 'wrist'), ('hip', 'knee'), ('knee', 'ankle')
    return [np.linalg.norm(at[f'{side}_{a}'] - at[f'{side}_{b}']) for side in ('left', 'right') for a, b in bones]


def test_bones_keep_their_lengths_in_every_pose():
    random = np.random.default_rng(0)
    for _ in range(50):
        build = draw_build(random)
        expected = [build.upper_arm, build.forearm, build.thigh, build.shin]
        np.testing.assert_allclose(lengths(pose_body(build, draw_pose(random))), 2 * expected, rtol=1e-9)


def test_angles_are_what_the_pose_says():
    """An arm held forwards, the knee bent backwards, and a figure that turns to its left."""
    at = dict(
        zip(KEYPOINTS, pose_body(Build(), Pose(shoulder=(90, 0), elbow=(0, 0), knee=(90, 0))).points, strict=True)
    )
    assert at['left_wrist'][2] - at['left_shoulder'][2] > 0.3  # towards the viewer, whom the figure faces
    assert at['left_ankle'][2] - at['left_knee'][2] < -0.2
    assert at['right_ankle'][2] - at['right_knee'][2] == pytest.approx(0, abs=0.02)
    turned = dict(zip(KEYPOINTS, pose_body(Build(), Pose(yaw=90)).points, strict=True))
    assert turned['nose'][0] > 0.05
    assert turned['left_shoulder'][2] < turned['right_shoulder'][2]


def test_walking_repeats_and_swings_arms_against_legs():
    np.testing.assert_allclose(walk(0.3).hip, walk(1.3).hip)
    assert abs(walk(0.3).hip[0] - walk(0.8).hip[0]) > 20
    pose = walk(0.25)
    assert pose.hip[0] > pose.hip[1]
    assert pose.shoulder[0] < pose.shoulder[1]


def test_left_is_on_the_right_of_who_faces_the_viewer():
    at = dict(zip(KEYPOINTS, make_figure().skeleton.points, strict=True))
    for part in ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle'):
        assert at[f'left_{part}'][0] > at[f'right_{part}'][0]
    assert at['nose'][1] < at['left_shoulder'][1] < at['left_hip'][1] < at['left_ankle'][1]


def test_joints_lie_at_the_ends_of_their_limbs():
    """A forearm in a separate color is visible exactly from the elbow to the wrist."""
    build = Build()
    skeleton = pose_body(build, Pose(arm_abduction=(70, 8), elbow=(0, 0))).placed(100.4, 128.3, 220)
    look = make_look(skin=(0, 0, 255))
    look = Look(**{**vars(look), 'long_sleeves': False})
    canvas = Canvas(GREY)
    draw_figure(canvas, Figure(skeleton, build, look), 1)
    red = (canvas.image()[..., 2] > 120) & (canvas.image()[..., 1] < 60)
    elbow, wrist = (skeleton.points[KEYPOINTS.index(f'left_{part}')][:2] for part in ('elbow', 'wrist'))
    ys, xs = np.nonzero(red)
    points = np.stack([xs, ys], -1)[np.abs((np.stack([xs, ys], -1) - elbow) @ _normal(wrist - elbow)) < 8]
    along = (points - elbow) @ ((wrist - elbow) / np.linalg.norm(wrist - elbow))
    along = along[along > -20]
    # The upper arm's sleeve lies over the elbow's ball, the hand goes on behind the wrist.
    assert along.min() < 3
    assert along.max() > np.linalg.norm(wrist - elbow)


def _normal(vector):
    return np.array([-vector[1], vector[0]]) / np.linalg.norm(vector)


def test_who_faces_the_viewer_shows_everything():
    assert set(flags_of(make_figure()).values()) == {2}


def test_who_turns_away_hides_the_face():
    flags = flags_of(make_figure(Pose(yaw=180)))
    assert [flags[name] for name in ('nose', 'left_eye', 'right_eye')] == [1, 1, 1]
    assert [flags[name] for name in ('left_knee', 'right_ankle', 'left_hip')] == [2, 2, 2]


def test_a_body_hides_its_far_side():
    flags = flags_of(make_figure(Pose(yaw=90, shoulder=(60, 60))))  # to its left: the right side is near
    assert [flags[name] for name in ('right_shoulder', 'right_hip', 'right_ear', 'right_eye')] == [2, 2, 2, 2]
    assert [flags[name] for name in ('left_shoulder', 'left_hip', 'left_ear', 'left_eye')] == [1, 1, 1, 1]


def test_who_is_drawn_later_hides_who_was_drawn_before():
    behind, before = make_figure(x=110), make_figure(x=125, size=225)
    flags = flags_of(behind, before)
    assert flags['left_shoulder'] == flags['left_hip'] == 1
    assert flags['right_elbow'] == 2
    canvas = Canvas(GREY)
    drawn = draw_figures(canvas, [behind, before])
    first, second = read_people(canvas, [behind, before], drawn)
    assert (second.share, set(second.keypoints[:, 2])) == (1.0, {2.0})
    assert 0.2 < first.share < 0.9
    assert not (first.mask & second.mask).any()


def test_things_hide_people_and_edges_cut_them():
    figure = make_figure(y=20.0)  # head and shoulders are above the image
    canvas = Canvas(GREY)
    drawn = draw_figures(canvas, [figure])
    canvas.draw([(128, 75, 40), (128, 80, 40)], THING, (0, 0, 0))
    (person,) = read_people(canvas, [figure], drawn)
    flags = dict(zip(KEYPOINTS, person.keypoints[:, 2].tolist(), strict=True))
    assert (flags['nose'], flags['left_knee'], flags['left_ankle']) == (0, 1, 2)
    x, y, width, height = person.box
    ys, xs = np.nonzero(person.mask)
    assert (x, y, x + width, y + height) == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)


def test_who_is_quite_hidden_is_not_among_the_people():
    figure = make_figure(size=100)
    canvas = Canvas(GREY)
    drawn = draw_figures(canvas, [figure])
    canvas.draw([(128, 128, 100)], THING, (0, 0, 0))
    assert read_people(canvas, [figure], drawn) == []


def test_the_same_seed_gives_the_same_scene(plain_photographs):
    one, same, other = (render_people(np.random.default_rng(seed), plain_photographs, 160, 128) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.image, same.image)
    assert [person.keypoints.tolist() for person in one.people] == [person.keypoints.tolist() for person in same.people]
    assert one.image.shape == other.image.shape == (128, 160, 3)
    assert (one.image != other.image).any()


def test_classes_cover_the_people(plain_photographs):
    scenes = [render_people(np.random.default_rng(seed), plain_photographs) for seed in range(20)]
    for scene in scenes:
        anyone = np.any([person.mask for person in scene.people], axis=0)
        np.testing.assert_array_equal(scene.classes > 0, anyone)
    assert set(np.unique([scene.classes for scene in scenes])) == set(range(len(CLASSES)))
    assert {len(scene.people) for scene in scenes} == {1, 2, 3}  # four are to be seen in few scenes


@pytest.fixture(scope='module')
def folder():
    try:
        return prepare_people(ROOT)
    except FetchError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize('split', SPLITS)
def test_annotations_fit_the_images(folder, split):
    coco = json.loads((folder / f'{split}.json').read_text())
    assert coco['categories'][0]['keypoints'] == list(KEYPOINTS[:NUM_COCO])
    assert len({one['id'] for one in coco['annotations']}) == len(coco['annotations']) > 1.5 * len(coco['images'])
    labeled = 0
    for annotation in coco['annotations']:
        keypoints = np.array(annotation['keypoints']).reshape(NUM_COCO, 3)
        assert annotation['num_keypoints'] == (keypoints[:, 2] > 0).sum()
        assert (keypoints[:, :2] > -0.51).all()
        assert (keypoints[:, :2] < 255.51).all()
        labeled += annotation['num_keypoints'] > 0
        x, y, width, height = annotation['bbox']
        seen = keypoints[keypoints[:, 2] == 2, :2]
        # What is visible lies in the mask, hence in its box.
        assert (seen >= (x - 0.51, y - 0.51)).all()
        assert (seen <= (x + width - 0.49, y + height - 0.49)).all()
    assert labeled > 0.85 * len(coco['annotations'])
    image = coco['images'][0]
    labels = cv2.imread(str(folder / 'labels' / f'{Path(image["file_name"]).stem}.png'), cv2.IMREAD_UNCHANGED)
    assert cv2.imread(str(folder / 'images' / image['file_name'])).shape == (256, 256, 3)
    assert 0 < labels.max() < len(CLASSES)


def test_no_image_and_no_photograph_is_in_training_and_test(folder):
    files = {
        split: {one['file_name'] for one in json.loads((folder / f'{split}.json').read_text())['images']}
        for split in SPLITS
    }
    assert files['train'] == files['fit'] | files['val']
    for one, other in (('train', 'test'), ('fit', 'val')):
        assert not files[one] & files[other]
        assert not set(SPLITS[one]) & set(SPLITS[other])


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_libraries_read_it(folder):
    from mmpose.datasets import CocoDataset
    from pycocotools.coco import COCO

    coco = COCO(str(folder / 'test.json'))
    annotation = coco.loadAnns(coco.getAnnIds())[0]
    mask = coco.annToMask(annotation)
    assert mask.sum() == annotation['area']
    dataset = CocoDataset(ann_file='test.json', data_root=str(folder), data_prefix={'img': 'images/'}, test_mode=True)
    labeled = [one for one in coco.loadAnns(coco.getAnnIds()) if one['num_keypoints']]
    assert len(dataset) == len(labeled)
    info = dataset.get_data_info(0)
    expected = np.array(next(one for one in labeled if one['id'] == info['id'])['keypoints']).reshape(17, 3)
    np.testing.assert_allclose(info['keypoints'][0], expected[:, :2], atol=1e-3)
