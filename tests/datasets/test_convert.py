"""Labels that go to another format and back lose nothing but what is listed."""

import json

import cv2
import label_formats
import numpy as np
import pytest
from label_formats import KINDS, WRITERS, content, label_files

from hrnet_mm.cli import main
from hrnet_mm.datasets import FORMATS, read_folder
from hrnet_mm.datasets.convert import convert
from hrnet_mm.datasets.labels import label_array
from hrnet_mm.datasets.masks import encode, outlines, pixels
from hrnet_mm.datasets.writing import Target, joined

ANNOTATIONS = {'boxes': 'boxes', 'regions': 'regions', 'pixels': 'regions', 'keypoints': 'keypoints'}
AREAS = 'areas that are not those of the shapes'


@pytest.mark.parametrize(
    ('kind', 'form'),
    [(kind, form) for kind, forms in KINDS.items() for form in ['coco', *forms] if FORMATS[form].write],
)
def test_there_and_back_nothing_is_lost(tmp_path, kind, form):
    (tmp_path / 'first').mkdir()
    WRITERS['coco'](tmp_path / 'first', kind)
    _, lost, _ = convert(tmp_path / 'first', tmp_path / 'second', form)
    mine = ['pixels of masks, which become polygons'] if kind == 'pixels' and form in ('labelme',) else []
    assert list(lost) == [one for one in mine if one in lost]
    _, lost, _ = convert(tmp_path / 'second', tmp_path / 'third', 'coco')
    assert not lost
    first, third = (read_folder(tmp_path / one, ANNOTATIONS[kind]) for one in ('first', 'third'))
    if kind == 'pixels' and form == 'labelme':
        for mine, other in zip(first.train['annotations'], third.train['annotations'], strict=True):
            size = mine['segmentation']['size']
            assert (pixels(mine['segmentation'], size) == pixels(other['segmentation'], size)).all()
    else:
        assert content(third) == content(first)


@pytest.mark.parametrize('form', ['deeplabcut', 'csv', 'pts'])
def test_points_there_and_back(tmp_path, form):
    (tmp_path / 'first').mkdir()
    label_formats.animal_coco(tmp_path / 'first', None if form == 'pts' else 'whole')
    _, lost, _ = convert(tmp_path / 'first', tmp_path / 'second', form)
    assert lost == ({'names of keypoints': 3} if form == 'pts' else {})
    first, second = (read_folder(tmp_path / one, 'keypoints') for one in ('first', 'second'))
    mine, other = ([[{**one, 'name': ''} for one in part] for _, part in content(one)[2]] for one in (first, second))
    assert mine == other


def test_what_is_lost_is_listed(tmp_path, capsys):
    (tmp_path / 'first').mkdir()
    WRITERS['coco'](tmp_path / 'first', 'regions')
    file = tmp_path / 'first' / 'train.json'
    coco = json.loads(file.read_text())
    first, second, third = coco['annotations'][:3]
    first['iscrowd'] = 1
    second['segmentation'] = [second['segmentation'][0], [50, 50, 60, 50, 60, 60]]
    third['score'] = 0.5
    coco['images'][0]['license'] = 3
    file.write_text(json.dumps(coco))
    assert main(['labels', 'convert', str(tmp_path / 'first'), str(tmp_path / 'yolo'), '--to', 'yolo']) == 0
    assert capsys.readouterr().out.splitlines()[:1] == ['COCO masks, 2 classes (cat, dog), 4 train / 2 val']
    main(['labels', 'convert', str(tmp_path / 'first'), str(tmp_path / 'voc'), '--to', 'voc'])
    out = capsys.readouterr().out
    for line in (
        'not kept by voc: masks of objects (12)',
        'not kept by voc: entries "license" of images (1)',
        'not kept by voc: entries "score" of objects (1)',
    ):
        assert line in out
    assert 'iscrowd' not in out
    assert 'nothing is lost' not in out
    _, lost, _ = convert(tmp_path / 'first', tmp_path / 'yolo2', 'yolo')
    assert lost['marks "iscrowd" or "difficult"'] == 1
    assert lost['objects of several polygons, which are joined by lines to one'] == 1


def test_every_loss_of_points_is_listed(tmp_path):
    (tmp_path / 'first').mkdir()
    WRITERS['coco'](tmp_path / 'first', 'keypoints')
    file = tmp_path / 'first' / 'train.json'
    coco = json.loads(file.read_text())
    coco['annotations'][0]['keypoints'][2] = 1
    coco['annotations'][1]['keypoints'][6:] = [0, 0, 0]
    coco['categories'][0]['skeleton'] = coco['categories'][1]['skeleton'] = [[1, 3]]
    file.write_text(json.dumps(coco))
    lost = {
        form: convert(tmp_path / 'first', tmp_path / form, form)[1] for form in ('deeplabcut', 'pts', 'csv', 'yolo')
    }
    hidden, apart = (
        'keypoints that are hidden, not only unlabeled',
        'images of the validation part, which is not kept apart',
    )
    assert lost['yolo'] == {}
    assert lost['csv'] == {'lines between keypoints': 2, 'boxes of objects': 12}
    assert lost['deeplabcut'][hidden] == lost['pts'][hidden] == 1
    assert lost['deeplabcut'][apart] == 2
    assert lost['deeplabcut']['names of classes'] == 2
    assert lost['pts']['objects with unlabeled keypoints, which are left out'] == 1
    csv = read_folder(tmp_path / 'csv', 'keypoints')
    assert csv.train['annotations'][0]['keypoints'][2] == 1


