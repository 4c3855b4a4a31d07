"""Folders and lists that mmseg and mmpretrain read, and mmpose's boxes, are checked with their images."""

import json
import shutil
import time

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from hrnet_mm.cli import main
from hrnet_mm.config.data import data_findings


def save(values, file):
    Image.fromarray(np.asarray(values)).save(file)


# mmseg


@pytest.mark.parametrize(
    ('break_it', 'message'),
    [
        (lambda data: (data / 'labels' / '1.png').unlink(), 'labels/1.png does not exist, which must label'),
        (
            lambda data: save(np.zeros((64, 32), np.uint8), data / 'labels' / '1.png'),
            'has 32 x 64 pixels, but the imag',
        ),
        (
            lambda data: save(np.full((64, 64), 2, np.uint8), data / 'labels' / '1.png'),
            'holds the label 2, but there ar',
        ),
        (lambda data: save(np.zeros((64, 64, 3), np.uint8), data / 'labels' / '1.png'), '1.png: it is a color image'),
        (lambda data: (data / 'labels' / '1.png').write_bytes(b'x'), 'labels/1.png is not the label image of'),
        (
            lambda data: (data / 'images' / '1.png').write_bytes(b'x'),
            'images/1.png is not an image that can be rea',
        ),
        (lambda data: [file.unlink() for file in (data / 'images').iterdir()], "has no image that ends in '.png'"),
    ],
)
def test_folders_of_label_images(check, data, break_it, message):
    assert check('mmseg') == ([], [])
    break_it(data)
    errors, _ = check('mmseg')
    assert any(message in error for error in errors), errors


def test_label_images_of_nothing_and_images_of_another_end_are_told(check, data):
    shutil.copy(data / 'labels' / '1.png', data / 'labels' / 'more.png')
    shutil.copy(data / 'images' / '1.png', data / 'images' / 'other.JPG')
    errors, warnings = check('mmseg')
    assert errors == []
    assert any('labels/more.png labels no image of' in one for one in warnings)
    assert any("1 file of .JPG is left out, because img_suffix is '.png'" in one for one in warnings)


def test_a_mask_of_white_objects_teaches_nothing(data, tiny_config, monkeypatch):
    """255 is no class, and a mask from another program is often 0 and 255."""
    for file in (data / 'labels').iterdir():
        values = np.array(Image.open(file))
        save((values * 255).astype(np.uint8), file)

    path = tiny_config('mmseg')
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    config.val_dataloader = config.test_dataloader
    (warning,) = [str(one) for one in data_findings(config, True)]
    assert "the class 'square' is labeled nowhere: it is neither learned nor measured" in warning


def test_zero_is_reduced(check, data):
    def reduce(dataset):
        dataset.reduce_zero_label = True

    assert check('mmseg', reduce) == ([], [])
    save(np.full((64, 64), 2, np.uint8), data / 'labels' / '1.png')
    assert check('mmseg', reduce) == ([], [])
    save(np.full((64, 64), 3, np.uint8), data / 'labels' / '1.png')
    (error,), _ = check('mmseg', reduce)
    assert 'holds the label 3, but there are 2 classes; 1 to 2 must be the classes, 0 and 255 unlabeled' in error


def test_lists_of_names(check, data):
    def listed(dataset):
        dataset.ann_file = 'names.txt'

    (data / 'names.txt').write_text('0\n1\n')
    assert check('mmseg', listed) == ([], [])
    (data / 'names.txt').write_text('0\n1\n0\n\n2.png\n')
    errors, warnings = check('mmseg', listed)
    assert any('names.txt: line 4 is empty' in error for error in errors)
    assert any('2.png.png does not exist, but' in error for error in errors)
    assert any("line 3 is the image '0' of line 1 again" in one for one in warnings)


