"""Data that were checked without a mistake are not read again before the next training, unless they have changed."""

import json
import os
import shutil
import time

import pytest
from mmengine.config import Config

from hrnet_mm.cli import main
from hrnet_mm.config import checked, data
from hrnet_mm.config.data import data_findings

LIBRARIES = ['mmdet', 'mmseg', 'mmpose', 'mmpretrain']


@pytest.fixture
def folder(tiny_data, tmp_path, monkeypatch):
    """A copy of the tiny data, and an empty cache folder."""
    shutil.copytree(tiny_data, tmp_path / 'data')
    monkeypatch.setenv('HRNET_MM_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'data'


@pytest.fixture
def read(folder, tiny_config, monkeypatch):
    """A function that returns a library's config."""

    def config_of(library):
        path = tiny_config(library)
        monkeypatch.setenv('TINY_DATA', str(folder))
        return Config.fromfile(path)

    return config_of


@pytest.fixture
def reads(monkeypatch):
    """A list that grows with each check."""
    calls, check = [], data._check

    def counted(*args):
        calls.append(args)
        return check(*args)

    monkeypatch.setattr(data, '_check', counted)
    return calls


def touch(file):
    os.utime(file, ns=(1, 1))


CHANGES = [
    lambda folder, config: shutil.copy(folder / 'images' / '0.png', folder / 'images' / 'more.png'),
    lambda folder, config: (folder / 'images' / '3.png').rename(folder / 'images' / '4.png'),
    lambda folder, config: touch(folder / 'images' / '0.png'),
    lambda folder, config: config.test_dataloader.dataset.pipeline[0].update(color_type='unchanged'),
    lambda folder, config: config.test_dataloader.dataset.update(data_root=str(folder) + '/.'),
]


@pytest.mark.parametrize('library', LIBRARIES)
def test_the_second_start_reads_nothing(read, folder, reads, library):
    for _ in range(2):
        assert data_findings(read(library), False, again=False) == []
    assert len(reads) == 1
    data_findings(read(library), True, again=False)  # other data loaders
    assert len(reads) == 2
    data_findings(read(library), False, again=True)
    assert len(reads) == 3


@pytest.mark.parametrize('change', CHANGES)
@pytest.mark.parametrize('library', LIBRARIES)
def test_what_has_changed_is_read_again(read, folder, reads, library, change):
    data_findings(read(library), False, again=False)
    config = read(library)
    change(folder, config)
    data_findings(config, False, again=False)
    assert len(reads) == 2


@pytest.mark.parametrize(
    ('library', 'name'),
    [
        ('mmdet', 'annotations.json'),
        ('mmpose', 'annotations.json'),
        ('mmpretrain', 'classes.txt'),
        ('mmseg', 'labels/0.png'),
    ],
)
def test_another_annotation_file_is_read_again(read, folder, reads, library, name):
    data_findings(read(library), False, again=False)
    touch(folder / name)
    data_findings(read(library), False, again=False)
    assert len(reads) == 2


def test_warnings_are_kept_and_mistakes_are_not(read, folder, reads):
    coco = json.loads((folder / 'annotations.json').read_text())
    coco['annotations'][0]['bbox'] = [1, 1, 0, 9]
    (folder / 'annotations.json').write_text(json.dumps(coco))
    first, second = (data_findings(read('mmdet'), False, again=False) for _ in range(2))
    assert [str(one) for one in first] == [str(one) for one in second]
    assert 'of less than one pixel' in str(second[0])
    assert len(reads) == 1
    coco['annotations'][0]['id'] = 0
    (folder / 'annotations.json').write_text(json.dumps(coco))
    for _ in range(2):
        assert 'has the id 0' in str(data_findings(read('mmdet'), False, again=False)[0])
    assert len(reads) == 3


@pytest.mark.parametrize('content', [b'', b'{', b'[1]', b'{"a": 1}', b'\xff\xfe'])
def test_a_damaged_record_is_ignored(read, folder, reads, tmp_path, content):
    data_findings(read('mmdet'), False, again=False)
    (record,) = (tmp_path / 'cache' / 'checked').iterdir()
    record.write_bytes(content)
    assert data_findings(read('mmdet'), False, again=False) == []
    assert len(reads) == 2
    assert json.loads(record.read_text()) == []


def test_a_folder_that_cannot_be_written_is_ignored(read, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('HRNET_MM_CACHE', str(tmp_path / 'file'))
    assert data_findings(read('mmdet'), False, again=False) == []


def test_old_records_are_removed(read, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(checked, '_MOST_RECORDS', 2)
    for i in range(4):
        touch(folder / 'annotations.json')
        os.utime(folder / 'annotations.json', ns=(i, i))
        data_findings(read('mmdet'), False, again=False)
    assert len(list((tmp_path / 'cache' / 'checked').iterdir())) == 2


def test_a_long_check_says_what_it_does(read, folder, monkeypatch, capsys):
    monkeypatch.setattr(checked, '_PATIENCE', 0.01)
    monkeypatch.setattr(data, '_check', lambda *_: time.sleep(1) or [])  # a busy machine is late with the sentence
    data_findings(read('mmdet'), False, again=False)
    assert 'reading the headers of 4 images and labels once' in capsys.readouterr().err
    data_findings(read('mmdet'), False, again=False)
    assert 'reading the headers' not in capsys.readouterr().err


def test_training_uses_it_and_check_reads_anew(folder, tiny_config, monkeypatch, reads, tmp_path):
    path = str(tiny_config('mmdet'))
    monkeypatch.setenv('TINY_DATA', str(folder))
    assert main(['check', path]) == 0
    assert len(reads) == 2  # of the training, and of the test
    argv = ['train', path, '--work-dir', str(tmp_path / 'out'), '--cfg-options', 'train_cfg.max_epochs=1']
    assert main(argv) == 0
    assert len(reads) == 2
    assert main(['check', path]) == 0
    assert len(reads) == 4


def test_images_without_a_folder_are_read_again(read, folder, reads, monkeypatch):
    """The files beside them, in the working folder, may be any number and are not looked at."""
    entries = [{'img_path': str(folder / 'images' / f'{i}.png'), 'gt_label': i // 2} for i in range(4)]
    content = {'metainfo': {'classes': ['left', 'right']}, 'data_list': entries}
    (folder / 'list.json').write_text(json.dumps(content))
    config = read('mmpretrain')
    settings = dict(type='BaseDataset', ann_file=str(folder / 'list.json'), data_root='', data_prefix='')
    config.test_dataloader.dataset.update(settings)
    monkeypatch.setattr(os, 'walk', lambda *_: pytest.fail('a folder was read'))
    for count in (1, 2):
        assert data_findings(config, False, again=False) == []
        assert len(reads) == count
