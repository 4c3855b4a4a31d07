"""A damaged set of any format is one sentence that names the file and the line, and never a traceback."""

import json
import re
import struct
import zlib

import label_formats
import pytest
from label_formats import WRITERS, label_files

from hrnet_mm.cli import main
from hrnet_mm.datasets import read_folder
from hrnet_mm.errors import UserError

SETS = {  # the kind, the file that is damaged, and how the sentence names a place in it
    'coco': ('keypoints', 'train.json', 'line 1|annotation'),
    'coco-panoptic': ('pixels', 'annotations/panoptic_train.json', 'line 1|annotation'),
    'yolo': ('keypoints', 'train/labels/a.txt', 'line 1'),
    'voc': ('boxes', 'Annotations/a.xml', 'line 9'),
    'cvat': ('keypoints', 'annotations.xml', 'line 13'),
    'labelme': ('keypoints', 'train/a.json', 'line 1|shape 2'),
    'label-studio': ('keypoints', 'project-1.json', 'line 1|task 0, result 2'),
    'open-images': ('boxes', 'train-annotations-bbox.csv', 'line 3'),
    'dlib': ('keypoints', 'training.xml', 'line 6'),
    'deeplabcut': (None, 'labeled-data/video/CollectedData_me.csv', 'line 4'),
    'lightning': (None, 'labels.csv', 'line 4'),
    'wide': (None, 'points.csv', 'line 2'),
    'long': (None, 'points.csv', 'line 4'),
    'pts': (None, 'a.pts', 'line 6'),
}


def made(folder, name):
    kind, file, place = SETS[name]
    folder.mkdir()
    if kind is None:
        getattr(label_formats, f'animal_{name}')(folder)
    else:
        WRITERS[name](folder, kind)
    return {'pixels': 'regions', None: 'keypoints'}.get(kind, kind), folder / file, place


def sentence(folder, annotations):
    with pytest.raises(UserError) as caught:
        read_folder(folder, annotations)
    text = str(caught.value)
    assert '\n' not in text
    assert len(text) < 700
    return text


def with_number(text, new):
    """The sixth number with a point, or the last one, is replaced."""
    found = list(re.finditer(r'\d+\.\d+', text))
    one = found[min(5, len(found) - 1)]
    return text[: one.start()] + new + text[one.end() :]


@pytest.mark.parametrize('value', ['1e999', 'here', '9' * 5000])
@pytest.mark.parametrize('name', [name for name in SETS if name not in ('coco', 'coco-panoptic')])
def test_a_number_that_is_none_is_named_with_its_line(tmp_path, name, value):
    annotations, file, place = made(tmp_path / 'mine', name)
    file.write_text(with_number(file.read_text(), value))
    text = sentence(tmp_path / 'mine', annotations)
    assert str(file) in text
    # A number of 5,000 digits cannot be read at all in JSON.
    assert re.search(place, text) or (file.suffix == '.json' and 'Exceeds the limit' in text)


@pytest.mark.parametrize('name', [name for name in SETS if name not in ('coco-panoptic', 'deeplabcut', 'lightning')])
def test_nan_is_named_with_its_place(tmp_path, name):
    """In DeepLabCut's tables alone it says that a point is not labeled."""
    annotations, file, place = made(tmp_path / 'mine', name)
    file.write_text(with_number(file.read_text(), 'NaN'))
    text = sentence(tmp_path / 'mine', annotations)
    assert str(file) in text
    assert re.search(place, text)


@pytest.mark.parametrize('name', SETS)
def test_half_a_file_is_named_with_its_line(tmp_path, name):
    annotations, file, _ = made(tmp_path / 'mine', name)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    text = sentence(tmp_path / 'mine', annotations)
    assert str(file) in text
    assert re.search(r'line \d+', text)


