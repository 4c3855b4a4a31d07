"""A folder that contradicts itself is refused, mended or warned of before a training, never learned wrongly."""

import json
import re
import shutil
import tracemalloc
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from own_folders import (
    edit,
    write_animals_coco,
    write_animals_deeplabcut,
    write_classes,
    write_regions,
    write_semantic,
)
from PIL import Image

from hrnet_mm.annotations import Report
from hrnet_mm.datasets import check_folder, find_annotations, read_folder
from hrnet_mm.datasets.statistics import measure_images
from hrnet_mm.tasks import config_path
from hrnet_mm.training.adapt import adapt

FIRST = 'annotations'


def changed(tmp_path, function, part='train', write=write_regions):
    folder = write(tmp_path / 'mine')
    edit(part, function)(folder)
    return folder


def found(folder, annotations):
    report = Report()
    check_folder(folder, annotations, report)
    return report


def objects(folder):
    """The objects of a folder by the names of images and classes, without the ids."""
    names = {one['id']: one['name'] for one in folder.train['categories']}
    result = {}
    for part in (folder.train, folder.val):
        images = {image['id']: image['file_name'] for image in part['images']}
        for one in part['annotations']:
            kept = {key: value for key, value in one.items() if key not in ('id', 'image_id', 'category_id')}
            key = images[one['image_id']]
            result.setdefault(key, []).append((names[one['category_id']], json.dumps(kept, sort_keys=True)))
    return {key: sorted(value) for key, value in result.items()}


