"""A config whose data set is not there says so in one sentence."""

import pytest

from hrnet_mm.config.files import missing_files


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
    first, *_ = missing_files(read(config), ['train_dataloader'])
    assert '\n' not in first
    for word in words:
        assert word in first


def test_every_zoo_data_set_has_a_source(path, read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = read(path)
    for name in ('train_dataloader', 'val_dataloader'):
        sentences = [sentence for sentence in missing_files(config, [name]) if 'looks for' in sentence]
        assert sentences
        assert all('; get ' in sentence for sentence in sentences)


def test_says_nothing_if_all_is_there(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'all.json').touch()
    dataset = {
        'type': 'CocoDataset',
        'data_root': str(tmp_path),
        'ann_file': 'all.json',
        'data_prefix': {'img': 'images'},
    }
    loader = {'dataset': {'type': 'RepeatDataset', 'dataset': dataset}}
    assert missing_files({'train_dataloader': loader}, ['train_dataloader']) == []
    dataset['ann_file'] = 'some.json'
    sentence = f'CocoDataset looks for {tmp_path}/some.json, which does not exist'
    assert missing_files({'train_dataloader': loader}, ['train_dataloader']) == [sentence]


def test_names_evaluators_and_checkpoints(tmp_path):
    gone = str(tmp_path / 'gone')
    config = {
        'model': {'backbone': {'init_cfg': {'type': 'Pretrained', 'checkpoint': gone}}, 'pretrained': 'timm://w32'},
        'load_from': gone,
        'val_evaluator': [{'type': 'CocoMetric', 'ann_file': gone}],
    }
    places = ['load_from', 'model.backbone.init_cfg.checkpoint', 'val_evaluator[0].ann_file']
    assert missing_files(config, ['train_dataloader', 'val_dataloader']) == [
        f'{place}: {gone} does not exist' for place in places
    ]
    assert missing_files(config, ['test_dataloader']) == [f'load_from: {gone} does not exist']


def test_the_data_sets_that_an_evaluator_names_are_not_looked_for_without_their_root():
    evaluator = {
        'type': 'MultiDatasetEvaluator',
        'datasets': [{'type': 'CocoDataset', 'data_root': 'data/coco/', 'ann_file': 'annotations/val.json'}],
    }
    assert missing_files({'val_evaluator': evaluator}, ['val_dataloader']) == []


def test_a_data_set_may_be_named_by_its_class():
    class CracksDataset:
        pass

    (sentence,) = missing_files(
        {'val_dataloader': {'dataset': {'type': CracksDataset, 'data_root': 'gone'}}}, ['val_dataloader']
    )
    assert sentence.startswith('CracksDataset looks for gone, ')
