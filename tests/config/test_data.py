"""The COCO files of a config are checked against themselves, its classes and their images."""

import copy
import json
import shutil

import pytest
from mmengine.config import Config
from PIL import Image

from hrnet_mm.cli import main
from hrnet_mm.config.data import data_findings
from hrnet_mm.config.zoo import config_paths
from hrnet_mm.engine import inspect_config


@pytest.fixture
def data(tiny_data, tmp_path):
    """A copy of the tiny data, which a test may change."""
    shutil.copytree(tiny_data, tmp_path / 'data')
    return tmp_path / 'data'


def edit(file, change):
    coco = json.loads(file.read_text())
    change(coco)
    file.write_text(json.dumps(coco))


@pytest.fixture
def check(data, tiny_config, monkeypatch):
    """A function that returns the mistakes and the warnings for a library's config after changes to it or the data."""

    def checked(library, change=None, configure=None, training=False):
        tiny_config(library)
        monkeypatch.setenv('TINY_DATA', str(data))
        config = Config.fromfile(tiny_config_path(library))
        if change is not None:
            edit(data / 'annotations.json', change)
        if configure is not None:
            configure(config)
        found = data_findings(config, training)
        return tuple([str(one) for one in found if one.level == level] for level in ('error', 'warning'))

    def tiny_config_path(library):
        path = tiny_config(library)
        monkeypatch.setenv('TINY_DATA', str(data))
        return path

    return checked


LIBRARIES = ['mmdet', 'mmpose']
SIDED = ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
JOINTS = ['nose', *(f'{side}_{part}' for part in SIDED for side in ('left', 'right'))]


@pytest.mark.parametrize('library', [*LIBRARIES, 'mmseg', 'mmpretrain'])
@pytest.mark.parametrize('training', [True, False])
def test_good_data_have_no_finding(check, library, training):
    assert check(library, training=training) == ([], [])


@pytest.mark.parametrize('library', LIBRARIES)
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda coco: coco['annotations'][0].update(id=0),
            'an annotation has the id 0, which COCO\'s evaluator takes for "not found"',
        ),
        (lambda coco: coco['annotations'][0].update(id=0.0), 'an annotation has the id 0'),
        (lambda coco: coco['annotations'][0].update(id=2), 'two annotations have the id 2'),
        (lambda coco: coco['annotations'][0].pop('id'), 'annotation number 1 has no "id"'),
        (lambda coco: coco['annotations'][0].update(id='1'), "annotation number 1 has the id '1'"),
        (lambda coco: coco['images'][0].update(id=1), "'0.png' and image '1.png' both have the id 1"),
        (lambda coco: coco['images'][0].update(id='0'), "image '0.png' has the id '0'; it must be a whole number"),
        (lambda coco: coco['images'][0].pop('id'), 'an entry of "images" has no "id"'),
        (lambda coco: coco['images'][0].update(width=32), 'is 32 x 64 pixels in the file, but the image is read as 64'),
        (lambda coco: coco['images'][0].pop('width'), 'has no "width" or no "height", which the library needs'),
        (lambda coco: coco['images'][0].update(file_name='x.png'), 'x.png does not exist, but'),
        (lambda coco: coco['annotations'][0].update(image_id=77), 'annotation 1 has image_id 77, which the file'),
        (lambda coco: coco['annotations'][0].update(category_id=9), 'annotation 1 has category_id 9, which the file'),
        (lambda coco: coco['annotations'][0].pop('iscrowd'), 'annotation 1 has no "iscrowd"'),
        (lambda coco: coco['annotations'][0].pop('area'), 'annotation 1 has the "area" None'),
        (lambda coco: coco['annotations'][0].update(bbox=[1, 2, 3]), 'annotation 1 has no "bbox" of [x, y, width'),
        (lambda coco: [one.update(iscrowd=1) for one in coco['annotations']], 'so there is nothing to measure'),
    ],
)
def test_mistakes_of_a_file(check, library, change, message):
    errors, _ = check(library, change)
    assert any(message in error for error in errors), errors
    assert all('annotations.json' in error for error in errors)


def test_id_zero_does_not_matter_where_nothing_is_evaluated(check):
    def without_metric(config):
        config.val_dataloader = config.val_evaluator = None

    assert check('mmdet', lambda coco: coco['annotations'][0].update(id=0), without_metric, training=True)[0] == []


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        (
            ('Person',),
            "no category is called 'Person', as the metainfo.classes of the config say; the file has 'person'",
        ),
        (('Person',), "; write 'person' for 'Person'; use the names of the file"),
        (('person', 'dog'), "no category is called 'dog'"),
        ('person', "test_dataloader.dataset.metainfo.classes: 'person' is neither a file nor a list of names"),
    ],
)
def test_classes_that_the_file_has_not(check, classes, message):
    errors, _ = check('mmdet', configure=lambda config: config.test_dataloader.dataset.metainfo.update(classes=classes))
    assert any(message in error for error in errors), errors


