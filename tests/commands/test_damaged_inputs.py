"""Damaged inputs of `train --data`, `labels` and `predict`: a sentence with the place, in bounded time and memory."""

import json
import os
import re
import resource
import signal
import struct
import time
import zipfile
import zlib
from types import SimpleNamespace

import cv2
import h5py
import label_formats
import numpy as np
import pytest
import torch
from label_formats import WRITERS, label_files
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm.cli import main
from hrnet_mm.errors import UserError
from hrnet_mm.inference.images import listed_boxes
from hrnet_mm.tasks import config_of
from hrnet_mm.training import runs
from hrnet_mm.weights import ModelSpec, write_checkpoint

SECONDS = 10
MEGABYTES = 400
BOMB = 1 << 28  # bytes of zeros


def coco(change=None, kind='keypoints'):
    """COCO files, whose training part, as an object, is changed."""

    def write(folder):
        WRITERS['coco'](folder, kind)
        file = folder / 'train.json'
        if change is not None:
            content = json.loads(file.read_text())
            change(content)
            file.write_text(json.dumps(content))

    return write


def of_coco(index, **values):
    return coco(lambda content: content['annotations'][index].update(values))


def written(form, file, text, kind='keypoints'):
    """A set of a format, of which a file holds another text, bytes or the result of a function of its text."""

    def write(folder):
        if form in WRITERS:
            WRITERS[form](folder, kind)
        else:
            getattr(label_formats, f'animal_{form}')(folder)
        place = folder / file
        new = text(place.read_text()) if callable(text) else text
        place.write_bytes(new if isinstance(new, bytes) else new.encode())

    return write


def replaced(form, file, make, kind='keypoints'):
    """A set of a format, of which a file is something else in the file system."""

    def write(folder):
        WRITERS[form](folder, kind)
        (folder / file).unlink()
        make(folder / file)

    return write


def to_itself(place):
    place.symlink_to(place.name)


def png(width, height, rows=0):
    """A PNG of a header that says its size, and of pixels that are none or zeros which compress a thousandfold."""

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    header = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b'IDAT', zlib.compress(bytes((width + 1) * rows), 9)) if rows else b''
    return b'\x89PNG\r\n\x1a\n' + header + pixels + chunk(b'IEND', b'')


def labels_of(data, form='values'):
    def write(folder):
        label_files(folder, form)
        (folder / 'masks' / 'train' / 'a.png').write_bytes(data)

    return write


def table_h5(folder, change):
    """A DeepLabCut table in HDF5 beside its images."""
    label_formats.animal_deeplabcut(folder)
    file = folder / 'labeled-data' / 'video' / 'CollectedData_me.csv'
    file.unlink()
    change(file.with_suffix('.h5'))


def h5_of_nothing(file):
    with h5py.File(file, 'w') as opened:
        opened['df_with_missing'] = np.zeros(3)


def h5_bomb(file):
    """A table that says it has 10^12 numbers, none of which is written."""
    with h5py.File(file, 'w') as opened:
        group = opened.create_group('df_with_missing')
        group['axis0'] = group['block0_items'] = np.array([b'x'])
        group['axis1'] = np.array([b'a.png'])
        group.create_dataset('block0_values', (10**9, 10**3), 'f8', chunks=(1000, 1000))


def truncated(file):
    h5_of_nothing(file)
    file.write_bytes(file.read_bytes()[:200])


def sparse(file):
    with file.open('wb') as opened:
        opened.truncate(1 << 40)


def classes(change):
    def write(folder):
        for label in ('cat', 'dog'):
            label_formats.pictures(folder / label, 'abcdef')
        change(folder)

    return write


def yaml(text):
    return written('yolo', 'data.yaml', text)


ALIASES = 'a0: &a0 [x, x]\n' + ''.join(f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 10)}]\n' for i in range(1, 12))
ENTITIES = ''.join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">\n' for i in range(1, 10))
DEEP = 100_000

