"""Every annotation format carries the same labels to the digit, and is told from the others by its content."""

import re
from pathlib import Path

import label_formats
import numpy as np
import pytest
from label_formats import CLASSES, KINDS, LABEL_FORMS, POINTS, TRAIN, VAL, WRITERS, content, label_files, label_image
from PIL import Image

from hrnet_mm.cli import main
from hrnet_mm.datasets import FORMATS, find_annotations, read_folder
from hrnet_mm.datasets.formats import find_format
from hrnet_mm.datasets.labels import label_array

ANNOTATIONS = {'boxes': 'boxes', 'regions': 'regions', 'pixels': 'regions', 'keypoints': 'keypoints'}


def made(tmp_path, form, kind):
    folder = tmp_path / f'{form}-{kind}'
    folder.mkdir(parents=True)
    WRITERS[form](folder, kind)
    return folder


@pytest.mark.parametrize(('kind', 'form'), [(kind, form) for kind, forms in KINDS.items() for form in forms])
def test_labels_are_equal_to_the_digit(tmp_path, kind, form):
    mine, coco = (made(tmp_path, one, kind) for one in (form, 'coco'))
    annotations = ANNOTATIONS[kind]
    assert find_format(mine)[0].name == form
    assert find_annotations(mine)[0] == ('boxes' if kind in ('regions', 'pixels') else kind)
    assert (annotations in find_annotations(mine)) or kind == 'keypoints'
    read = read_folder(mine, annotations)
    assert content(read) == content(read_folder(coco, annotations))
    assert len(read.train['annotations']) == 8
    assert read.classes == tuple(CLASSES)
    assert re.fullmatch(r'.+, 2 classes \(cat, dog\), 4 train / 2 val', read.about)


@pytest.mark.parametrize('write', ['deeplabcut', 'lightning', 'wide', 'long'])
def test_points_of_one_animal_are_equal_to_the_digit(tmp_path, write):
    for name in ('coco', 'mine'):
        (tmp_path / name).mkdir()
    label_formats.animal_coco(tmp_path / 'coco', 'whole')
    getattr(label_formats, f'animal_{write}')(tmp_path / 'mine')
    mine, coco = (read_folder(tmp_path / name, 'keypoints') for name in ('mine', 'coco'))
    assert mine.points.names == tuple(POINTS)
    named = [[{**one, 'name': ''} for one in part] for folder in (mine, coco) for _, part in content(folder)[2]]
    assert named[:2] == named[2:]
    assert (mine.mean, mine.std) == (coco.mean, coco.std)


def test_points_of_faces_are_equal_to_the_digit(tmp_path):
    for name in ('coco', 'mine'):
        (tmp_path / name).mkdir()
    label_formats.animal_coco(tmp_path / 'coco', None)
    label_formats.animal_pts(tmp_path / 'mine')
    mine, coco = (read_folder(tmp_path / name, 'keypoints') for name in ('mine', 'coco'))
    assert mine.points.names == ('0', '1', '2')
    named = [[{**one, 'name': ''} for one in part] for folder in (mine, coco) for _, part in content(folder)[2]]
    assert named[:2] == named[2:]


@pytest.mark.parametrize('form', LABEL_FORMS)
def test_label_images_are_equal_whatever_their_form(tmp_path, form):
    label_files(tmp_path, form)
    read = read_folder(tmp_path, 'regions')
    assert find_annotations(tmp_path) == ['regions']
    assert read.classes == tuple(CLASSES)
    assert read.has_semantic
    if form == 'voc':  # has one folder for both parts
        assert read.about == 'label images, 2 classes (cat, dog), 5 train / 1 val'
    else:
        assert read.about == 'label images, 2 classes (cat, dog), 4 train / 2 val'
    names = []
    for part in (read.train, read.val):
        for image in part['images']:
            names.append(Path(image['file_name']).stem)
            expected = label_image(names[-1])
            expected[:2] = 255
            np.testing.assert_array_equal(label_array(read.path, part, image), expected)
    assert sorted(names) == TRAIN + VAL


def test_cityscapes_has_its_own_names(tmp_path):
    label_files(tmp_path, 'cityscapes')
    read = read_folder(tmp_path, 'regions')
    assert read.classes[:3] == ('road', 'sidewalk', 'building')
    labels = label_array(read.path, read.train, read.train['images'][0])
    names = {read.classes[value - 1] for value in np.unique(labels).tolist() if value not in (0, 255)}
    assert names == {'building', 'person', 'car'}
    assert (labels[:2] == 255).all()


