"""JSON in OpenMMLab's own format, and mmdet's lists of XML, are checked with their images."""

import json
import shutil

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from hrnet_mm.cli import main
from hrnet_mm.config.data import data_findings


def turn(file):
    """Store an image with the EXIF orientation 6."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new('RGB', (32, 64)).save(file, exif=exif)


# JSON with a class for each image


def listed(data, change=lambda content: None, several=False):
    """Write the tiny data as a list of OpenMMLab's format."""
    entries = [{'img_path': f'{i}.png', 'gt_label': [i // 2] if several else i // 2} for i in range(4)]
    content = {'metainfo': {'classes': ['left', 'right']}, 'data_list': entries}
    content = change(content) or content
    (data / 'list.json').write_text(content if isinstance(content, str) else json.dumps(content))


def of_list(dataset, kind='BaseDataset', keep=False, **more):
    dataset.update(type=kind, ann_file='list.json', **more)
    if kind.startswith('mmengine'):
        dataset.update(data_prefix=dict(img_path=dataset.data_prefix))
    if not keep:
        dataset.pop('classes', None)


@pytest.mark.parametrize(('kind', 'several'), [('BaseDataset', False), ('MultiLabelDataset', True)])
def test_a_good_list(check, data, kind, several):
    listed(data, several=several)
    assert check('mmpretrain', lambda dataset: of_list(dataset, kind)) == ([], [])
    assert check('mmpretrain', lambda dataset: of_list(dataset, kind, keep=True)) == ([], [])


def test_a_list_names_its_classes_by_categories(check, data):
    def change(content):
        content['metainfo'] = {'categories': [{'id': 1, 'category_name': 'right'}, {'id': 0, 'category_name': 'left'}]}

    listed(data, change)
    assert check('mmpretrain', lambda dataset: of_list(dataset, keep=True)) == ([], [])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda content: '{', 'list.json is not JSON'),
        (lambda content: '[1]', '"metainfo" is missing or has another form; expected'),
        (lambda content: '{"metainfo": {}}', '"data_list" is missing or has another form; expected'),
        (lambda content: content.update(data_list=[]), '"data_list" is empty'),
        (lambda content: content['data_list'].append('0.png'), 'entry 4 of "data_list" is \'0.png\''),
        (lambda content: content['metainfo'].update(classes='left'), '"classes" of "metainfo" are \'left\'; expected'),
        (lambda content: content['metainfo'].update(classes=['left'] * 2), "have 'left' 2 times; give each"),
        (lambda content: content['metainfo'].update(classes=['a', 'b', 'c']), 'has 3 classes'),
        (lambda content: content.update(metainfo={'categories': [{'id': 0}]}), 'need an "id" and a "category_name"'),
        (
            lambda content: content['data_list'][1].update(gt_label=2),
            'entry 1 of "data_list" has the "gt_label" 2, but',
        ),
        (lambda content: content['data_list'][1].update(gt_label=-1), 'there are 2 classes, 0 to 1; correct it'),
        (
            lambda content: content['data_list'][1].update(gt_label='left'),
            '"gt_label" \'left\'; expected the number of',
        ),
        (lambda content: content['data_list'][1].update(gt_label=True), '"gt_label" True; expected the number of a'),
        (lambda content: content['data_list'][1].update(gt_label=[0, 1]), '"gt_label" [0, 1]; expected the number of'),
        (lambda content: content['data_list'][1].pop('gt_label'), '"gt_label" None; expected the number of a class'),
        (
            lambda content: content['data_list'][1].update(img_path=None),
            'entry 1 of "data_list" has the "img_path" None',
        ),
        (lambda content: content['data_list'][1].update(img_path='9.png'), 'images/9.png does not exist, but'),
        (
            lambda content: content['data_list'][2].update(img_path='0.png'),
            "is the image '0.png' of entry 0 with 0 there",
        ),
    ],
)
def test_mistakes_of_a_list(check, data, change, message):
    listed(data, change)
    errors, _ = check('mmpretrain', of_list)
    assert any('list.json' in error and message in error for error in errors), errors