@pytest.mark.slow
def test_ten_thousand_label_images_are_checked_in_time(check, data):
    random = np.random.default_rng(0)
    values = np.kron(random.integers(0, 2, (16, 16)), np.ones((32, 32))).astype(np.uint8)
    save(random.integers(0, 255, (512, 512, 3), dtype=np.uint8), data / 'one.jpg')
    save(values, data / 'one.png')
    for folder, name in (('images', 'one.jpg'), ('labels', 'one.png')):
        shutil.rmtree(data / folder)
        (data / folder).mkdir()
        content = (data / name).read_bytes()
        for i in range(10_000):
            (data / folder / f'{i}.png').write_bytes(content)
    start = time.monotonic()
    assert check('mmseg') == ([], [])
    assert time.monotonic() - start < 30


# mmpretrain


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['0.png 0', '1.png 2'], 'line 2 has the label 2, but there are 2 classes, 0 to 1'),
        (['0.png 0', '1.png -1'], 'line 2 has the label -1, but there are 2 classes'),
        (['0.png 0', '1.png'], "line 2 is '1.png'; expected an image and the number of its class"),
        (['0.png 0', '1.png one'], "line 2 is '1.png one'; expected an image and"),
        (['0.png 0', '', '1.png 1'], "line 2 is ''; expected an image and"),
        (['0.png 0', '9.png 1'], 'images/9.png does not exist, but'),
        (['0.png 0', '0.png 1'], "line 2 is the image '0.png' of line 1 with the label 0 there"),
    ],
)
def test_lists_of_images(check, data, lines, message):
    assert check('mmpretrain') == ([], [])
    (data / 'classes.txt').write_text('\n'.join(lines) + '\n')
    errors, _ = check('mmpretrain')
    assert any('classes.txt' in error and message in error for error in errors), errors


def test_a_line_that_is_given_twice_is_told(check, data):
    (data / 'classes.txt').write_text('0.png 0\n1.png 1\n0.png 0\n')
    errors, (warning,) = check('mmpretrain')
    assert errors == []
    assert "line 3 is the image '0.png' of line 1 again, so that it counts twice" in warning


def test_a_damaged_image_of_a_list(check, data):
    (data / 'images' / '1.png').write_bytes(b'none')
    (error,), _ = check('mmpretrain')
    assert 'images/1.png is not an image that can be read' in error


def folders(data, names=('cat', 'dog')):
    for i, name in enumerate(names):
        (data / 'classes' / name).mkdir(parents=True)
        shutil.copy(data / 'images' / f'{i}.png', data / 'classes' / name)


def of_folders(dataset):
    dataset.update(data_prefix='classes', ann_file='')
    dataset.pop('classes', None)


@pytest.mark.parametrize(
    ('change', 'classes', 'message'),
    [
        (lambda place: (place / '.ipynb_checkpoints').mkdir(), None, '.ipynb_checkpoints would be a class, though'),
        (lambda place: None, ('cat', 'dog', 'pig'), "has 2 folders, 'cat', 'dog', but the config has 3 classes"),
        (lambda place: None, ('dog', 'cat'), "the labels are in the order of the folders, 'cat', 'dog', but"),
        (lambda place: (place / 'cat' / '0.png').write_bytes(b'x'), None, 'cat/0.png is not an image that can be'),
        (lambda place: [(place / 'cat' / '0.png').unlink(), (place / 'dog' / '1.png').unlink()], None, 'has no image'),
    ],
)
def test_folders_of_classes(check, data, change, classes, message):
    folders(data)

    def configure(dataset):
        of_folders(dataset)
        if classes:
            dataset.classes = classes

    change(data / 'classes')
    errors, _ = check('mmpretrain', configure)
    assert any(message in error for error in errors), errors


