"""A config whose data set is not there says so in one sentence."""

import pytest

from hrnet_mm.missing_data import missing_data


@pytest.mark.parametrize(
    ('config', 'words'),
    [
        ('detection/faster-rcnn_hrnetv2p-w32_1x_coco.py', ['CocoDataset', 'data/coco', 'https://cocodataset.org']),
        ('segmentation/fcn_hr48_trainval-4xb3-140k_cityscapes-512x1024.py', ['CityscapesDataset', 'data/cityscapes']),
        ('pose/td-hm_hrnet-w48_4xb24-210e_coco-aic-384x288.py', ['CocoDataset', 'data/coco']),
        ('face/td-hm_hrnetv2-w18_1xb16-60e_300w-256x256.py', ['Face300WDataset', 'data/300w', 'ibug']),
        ('classification/hrnet-w18_8xb32_in1k.py', ['ImageNet', 'data/imagenet', 'https://image-net.org']),
    ],
)
def test_names_data_set_place_and_source(config, words, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sentence = missing_data(read(config).train_dataloader)
    assert '\n' not in sentence
    for word in words:
        assert word in sentence


def test_every_zoo_data_set_has_a_source(path, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = read(path)
    for name in ('train_dataloader', 'val_dataloader'):
        assert '; get ' in missing_data(config[name])


def test_says_nothing_if_all_is_there(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'all.json').touch()
    dataset = {
        'type': 'CocoDataset',
        'data_root': str(tmp_path),
        'ann_file': 'all.json',
        'data_prefix': {'img': 'images'},
    }
    assert missing_data({'dataset': {'type': 'RepeatDataset', 'dataset': dataset}}) is None
    dataset['ann_file'] = 'some.json'
    assert missing_data({'dataset': dataset}) == f'CocoDataset looks for {tmp_path}/some.json, which does not exist'
