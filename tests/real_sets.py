"""Tests on the sets of docs/learn.md, which are not in the repository; about 40 minutes on one core.

pytest collects this file by its name alone:

    HRNET_MM_DATA=~/data pytest tests/real_sets.py
"""

import os
from pathlib import Path

import numpy as np
import pytest
from deeplabcut_files import write_deeplabcut
from mmengine.config import Config
from mmengine.registry import RUNNERS

from hrnet_mm.config.check import config_problems
from hrnet_mm.datasets import read_folder

DATA = Path(os.environ.get('HRNET_MM_DATA', 'data/learn')).absolute()
CONFIGS = Path(__file__).parents[1] / 'configs' / 'learn'


def trained(name, work_dir, monkeypatch, iterations=None):
    """The metrics of a config's test part after its training, or after so many iterations of it."""
    monkeypatch.setenv('HRNET_MM_DATA', str(DATA))
    config = Config.fromfile(CONFIGS / name)
    assert [config_problems(config, training, on_cpu=True) for training in (True, False)] == [[], []]
    config.work_dir = str(work_dir)
    config.default_hooks.checkpoint = None
    if iterations is not None:
        config.train_cfg.max_iters = config.param_scheduler.total_steps = iterations
    runner = RUNNERS.build(config)
    runner.train()
    return runner.test()


@pytest.mark.parametrize(
    ('name', 'iterations', 'metric', 'threshold'),
    # An answer that does not look at the images has PCK 0.00 and mIoU 42.8 (docs/learn.md).
    [('td-hm_hrnetv1_openfield.py', 80, 'PCK', 0.5), ('fcn_hrnetv2_dsb2018.py', 30, 'mIoU', 60)],
)
def test_config_learns_in_a_minute(name, iterations, metric, threshold, tmp_path, monkeypatch):
    assert trained(name, tmp_path, monkeypatch, iterations)[metric] > threshold


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.parametrize(
    ('name', 'metric', 'threshold'),
    [
        ('td-hm_hrnetv1_openfield.py', 'PCK', 0.95),
        ('td-hm_hrnetv2_frl189.py', 'NME', 0.06),
        ('fcn_hrnetv2_dsb2018.py', 'mIoU', 78),
        ('mask-rcnn_hrnetv2p_dsb2018.py', 'coco/segm_mAP_50', 0.5),
        ('faster-rcnn_hrnetv2p_bccd.py', 'coco/bbox_mAP_50', 0.86),
    ],
)
def test_config_learns_what_the_documents_say(name, metric, threshold, tmp_path, monkeypatch):
    value = trained(name, tmp_path, monkeypatch)[metric]
    assert value < threshold if metric == 'NME' else value > threshold


def test_labels_are_the_same_in_both_forms(tmp_path):
    """DeepLabCut's own example, converted to COCO by others and back to a table here."""
    openfield = DATA / 'pose_mouse' / 'openfield'
    coco = read_folder(openfield, 'keypoints')
    rows, images = [], {image['id']: openfield / image['file_name'] for image in coco.train['images']}
    video = tmp_path / 'labeled-data' / 'm4s1'
    video.mkdir(parents=True)
    for one in coco.train['annotations']:
        image, points = images[one['image_id']], np.array(one['keypoints'], float).reshape(-1, 3)
        points[points[:, 2] == 0] = np.nan
        (video / image.name).symlink_to(image)
        rows.append((['labeled-data', 'm4s1', image.name], points[:, :2]))
    write_deeplabcut(video / 'CollectedData_Pranav.csv', coco.points.names, rows)
    table = read_folder(tmp_path, 'keypoints')
    assert table.points.names == ('snout', 'leftear', 'rightear', 'tailbase')
    files = {
        image['id']: Path(image['file_name']).name for part in (table.train, table.val) for image in part['images']
    }
    found = {files[one['image_id']]: one for part in (table.train, table.val) for one in part['annotations']}
    assert len(found) == len(rows) == 93
    for one in coco.train['annotations']:
        other = found[images[one['image_id']].name]
        assert other['bbox'] == one['bbox']
        np.testing.assert_allclose(other['keypoints'], one['keypoints'])
