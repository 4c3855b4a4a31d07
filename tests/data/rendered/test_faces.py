import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from hrnet_mm.data import prepare_faces
from hrnet_mm.data.fetch import FetchError
from hrnet_mm.data.rendered import face_shapes as shapes
from hrnet_mm.data.rendered.face_shapes import NUM_POINTS, Face, draw_face
from hrnet_mm.data.rendered.portraits import CLASSES, render_face

ROOT = Path(__file__).parents[3] / 'data' / 'demo'


@pytest.fixture(scope='module')
def swaps():
    """For each of WFLW's points the one it becomes in a mirror, as mmpose has it."""
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    return parse_pose_metainfo(dict(from_file='configs/_base_/datasets/wflw.py'))['flip_indices']


def place(face):
    return face.project(face.points(), 80.0, 70.0, 40.0)


def test_a_face_from_the_front_is_its_own_mirror_image(swaps):
    """Every pair of mmpose's table, hence the order of all 98 points."""
    points = place(Face())
    assert points.shape == (NUM_POINTS, 2)
    mirrored = points[swaps] * (-1, 1) + (160, 0)
    np.testing.assert_allclose(mirrored, points, atol=1e-9)


def test_a_turned_face_mirrors_into_one_turned_to_the_other_side(swaps):
    face = replace(draw_face(np.random.default_rng(3)), gaze=(0.0, 0.3))
    other = replace(face, yaw=-face.yaw, roll=-face.roll)
    np.testing.assert_allclose(place(other)[swaps] * (-1, 1) + (160, 0), place(face), atol=1e-9)


def test_points_have_wflw_order():
    """The places of the real file that mmpose tests with, in words."""
    x, y = place(Face()).T
    assert np.argmax(y) == 16  # the chin
    assert x[0] < x[16] < x[32]
    assert x[60] < x[64] < x[68] < x[72]  # corners of the eyes
    assert y[62] < y[66]  # upper and lower lid
    assert x[33] < x[37] < x[42] < x[46]  # ends of the brows
    assert y[35] < y[40]  # upper and lower edge
    assert y[51] < y[54] < y[57] < y[79] < y[90] <= y[94] < y[85] < y[16]  # nose, lips, chin
    assert x[76] < x[88] < x[92] < x[82]
    assert x[60] < x[96] < x[64]
    assert x[68] < x[97] < x[72]


@pytest.mark.parametrize(
    ('change', 'point', 'direction'),
    [
        ({'yaw': 30.0}, 54, (1, 0)),
        ({'pitch': 20.0}, 54, (0, 1)),
        ({'roll': 20.0}, 16, (-1, 0)),
        ({'mouth_open': 1.0}, 94, (0, 1)),
        ({'smile': 1.0}, 76, (-1, -1)),
        ({'gaze': (1.0, 0.0)}, 96, (1, 0)),
        ({'brow_height': 0.35}, 35, (0, -1)),
    ],
)
def test_parameters_do_what_they_say(change, point, direction):
    moved = place(replace(Face(), **change))[point] - place(Face())[point]
    for found, expected in zip(moved, direction, strict=True):
        if expected:
            assert found * expected > 0.5


def test_lids_close():
    def opening(face):
        points = place(face)
        return points[66, 1] - points[62, 1]

    assert opening(Face(eye_open=0.02)) < 0.15 * opening(Face())


def test_the_same_seed_gives_the_same_face(plain_photographs):
    one, same, other = (render_face(np.random.default_rng(seed), plain_photographs) for seed in (4, 4, 5))
    np.testing.assert_array_equal(one.image, same.image)
    np.testing.assert_array_equal(one.points, same.points)
    assert (one.image != other.image).any()


def test_features_lie_at_their_points(plain_photographs):
    """An eye is drawn at the visible pupils, lips at the middle of the upper lip, and so on."""
    expected = {96: 'eyes', 97: 'eyes', 35: 'brows', 44: 'brows', 54: 'nose', 85: 'lips'}
    hits = {name: [] for name in expected.values()}
    for seed in range(60):
        portrait = render_face(np.random.default_rng(seed), plain_photographs)
        for index, name in expected.items():
            x, y, flag = portrait.points[index]
            if flag == 2:
                around = portrait.classes[round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
                hits[name].append(CLASSES.index(name) in around)
    for name, found in hits.items():
        assert len(found) > 25
        assert np.mean(found) > 0.9, name


def test_covered_points_are_marked(plain_photographs):
    portraits = [render_face(np.random.default_rng(seed), plain_photographs) for seed in range(60)]
    flags = np.array([portrait.points[:, 2] for portrait in portraits])
    assert 0.01 < (flags == 1).mean() < 0.2
    assert (flags == 2).mean() > 0.8
    for portrait in portraits:
        assert portrait.mask.any()
        assert set(np.unique(portrait.classes[portrait.mask])) <= set(range(1, CLASSES.index('hair')))


@pytest.fixture(scope='module')
def folder():
    try:
        return prepare_faces(ROOT)
    except FetchError as error:
        pytest.skip(str(error))


def test_annotations_fit_the_images(folder):
    coco = json.loads((folder / 'test.json').read_text())
    assert len(coco['images']) == len(coco['annotations']) == 300
    for annotation in coco['annotations']:
        points = np.array(annotation['keypoints']).reshape(NUM_POINTS, 3)
        inside = points[points[:, 2] > 0, :2]
        x, y, width, height = annotation['bbox']
        assert (inside >= (x - 0.01, y - 0.02)).all()
        assert (inside <= (x + width + 0.02, y + height + 0.02)).all()
    image = cv2.imread(str(folder / 'images' / coco['images'][0]['file_name']))
    assert image.shape == (160, 160, 3)


def test_mmpose_reads_it(folder):
    from mmpose.datasets import CocoDataset

    wflw = dict(from_file='configs/_base_/datasets/wflw.py')
    prefix = {'img': 'images/'}
    dataset = CocoDataset(ann_file='fit.json', data_root=str(folder), data_prefix=prefix, metainfo=wflw)
    assert len(dataset) == 1200
    assert dataset.metainfo['num_keypoints'] == NUM_POINTS
    info = dataset.get_data_info(0)
    assert info['keypoints'].shape == (1, NUM_POINTS, 2)
    eyes = info['keypoints'][0, [60, 72]]
    assert 20 < np.linalg.norm(eyes[0] - eyes[1]) < 90  # what NME is normalised by


def test_slices_cover_all_points():
    parts = (shapes.CONTOUR, shapes.LEFT_BROW, shapes.RIGHT_BROW, shapes.BRIDGE, shapes.NOSTRILS)
    parts += (shapes.LEFT_EYE, shapes.RIGHT_EYE, shapes.LIPS, shapes.MOUTH, shapes.PUPILS)
    assert [index for part in parts for index in range(NUM_POINTS)[part]] == list(range(NUM_POINTS))