# The set, the task that it is for, and what the sentence says.
LABELS = {
    'json cut off': (
        written('coco', 'train.json', lambda text: text[: len(text) // 2]),
        r'train\.json is not JSON .*line 1 column',
    ),
    'json empty': (written('coco', 'train.json', ''), r'train\.json'),
    'json in latin 1': (
        written('coco', 'train.json', lambda text: text.replace('cat', 'k\xe4tze').encode('latin-1')),
        r'train\.json is not JSON \(line 1 is not in UTF-8',
    ),
    'json with a null byte': (
        written('coco', 'train.json', lambda text: text[:-9] + '\0' + text[-9:]),
        r'train\.json is not JSON .*line 1 column',
    ),
    'json 10^5 deep': (written('coco', 'train.json', '{"images": ' + '[' * DEEP), r'train\.json'),
    'json of a number': (written('coco', 'train.json', '7'), r'train\.json: "images" is missing'),
    'json of 5000 digits': (
        written('coco', 'train.json', lambda text: text.replace('[', '[' + '9' * 5000 + ',', 1)),
        r'train\.json',
    ),
    'json that is a directory': (
        replaced('coco', 'train.json', lambda place: place.mkdir()),
        r'train\.json is not a file',
    ),
    'json that links to itself': (replaced('coco', 'train.json', to_itself), r'train\.json'),
    'json that is a pipe': (replaced('coco', 'train.json', os.mkfifo), r'train\.json'),
    'json that is a device': (
        replaced('coco', 'train.json', lambda place: place.symlink_to('/dev/zero')),
        r'train\.json',
    ),
    'json of a terabyte': (replaced('coco', 'train.json', sparse), r'train\.json'),
    'nan in a box': (of_coco(0, bbox=[float('nan'), 1, 2, 3]), r'train\.json: annotation number 1'),
    'infinity in a box': (of_coco(0, bbox=[1e999, 1, 2, 3]), r'train\.json: annotation number 1'),
    'negative box': (of_coco(0, bbox=[10, 10, -5, 5]), r'train\.json: annotation number 1'),
    'box of three': (of_coco(0, bbox=[1, 2, 3]), r'train\.json: annotation number 1'),
    'box of texts': (of_coco(0, bbox=['1', '2', '3', '4']), r'train\.json: annotation number 1'),
    'box of tables': (of_coco(0, bbox={'x': 1}), r'train\.json: annotation number 1'),
    'keypoints of half': (of_coco(0, keypoints=[1, 2]), r'train\.json: annotation number 1'),
    'keypoints of nan': (of_coco(0, keypoints=[float('nan')] * 9), r'train\.json: annotation number 1'),
    'keypoint visibility': (of_coco(0, keypoints=[1, 2, 9] * 3), r'train\.json: annotation number 1'),
    'an image that is none of the list': (of_coco(0, image_id=99), r'train\.json: annotation number 1'),
    'a class that is none of the list': (of_coco(0, category_id=99), r'train\.json: annotation number 1'),
    'an id that is a list': (of_coco(0, image_id=[1]), r'train\.json: annotation number 1'),
    'annotations that are a table': (coco(lambda content: content.update(annotations={'a': 1})), r'train\.json'),
    'annotations that are numbers': (coco(lambda content: content.update(annotations=[1, 2])), r'train\.json'),
    'images that are nothing': (coco(lambda content: content.update(images=None)), r'train\.json'),
    'a name that is a number': (
        coco(lambda content: content['images'][0].update(file_name=5)),
        r'train\.json: an entry',
    ),
    'a name with a null': (coco(lambda content: content['images'][0].update(file_name='a\0.png')), r'train\.json'),
    'a name of a megabyte': (coco(lambda content: content['images'][0].update(file_name='a' * 10**6)), r'train\.json'),
    'a name that leads out': (
        coco(lambda content: content['images'][0].update(file_name='../../../etc/passwd')),
        r'train\.json',
    ),
    'a name with line ends': (
        coco(lambda content: content['images'][0].update(file_name='a\n\nb.png')),
        r'train\.json',
    ),
    'a skeleton in a circle of none': (
        coco(lambda content: content['categories'][0].update(skeleton=[[1, 1], [9, 0]])),
        '"skeleton" must hold pairs of numbers',
    ),
    'masks of 10^12 pixels': (
        coco(
            lambda content: content['annotations'][0].update(segmentation={'size': [10**6, 10**6], 'counts': [10**12]}),
            'regions',
        ),
        r'train\.json: annotation number 1',
    ),
    'masks whose runs are negative': (
        coco(
            lambda content: content['annotations'][0].update(segmentation={'size': [64, 80], 'counts': [-5, 5125]}),
            'regions',
        ),
        r'train\.json: annotation number 1',
    ),
    'yaml of aliases that grow': (yaml(ALIASES + 'names: *a11\n'), r'data\.yaml'),
    'yaml that holds itself': (yaml('names: &a [*a]\n'), r'data\.yaml'),
    'yaml whose table holds itself': (yaml('names: &a {0: *a}\n'), r'data\.yaml'),
    'yaml with a tag': (yaml('names: !!python/object/apply:os.system [ls]\n'), r'data\.yaml: line 1'),
    'yaml 10^5 deep': (yaml('names: ' + '[' * DEEP), r'data\.yaml'),
    'yaml with a null byte': (yaml('names: [c\0t]\n'), r'data\.yaml'),
    'yaml in latin 1': (yaml('names: [k\xe4tze]\n'.encode('latin-1')), r'data\.yaml: line 1 is not in UTF-8'),
    'yolo with nan': (written('yolo', 'train/labels/a.txt', '0 nan 0.5 0.1 0.1\n'), r'a\.txt: line 1'),
    'yolo with a negative size': (
        written('yolo', 'train/labels/a.txt', '0 0.5 0.5 -0.1 0.1\n', 'boxes'),
        r'a\.txt: line 1',
    ),
    'yolo that is a directory': (replaced('yolo', 'train/labels/a.txt', lambda place: place.mkdir()), r'a'),
    'yolo that is a pipe': (replaced('yolo', 'train/labels/a.txt', os.mkfifo), r'a'),
    'xml of entities that grow': (
        written(
            'voc',
            'Annotations/a.xml',
            f'<!DOCTYPE x [\n<!ENTITY e0 "a">\n{ENTITIES}]>\n<annotation>&e9;</annotation>',
            'boxes',
        ),
        r'a\.xml: line 2 declares an entity',
    ),
    'xml of an outer entity': (
        written(
            'cvat',
            'annotations.xml',
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>\n<annotations>&e;</annotations>',
        ),
        r'annotations\.xml: line 1 declares an entity',
    ),
    'xml 10^5 deep': (written('cvat', 'annotations.xml', '<annotations>' + '<a>' * DEEP), r'annotations\.xml'),
    'xml cut off': (written('voc', 'Annotations/a.xml', lambda text: text[:-40], 'boxes'), r'a\.xml: line \d+'),
    'xml that is a directory': (
        replaced('voc', 'Annotations/a.xml', lambda place: place.mkdir(), 'boxes'),
        r'a\.xml|a\.png',
    ),
    'csv with a null': (
        written('wide', 'points.csv', lambda text: text.replace('b.png', 'b\0.png')),
        r'points\.csv: line 3',
    ),
    'csv with nan': (
        written('wide', 'points.csv', lambda text: re.sub(r'\d+\.\d+', 'nan', text, count=1)),
        r'points\.csv: line 2',
    ),
    'csv of one cell of a megabyte': (
        written('wide', 'points.csv', lambda text: text + '\n"' + 'x' * 10**6),
        r'points\.csv: line \d+',
    ),
    'csv in utf 16 without an end': (
        written('long', 'points.csv', lambda text: text.encode('utf-16')[:-1]),
        r'points\.csv',
    ),
    'csv with a row of other length': (
        written('wide', 'points.csv', lambda text: text + '\nz.png;1'),
        r'points\.csv: line',
    ),
    'label studio without images': (
        written('label-studio', 'project-1.json', '[{"annotations": [{"result": []}], "data": {}}]'),
        r'project-1\.json',
    ),
    'labelme of nulls': (written('labelme', 'train/a.json', '{"shapes": null, "imagePath": null}'), r'a\.json'),
    'pts without an end': (written('pts', 'a.pts', 'version: 1\nn_points: 999999999999\n{\n1 2\n'), r'a\.pts'),
    'h5 cut off': (lambda folder: table_h5(folder, truncated), r'CollectedData_me\.h5'),
    'h5 of nothing': (lambda folder: table_h5(folder, h5_of_nothing), r'CollectedData_me\.h5'),
    'h5 of 10^12 numbers': (lambda folder: table_h5(folder, h5_bomb), r'CollectedData_me\.h5'),
    'image with a header of 10^6 pixels': (written('yolo', 'train/images/a.png', png(10**6, 10**6)), r'a\.png'),
    'image of no bytes': (written('yolo', 'train/images/a.png', b''), r'a\.png'),
    'image that is missing': (replaced('coco', 'images/a.png', lambda place: None), r'a\.png does not exist'),
    'image that is a directory': (replaced('coco', 'images/a.png', lambda place: place.mkdir()), r'a\.png'),
    'image that links to itself': (replaced('coco', 'images/a.png', to_itself), r'a\.png'),
    'image that is a pipe': (replaced('coco', 'images/a.png', os.mkfifo), r'a\.png'),
    'label image that grows': (labels_of(png(30_000, 30_000, 8000)), r'a\.png'),
    'label image of 10^6 pixels a side': (labels_of(png(10**6, 10**6)), r'a\.png'),
    'label image cut off': (labels_of(png(80, 64, 64)[:60]), r'a\.png'),
    'classes of which one is a link to all': (
        classes(lambda folder: (folder / 'dog' / 'all').symlink_to(folder)),
        None,
    ),
    'class that is a file': (classes(lambda folder: (folder / 'bird').write_text('')), None),
    'image with a line end in its name': (
        classes(lambda folder: (folder / 'cat' / 'x\ny.png').write_bytes(b'no image')),
        r'y\.png',
    ),
    'no folder': (lambda folder: folder.rmdir(), 'mine is not a folder'),
    'a file in place of the folder': (lambda folder: (folder.rmdir(), folder.write_text('')), 'mine is not a folder'),
    'an empty folder': (lambda folder: None, 'fits no annotation format: saw no files'),
}


@pytest.fixture
def _bounded():
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.alarm(3 * SECONDS)  # nothing waits for a pipe
    yield
    signal.alarm(0)
    assert time.process_time() - start < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < MEGABYTES


def refused(argv, capsys):
    """The sentence of a mistake, which is one line."""
    assert main([str(word) for word in argv]) == 2
    text = capsys.readouterr().err
    assert text.count('\n') == 1
    assert len(text) < 2000
    return text


@pytest.mark.usefixtures('_bounded')
@pytest.mark.parametrize('case', LABELS)
def test_damaged_labels(case, tmp_path, capsys, monkeypatch):
    write, message = LABELS[case]
    folder, out = tmp_path / 'mine', tmp_path / 'out'
    folder.mkdir()
    write(folder)

    def train(job, console):
        raise AssertionError('it would be trained')

    monkeypatch.setattr(runs, '_run', train)
    for argv in (
        ['train', *(['segmentation'] if 'mask' in case else []), '--data', folder, '--work-dir', out],
        ['labels', 'show', folder, '--out', out / 'sheet.png'],
        ['labels', 'convert', folder, out, '--to', 'coco'],
    ):
        if message is None:
            break
        assert re.search(message, refused(argv, capsys)), argv
        assert not out.exists()


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    spec = ModelSpec(
        **{'task': 'classification', 'network': 'hrnet_test-w8', 'input_size': (64, 64), 'mean': (0,) * 3},
        **{'std': (255,) * 3, 'resize': {'shorter_side': 64}, 'classes': ('cat', 'dog')},
    )
    config = config_of(spec)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({**config.model, 'data_preprocessor': config.data_preprocessor})
    return write_checkpoint(tmp_path_factory.mktemp('weights') / 'w.pth', model.state_dict(), spec=spec.to_json())


def zip_bomb(file):
    with zipfile.ZipFile(file, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', bytes(BOMB))


class Runs:
    def __reduce__(self):
        return os.mkdir, ('it_ran',)


WEIGHTS = {
    'weights of no bytes': (lambda file: file.write_bytes(b''), 'is empty'),
    'weights that are a text': (lambda file: file.write_text('no weights'), 'is not a checkpoint'),
    'weights that are a directory': (lambda file: file.mkdir(), 'is not a file'),
    'weights that are a pipe': (os.mkfifo, 'is not a file|is empty'),
    'weights that link to themselves': (to_itself, 'cannot be read'),
    'weights cut off': (lambda file: file.write_bytes(b'PK\x03\x04' + b'x' * 100), 'damaged|not a checkpoint'),
    'weights that are a zip bomb': (zip_bomb, 'holds more than its size'),
    'weights that run a program': (lambda file: torch.save({'state_dict': Runs()}, file), 'mkdir|more than data|code'),
    'weights of a header without end': (
        lambda file: file.write_bytes(struct.pack('<Q', 2 * DEEP) + b'{"a":' + b'[' * (2 * DEEP)),
        'damaged|nested',
    ),
}


@pytest.mark.usefixtures('_bounded')
@pytest.mark.parametrize('case', WEIGHTS)
def test_damaged_weights(case, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write, message = WEIGHTS[case]
    label_formats.pictures(tmp_path / 'images', 'a')
    write(tmp_path / 'w.pth')
    assert re.search(message, refused(['predict', 'w.pth', '--data', 'images', '--out', 'out'], capsys))
    assert not (tmp_path / 'out').exists()
    assert not (tmp_path / 'it_ran').exists()


IMAGES = {
    'no bytes': lambda place: place.write_bytes(b''),
    'a text': lambda place: place.write_text('no image'),
    'cut off': lambda place: place.write_bytes(png(80, 64, 64)[:50]),
    'a header of 10^6 pixels': lambda place: place.write_bytes(png(10**6, 10**6)),
    'a header of 10^12 pixels beside a bomb': lambda place: place.write_bytes(png(10**6, 10**6, 100)),
    'a directory': lambda place: place.mkdir(),
    'a pipe': os.mkfifo,
    'a link to itself': to_itself,
    'a device': lambda place: place.symlink_to('/dev/zero'),
}


@pytest.mark.usefixtures('_bounded')
def test_damaged_images(tmp_path, capfd, weights):
    """Each is told and counted, and the others, in a folder that links to itself, have predictions."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for name, write in IMAGES.items():
        write(folder / f'{name}.png')
    cv2.imwrite(str(folder / 'line\nend.png'), label_formats.picture('a'))
    (folder / 'again').symlink_to(folder)
    assert main(['predict', str(weights), '--data', str(folder), '--out', str(tmp_path / 'out')]) == 0
    out, err = capfd.readouterr()
    assert f'1 of {len(IMAGES) + 1} images done, {len(IMAGES)} could not be read' in out
    assert err.count('.png: ') == len(IMAGES)
    lines = [json.loads(line) for line in (tmp_path / 'out' / 'predictions.jsonl').read_text().splitlines()]
    assert [line['image'] for line in lines if 'label' in line] == [str(folder / 'line\nend.png')]


def test_damaged_folder_of_predictions(tmp_path, capsys, weights):
    label_formats.pictures(tmp_path / 'images', 'a')
    (tmp_path / 'out').write_text('')
    assert 'out' in refused(['predict', weights, '--data', tmp_path / 'images', '--out', tmp_path / 'out'], capsys)
    assert 'no such file' in refused(['predict', weights, '--data', tmp_path / 'none', '--out', tmp_path / 'o'], capsys)
    assert not (tmp_path / 'o').exists()


@pytest.mark.parametrize(
    ('line', 'message'),
    [
        ('{"image": "a', 'line 2 is not an image with boxes'),
        ('7', 'line 2 is not an image with boxes'),
        ('[' * DEEP, 'line 2 is not an image with boxes'),
        ('{"image": "a.png", "boxes": [[1, 2, 3, NaN]], "scores": [1]}', 'line 2 has a box that is not'),
        ('{"image": "a.png", "boxes": [[9, 9, 3, 3]], "scores": [1]}', 'line 2 has a box that is not'),
        ('{"image": "a.png", "boxes": [[1, 2, 3]], "scores": [1]}', 'line 2 has a box that is not'),
        ('{"image": "a.png", "boxes": [[1, 2, 3, 4]], "scores": []}', 'line 2 is not an image with boxes'),
        ('\0', 'line 2 is not an image with boxes'),
    ],
)
def test_damaged_boxes(tmp_path, line, message):
    file = tmp_path / 'predictions.jsonl'
    file.write_text(f'{{"image": "b.png", "boxes": [], "scores": []}}\n{line}\n')
    with pytest.raises(UserError, match=re.escape(str(file)) + '.*' + message):
        listed_boxes(file, 0.3, SimpleNamespace(needs_boxes=True))