@pytest.mark.parametrize('form', ['masks', 'coco', 'cvat', 'labelme'])
def test_label_images_there_and_back(tmp_path, form):
    label_files(tmp_path / 'first', 'colors')
    _, lost, _ = convert(tmp_path / 'first', tmp_path / 'second', form)
    assert lost.get('pixels that are unlabeled (255)', 0) == (0 if form == 'masks' else 6 * 2 * 80)
    assert not set(lost) - {'pixels that are unlabeled (255)', 'pixels of masks, which become polygons'}
    _, lost, _ = convert(tmp_path / 'second', tmp_path / 'third', 'masks')
    first, third = (read_folder(tmp_path / one, 'regions') for one in ('first', 'third'))
    assert third.classes == first.classes
    for mine, other in zip(first.train['images'], third.train['images'], strict=True):
        before = label_array(first.path, first.train, mine)
        after = label_array(third.path, third.train, other)
        assert ((before != after) & (before != 255)).sum() == 0


def test_outlines_of_pixels_are_drawn_as_the_same_pixels():
    random = np.random.default_rng(0)
    tried = 0
    for _ in range(200):
        height, width = random.integers(3, 40, 2)
        noise = cv2.GaussianBlur(random.random((height, width)), (0, 0), random.choice([0.1, 1, 2, 3]))
        mask = noise > random.choice([0.4, 0.5, 0.6])
        np.testing.assert_array_equal(pixels(encode(mask), mask.shape), mask)
        a, b, c, d = mask[:-1, :-1], mask[:-1, 1:], mask[1:, :-1], mask[1:, 1:]
        touching = ((a & d & ~b & ~c) | (b & c & ~a & ~d)).any()
        if mask.any() and not touching:
            tried += 1
            np.testing.assert_array_equal(pixels(outlines(mask), mask.shape), mask)
    assert tried > 40


def test_several_polygons_become_one_without_a_pixel_lost(tmp_path):
    target = Target(tmp_path, tmp_path)
    squares = [
        [x, y, x + 7.5, y, x + 7.5, y + 9, x, y + 9] for x, y in ((3, 4), (40, 50), (60, 5), (5, 40), (20.25, 20))
    ]
    whole = joined(target, squares, {'width': 80, 'height': 64})
    assert target.lost == {'objects of several polygons, which are joined by lines to one': 1}
    np.testing.assert_array_equal(pixels([whole], (64, 80)), pixels(squares, (64, 80)))


# Nothing half-written, nothing overwritten


def test_a_folder_that_is_there_is_not_overwritten(tmp_path, capsys):
    (tmp_path / 'first').mkdir()
    WRITERS['coco'](tmp_path / 'first', 'boxes')
    (tmp_path / 'second').mkdir()
    (tmp_path / 'second' / 'mine.txt').write_text('mine')
    argv = ['labels', 'convert', str(tmp_path / 'first'), str(tmp_path / 'second'), '--to']
    assert main([*argv, 'yolo']) == 2
    assert 'second is there already; name a new folder' in capsys.readouterr().err
    assert [one.name for one in (tmp_path / 'second').iterdir()] == ['mine.txt']
    assert main([*argv, 'yolov5']) == 2
    assert "--to: cannot write the format 'yolov5'; did you mean 'yolo'?" in capsys.readouterr().err


def test_a_disk_that_is_full_leaves_nothing(tmp_path, monkeypatch):
    (tmp_path / 'first').mkdir()
    WRITERS['coco'](tmp_path / 'first', 'boxes')
    calls = []

    def copy(source, place):
        calls.append(place)
        if len(calls) == 4:
            raise OSError(28, 'No space left on device')
        place.write_bytes(b'')

    monkeypatch.setattr('hrnet_mm.datasets.writing.shutil.copyfile', copy)
    with pytest.raises(
        ValueError, match=r'second cannot be written \(No space left on device\); nothing is kept of it'
    ):
        convert(tmp_path / 'first', tmp_path / 'second', 'yolo')
    assert [one.name for one in tmp_path.iterdir()] == ['first']


# The picture


@pytest.mark.parametrize('kind', ['boxes', 'regions', 'keypoints', 'labels', 'classes'])
def test_labels_are_drawn(tmp_path, kind, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if kind == 'labels':
        label_files(tmp_path / 'mine', 'palette')
    elif kind == 'classes':
        from own_folders import write_classes

        write_classes(tmp_path / 'mine')
    else:
        (tmp_path / 'mine').mkdir()
        WRITERS['yolo'](tmp_path / 'mine', kind)
    assert main(['labels', 'show', 'mine', '--count', '4']) == 0
    assert 'wrote labels_mine.png: ' in capsys.readouterr().out
    sheet = cv2.imread('labels_mine.png')
    assert sheet.shape[1] > 800
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 100