def test_classes_in_another_order(check):
    def configure(config):
        config.test_dataloader.dataset.metainfo.classes = ('dog', 'person')

    errors, _ = check('mmdet', lambda coco: coco['categories'].append({'id': 2, 'name': 'dog'}), configure)
    assert (
        "the categories are in the order 'person', 'dog', but metainfo.classes of the config are 'dog', 'p" in errors[0]
    )


def test_classes_that_are_left_out_are_told(check):
    def change(coco):
        coco['categories'].append({'id': 2, 'name': 'dog'})
        coco['annotations'][0]['category_id'] = 2

    errors, warnings = check('mmdet', change)
    assert errors == []
    assert "1 of 4 objects are left out, because metainfo.classes of the config has no 'dog'" in warnings[0]


def test_classes_of_the_library_are_compared_too(check):
    errors, _ = check('mmdet', configure=lambda config: config.test_dataloader.dataset.pop('metainfo'))
    assert "no category is called 'bicycle', 'car', 'motorcycle', 'airplane', 'bus' and 74 others" in errors[0]


@pytest.mark.parametrize('library', LIBRARIES)
@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'bbox': [500, 1, 9, 9]}, 'outside of its image of 64 x 64 pixels and is lost'),
        ({'bbox': [1, 1, 0, 9]}, 'of less than one pixel and is lost'),
        ({'area': 0}, 'has the area 0 and is left out'),
    ],
)
def test_objects_that_a_library_drops_are_told(check, library, change, message):
    errors, warnings = check(library, lambda coco: coco['annotations'][0].update(change))
    assert errors == []
    assert any(message in warning for warning in warnings), warnings


def test_keypoints_that_a_library_drops_are_told(check):
    def change(coco):
        coco['annotations'][0]['num_keypoints'] = 0
        coco['annotations'][1].pop('bbox')

    errors, warnings = check('mmpose', change)
    assert errors == []
    assert any('annotation 1 has "num_keypoints" 0 and is left out, but 17 are labeled' in one for one in warnings)
    assert any('annotation 2 has no "bbox" and is left out' in one for one in warnings)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda coco: coco['annotations'][0]['keypoints'].pop(), 'annotation 1 has 50 values in "keypoints"'),
        (
            lambda coco: coco['annotations'][0].update(keypoints=[1, 2, 2]),
            'annotation 1 has 3 values in "keypoints"; 17 keypoints need 51',
        ),
        (
            lambda coco: coco['categories'][0].update(keypoints=['nose']),
            "the category 'person' has 1 keypoints, but the metainfo of the config 17",
        ),
        (
            lambda coco: coco['categories'][0].update(keypoints=JOINTS[::-1]),
            "has the keypoints 'right_ankle', 'left_ankle', 'right_knee'",
        ),
    ],
)
def test_numbers_of_keypoints(check, change, message):
    errors, _ = check('mmpose', change)
    assert any(message in error for error in errors), errors


def test_masks_are_checked_where_they_are_read(check):
    def change(coco):
        for one in coco['annotations']:
            one['segmentation'] = [[1, 2, 3, 4]]

    assert check('mmdet', change) == ([], [])
    errors, _ = check('mmdet', configure=lambda config: config.test_evaluator.update(metric=['bbox', 'segm']))
    assert 'annotation 1 has a polygon of 4 values, [1, 2, 3, 4]' in errors[0]


def test_the_evaluators_own_file(check, data):
    edit(data / 'annotations.json', lambda coco: None)
    other = data / 'other.json'

    def configure(config):
        config.test_evaluator.ann_file = str(other)

    shutil.copy(data / 'annotations.json', other)
    assert check('mmdet', configure=configure) == ([], [])
    edit(other, lambda coco: coco['annotations'][0].update(id=0))
    (error,) = check('mmdet', configure=configure)[0]
    assert 'other.json: an annotation has the id 0' in error
    edit(other, lambda coco: [one.update(id=one['id'] + 50) for one in [*coco['images'], *coco['annotations']]])
    edit(other, lambda coco: [one.update(image_id=one['image_id'] + 50) for one in coco['annotations']])
    (error,) = check('mmdet', configure=configure)[0]
    assert 'other.json: the evaluator lacks 4 images of the data set, such as 0; name the file' in error