def test_what_a_folder_of_classes_leaves_out_is_told(check, data):
    folders(data)
    shutil.copy(data / 'images' / '0.png', data / 'classes' / 'loose.png')
    shutil.copy(data / 'images' / '0.png', data / 'classes' / 'cat' / 'a.webp')
    errors, warnings = check('mmpretrain', of_folders)
    assert errors == []
    assert any('classes/loose.png is in no folder of a class and is left out' in one for one in warnings)
    assert any('1 file of .webp in the folders of classes is left out' in one for one in warnings)


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (('cat', 'horse'), "class 1 is the folder 'horse', but in"),
        (('cat',), "has the folders 'cat', but"),
    ],
)
def test_folders_of_the_two_parts_that_differ(data, tiny_config, monkeypatch, names, message):
    folders(data)
    for name in names:
        (data / 'val' / name).mkdir(parents=True)
        shutil.copy(data / 'images' / '3.png', data / 'val' / name)
    path = tiny_config('mmpretrain')
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    of_folders(config.train_dataloader.dataset)
    config.val_dataloader = config.test_dataloader
    config.val_dataloader.dataset.update(data_prefix='val', ann_file='')
    config.val_dataloader.dataset.pop('classes')
    found = [str(one) for one in data_findings(config, True) if one.level == 'error']
    assert any(message in one for one in found), found


# mmpose's boxes

BOXES = [{'image_id': i, 'category_id': 1, 'bbox': [4, 4, 30, 30], 'score': 0.9} for i in range(4)]


def test_good_boxes(check, data):
    (data / 'boxes.json').write_text(json.dumps(BOXES))
    assert check('mmpose', lambda dataset: dataset.update(bbox_file=str(data / 'boxes.json'))) == ([], [])


@pytest.mark.parametrize(
    ('change', 'message', 'level'),
    [
        ({'image_id': 77}, 'box number 2 has image_id 77, which', 'error'),
        ({'image_id': None}, 'box number 2 has image_id None, which', 'error'),
        ({'category_id': 'person'}, "box number 2 has category_id 'person'", 'error'),
        ({'bbox': [1, 2, 3]}, 'box number 2 has no "bbox" of [x, y, width, height] but [1, 2, 3]', 'error'),
        ({'score': None}, 'box number 2 has the score None', 'error'),
        ({'bbox': [1, 2, 0, 5]}, 'is a box [1, 2, 0, 5] of less than one pixel', 'warning'),
        ({'bbox': [100, 2, 9, 5]}, 'is a box [100, 2, 9, 5] outside of its image of 64 x 64 pixels', 'warning'),
        ({'category_id': 3}, '1 of 4 boxes are left out, because their category_id is not 1', 'warning'),
        ({'category_id': 3}, 'has no box in 1 of 4 images of', 'warning'),
    ],
)
def test_boxes_of_a_detector(check, data, change, message, level):
    boxes = [{**one, **change} if i == 1 else one for i, one in enumerate(BOXES)]
    (data / 'boxes.json').write_text(json.dumps(boxes))
    found = check('mmpose', lambda dataset: dataset.update(bbox_file=str(data / 'boxes.json')))
    assert any(message in one for one in found[level == 'warning']), found


@pytest.mark.parametrize('text', ['{', '{}', '[1]', '[]'])
def test_other_files_of_boxes(check, data, text):
    (data / 'boxes.json').write_text(text)
    errors, _ = check('mmpose', lambda dataset: dataset.update(bbox_file=str(data / 'boxes.json')))
    assert any('boxes.json' in error for error in errors)


@pytest.mark.parametrize(
    ('library', 'break_it', 'words'),
    [
        ('mmseg', lambda data: (data / 'labels' / '1.png').unlink(), 'does not exist, which must label'),
        ('mmpretrain', lambda data: (data / 'classes.txt').write_text('0.png 7\n'), 'line 1 has the label 7'),
    ],
)
def test_check_train_and_test_say_the_same(tiny_config, data, monkeypatch, capsys, tmp_path, library, break_it, words):
    path = str(tiny_config(library))
    monkeypatch.setenv('TINY_DATA', str(data))
    break_it(data)
    assert main(['check', path]) == 1
    (sentence,) = {line.removeprefix('error: ') for line in capsys.readouterr().out.splitlines() if words in line}
    (tmp_path / 'a.pth').write_bytes(b'')
    for argv in (['train', path], ['test', path, '--weights', str(tmp_path / 'a.pth')]):
        assert main([*argv, '--work-dir', str(tmp_path / 'out')]) == 2
        assert sentence in capsys.readouterr().err