@pytest.mark.parametrize(
    ('value', 'message'),
    [([0, 2], '"gt_label" 2, but'), ([0, 0], 'give each class once'), ([0.0], 'expected a list of numbers')],
)
def test_mistakes_of_several_classes(check, data, value, message):
    listed(data, lambda content: content['data_list'][1].update(gt_label=value), several=True)
    errors, _ = check('mmpretrain', lambda dataset: of_list(dataset, 'MultiLabelDataset'))
    assert any(message in error for error in errors), errors


def test_an_image_that_is_given_twice_is_told(check, data):
    listed(data, lambda content: content['data_list'].append(content['data_list'][0]))
    errors, (warning,) = check('mmpretrain', of_list)
    assert errors == []
    assert 'entry 4 of "data_list" is the image \'0.png\' of entry 0 again' in warning


def test_a_damaged_image_of_a_list(check, data):
    listed(data)
    (data / 'images' / '1.png').write_bytes(b'none')
    (error,), _ = check('mmpretrain', of_list)
    assert 'images/1.png is not an image that can be read' in error


def test_the_classes_of_the_config_are_those_of_the_list(check, data):
    listed(data, lambda content: content['metainfo'].update(classes=['right', 'left']))
    errors, _ = check('mmpretrain', lambda dataset: of_list(dataset, keep=True))
    assert any("the labels are for the classes 'right', 'left', but those of the config are" in one for one in errors)


def test_classes_of_the_two_parts_that_differ(data, tiny_config, monkeypatch):
    path = tiny_config('mmpretrain')
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    listed(data)
    of_list(config.train_dataloader.dataset)
    shutil.move(data / 'list.json', data / 'first.json')
    config.train_dataloader.dataset.ann_file = 'first.json'
    listed(data, lambda content: content['metainfo'].update(classes=['right', 'left']))
    config.val_dataloader = config.test_dataloader
    of_list(config.val_dataloader.dataset)
    found = [str(one) for one in data_findings(config, True) if one.level == 'error']
    assert any('both need the same in the same order' in one for one in found), found


def test_classes_that_no_image_has_are_told(data, tiny_config, monkeypatch):
    path = tiny_config('mmpretrain')
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    listed(data, lambda content: [one.update(gt_label=0) for one in content['data_list']] and None)
    of_list(config.train_dataloader.dataset)
    config.val_dataloader = config.test_dataloader
    of_list(config.val_dataloader.dataset)
    (found,) = data_findings(config, True)
    assert "the class 'right' is labeled nowhere" in str(found)


def test_a_list_without_labels_is_for_another_model(data, tiny_config, monkeypatch):
    path = tiny_config('mmpretrain')
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    listed(data, lambda content: [one.pop('gt_label') for one in content['data_list']] and None)
    config.model.head = dict(type='SimCLRHead')
    config.data_preprocessor = ConfigDict()
    of_list(config.test_dataloader.dataset)
    assert data_findings(config, False) == []


# JSON with objects


def objects(data, change=lambda entry: None):
    entries = [
        {
            'img_path': f'{i}.png',
            'img_id': i,
            'width': 64,
            'height': 64,
            'instances': [{'bbox': [4, 16, 24, 36], 'bbox_label': 0, 'ignore_flag': 0}],
        }
        for i in range(4)
    ]
    change(entries[1])
    (data / 'list.json').write_text(json.dumps({'metainfo': {'classes': ['person']}, 'data_list': entries}))


def of_objects(dataset):
    dataset.update(type='BaseDetDataset', ann_file='list.json', data_prefix=dict(img_path='images/'))


def test_good_objects(check, data):
    objects(data)
    assert check('mmdet', lambda dataset: of_objects(dataset) or dataset.pop('metainfo')) == ([], [])


