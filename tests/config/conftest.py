"""Every zoo config, read once; the same shrunk to a few channels, with paths to real sample files."""

import copy
import json
import re
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope
from mmengine.utils import import_modules_from_strings

from hrnet_mm.engine import quick_reading

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / 'shared' / 'data'
FOLDERS = ('ablations', 'classification', 'detection', 'face', 'pose', 'segmentation')
PATHS = sorted(str(p.relative_to(ROOT / 'configs')) for d in FOLDERS for p in (ROOT / 'configs' / d).glob('*.py'))

ARCH, STREAMS = 'test-w4', [4, 8, 16, 32]
SHRUNK_SIZE = 4  # images of 1333x800 become 333x200


def pytest_generate_tests(metafunc):
    if 'path' in metafunc.fixturenames:
        heavy = ('dekr', 'centernet') if 'with_samples' in metafunc.fixturenames else ()
        marks = {path: pytest.mark.slow for path in PATHS if any(name in path for name in heavy)}
        metafunc.parametrize('path', [pytest.param(path, marks=marks.get(path, ())) for path in PATHS])


@pytest.fixture(scope='session', autouse=True)
def _quick_reading():
    with quick_reading():
        yield


@cache
def _read(path):
    return Config.fromfile(ROOT / 'configs' / path)


@pytest.fixture
def read():
    """A function from a path below configs/ to a copy of its config, whose library stays the default scope."""
    with ExitStack() as stack:

        def read_copy(path):
            config = copy.deepcopy(_read(path))
            import_modules_from_strings(**config.custom_imports)
            stack.enter_context(DefaultScope.overwrite_default_scope(config.default_scope))
            return config

        yield read_copy


@pytest.fixture(scope='session')
def shrink():
    """A function that gives a config the test architecture, the channels that follow, and small images."""
    return _shrink


def _shrink(config):
    config = copy.deepcopy(config)
    model = config.model
    if model.backbone.type != 'ComparisonResNet':
        model.backbone.update(arch=ARCH, pretrained=None)
    model.backbone.pop('init_cfg', None)
    if 'pretrained' in model:
        model.pretrained = None
    _CHANNELS[config.default_scope](model)
    _without_syncbn(model)
    _smaller(config)
    return config


def _pose_channels(model):
    neck = model.get('neck')
    concat = bool(neck) and neck.get('concat', False)
    channels = sum(STREAMS) if concat else STREAMS[neck.select_index if neck else 0]
    model.head.in_channels = channels
    if 'conv_out_channels' in model.head:
        model.head.conv_out_channels = (channels,)
    if model.head.type == 'HigherHRHead':
        model.head.deconv_out_channels = [STREAMS[0]] * len(model.head.deconv_out_channels)
    if 'rescore_cfg' in model.head:
        model.head.rescore_cfg.init_cfg = None


def _seg_channels(model):
    heads = model.decode_head if isinstance(model.decode_head, list) else [model.decode_head]
    for head in heads:
        head.in_channels = STREAMS
        head.channels = 16 if head.type == 'OCRHead' else sum(STREAMS)
        if head.type == 'OCRHead':
            head.ocr_channels = 8


def _cls_channels(model):
    necks = model.neck if isinstance(model.neck, list) else [model.neck]
    for neck in necks:
        if neck.type == 'HRFuseScales':
            neck.arch = ARCH
    if model.backbone.type == 'hrnet_mm.HRNetV2':
        model.head.in_channels = sum(STREAMS)


def _det_channels(model):
    model.neck.update(arch=ARCH, out_channels=8)
    narrow = {'in_channels': 8, 'feat_channels': 8, 'out_channels': 8, 'conv_out_channels': 8, 'fc_out_channels': 16}

    def walk(part):
        if isinstance(part, dict):
            part.update({key: value for key, value in narrow.items() if key in part and part[key] in (256, 1024)})
            for value in part.values():
                walk(value)
        elif isinstance(part, list | tuple):
            for value in part:
                walk(value)

    for name in ('rpn_head', 'roi_head', 'bbox_head'):
        walk(model.get(name))
    if model.get('bbox_head', {}).get('loss_cls'):
        model.bbox_head.norm_cfg = {'type': 'GN', 'num_groups': 4}