def test_unnamed_values_and_colors_are_said(tmp_path):
    label_files(tmp_path / 'values', 'unnamed')
    read = read_folder(tmp_path / 'values', 'regions')
    assert read.classes == ('class 1', 'class 2')
    assert "names no classes; they are called 'class 1', 'class 2'; write their names into" in read.warnings[0]
    label_files(tmp_path / 'colors', 'unnamed_colors')
    assert read_folder(tmp_path / 'colors', 'regions').classes == ('#008040', '#800000', '#e0e0c0')


# Which format it is


def test_every_format_that_can_be_named_has_a_test():
    tested = {*WRITERS, 'masks', 'deeplabcut', 'csv', 'pts', 'folders'}
    assert set(FORMATS) - {'sleap', 'nwb'} == tested


def test_two_formats_are_an_error_with_the_option(tmp_path, capsys):
    made(tmp_path, 'coco', 'boxes').rename(tmp_path / 'mine')
    WRITERS['yolo'](tmp_path / 'mine', 'boxes')
    with pytest.raises(
        ValueError, match=r'fits 2 formats: COCO \(train\.json\) and YOLO \(data\.yaml\); choose with --format'
    ):
        read_folder(tmp_path / 'mine', 'boxes')
    assert read_folder(tmp_path / 'mine', 'boxes', 'yolo').about.startswith('YOLO detect')
    assert main(['check', str(tmp_path / 'mine'), '--format', 'yolo', '--task', 'instances']) == 0
    assert 'YOLO detect, 2 classes (cat, dog), 4 train / 2 val' in capsys.readouterr().out
    assert main(['check', str(tmp_path / 'mine'), '--format', 'yolov8']) == 1
    assert "unknown format 'yolov8'; did you mean 'yolo'?" in capsys.readouterr().out


def test_what_fits_no_format_is_described(tmp_path):
    folder = made(tmp_path, 'yolo', 'boxes')
    (folder / 'data.yaml').unlink()
    message = 'saw 6 PNG and 6 TXT files; nearest: YOLO, but data.yaml is missing, which names the classes'
    with pytest.raises(ValueError, match=message):
        read_folder(folder, 'boxes')
    folder = tmp_path / 'tables'
    folder.mkdir()
    label_formats.animal_wide(folder)
    table = folder / 'points.csv'
    table.write_text(table.read_text().replace('image;', 'what;'))
    with pytest.raises(ValueError, match='saw 6 PNG and 1 CSV files; nearest: table of points, but its first line'):
        read_folder(folder, 'keypoints')
    label_files(tmp_path / 'labels', 'values')
    (tmp_path / 'labels' / 'masks').rename(tmp_path / 'labels' / 'other')
    with pytest.raises(ValueError, match=r'nearest: label images, but no folder is called masks'):
        read_folder(tmp_path / 'labels', 'regions')


def test_a_format_without_what_is_needed_is_named(tmp_path):
    folder = made(tmp_path, 'voc', 'boxes')
    with pytest.raises(
        ValueError, match='is of the format PASCAL VOC, which has no keypoints; supported for keypoints: coco'
    ):
        read_folder(folder, 'keypoints')
    with pytest.raises(ValueError, match='is not of the format yolo'):
        read_folder(folder, 'boxes', 'yolo')


def test_folders_of_other_things_are_suspicious(tmp_path):
    from own_folders import write_classes

    write_classes(tmp_path / 'mine' / 'Dataset')
    write_classes(tmp_path / 'mine', [('Examples', 10)])
    warnings = '\n'.join(read_folder(tmp_path / 'mine', 'classes').warnings)
    assert 'the folder Dataset is taken for a class; if it is none' in warnings
    assert 'the folder Examples is taken for a class' in warnings
    assert "the class 'Dataset' holds 2 folders of images ('dark', 'light')" in warnings
    assert f'give {tmp_path / "mine" / "Dataset"} in place of' in warnings


def test_links_are_followed_but_not_in_circles(tmp_path):
    folder = made(tmp_path, 'yolo', 'boxes')
    (folder / 'train').rename(tmp_path / 'elsewhere')
    (folder / 'train').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'elsewhere' / 'back').symlink_to(folder)
    assert read_folder(folder, 'boxes').about == 'YOLO detect, 2 classes (cat, dog), 4 train / 2 val'