@pytest.mark.parametrize(
    ('change', 'level', 'message'),
    [
        (lambda one: one.update(width=32), 'error', 'entry 1 of "data_list" is 32 x 64 pixels in the file, but'),
        (lambda one: one.pop('width'), 'warning', 'has no "width" or no "height", by which'),
        (lambda one: one.update(instances=None), 'error', 'has the "instances" None; expected a list of objects'),
        (lambda one: one['instances'][0].update(bbox=[1, 2]), 'error', 'instance 0 has the "bbox" [1, 2]; expected'),
        (lambda one: one['instances'][0].update(bbox=[4, 4, 4, 9]), 'error', 'a box [4, 4, 0, 5] of less than one'),
        (lambda one: one['instances'][0].update(bbox=[70, 4, 99, 9]), 'error', 'outside of its image of 64 x 64'),
        (lambda one: one['instances'][0].update(bbox=[50, 4, 99, 9]), 'warning', 'mostly outside of its image'),
        (lambda one: one['instances'][0].update(bbox_label=1), 'error', '"bbox_label" 1, but there are 1 classes'),
        (lambda one: one['instances'][0].update(bbox_label='person'), 'error', '"bbox_label" \'person\'; expected the'),
        (lambda one: one['instances'][0].pop('ignore_flag'), 'error', 'has the "ignore_flag" None; expected 0 or 1'),
    ],
)
def test_mistakes_of_objects(check, data, change, level, message):
    objects(data, change)
    found = dict(zip(('error', 'warning'), check('mmdet', of_objects), strict=True))[level]
    assert any('list.json' in one and message in one for one in found), found


def test_masks_of_objects_are_checked_where_they_are_read(check, data):
    objects(data, lambda one: one['instances'][0].update(mask=[[1, 2, 3]]))

    def configure(dataset):
        of_objects(dataset)
        dataset.pipeline[1].with_mask = True

    assert any('a polygon of 3 values' in one for one in check('mmdet', configure)[0])


def test_the_turn_of_an_image_is_told(check, data):
    objects(data, lambda one: one.update(img_path='turned.jpg', width=32, height=64))
    turn(data / 'images' / 'turned.jpg')
    errors, _ = check('mmdet', of_objects)
    assert any('because its EXIF orientation 6 turns it' in error for error in errors), errors
    objects(data, lambda one: one.update(img_path='turned.jpg', width=32, height=64))

    def configure(dataset):
        of_objects(dataset)
        dataset.pipeline[0].color_type = 'color_ignore_orientation'

    assert check('mmdet', configure) == ([], [])


# XML

OBJECT = '<object><name>{}</name><difficult>{}</difficult><bndbox>{}</bndbox></object>'
EDGES = '<xmin>5</xmin><ymin>17</ymin><xmax>25</xmax><ymax>37</ymax>'
SIZE = '<size><width>64</width><height>64</height></size>'