def test_a_turned_image(check, data):
    image = Image.open(data / 'images' / '0.png').resize((64, 32))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(data / 'images' / '0.png', exif=exif)
    errors, _ = check('mmdet', lambda coco: coco['images'][0].update(height=32))
    assert '64 x 32 pixels in the file, but the image is read as 32 x 64, because its EXIF orientation 6' in errors[0]


def test_an_image_that_is_read_without_its_turn(check, data):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(data / 'images' / '0.png').resize((64, 32)).save(data / 'images' / '0.png', exif=exif)

    def configure(config):
        config.test_dataloader.dataset.pipeline[0].color_type = 'color_ignore_orientation'

    assert check('mmdet', lambda coco: coco['images'][0].update(height=32), configure) == ([], [])


@pytest.mark.parametrize('size', [(64, 64), (64, 32)])
def test_label_images_of_a_coco_file(check, data, size):
    for index in range(4):
        Image.new('L', (64, 64)).save(data / 'labels' / f'{index}.png')
    Image.new('L', size).save(data / 'labels' / '1.png')

    def configure(config):
        dataset = config.test_dataloader.dataset
        dataset.update(type='CocoSegDataset', ann_file='annotations.json')

    errors, _ = check('mmseg', configure=configure)
    message = "1.png has 64 x 32 pixels, but the image '1.png' is read as 64 x 64; label the image that is there"
    assert len(errors) == (size != (64, 64))
    assert all(message in error for error in errors)
    (data / 'labels' / '2.png').unlink()
    assert any("2.png is not the label image of '2.png'" in error for error in check('mmseg', configure=configure)[0])


def test_damaged_images_may_be_skipped(check, data):
    (data / 'images' / '0.png').write_bytes(b'none')
    (data / 'images' / '1.png').unlink()

    def skip(config):
        config.default_hooks.sample = {'type': 'hrnet_mm.SampleHook', 'on_bad_sample': 'skip'}
        config.val_dataloader = None

    errors, _ = check('mmdet', training=True)
    assert any('0.png is not an image that can be read' in error for error in errors)
    errors, warnings = check('mmdet', configure=skip, training=True)
    assert errors == []
    assert len(warnings) == 2


@pytest.mark.parametrize('text', ['{', '[1]', '{"images": 5}', '{"images": [5]}', '{}', '\xff'])
@pytest.mark.parametrize('library', LIBRARIES)
def test_any_other_file_is_a_sentence(check, data, library, text):
    (data / 'annotations.json').write_bytes(text.encode('latin-1'))
    (error, *_), _ = check(library)
    assert str(data / 'annotations.json') in error


def test_labels_of_one_part_are_told(check, data):
    def configure(config):
        both = ('person', 'dog')
        config.train_dataloader.dataset.metainfo.classes = both
        config.val_dataloader = copy.deepcopy(config.train_dataloader)
        config.val_dataloader.dataset.ann_file = 'val.json'
        config.val_evaluator = config.test_evaluator
        config.val_evaluator.ann_file = str(data / 'val.json')

    def change(coco):
        coco['categories'].append({'id': 2, 'name': 'dog'})

    edit(data / 'annotations.json', change)
    shutil.copy(data / 'annotations.json', data / 'val.json')
    edit(data / 'val.json', lambda coco: coco['annotations'][0].update(category_id=2))
    errors, warnings = check('mmdet', configure=configure, training=True)
    assert errors == []
    assert any("the class 'dog' is labeled in the validation part only: it is never learned" in one for one in warnings)


def test_train_and_check_say_the_same(tiny_config, data, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv('TINY_DATA', str(data))
    path = tiny_config('mmdet')
    monkeypatch.setenv('TINY_DATA', str(data))
    edit(data / 'annotations.json', lambda coco: coco['annotations'][0].update(id=2))
    assert main(['check', str(path)]) == 1
    shown = capsys.readouterr().out
    assert main(['train', str(path), '--work-dir', str(tmp_path / 'out')]) == 2
    refused = capsys.readouterr().err
    sentence = next(line for line in shown.splitlines() if 'two annotations' in line).removeprefix('error: ')
    assert sentence in refused
    found = [str(one) for one in inspect_config(path)]
    assert sentence in found


def test_the_zoo_is_read_without_a_word_where_nothing_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in config_paths()[::25]:
        from hrnet_mm.config.zoo import read_config

        assert data_findings(read_config(path), training=True) == []