def test_lightning_pose_trains_on_its_first_table_alone(tmp_path):
    label_formats.animal_lightning(tmp_path)
    (tmp_path / 'labels.csv').rename(tmp_path / 'CollectedData.csv')
    (tmp_path / 'CollectedData_new.csv').write_text((tmp_path / 'CollectedData.csv').read_text())
    read = read_folder(tmp_path, 'keypoints')
    assert len(read.train['images']) + len(read.val['images']) == 6
    assert any('CollectedData_new.csv is left out, because lightning-pose trains on' in one for one in read.warnings)


def test_a_missing_kind_is_said_with_what_is_there(tmp_path):
    folder = made(tmp_path, 'yolo', 'boxes')
    with pytest.raises(ValueError, match=r'\(YOLO detect, 2 classes \(cat, dog\), 4 train / 2 val\): no category has'):
        read_folder(folder, 'keypoints')


@pytest.mark.parametrize(
    ('form', 'suffix'), [('voc', '.xml'), ('labelme', '.json'), ('cvat', None), ('label-studio', None)]
)
def test_images_without_labels_are_told(tmp_path, form, suffix):
    folder = made(tmp_path, form, 'boxes')
    assert read_folder(folder, 'boxes').warnings == ()
    if suffix is None:
        (place,) = folder.rglob('a.png')
        place.with_name('other.png').write_bytes(place.read_bytes())
    else:
        next(folder.rglob(f'a{suffix}')).unlink()
    (warning,) = [one for one in read_folder(folder, 'boxes').warnings if 'is a copy of' not in one]
    assert re.search(r'1 of [67] images have no labels and are left out, first .*(a|other)\.png; label them', warning)


def test_label_images_are_no_images_of_yolo(tmp_path):
    folder = made(tmp_path, 'yolo', 'boxes')
    (folder / 'data.yaml').write_text('names: [cat, dog]')
    label_formats.pictures(folder / 'masks', TRAIN)
    assert read_folder(folder, 'boxes', 'yolo').about.endswith('4 train / 2 val')


def test_lists_of_images_name_them_as_other_computers_do(tmp_path):
    folder = made(tmp_path, 'yolo', 'boxes')
    (folder / 'data.yaml').write_text('names: [cat, dog]\ntrain: train.txt\nval: val.txt\n')
    (folder / 'train.txt').write_text('/home/me/set/train/images/a.png\nC:\\set\\train\\images\\b.png\n')
    (folder / 'val.txt').write_text('./val/images/e.png\n')
    read = read_folder(folder, 'boxes')
    assert read.about.endswith('2 train / 1 val')
    assert any('2 of 4 images' in one or '3 of 6 images' in one for one in read.warnings)
    (folder / 'val.txt').write_text('/etc/passwd\n')
    with pytest.raises(ValueError, match=r'passwd does not exist, but val\.txt lists it'):
        read_folder(folder, 'boxes')


@pytest.mark.parametrize('mode', ['1', 'RGB', 'L'])
def test_masks_of_one_object_need_no_names(tmp_path, mode):
    label_files(tmp_path, 'unnamed')
    for file in tmp_path.glob('masks/*/*.png'):
        values = np.asarray(Image.open(file))
        Image.fromarray(np.where((values > 0) & (values < 255), 255, 0).astype(np.uint8)).convert(mode).save(file)
    read = read_folder(tmp_path, 'regions')
    assert read.classes == ('object',)
    assert set(np.unique(label_array(tmp_path, read.train, read.train['images'][0]))) == {0, 1}


def test_names_in_labelmes_order(tmp_path):
    label_files(tmp_path, 'values')
    (tmp_path / 'classes.txt').rename(tmp_path / 'labels.txt')
    (tmp_path / 'labels.txt').write_text('__ignore__\n_background_\ncat\ndog\n')
    assert read_folder(tmp_path, 'regions').classes == ('cat', 'dog')
    (tmp_path / 'labels.txt').write_text('cat\ndog\n')
    with pytest.raises(
        ValueError, match=r'holds the value 2, which is none of the labels 0, 1, 255; add it to the list'
    ):
        read_folder(tmp_path, 'regions')


def test_label_images_of_other_names_are_described(tmp_path):
    label_files(tmp_path, 'values')
    for file in tmp_path.glob('masks/*/*.png'):
        file.rename(file.with_suffix('.jpg'))
    with pytest.raises(
        ValueError, match='nearest: label images, but no PNG, BMP, TIFF or GIF has the name of an image'
    ):
        read_folder(tmp_path, 'regions')