def voc(data, text=None, size=SIZE, name='person', difficult=0, edges=EDGES, lines='0\n1\n2\n3\n'):
    """Write the tiny data in VOC's format; the arguments are for the second image alone."""
    root = data / 'VOC2007'
    for folder in ('Annotations', 'JPEGImages'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for i in range(4):
        Image.open(data / 'images' / f'{i}.png').save(root / 'JPEGImages' / f'{i}.jpg')
        good = f'<annotation>{SIZE}{OBJECT.format("person", 0, EDGES)}</annotation>'
        other = f'<annotation>{size}{OBJECT.format(name, difficult, edges)}</annotation>' if text is None else text
        (root / 'Annotations' / f'{i}.xml').write_text(other if i == 1 else good)
    (root / 'list.txt').write_text(lines)
    return root


def of_voc(dataset):
    dataset.update(type='VOCDataset', ann_file='VOC2007/list.txt', data_prefix=dict(sub_data_root='VOC2007/'))


def test_good_xml(check, data):
    voc(data)
    assert check('mmdet', of_voc) == ([], [])
    voc(data, size='')
    assert check('mmdet', of_voc) == ([], [])


def test_the_library_reads_what_was_checked(data, tiny_config, monkeypatch):
    """The check looks for files, and reads boxes, as mmdet does."""
    path = tiny_config('mmdet')
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    voc(data)
    of_voc(config.test_dataloader.dataset)
    assert data_findings(config, False) == []
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = DATASETS.build(config.test_dataloader.dataset)
    assert [len(dataset.get_data_info(i)['instances']) for i in range(len(dataset))] == [1, 1, 1, 1]
    assert dataset.get_data_info(0)['instances'][0]['bbox'] == [4, 16, 24, 36]


@pytest.mark.parametrize(
    ('change', 'level', 'message'),
    [
        (dict(text='<annotation>'), 'error', 'Annotations/1.xml is not XML'),
        (dict(size=SIZE.replace('64', '32', 1)), 'error', 'Annotations/1.xml is for 32 x 64 pixels, but the image is'),
        (dict(size='<size><width>a</width></size>'), 'error', "1.xml has the size ['a', '']; expected whole numbers"),
        (dict(name=''), 'error', '1.xml: object 1 has no <name>'),
        (dict(difficult='no'), 'error', "1.xml: object 1 has <difficult> 'no'; expected 0 or 1"),
        (dict(edges=''), 'error', 'object 1 has a <bndbox> of [None, None, None, None]; expected numbers of pixels'),
        (dict(edges=EDGES.replace('25', '5')), 'error', 'object 1 has a box [4, 16, 0, 20] of less than one pixel'),
        (dict(edges='<xmin>.1</xmin><ymin>.2</ymin><xmax>.4</xmax><ymax>.6</ymax>'), 'error', 'less than one pixel'),
        (dict(edges='<xmin>70</xmin><ymin>1</ymin><xmax>90</xmax><ymax>9</ymax>'), 'error', 'outside of its image of'),
        (dict(edges='<xmin>50</xmin><ymin>1</ymin><xmax>90</xmax><ymax>9</ymax>'), 'warning', 'mostly outside'),
        (
            dict(name='dog'),
            'warning',
            "1 of 4 objects are left out, because metainfo.classes of the config have no 'dog'",
        ),
        (dict(lines='0\n\n1\n'), 'error', 'line 2 is empty; expected the name of an image'),
        (dict(lines='0\n1\n0\n'), 'warning', "line 3 is the image '0' of line 1 again"),
        (dict(lines='0\n9\n'), 'error', "Annotations/9.xml does not exist, which must have the objects of '9'"),
        (dict(lines='0 \n'), 'error', 'Annotations/0 .xml does not exist'),
    ],
)
def test_mistakes_of_xml(check, data, change, level, message):
    voc(data, **change)
    found = dict(zip(('error', 'warning'), check('mmdet', of_voc), strict=True))[level]
    assert any(message in one for one in found), found


def test_images_of_xml(check, data):
    root = voc(data)
    (root / 'JPEGImages' / '1.jpg').write_bytes(b'none')
    (root / 'JPEGImages' / '2.jpg').unlink()
    errors, _ = check('mmdet', of_voc)
    assert any('JPEGImages/1.jpg is not an image that can be read' in error for error in errors)
    assert any('JPEGImages/2.jpg does not exist, but' in error for error in errors)


def test_images_that_a_training_skips_are_warnings(data, tiny_config, monkeypatch):
    path = tiny_config('mmdet')
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    (voc(data) / 'JPEGImages' / '2.jpg').unlink()
    of_voc(config.train_dataloader.dataset)
    assert [one.level for one in data_findings(config, True)] == ['error']
    config.default_hooks.sample = dict(type='SampleHook', on_bad_sample='skip')
    assert [one.level for one in data_findings(config, True)] == ['warning']


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        (('Person',), "no object is called 'Person', as metainfo.classes of the config say, but 4 are called 'person'"),
        (
            ('dog',),
            'no object of test_dataloader.dataset (XMLDataset) is left, so there is nothing to learn or measure',
        ),
        (None, 'metainfo.classes: missing; the library needs the names of the classes'),
    ],
)
def test_classes_of_xml(check, data, classes, message):
    voc(data)

    def configure(dataset):
        of_voc(dataset)
        dataset.type = 'XMLDataset'
        dataset.metainfo = dict(classes=classes) if classes else {}

    errors, _ = check('mmdet', configure)
    assert any(message in error for error in errors), errors


@pytest.mark.parametrize('library', ['mmpretrain', 'mmdet'])
def test_train_and_check_say_the_same(data, tiny_config, monkeypatch, capsys, tmp_path, library):
    path = tiny_config(library)
    monkeypatch.setenv('TINY_DATA', str(data))
    config = Config.fromfile(path)
    if library == 'mmdet':
        voc(data, edges=EDGES.replace('25', '5'))
        of_voc(config.train_dataloader.dataset)
        words = 'of less than one pixel'
    else:
        listed(data, lambda content: content['data_list'][1].update(gt_label=2))
        of_list(config.train_dataloader.dataset)
        words = 'has the "gt_label" 2, but there are 2 classes'
    config.dump(tmp_path / 'own.py')
    monkeypatch.chdir(tmp_path)
    for command, code in (('check', 1), ('train', 2)):
        assert main([command, 'own.py']) == code
        output = capsys.readouterr()
        assert words in ' '.join((output.out + output.err).split())