_CHANNELS = {'mmdet': _det_channels, 'mmseg': _seg_channels, 'mmpose': _pose_channels, 'mmpretrain': _cls_channels}


def _without_syncbn(part):
    """SyncBN computes what BN computes, but only on a GPU."""
    if isinstance(part, dict):
        if part.get('type') == 'SyncBN':
            part['type'] = 'BN'
        for value in part.values():
            _without_syncbn(value)
    elif isinstance(part, list | tuple):
        for value in part:
            _without_syncbn(value)


def _smaller(config):
    """Quarter the image sizes of detection and segmentation; pose, faces and classification have small ones."""
    if config.default_scope not in ('mmdet', 'mmseg'):
        return

    def quarter(value):
        if isinstance(value, list | tuple):
            return type(value)(quarter(item) for item in value)
        return value // SHRUNK_SIZE if isinstance(value, int) and value >= 200 else value

    def walk(part):
        if isinstance(part, dict):
            for key, value in part.items():
                if key in ('scale', 'scales', 'crop_size', 'size', 'stride') and value is not None:
                    part[key] = quarter(value)
                else:
                    walk(value)
        elif isinstance(part, list | tuple):
            for value in part:
                walk(value)

    for name in ('train_dataloader', 'val_dataloader'):
        walk(config[name].dataset)
    walk(config.model.get('data_preprocessor'))
    walk(config.model.get('test_cfg'))


@pytest.fixture(scope='session')
def with_samples(tmp_path_factory):
    """A function that points a config's data sets at sample files: real ones, or made ones where there are none."""
    if not SAMPLES.is_dir():
        pytest.skip('the sample files are not at hand')
    folder = tmp_path_factory.mktemp('samples')
    made = _make_samples(folder)

    def point(config):
        for name in ('train_dataloader', 'val_dataloader'):
            _point(config[name].dataset, config.default_scope, folder, name, made)
        return config

    return point


def _point(dataset, scope, folder, name, made):
    if dataset.type in ('ConcatDataset', 'CombinedDataset'):
        for part in dataset.datasets:
            _point(part, scope, folder, name, made)
        return
    dataset.pop('bbox_file', None)
    dataset.pop('filter_cfg', None)
    for key in ('data_root', 'data_prefix', 'ann_file', 'headbox_file', 'split'):
        dataset.pop(key, None)
    dataset.update(made[scope, dataset.type])
    if dataset.type == 'PoseTrack18Dataset':
        dataset.update(filter_cfg={})


POSE = {
    'CocoDataset': ('coco/test_coco.json', 'coco'),
    'AicDataset': ('aic/test_aic.json', 'aic'),
    'MpiiDataset': ('mpii/test_mpii.json', 'mpii'),
    'PoseTrack18Dataset': ('posetrack18/annotations/test_posetrack18_val.json', 'posetrack18'),
    'CrowdPoseDataset': ('crowdpose/test_crowdpose.json', 'crowdpose'),
    'WFLWDataset': ('wflw/test_wflw.json', 'wflw'),
    'Face300WDataset': ('300w/test_300w.json', '300w'),
    'COFWDataset': ('cofw/test_cofw.json', 'cofw'),
    'AFLWDataset': ('aflw/test_aflw.json', 'aflw'),
}


def _make_samples(folder):
    made = {
        ('mmpose', kind): {
            'ann_file': str(SAMPLES / 'fixtures_mmpose' / ann),
            'data_prefix': {'img': str(SAMPLES / 'fixtures_mmpose' / images)},
        }
        for kind, (ann, images) in POSE.items()
    }
    made['mmdet', 'CocoDataset'] = {
        'ann_file': str(_some_images(folder)),
        'data_prefix': {'img': str(SAMPLES / 'coco_cc/images'), 'seg': str(_stuff_maps(folder))},
    }
    city = SAMPLES / 'fixtures_mmseg/pseudo_cityscapes_dataset'
    made['mmseg', 'CityscapesDataset'] = {
        'data_prefix': {'img_path': str(city / 'leftImg8bit/val'), 'seg_map_path': str(city / 'gtFine/val')}
    }
    lip = SAMPLES / 'fixtures_mmseg/pseudo_lip_dataset'
    made['mmseg', 'LIPDataset'] = {
        'data_prefix': {'img_path': str(lip / 'train_images'), 'seg_map_path': str(lip / 'train_segmentations')}
    }
    names = {'PascalContextDataset': 60, 'PascalContextDataset59': 60, 'ADE20KDataset': 150, 'COCOStuffDataset': 171}
    for kind, classes in names.items():
        made['mmseg', kind] = {'data_prefix': _label_maps(folder / kind, classes, kind), 'ann_file': ''}
    made['mmpretrain', 'ImageNet'] = {
        'data_root': str(_class_folders(folder / 'imagenet')),
        'data_prefix': 'train',
        'ann_file': 'train.txt',
    }
    return made


