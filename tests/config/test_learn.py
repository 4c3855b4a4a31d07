"""The configs of short trainings learn drawn sets of the same form in a few iterations.

tests/real_sets.py trains them on their real sets; tests/end_to_end runs each by its commands.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

from hrnet_mm.config.check import config_problems

CONFIGS = Path(__file__).parents[2] / 'configs' / 'learn'


def write_set(folder, parts, draw, category):
    """Write images and COCO files; `draw(random)` gives an image and its annotations."""
    (folder / 'images').mkdir(parents=True)
    random = np.random.default_rng(0)
    for part, count in parts.items():
        images, annotations = [], []
        for index in range(count):
            name = f'{part}_{index}.png'
            image, of_image = draw(random, name)
            cv2.imwrite(str(folder / 'images' / name), image)
            size = {'width': image.shape[1], 'height': image.shape[0]}
            images.append({'id': index, 'file_name': name, **size})
            same = {'image_id': index, 'category_id': 1, 'iscrowd': 0}
            annotations += [{**same, 'id': len(annotations) + i, **one} for i, one in enumerate(of_image)]
        content = {'images': images, 'annotations': annotations, 'categories': [{'id': 1, **category}]}
        (folder / f'{part}.json').write_text(json.dumps(content))


def write_mice(root):
    """Four points, each a disc of another brightness, on a bright ground; the box is the frame."""

    def draw(random, name):
        image = random.integers(160, 200, (480, 640, 3), dtype=np.uint8)
        points = random.uniform((80, 80), (560, 400), (4, 2)).round(1)
        for (x, y), gray in zip(points, (0, 50, 100, 255), strict=True):
            cv2.circle(image, (round(x), round(y)), 28, (gray,) * 3, -1)
        keypoints = np.column_stack([points, np.full(4, 2)]).ravel().tolist()
        box = {'bbox': [0, 0, 640, 480], 'area': 640 * 480}
        return image, [{**box, 'keypoints': keypoints, 'num_keypoints': 4}]

    names = ['snout', 'leftear', 'rightear', 'tailbase']
    write_set(root / 'pose_mouse' / 'openfield', {'train': 48, 'val': 12}, draw, {'name': 'mouse', 'keypoints': names})


def write_nuclei(root):
    """Bright discs on a dark ground, with label images of 0 and 1."""
    folder = root / 'nuclei_dsb2018'
    (folder / 'semantic').mkdir(parents=True)

    def draw(random, name):
        image, label = random.integers(0, 60, (256, 256, 3), dtype=np.uint8), np.zeros((256, 256), np.uint8)
        for x, y, radius in zip(*random.integers(20, 236, (2, 20)), random.integers(6, 16, 20), strict=True):
            cv2.circle(image, (int(x), int(y)), int(radius), (150,) * 3, -1)
            cv2.circle(label, (int(x), int(y)), int(radius), 1, -1)
        cv2.imwrite(str(folder / 'semantic' / name), label)
        return image, []

    write_set(folder, {'train': 24, 'val': 6}, draw, {'name': 'nucleus'})


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'write', 'iterations', 'metric', 'threshold'),
    # An answer that does not look at the images has PCK 0.0 and a mIoU below 45.
    [
        ('td-hm_hrnetv1_openfield.py', write_mice, 24, 'PCK', 0.5),
        ('fcn_hrnetv2_dsb2018.py', write_nuclei, 8, 'mIoU', 60),
    ],
)
def test_config_learns_in_seconds(name, write, iterations, metric, threshold, tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setenv('HRNET_MM_DATA', str(tmp_path))
    config = Config.fromfile(CONFIGS / name)
    assert [config_problems(config, training, on_cpu=True) for training in (True, False)] == [[], []]
    config.work_dir = str(tmp_path / 'work')
    config.default_hooks.checkpoint = None
    config.train_cfg.max_iters = config.param_scheduler.total_steps = iterations
    runner = RUNNERS.build(config)
    runner.train()
    assert runner.test()[metric] > threshold