@pytest.mark.parametrize('name', [name for name in SETS if name != 'dlib'])  # whose files name Latin 1
def test_another_encoding_is_named(tmp_path, name):
    annotations, file, _ = made(tmp_path / 'mine', name)
    line = b'# \xe4\xf6\xfc\n'
    data = file.read_bytes()
    # Behind the beginning, by which formats are told apart.
    middle = data.index(b'\n', len(data) // 2) + 1 if b'\n' in data[len(data) // 2 :] else len(data) // 2
    file.write_bytes(data[:middle] + line + data[middle:])
    text = sentence(tmp_path / 'mine', annotations)
    assert str(file) in text


@pytest.mark.parametrize('name', SETS)
def test_a_missing_image_is_named(tmp_path, name):
    annotations, _, _ = made(tmp_path / 'mine', name)
    for file in (tmp_path / 'mine').rglob('c.png'):
        if 'panoptic_train' not in file.parts:
            file.unlink()
    text = sentence(tmp_path / 'mine', annotations)
    assert re.search(r"c\.(png|jpg|txt|pts|xml|json)|image 'c'", text)
    assert re.search('does not exist|is there 0 times', text)


@pytest.mark.parametrize('name', SETS)
def test_an_image_that_is_none_is_named(tmp_path, name):
    annotations, _, _ = made(tmp_path / 'mine', name)
    for file in (tmp_path / 'mine').rglob('c.png'):
        file.write_bytes(b'no image')
    text = sentence(tmp_path / 'mine', annotations)
    assert re.search(r'c\.png is not (an image that can be read|a label image)', text)


@pytest.mark.parametrize('name', ['voc', 'cvat', 'dlib'])
def test_xml_that_grows_is_refused(tmp_path, name):
    annotations, file, _ = made(tmp_path / 'mine', name)
    text = re.sub(r'<\?xml[^>]*>\n?', '', file.read_text())
    entities = ''.join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">\n' for i in range(1, 10))
    file.write_text(f'<!DOCTYPE x [\n<!ENTITY e0 "a">\n{entities}]>\n{text}')
    assert 'line 2 declares an entity' in sentence(tmp_path / 'mine', annotations)


@pytest.mark.parametrize('name', ['labelme', 'coco', 'voc', 'cvat', 'dlib'])
def test_depth_without_end_is_a_sentence(tmp_path, name):
    annotations, file, _ = made(tmp_path / 'mine', name)
    start = {'voc': '<annotation>', 'cvat': '<annotations>', 'dlib': '<dataset><images>'}.get(name)
    file.write_text('[' * 100000 if start is None else start + '<a>' * 100000)
    assert str(file) in sentence(tmp_path / 'mine', annotations)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('names: &a [*a]\n', '"names" must list the classes'),
        ('names: {0: cat, 2: dog}\n', '"names" must have the numbers 0 to 1'),
        ('names: [cat, dog\ntrain: x\n', r'data\.yaml: line 2 is not YAML'),
        ('names: [cat, dog]\ntrain: nowhere\n', '"train: nowhere" leads to nothing in'),
        ('names: [cat]\nkpt_shape: [3, 3]\n', r"a\.txt: line 2: the class is '1'; data\.yaml has the classes 0 to 0"),
        ('names: [cat, dog]\nkpt_shape: [3]\n', r'"kpt_shape" is \[3\]; expected the number of keypoints'),
        ('names: [cat, dog]\nkpt_shape: [3, 3]\nflip_idx: [0, 0, 1]\n', '"flip_idx" must hold each number from 0 to 2'),
        ('names: [cat, dog]\nkpt_shape: [2, 3]\n', r'a\.txt: line 1 has 13 values after the class; expected 10'),
        ('names: !!python/object/apply:os.system [ls]\n', r'data\.yaml: line 1 is not YAML'),
    ],
)
def test_wrong_settings_of_yolo(tmp_path, text, message):
    made(tmp_path / 'mine', 'yolo')
    (tmp_path / 'mine' / 'data.yaml').write_text(text)
    assert re.search(message, sentence(tmp_path / 'mine', 'keypoints'))


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('0 0.5 0.5 -0.1 0.1', r'a\.txt: line 1 has a box of the size -0\.1 x 0\.1'),
        (
            '0 320 200 40 30',
            r'a\.txt: line 1 has the value 320; YOLO has shares of the image, from 0 to 1',
        ),
        ('0 0.5 0.5 0.1', r'a\.txt: line 1 has 3 values after the class; expected 4 of a box, or x and y of 3 or more'),
        ('cat 0.5 0.5 0.1 0.1', r"a\.txt: line 1: the class is 'cat'; data\.yaml has the classes 0 to 1"),
        ('-1 0.5 0.5 0.1 0.1', "the class is '-1'"),
        ('0 1.4 1.4 0.1 0.1', r'a\.txt: line 1 has a box .* outside of its image of 80 x 64 pixels'),
        ('0 0.5 0.5 0.0 0.0', r'a\.txt: line 1 has a box .* of less than one pixel'),
    ],
)
def test_wrong_lines_of_yolo(tmp_path, line, message):
    (tmp_path / 'mine').mkdir()
    WRITERS['yolo'](tmp_path / 'mine', 'boxes')
    (tmp_path / 'mine' / 'train' / 'labels' / 'a.txt').write_text(line)
    assert re.search(message, sentence(tmp_path / 'mine', 'boxes'))