def turn(file, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(file) as image:
        image.load()
        image.save(file, exif=exif)


# 1 and 3: ids


@pytest.mark.parametrize(
    'renumber',
    [
        lambda i: {'id': i},  # from 0
        lambda i: {'id': 7},  # one for all
        lambda i: {'id': None},
        lambda i: {'id': -i},
        lambda i: {'id': f'a{i}'},
        None,  # without
    ],
)
def test_ids_of_annotations_do_not_matter(tmp_path, renumber):
    good = objects(read_folder(write_regions(tmp_path / 'good'), 'boxes'))

    def change(coco):
        for i, one in enumerate(coco['annotations']):
            one.pop('id') if renumber is None else one.update(renumber(i))

    folder = write_regions(tmp_path / 'mine')
    for part in ('train', 'val'):
        edit(part, change)(folder)
    read = read_folder(folder, 'boxes')
    assert objects(read) == good
    for part in (read.train, read.val):
        assert [one['id'] for one in part['annotations']] == list(range(1, len(part['annotations']) + 1))
    assert read.warnings == ()


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_perfect_answers_score_one_whatever_the_ids(tmp_path):
    """The file that is written for the evaluator has no id 0, which it takes for no match."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def change(coco):
        for i, one in enumerate(coco['annotations']):
            one['id'] = i

    folder = write_regions(tmp_path / 'mine')
    edit('val', change)(folder)
    (tmp_path / 'out').mkdir()
    config = Config.fromfile(config_path('instances'))
    adapt(config, 'instances', read_folder(folder, 'boxes'), tmp_path / 'out', None, None)
    truth = COCO(config.test_evaluator.ann_file)
    answers = [{**one, 'score': 1.0} for one in truth.dataset['annotations']]
    evaluation = COCOeval(truth, truth.loadRes(answers), 'bbox')
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)


def test_ids_that_are_texts_are_read(tmp_path):
    good = objects(read_folder(write_regions(tmp_path / 'good'), 'boxes'))

    def change(coco):
        for image in coco['images']:
            image['id'] = f'image {image["id"]}'
        for one in coco['annotations']:
            one['image_id'] = f'image {one["image_id"]}'

    assert objects(read_folder(changed(tmp_path, change), 'boxes')) == good


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda coco: coco['images'][1].update(id=0),
            r"train\.json: image '0\.png' and image '1\.png' both have the id 0; give each an id",
        ),
        (
            lambda coco: coco['categories'][0].update(id=3),
            r"category 'disc' and category 'square' both have the id 3; give each an id",
        ),
        (lambda coco: coco['images'][1].pop('id'), r'an entry of "images" has no "id" or no "file_name"'),
        (lambda coco: coco['images'][1].update(id=[1]), r"image '1\.png' has the id \[1\]; it must be a whole number"),
        (lambda coco: coco['images'][1].update(id=None), r"image '1\.png' has the id None; it must be a whole number"),
        (lambda coco: coco['images'][1].update(id='x'), r'some ids of "images" are numbers and some texts'),
        (lambda coco: coco['images'][1].update(file_name='0.png'), r'the images 0 and 1 are the same file'),
        (lambda coco: coco['categories'][0].update(name='square'), r"categories \[7, 3\] are all called 'square'"),
        (
            lambda coco: coco['annotations'][0].update(image_id='0'),
            r"annotation 1 has image_id '0', which the file does not list in this form: numbers and texts differ",
        ),
        (lambda coco: coco['annotations'][0].pop('image_id'), 'annotation 1 has image_id None, which the file'),
        (lambda coco: coco['annotations'][0].update(category_id=[3]), r'annotation 1 has category_id \[3\]'),
    ],
)
def test_ambiguous_ids_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_folder(changed(tmp_path, change), 'boxes')


def test_an_object_that_is_given_twice_is_told(tmp_path):
    folder = changed(tmp_path, lambda coco: coco['annotations'].append({**coco['annotations'][2], 'id': 99}))
    assert any(
        'annotation 99 is the same object as annotation 3' in one for one in read_folder(folder, 'boxes').warnings
    )


# 2: sizes


@pytest.mark.parametrize('task', ['boxes', 'regions'])
@pytest.mark.parametrize(
    ('size', 'message'),
    [
        (
            {'width': 40, 'height': 32},
            r"image '0\.png' is 40 x 32 pixels in the file, but the image is read as 80 x 64; correct",
        ),
        ({'width': 64, 'height': 80}, r'64 x 80 pixels in the file, but the image is read as 80 x 64; correct'),
        ({'width': 81}, r'81 x 64 pixels in the file'),
        ({'height': None, 'width': 40}, r'40 x \? pixels in the file'),
        ({'width': '80'}, r"has width '80' and height 64; expected whole numbers above 0"),
        ({'width': 0}, 'has width 0 and height 64; expected whole'),
    ],
)
def test_sizes_that_are_not_those_of_the_image(tmp_path, task, size, message):
    with pytest.raises(ValueError, match=message):
        read_folder(changed(tmp_path, lambda coco: coco['images'][0].update(size)), task)


@pytest.mark.parametrize(('suffix', 'orientation'), [('png', 6), ('jpg', 8), ('webp', 5), ('jpg', 7)])
def test_labels_of_a_size_before_the_turn_are_turned(tmp_path, suffix, orientation):
    folder = changed(tmp_path, lambda coco: coco['images'][0].update(file_name=f'x.{suffix}'))
    file = folder / 'images' / f'x.{suffix}'
    with Image.open(folder / 'images' / '0.png') as image:
        image.save(file)
    turn(file, orientation)
    assert cv2.imread(str(file)).shape == (80, 64, 3)
    read = read_folder(folder, 'boxes')
    assert any(f'turned by its EXIF orientation {orientation} when it is read; its labels' in w for w in read.warnings)


def test_sizes_that_are_missing_are_those_after_the_turn(tmp_path):
    folder = changed(tmp_path, lambda coco: [coco['images'][0].pop(name) for name in ('width', 'height')])
    turn(folder / 'images' / '0.png', 6)
    read = read_folder(folder, 'boxes')
    assert [read.train['images'][0][name] for name in ('width', 'height')] == [64, 80]
    assert any("image '0.png' is turned by its EXIF orientation 6" in one for one in read.warnings)


@pytest.mark.parametrize('write', [write_animals_coco, write_animals_deeplabcut])
def test_a_turn_that_leaves_the_size_is_told(tmp_path, write):
    folder = write(tmp_path / 'mine')
    for file in folder.rglob('*.png'):
        turn(file, 3)
    (warning,) = read_folder(folder, 'keypoints').warnings
    assert 'is turned by its EXIF orientation 3 when it is read' in warning
    assert '9 others are like it' in warning


def test_classes_need_no_orientation(tmp_path):
    folder = write_classes(tmp_path / 'mine')
    turn(folder / 'dark' / '0.png', 6)
    assert read_folder(folder, 'classes').warnings == ()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'bbox': [200, 10, 20, 20]}, r'annotation 1 has a box \[200, 10, 20, 20\] outside of its image of 80 x 64'),
        ({'bbox': [10, 10, 0, 20]}, r'has a box \[10, 10, 0, 20\] of less than one pixel'),
        ({'bbox': [10, 10, -5, 20]}, 'of less than one pixel'),
        ({'bbox': [10, 10, 20]}, r'has no "bbox" of \[x, y, width, height\] but \[10, 10, 20\]'),
        ({'bbox': ['10', 10, 20, 20]}, 'has no "bbox" of'),
        ({'bbox': [float('nan'), 10, 20, 20]}, 'has no "bbox" of'),
        ({'bbox': {'x': 1}}, 'has no "bbox" of'),
        ({'iscrowd': 'no'}, 'has "iscrowd" \'no\'; expected 0 or 1'),
    ],
)
def test_boxes_that_would_be_lost_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_folder(changed(tmp_path, lambda coco: coco['annotations'][0].update(change)), 'boxes')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'bbox': [70, 10, 40, 20]}, 'mostly outside of its image'),
        ({'bbox': [40, 40, 20, 20]}, 'but its mask is in'),
    ],
)
def test_boxes_that_may_be_wrong_are_told(tmp_path, change, message):
    read = read_folder(changed(tmp_path, lambda coco: coco['annotations'][0].update(change)), 'boxes')
    assert any(message in one for one in read.warnings)


@pytest.mark.parametrize('area', [0, -1, None, '400', float('nan'), 1e9])
def test_an_impossible_area_is_that_of_the_mask(tmp_path, area):
    read = read_folder(changed(tmp_path, lambda coco: coco['annotations'][0].update(area=area)), 'boxes')
    one = read.train['annotations'][0]
    assert one['area'] == 19 * 19  # the polygon goes through the middles of the outer pixels of a square


# 4 and 5: labels that are never learned or never measured


def test_a_class_of_one_part_is_told(tmp_path):
    folder = write_regions(tmp_path / 'mine')
    edit(
        'train', lambda coco: coco.update(annotations=[one for one in coco['annotations'] if one['category_id'] == 3])
    )(folder)
    for task in ('boxes', 'regions'):
        (warning,) = read_folder(folder, task).warnings
        assert "the class 'disc' is labeled in the validation part only: it is never learned" in warning
    shutil.rmtree(folder)
    folder = changed(tmp_path, lambda coco: coco['annotations'].pop(1), part='val')
    edit('val', lambda coco: coco['annotations'].pop(2))(folder)
    (warning,) = read_folder(folder, 'boxes').warnings
    assert "the class 'disc' is labeled in the training part only: no metric measures it" in warning


def test_classes_of_no_part_are_told(tmp_path):
    folder = write_regions(tmp_path / 'mine')
    for part in ('train', 'val'):
        edit(part, lambda coco: coco['categories'].extend({'id': i, 'name': f'c{i}'} for i in range(20, 27)))(folder)
    (warning,) = read_folder(folder, 'boxes').warnings
    assert "the classes 'c20', 'c21', 'c22', 'c23', 'c24' and 2 others are labeled nowhere" in warning


def test_a_keypoint_that_is_never_labeled_is_told(tmp_path):
    def hide(coco):
        for one in coco['annotations']:
            one['keypoints'][6:] = 0, 0, 0

    (warning,) = read_folder(changed(tmp_path, hide, FIRST, write_animals_coco), 'keypoints').warnings
    assert "the keypoint 'tail' is labeled nowhere: it is neither learned nor measured" in warning


def test_labels_of_a_label_image_are_counted(tmp_path):
    folder = write_semantic(write_regions(tmp_path / 'mine'), 1)
    (warning,) = read_folder(folder, 'regions').warnings
    assert "the class 'disc' is labeled nowhere" in warning


def test_a_drawn_part_has_objects(tmp_path):
    """Of 40 images, the 3 with objects are in both parts; the first draw would have none for validation."""
    for objects_in in ((0, 1, 2), (7, 20, 33), (38, 39)):
        folder = write_animals_coco(tmp_path / f'mine{objects_in[0]}', 40, boxes=True)
        edit(
            FIRST,
            lambda coco, kept=objects_in: coco.update(
                annotations=[one for one in coco['annotations'] if one['image_id'] in kept]
            ),
        )(folder)
        read = read_folder(folder, 'boxes')
        assert read.train['annotations']
        assert read.val['annotations']
        assert len(read.val['images']) in (8, 9)


def test_a_drawn_part_has_every_class_if_it_can(tmp_path):
    folder = write_animals_coco(tmp_path / 'mine', 30, boxes=True)
    original = (folder / 'annotations.json').read_text()
    seeds = set()
    for first in range(0, 30, 5):
        coco = json.loads(original)
        coco['categories'].append({'id': 2, 'name': 'rare'})
        for one in coco['annotations'][first : first + 2]:
            one['category_id'] = 2
        (folder / 'annotations.json').write_text(json.dumps(coco))
        read = read_folder(folder, 'boxes')
        assert read.warnings == ()
        assert read_folder(folder, 'boxes').val == read.val
        seeds.add(re.search(r'seed (\d+)', read.split)[1])
    assert seeds > {'0'}


def test_one_object_is_not_enough_to_draw(tmp_path):
    folder = changed(
        tmp_path,
        lambda coco: coco.update(annotations=coco['annotations'][:1]),
        FIRST,
        lambda path: write_animals_coco(path, boxes=True),
    )
    with pytest.raises(ValueError, match='only 1 of 10 images has an object; a training and a validation part need'):
        read_folder(folder, 'boxes')


@pytest.mark.parametrize('part', ['train', 'val'])
def test_a_part_of_crowds_alone_is_refused(tmp_path, part):
    folder = changed(tmp_path, lambda coco: [one.update(iscrowd=1) for one in coco['annotations']], part)
    with pytest.raises(ValueError, match=r'part has \d images without an object, so there is nothing to'):
        read_folder(folder, 'boxes')


def test_parts_of_different_classes_name_them(tmp_path):
    write_classes(tmp_path / 'mine' / 'train', [('a', 5), ('b', 5), ('c', 5)])
    write_classes(tmp_path / 'mine' / 'val', [('a', 5), ('b', 5), ('d', 5)])
    with pytest.raises(ValueError, match=r"different categories \('c' only in training, 'd' only in validation\)"):
        read_folder(tmp_path / 'mine', 'classes')


def test_keypoints_in_another_order_are_refused(tmp_path):
    folder = write_animals_coco(tmp_path / 'mine')
    (folder / 'annotations.json').rename(folder / 'train.json')
    shutil.copy(folder / 'train.json', folder / 'val.json')
    for image in list((folder / 'images').glob('*')):
        shutil.copy(image, image.with_name(f'v{image.name}'))

    def change(coco):
        for image in coco['images']:
            image['file_name'] = f'v{image["file_name"]}'
        coco['categories'][0]['keypoints'].reverse()

    edit('val', change)(folder)
    with pytest.raises(ValueError, match='they must be the same, in the same order'):
        read_folder(folder, 'keypoints')


def test_copies_in_both_parts_are_told(tmp_path):
    folder = write_regions(tmp_path / 'mine')
    shutil.copy(folder / 'images' / '1.png', folder / 'images' / '5.png')
    (warning,) = [one for one in read_folder(folder, 'boxes').warnings if 'copy' in one]
    assert re.search(r'5\.png in the validation part is a copy of .*1\.png in the training part', warning)


def test_images_without_keypoints_are_told(tmp_path):
    folder = changed(
        tmp_path, lambda coco: [one.pop('keypoints') for one in coco['annotations'][:2]], FIRST, write_animals_coco
    )
    warnings = '\n'.join(read_folder(folder, 'keypoints').warnings)
    assert 'annotation 1 has no "keypoints" and is left out; add them, or remove it (1 other is like it)' in warnings
    assert 'images of the training part have no object with a labeled keypoint and are left out' in warnings


# 6: folders that are no classes


@pytest.mark.parametrize('name', ['.ipynb_checkpoints', '__MACOSX', '.git', '@eaDir', '__pycache__', '.hidden'])
@pytest.mark.parametrize('part', ['', 'train'])
def test_folders_of_programs_are_no_classes(tmp_path, name, part):
    for one in ('train', 'val') if part else ('',):
        write_classes(tmp_path / 'mine' / one)
    clutter = tmp_path / 'mine' / part / name
    shutil.copytree(tmp_path / 'mine' / part / 'dark', clutter)
    shutil.copytree(clutter, tmp_path / 'mine' / part / 'dark' / name)
    (tmp_path / 'mine' / part / 'dark' / '._0.png').write_bytes(b'of a Mac')
    read = read_folder(tmp_path / 'mine', 'classes')
    assert read.classes == ('dark', 'light')
    assert len(read.train['images']) + len(read.val['images']) == 15 * (2 if part else 1)
    assert [one for one in read.warnings if 'is a copy of' not in one] == []  # the parts are drawn alike


def test_hidden_annotation_files_are_not_read(tmp_path):
    folder = write_regions(tmp_path / 'mine')
    (folder / '._train.json').write_bytes(b'\x00\x05of a Mac')
    assert find_annotations(folder) == ['boxes', 'regions']
    table = write_animals_deeplabcut(tmp_path / 'other')
    shutil.copytree(table / 'labeled-data' / 'video', table / 'labeled-data' / '.ipynb_checkpoints')
    assert len(read_folder(table, 'keypoints').train['images']) == 8


@pytest.mark.parametrize('name', ['train', 'val', 'test'])
def test_parts_without_classes_are_no_classes(tmp_path, name):
    folder = write_classes(tmp_path / 'mine', [(name, 6), ('other', 6)])
    with pytest.raises(ValueError, match=f'{name} holds images without folders of classes; put them into {name}/CLASS'):
        read_folder(folder, 'classes')


def test_odd_folders_of_classes_are_told(tmp_path):
    folder = write_classes(tmp_path / 'mine', [('dark', 10), ('Dark', 10), ('images', 10)])
    (folder / 'empty').mkdir()
    shutil.copy(folder / 'dark' / '0.png', folder / 'loose.png')
    (folder / 'dark' / '1.heic').touch()
    warnings = '\n'.join(read_folder(folder, 'classes').warnings)
    for words in (
        "'Dark' and 'dark' differ in case or spaces only",
        'the folder images is taken for a class',
        "empty holds no image (.bmp, .jpeg, .jpg, .png, .tif, .tiff, .webp), so 'empty' is no class",
        'loose.png is in no folder of a class',
        '1 file of .heic in the folders of classes is left out',
    ):
        assert words in warnings


def test_two_validation_folders_are_refused(tmp_path):
    for part in ('train', 'val', 'valid'):
        write_classes(tmp_path / 'mine' / part)
    with pytest.raises(ValueError, match='has the folders val and valid; keep one'):
        read_folder(tmp_path / 'mine', 'classes')


# 7: polygons, names of files, label images


@pytest.mark.parametrize(
    ('shape', 'message'),
    [
        ([[1, 2, 3, 4]], r'annotation 1 has a polygon of 4 values, \[1, 2, 3, 4\]; expected x, y of three points'),
        ([[]], r'annotation 1 has a polygon of 0 values, \[\]'),
        ([[1, 2, 3, 4, 5, 6, 7]], 'has a polygon of 7 values'),
        ([[1, 2, 30, 4, 5, '6']], 'has a polygon of 6 values'),
        ([1, 2, 30, 4, 5, 6], r'has a "segmentation" \[1, 2, 30, 4, 5, 6\]; expected a list of polygons'),
        ('polygon', 'has a "segmentation" \'polygon\'; expected'),
        ([[1, 1, 5, 5, 9, 9]], 'has polygons that enclose nothing'),
        ([[500, 500, 520, 500, 520, 520]], 'has a mask outside of its image of 80 x 64'),
        ({'size': [80, 64], 'counts': [5120]}, 'has a mask of 64 x 80 pixels in an image of 80 x 64'),
        ({'size': [64, 80], 'counts': [5000]}, 'has a mask with run lengths for 5000 pixels, but size'),
        ({'size': [64, 80], 'counts': 'abc'}, 'has a mask with run lengths for'),
        ({'size': [64, 80], 'counts': 'é'}, 'has a "segmentation"'),
        ({'size': [64, 80]}, 'has a "segmentation"'),
    ],
)
@pytest.mark.parametrize('annotations', ['boxes', 'regions'])
def test_wrong_masks_name_file_and_annotation(tmp_path, shape, message, annotations):
    folder = changed(tmp_path, lambda coco: coco['annotations'][0].update(segmentation=shape))
    with pytest.raises(ValueError, match=rf'train\.json: .*{message}'):
        read_folder(folder, annotations)


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_right_run_lengths_are_read(tmp_path):
    from pycocotools import mask

    folder = write_regions(tmp_path / 'mine')

    def encode(as_text):
        def change(coco):
            for one in coco['annotations']:
                rle = mask.merge(mask.frPyObjects(one['segmentation'], 64, 80))
                lengths = np.diff(
                    np.flatnonzero(np.diff(mask.decode(rle).T.ravel(), prepend=0, append=2)), prepend=0
                ).tolist()
                counts = rle['counts'].decode() if as_text else lengths
                one['segmentation'] = {'size': [64, 80], 'counts': counts}

        return change

    edit('train', encode(True))(folder)
    edit('val', encode(False))(folder)
    assert read_folder(folder, 'regions').warnings == ()


def test_a_missing_mask_is_told(tmp_path):
    folder = changed(tmp_path, lambda coco: coco['annotations'][0].update(segmentation=[]))
    read = read_folder(folder, 'boxes')
    assert any('1 of 8 annotations of the training part have no "segmentation"' in one for one in read.warnings)
    with pytest.raises(ValueError, match=r'an annotation of images/0\.png has none'):
        read_folder(folder, 'regions')


@pytest.mark.parametrize(
    'name',
    [
        'images\\{}',
        '.\\images\\{}',
        'C:\\data\\images\\{}',
        'D:/work/images/{}',
        '/home/me/data/images/{}',
        './{}',
        '{root}/images/{}',
        'images/../images/{}',
    ],
)
def test_names_of_other_computers_are_found(tmp_path, name):
    good = objects(read_folder(write_regions(tmp_path / 'good'), 'boxes'))

    def change(coco):
        for image in coco['images']:
            image['file_name'] = name.format(image['file_name'], root=tmp_path / 'mine')

    assert objects(read_folder(changed(tmp_path, change), 'boxes')) == good


def test_no_image_outside_is_read_or_written_to(tmp_path):
    outside = tmp_path / 'outside.png'
    cv2.imwrite(str(outside), np.zeros((64, 80, 3), np.uint8))
    before = outside.read_bytes()
    for name in (str(outside), '../outside.png', '../../outside.png'):
        folder = changed(tmp_path, lambda coco, name=name: coco['images'][0].update(file_name=name))
        with pytest.raises(ValueError, match=r'leads out of|does not exist'):
            read_folder(folder, 'regions')
        shutil.rmtree(folder)
    assert outside.read_bytes() == before


def test_two_images_of_one_name_are_told_apart(tmp_path):
    folder = write_regions(tmp_path / 'mine')
    (folder / 'train').mkdir()
    cv2.imwrite(str(folder / 'train' / '0.png'), np.zeros((64, 80, 3), np.uint8))
    with pytest.raises(ValueError, match=r"image '0\.png' may be .*images/0\.png or .*train/0\.png, which differ"):
        read_folder(folder, 'boxes')


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_byte_order_marks_are_read(tmp_path, encoding):
    folder = write_regions(tmp_path / 'mine')
    text = (folder / 'train.json').read_text()
    (folder / 'train.json').write_text(text, encoding=encoding)
    assert len(read_folder(folder, 'boxes').train['images']) == 4
    table = write_animals_deeplabcut(tmp_path / 'other') / 'labeled-data' / 'video' / 'CollectedData_me.csv'
    table.write_text(table.read_text(), encoding='utf-8-sig')
    assert len(read_folder(tmp_path / 'other', 'keypoints').train['images']) == 8


def test_a_file_in_another_encoding_is_one_sentence(tmp_path):
    folder = write_regions(tmp_path / 'mine')
    (folder / 'train.json').write_bytes('{"images": "ü"}'.encode('latin-1'))
    with pytest.raises(ValueError, match=r'train\.json is not JSON'):
        read_folder(folder, 'boxes')
    table = write_animals_deeplabcut(tmp_path / 'other') / 'labeled-data' / 'video' / 'CollectedData_me.csv'
    table.write_bytes(table.read_bytes().replace(b'tail', b't\xfcr'))
    with pytest.raises(ValueError, match=r'CollectedData_me\.csv is not a table in UTF-8'):
        read_folder(tmp_path / 'other', 'keypoints')


def test_palette_and_unlabeled_pixels_are_read(tmp_path):
    folder = write_semantic(write_regions(tmp_path / 'mine'))
    for index, file in enumerate(sorted((folder / 'semantic').glob('*.png'))):
        values = np.zeros((64, 80), np.uint8)
        values[:20], values[20:40], values[40:50] = 1, 2, 255
        image = Image.fromarray(values, 'P' if index % 2 else 'L')
        if index % 2:
            image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0] + [9] * 759)
        image.save(file)
    assert read_folder(folder, 'regions').warnings == ()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (np.full((64, 80), 254, np.uint8), r'0\.png holds the label 254, but there are 2 classes'),
        (np.full((64, 80), 300, np.uint16), r'0\.png holds the label 300'),
        (np.zeros((64, 80, 3), np.uint8), r'0\.png is a color image; labels must be a gray or palette PNG'),
        (np.zeros((80, 64), np.uint8), r'0\.png is not a gray image of 80 x 64 pixels; .* \(it has 64 x 80\)'),
    ],
)
def test_wrong_label_images_are_told(tmp_path, values, message):
    folder = write_semantic(write_regions(tmp_path / 'mine'))
    cv2.imwrite(str(folder / 'semantic' / '0.png'), values)
    with pytest.raises(ValueError, match=message):
        read_folder(folder, 'regions')


def test_two_images_of_one_label_image_are_refused(tmp_path):
    folder = write_semantic(changed(tmp_path, lambda coco: coco['images'][1].update(file_name='0.jpg')))
    shutil.copy(folder / 'images' / '1.png', folder / 'images' / '0.jpg')
    with pytest.raises(ValueError, match=r'0\.png would label both images/0\.png and images/0\.jpg'):
        read_folder(folder, 'regions')


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_two_images_of_one_stem_have_labels_of_their_own(tmp_path):
    folder = changed(tmp_path, lambda coco: coco['images'][1].update(file_name='0.jpg'))
    shutil.copy(folder / 'images' / '1.png', folder / 'images' / '0.jpg')
    (tmp_path / 'out').mkdir()
    config = Config.fromfile(config_path('segmentation'))
    adapt(config, 'segmentation', read_folder(folder, 'regions'), tmp_path / 'out', None, None)
    images = json.loads(Path(config.train_dataloader.dataset.ann_file).read_text())['images']
    assert len({image['seg_file_name'] for image in images}) == 4


@pytest.mark.parametrize(('count', 'is_right'), [(254, True), (255, False), (300, False)])
def test_labels_fit_in_a_byte(tmp_path, count, is_right):
    folder = write_regions(tmp_path / 'mine')
    for part in ('train', 'val'):
        edit(part, lambda coco: coco['categories'].extend({'id': 8 + i, 'name': f'c{i}'} for i in range(count - 2)))(
            folder
        )
    report = found(folder, 'regions')
    assert bool(report.errors) != is_right
    assert is_right or f'has {count} categories; segmentation allows 254' in report.errors[0]
    assert found(folder, 'boxes').errors == []


# Keypoints


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda coco: coco['categories'][0].update(keypoints='abc'),
            """category 'animal' has "keypoints" 'abc'; expected a list of names""",
        ),
        (lambda coco: coco['categories'][0].update(keypoints=['a', 'b', 'a']), "has the keypoint 'a' twice"),
        (lambda coco: coco['categories'][0].update(skeleton=5), '"skeleton" must hold pairs of numbers from 1 to 3'),
        (lambda coco: coco['annotations'][3].update(keypoints='1 2 2'), 'annotation 4 has "keypoints" \'1 2 2\''),
        (
            lambda coco: coco['annotations'][3]['keypoints'].__setitem__(0, None),
            'annotation 4 has "keypoints" .* expected numbers',
        ),
        (
            lambda coco: coco['annotations'][3]['keypoints'].__setitem__(2, 17.5),
            r'annotation 4 has a visibility 17\.5 in "keypoints"; expected 0, 1 or 2',
        ),
    ],
)
def test_wrong_keypoints_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        read_folder(changed(tmp_path, change, FIRST, write_animals_coco), 'keypoints')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda one: one['keypoints'].__setitem__(0, 500), 'annotation 4 has 1 labeled keypoint outside of its image'),
        (lambda one: one.update(bbox=[0, 0, 3, 3]), 'annotation 4 has the box [0, 0, 3, 3], but none of its keypoints'),
    ],
)
def test_keypoints_that_may_be_wrong_are_told(tmp_path, change, message):
    folder = changed(tmp_path, lambda coco: change(coco['annotations'][3]), FIRST, write_animals_coco)
    assert any(message in one for one in read_folder(folder, 'keypoints').warnings)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda lines: [*lines, lines[-1]], r'line 14: labeled-data/video/img9\.png is labeled already in .* line 13'),
        (lambda lines: [line.replace('right_ear', 'left_ear') for line in lines], 'are both for x of left_ear'),
        (lambda lines: [*lines[:-1], re.sub(r',.*', ',900,900,900,900,,', lines[-1])], 'all of its points outside'),
        (lambda lines: [*lines[:-1], re.sub(r',.*', ',inf,1,1,1,,', lines[-1])], 'left_ear needs two finite numbers'),
        (lambda lines: [lines[0], lines[1].rsplit(',', 1)[0], *lines[2:]], 'different numbers of cells'),
    ],
)
def test_tables_that_contradict_themselves(tmp_path, change, message):
    file = write_animals_deeplabcut(tmp_path / 'mine') / 'labeled-data' / 'video' / 'CollectedData_me.csv'
    file.write_text('\n'.join(change(file.read_text().splitlines())) + '\n')
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path / 'mine', 'keypoints')


# 8: memory


def test_color_statistics_hold_one_image(tmp_path):
    random = np.random.default_rng(0)
    images, pictures = [], []
    for i in range(12):
        pictures.append(random.integers(0, 20 * (i + 1), (300 + i, 400, 3), dtype=np.uint8))
        cv2.imwrite(str(tmp_path / f'{i}.png'), pictures[-1])
        images.append({'file_name': f'{i}.png'})
    tracemalloc.start()
    measured = measure_images(tmp_path, {'images': images}, {'images': []}, (), Report())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * pictures[-1].nbytes
    pixels = np.concatenate([picture.reshape(-1, 3)[:, ::-1] for picture in pictures]).astype(float)
    np.testing.assert_allclose(measured['mean'], pixels.mean(0), rtol=1e-9)
    np.testing.assert_allclose(measured['std'], pixels.std(0), rtol=1e-9)


# The report


def test_good_folders_have_nothing_to_tell(tmp_path):
    for write, kinds in (
        (write_regions, ('boxes', 'regions')),
        (write_animals_coco, ('keypoints',)),
        (write_animals_deeplabcut, ('keypoints',)),
        (write_classes, ('classes',)),
    ):
        folder = write(tmp_path / write.__name__)
        for kind in kinds:
            assert found(folder, kind).findings == []


def test_all_mistakes_are_collected(tmp_path):
    folder = write_regions(tmp_path / 'mine')
    for part in ('train', 'val'):
        edit(part, lambda coco: coco['images'][0].update(width=9))(folder)
    edit('train', lambda coco: [one.update(bbox=[0, 0, 0, 0]) for one in coco['annotations']])(folder)
    assert len(found(folder, 'boxes').errors) == 3
    with pytest.raises(ValueError, match=f'; 2 other mistakes: hrnet-mm check {folder} shows all') as caught:
        read_folder(folder, 'boxes')
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('value', [None, 0, 'x', [], {}, [[]], True, 1.5])
@pytest.mark.parametrize('key', ['images', 'annotations', 'categories'])
def test_any_type_in_any_place_is_a_sentence_or_harmless(tmp_path, key, value):
    """Each entry of the first of each list, and the list itself, is replaced."""
    good = write_regions(tmp_path / 'mine')
    coco = json.loads((good / 'train.json').read_text())
    for place in [None, *coco[key][0]]:
        other = json.loads(json.dumps(coco))
        if place is None:
            other[key] = value
        else:
            other[key][0][place] = value
        (good / 'train.json').write_text(json.dumps(other))
        for task in ('boxes', 'regions', 'keypoints'):
            found(good, task)  # raises nothing
        with suppress(ValueError):
            find_annotations(good)
