"""The configs of short trainings learn where their real sets are at hand; tests/end_to_end runs them on made data."""

import os
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

from hrnet_mm.config.check import config_problems

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get('HRNET_MM_DATA') or ROOT.parent / 'shared' / 'data')
METRICS = {
    'td-hm_hrnetv1_openfield.py': 'PCK',
    'td-hm_hrnetv2_frl189.py': 'NME',
    'fcn_hrnetv2_dsb2018.py': 'mIoU',
    'mask-rcnn_hrnetv2p_dsb2018.py': 'coco/segm_mAP_50',
    'faster-rcnn_hrnetv2p_bccd.py': 'coco/bbox_mAP_50',
}


def read(name, tmp_path, monkeypatch, iterations=None):
    monkeypatch.setenv('HRNET_MM_DATA', str(REAL))
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'iterations', 'threshold'),
    # An answer that does not look at the images has PCK 0.00 and mIoU 42.8 (docs/learn.md).
    [('td-hm_hrnetv1_openfield.py', 80, 0.5), ('fcn_hrnetv2_dsb2018.py', 30, 60)],
)
def test_config_learns_in_a_minute(name, iterations, threshold, tmp_path, monkeypatch):
    assert train_and_test(read(name, tmp_path, monkeypatch, iterations))[METRICS[name]] > threshold


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
    value = train_and_test(read(name, tmp_path, monkeypatch))[METRICS[name]]
    assert value < threshold if METRICS[name] == 'NME' else value > threshold