@pytest.mark.parametrize(
    ('name', 'old', 'new', 'message'),
    [
        ('voc', '<name>cat</name>', '<name></name>', r'a\.xml: line 4: an object has no <name>'),
        ('voc', 'bndbox', 'bndbax', r"a\.xml: line 4: the object 'cat' has no <bndbox>"),
        (
            'voc',
            '<width>80<',
            '<width>81<',
            r'a\.xml: image .* is 81 x 64 pixels in the file, but the image is',
        ),
        ('cvat', 'width="80"', 'width="81"', r'annotations\.xml: line 10: image .* is 81 x 64 pixels in the file'),
        ('cvat', 'label="cat"', 'label="bird"', "has the class 'bird', which .* does not list; it lists cat, dog"),
        ('labelme', '"label": "cat"', '"label": ""', r"a\.json: shape 1 has the label ''; expected the name"),
        ('labelme', '"label": "tail"', '"label": "left_ear"', r"shape 4 \(left_ear\) is a second keypoint 'left_ear'"),
        ('label-studio', '"original_width": 80', '"original_width": "80"', 'task 0, result 1 has no "original_width"'),
        ('label-studio', '"image":', '"text": 5, "x":', None),
        ('open-images', 'XMin', 'Xmin', r'train-annotations-bbox\.csv: line 1 has no column XMin'),
        ('dlib', "width='80'", "width='8o'", r"training\.xml: line 4: the size is '8o'; expected a finite number"),
        ('pts', 'n_points:  3', 'n_points:  68', r'a\.pts has 3 points, but states n_points: 68'),
        ('pts', '}', '1 2 3\n}', r'a\.pts: line 7 has 3 numbers; expected x and y'),
        ('wide', 'b.png', 'a.png', r'points\.csv: line 3: a\.png is labeled already in .*points\.csv: line 2'),
        ('long', 'frames/a.png,tail', 'frames/a.png,left_ear', r'line 4: left_ear of frames/a\.png is labeled already'),
        ('long', ',2\n', ',7\n', 'line 2: the visibility of left_ear is 7; expected 0, 1 or 2'),
    ],
)
def test_contradictions_are_named(tmp_path, name, old, new, message):
    annotations, file, _ = made(tmp_path / 'mine', name)
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    if message is None:
        read_folder(tmp_path / 'mine', annotations)  # any text of the data may name the image
    else:
        assert re.search(message, sentence(tmp_path / 'mine', annotations))


@pytest.mark.parametrize(
    ('file', 'text', 'message'),
    [
        ('labelmap.txt', '', r'labelmap\.txt lists no class'),
        ('labelmap.txt', 'cat:300,0,0::\n', r'lists no colors, but the label images have some'),
        ('labelmap.txt', 'cat:0,0,0::\ndog:0,0,0::\n', r"labelmap\.txt: line 2: 'dog' and 'cat' have one color"),
        ('labelmap.txt', 'cat:0,0,0::\n', r'a_L\.png holds the color #008040, which is none of the labels #000000'),
        ('masks/train/a_L.png', '', r'a_L\.png is not a label image'),
        ('images/train/a.png', '', r'a\.png is not an image that can be read'),
    ],
)
def test_damaged_label_images(tmp_path, file, text, message):
    label_files(tmp_path, 'colors')
    (tmp_path / file).write_text(text)
    assert re.search(message, sentence(tmp_path, 'regions'))


def test_label_images_of_no_image_are_told(tmp_path):
    label_files(tmp_path, 'values')
    (tmp_path / 'images' / 'train' / 'c.png').unlink()
    (tmp_path / 'masks' / 'train' / 'd.png').unlink()
    warnings = read_folder(tmp_path, 'regions').warnings
    assert any(
        re.search(r'1 of 5 images have no label image and are left out, first .*d\.png', one) for one in warnings
    )
    assert any(
        re.search(r'1 label images belong to no image and are left out, first .*c\.png', one) for one in warnings
    )


def test_a_header_of_many_pixels_is_a_sentence(tmp_path):
    annotations, _, _ = made(tmp_path / 'mine', 'yolo')
    header = struct.pack('>IIBBBBB', 10**6, 10**6, 8, 2, 0, 0, 0)
    chunk = b'IHDR' + header
    data = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + chunk + struct.pack('>I', zlib.crc32(chunk))
    data += struct.pack('>I', 0) + b'IEND' + struct.pack('>I', zlib.crc32(b'IEND'))
    (tmp_path / 'mine' / 'train' / 'images' / 'a.png').write_bytes(data)
    assert 'a.png is not an image that can be read' in sentence(tmp_path / 'mine', annotations)


def test_damage_ends_a_conversion_without_a_folder(tmp_path, capsys):
    _, file, _ = made(tmp_path / 'mine', 'cvat')
    file.write_text(with_number(file.read_text(), 'nan'))
    assert main(['labels', 'convert', str(tmp_path / 'mine'), str(tmp_path / 'out'), '--to', 'yolo']) == 2
    assert re.search(r"annotations\.xml: line 13: a place is 'nan'", capsys.readouterr().err)
    assert [one.name for one in tmp_path.iterdir()] == ['mine']


def test_two_annotations_of_one_task_are_refused(tmp_path):
    _, file, _ = made(tmp_path / 'mine', 'label-studio')
    tasks = json.loads(file.read_text())
    tasks[0]['annotations'] *= 2
    file.write_text(json.dumps(tasks))
    assert 'task 0 is annotated 2 times; keep one' in sentence(tmp_path / 'mine', 'keypoints')