def _some_images(folder):
    """Four images of the real annotations, those with the fewest objects: quick."""
    content = json.loads((SAMPLES / 'coco_cc/instances_train.json').read_text())
    counts = {image['id']: 0 for image in content['images']}
    for annotation in content['annotations']:
        counts[annotation['image_id']] += 1
    chosen = sorted((i for i in counts if counts[i] > 1), key=counts.__getitem__)[:4]
    content['images'] = [image for image in content['images'] if image['id'] in chosen]
    content['annotations'] = [a for a in content['annotations'] if a['image_id'] in chosen]
    (folder / 'instances.json').write_text(json.dumps(content))
    return folder / 'instances.json'


def _stuff_maps(folder):
    """Maps in the form of COCO's stuffthingmaps (class - 1, 255 for none) for every image."""
    maps = folder / 'stuff'
    maps.mkdir()
    for image in (SAMPLES / 'coco_cc/images').glob('*.jpg'):
        real = SAMPLES / 'coco_cc/semantic' / f'{image.stem}.png'
        if real.exists():
            label = cv2.imread(str(real), cv2.IMREAD_UNCHANGED).astype(int) - 1
            label[(label < 0) | (label > 181)] = 255
        else:
            label = np.full(cv2.imread(str(image)).shape[:2], 255)
        cv2.imwrite(str(maps / f'{image.stem}.png'), label.astype(np.uint8))
    return maps


def _label_maps(folder, classes, kind):
    """Two images of the mmseg fixtures with made label maps, in the data set's own naming."""
    suffix = {'COCOStuffDataset': '_labelTrainIds.png'}.get(kind, '.png')
    (folder / 'images').mkdir(parents=True)
    (folder / 'labels').mkdir()
    for i in range(2):
        image = cv2.imread(str(SAMPLES / f'fixtures_mmseg/pseudo_dataset/imgs/0000{i}_img.jpg'))
        label = np.random.default_rng(i).integers(0, classes, (4, 4)).astype(np.uint8)
        label = cv2.resize(label, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / 'images' / f'{i}.jpg'), image)
        cv2.imwrite(str(folder / 'labels' / f'{i}{suffix}'), label)
    return {'img_path': str(folder / 'images'), 'seg_map_path': str(folder / 'labels')}


def _class_folders(folder):
    for i in range(2):
        source = SAMPLES / f'fixtures_mmseg/pseudo_dataset/imgs/0000{i}_img.jpg'
        target = folder / 'train' / f'n0000000{i}' / 'sample.JPEG'
        target.parent.mkdir(parents=True)
        target.write_bytes(source.read_bytes())
    (folder / 'train.txt').write_text('n00000000/sample.JPEG 0\nn00000001/sample.JPEG 1\n')
    return folder


@pytest.fixture(scope='session')
def body_of():
    """A function from a shrunk config to what its training step depends on: equal bodies need one test."""

    def body(config):
        train = ConfigDict(config.train_dataloader.dataset)
        parts = [config.model, train, config.val_dataloader.dataset, config.optim_wrapper]
        text = json.dumps([_plain(part) for part in parts], sort_keys=True)
        return re.sub(r'"lr": [\d.e-]+', '"lr": 0', text)

    return body


def _plain(part):
    if isinstance(part, dict):
        return {str(key): _plain(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [_plain(item) for item in part]
    return part if isinstance(part, int | float | str | bool | type(None)) else str(part)
