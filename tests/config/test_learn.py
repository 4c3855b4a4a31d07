"""The configs of short trainings on real sets: each runs on drawn data, and learns where the real sets are at hand."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

from hrnet_mm.config.check import config_problems

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(file.name for file in (ROOT / 'configs' / 'learn').glob('*.py'))
REAL = Path(os.environ.get('HRNET_MM_DATA') or ROOT.parent / 'shared' / 'data')
METRICS = {
    'td-hm_hrnetv1_openfield.py': 'PCK',
    'td-hm_hrnetv2_frl189.py': 'NME',
    'fcn_hrnetv2_dsb2018.py': 'mIoU',
    'mask-rcnn_hrnetv2p_dsb2018.py': 'coco/segm_mAP_50',
    'faster-rcnn_hrnetv2p_bccd.py': 'coco/bbox_mAP_50',
}


def write_set(folder, parts, size, categories, num_points=0):
    """Two images a part with two bright squares each, in the layout of the real sets."""
    for name in ('images', 'semantic'):
        (folder / name).mkdir(parents=True)
    random = np.random.default_rng(0)
    width, height = size
    for first, part in enumerate(parts):
        images, annotations = [], []
        for index in (2 * first, 2 * first + 1):
            image, label = (
                random.integers(0, 60, (height, width, 3), dtype=np.uint8),
                np.zeros((height, width), np.uint8),
            )
            for left in (10, 90):
                label[30:60, left : left + 30] = 1
                square = [left, 30, left + 29, 30, left + 29, 59, left, 59]
                points = [float(v) for x, y in random.uniform(10, 100, (num_points, 2)) for v in (x, y, 2)]
                annotations.append(
                    {
                        'id': len(annotations) + 1,
                        'image_id': index,
                        'category_id': 1 + (left == 90) * (len(categories) > 1),
                        'bbox': [0, 0, width, height] if num_points else [left, 30, 30, 30],
                        'area': 900,
                        'iscrowd': 0,
                        'segmentation': [square],
                        **({'keypoints': points, 'num_keypoints': num_points} if num_points else {}),
                    }
                )
            image[label > 0] = 220
            cv2.imwrite(str(folder / 'images' / f'{index}.png'), image)
            cv2.imwrite(str(folder / 'semantic' / f'{index}.png'), label)
            images.append({'id': index, 'file_name': f'{index}.png', 'width': width, 'height': height})
        content = {'images': images, 'annotations': annotations}
        content['categories'] = [{'id': i, 'name': name} for i, name in enumerate(categories, 1)]
        (folder / f'{part}.json').write_text(json.dumps(content))


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp('learn')
    write_set(folder / 'pose_mouse' / 'openfield', ('train', 'val'), (160, 120), ['mouse'], 4)
    write_set(folder / 'faces_frl189', ('train', 'val'), (150, 200), ['face'], 189)
    write_set(folder / 'nuclei_dsb2018', ('train', 'val'), (160, 160), ['nucleus'])
    write_set(folder / 'bccd', ('train', 'test'), (160, 120), ['RBC', 'WBC', 'Platelets'])
    return folder


def read(name, data, tmp_path, monkeypatch, iterations=None):
    monkeypatch.setenv('HRNET_MM_DATA', str(data))
    config = Config.fromfile(ROOT / 'configs' / 'learn' / name)
    folder = Path(config.train_dataloader.dataset.data_root)
    if not folder.is_dir():
        pytest.skip(f'{folder} is not at hand; docs/learn.md says where it is from')
    problems = [config_problems(config, training, on_cpu=True) for training in (True, False)]
    assert problems == [[], []]
    config.work_dir = str(tmp_path)
    config.default_hooks.checkpoint = None
    if iterations is not None:
        config.train_cfg.max_iters = config.param_scheduler.total_steps = iterations
    return config


def train_and_test(config):
    runner = RUNNERS.build(config)
    runner.train()
    return runner.test()


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.parametrize('name', CONFIGS)
def test_config_trains_and_tests(name, drawn, tmp_path, monkeypatch):
    config = read(name, drawn, tmp_path, monkeypatch, 2)
    config.train_dataloader.batch_size = 2
    # Where nothing at all is found, mmdet gives no value.
    assert np.isfinite(train_and_test(config).get(METRICS[name], 0.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'iterations', 'threshold'),
    # An answer that does not look at the images has PCK 0.00 and mIoU 42.8 (docs/learn.md).
    [('td-hm_hrnetv1_openfield.py', 80, 0.5), ('fcn_hrnetv2_dsb2018.py', 30, 60)],
)
def test_config_learns_in_a_minute(name, iterations, threshold, tmp_path, monkeypatch):
    assert train_and_test(read(name, REAL, tmp_path, monkeypatch, iterations))[METRICS[name]] > threshold


@pytest.mark.slow
@pytest.mark.skipif('HRNET_MM_LEARN' not in os.environ, reason='HRNET_MM_LEARN=full trains at full length: 35 min')
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.parametrize(
    ('name', 'threshold'),
    [
        ('td-hm_hrnetv1_openfield.py', 0.95),
        ('td-hm_hrnetv2_frl189.py', 0.06),
        ('fcn_hrnetv2_dsb2018.py', 78),
        ('mask-rcnn_hrnetv2p_dsb2018.py', 0.5),
        ('faster-rcnn_hrnetv2p_bccd.py', 0.86),
    ],
)
def test_config_learns_what_the_documents_say(name, threshold, tmp_path, monkeypatch):
    value = train_and_test(read(name, REAL, tmp_path, monkeypatch))[METRICS[name]]
    assert value < threshold if METRICS[name] == 'NME' else value > threshold
