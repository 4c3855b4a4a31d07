"""Whatever format carries the labels, the same training follows: metric and weights are equal to the last bit."""

import json
from pathlib import Path

import cv2
import label_formats
import numpy as np
import pytest
import torch
from label_formats import KINDS, WRITERS, label_files
from mmengine.config import Config
from own_folders import write_regions, write_semantic

from hrnet_mm.cli import main
from hrnet_mm.datasets import read_folder
from hrnet_mm.tasks import TASKS, config_path, fitting_tasks
from hrnet_mm.tasks.regions import crop_side
from hrnet_mm.training import runs
from hrnet_mm.training.adapt import adapt
from hrnet_mm.training.worker import train_and_test


def adapted(path, task, work_dir):
    """What the library reads: the config's files, without their places."""
    work_dir.mkdir(parents=True)
    config = Config.fromfile(config_path(task))
    adapt(config, task, read_folder(path, TASKS[task].annotations), work_dir, None, None)
    return config


@pytest.fixture
def _in_this_process(monkeypatch):
    def run(job, console):
        job.work_dir.mkdir(parents=True)
        return train_and_test(job, lambda progress: None)

    monkeypatch.setattr(runs, '_run', run)


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.usefixtures('_in_this_process')
@pytest.mark.parametrize(('task', 'kind', 'form'), [('pose', 'keypoints', 'cvat'), ('instances', 'regions', 'yolo')])
def test_the_same_training_follows(tmp_path, task, kind, form):
    found = []
    for one in ('coco', form):
        folder, out = tmp_path / one / 'mine', tmp_path / one / 'out'
        folder.mkdir(parents=True)
        WRITERS[one](folder, kind)
        argv = ['train', task, '--data', str(folder), '--arch', 'test-w8', '--epochs', '2']
        assert main([*argv, '--work-dir', str(out)]) == 0
        rows = json.loads((out / 'results.json').read_text())['rows']
        weights = torch.load(next((out / task).glob('*.pth')), weights_only=True)
        found.append(([(row['metric'], row['value'], row['baseline']) for row in rows], weights))
    (rows, weights), (other_rows, other_weights) = found
    assert rows == other_rows
    tensors, others = (one.get('state_dict', one) for one in (weights, other_weights))
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())


@pytest.mark.parametrize('form', KINDS['regions'])
def test_drawn_labels_are_the_same(tmp_path, form):
    drawn = []
    for one in ('coco', form):
        (tmp_path / one).mkdir()
        WRITERS[one](tmp_path / one, 'regions')
        config = adapted(tmp_path / one, 'segmentation', tmp_path / 'out' / one)
        images = json.loads(Path(config.train_dataloader.dataset.ann_file).read_text())['images']
        drawn.append([cv2.imread(image['seg_file_name'], cv2.IMREAD_UNCHANGED) for image in images])
    for mine, other in zip(*drawn, strict=True):
        np.testing.assert_array_equal(mine, other)
        assert set(np.unique(mine)) == {0, 1, 2}


# Label images need no boxes


@pytest.mark.parametrize('form', ['values', 'colors', 'camvid'])
def test_label_images_are_for_segmentation(tmp_path, form):
    label_files(tmp_path / 'mine', form)
    assert fitting_tasks(tmp_path / 'mine') == ['segmentation']
    config = adapted(tmp_path / 'mine', 'segmentation', tmp_path / 'out')
    assert config.model.decode_head.num_classes == 3
    for loader, names in ((config.train_dataloader, label_formats.TRAIN), (config.test_dataloader, label_formats.VAL)):
        images = json.loads(Path(loader.dataset.ann_file).read_text())['images']
        for image, name in zip(images, names, strict=True):
            expected = label_formats.label_image(name)
            expected[:2] = 255
            labels = cv2.imread(image['seg_file_name'], cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(labels, expected)


@pytest.mark.slow
@pytest.mark.usefixtures('_in_this_process')
def test_label_images_are_trained(tmp_path):
    label_files(tmp_path / 'mine', 'class_dict')
    argv = ['demo', '--data', str(tmp_path / 'mine'), '--iterations', '3', '--work-dir', str(tmp_path / 'out')]
    assert main(argv) == 0
    rows = json.loads((tmp_path / 'out' / 'results.json').read_text())['rows']
    assert [(row['task'], row['metric'], row['baseline_is']) for row in rows] == [
        ('segmentation', 'mIoU', 'all background')
    ]


@pytest.mark.parametrize('change', ['no boxes', 'no annotations', 'whole boxes', 'no file'])
def test_label_images_beside_coco_need_no_box(tmp_path, change):
    folder = write_semantic(write_regions(tmp_path / 'mine', with_masks=False))
    for part in ('train', 'val'):
        file = folder / f'{part}.json'
        coco = json.loads(file.read_text())
        for one in coco['annotations']:
            one.pop('segmentation')
            if change == 'no boxes':
                one.pop('bbox')
            elif change == 'whole boxes':
                one['bbox'] = [0, 0, 80, 64]
        if change == 'no annotations':
            coco.pop('annotations')
        file.write_text(json.dumps(coco))
        if change == 'no file':
            file.unlink()
    if change == 'no file':
        (folder / 'classes.txt').write_text('background\nsquare\ndisc\n')
    read = read_folder(folder, 'regions')
    assert read.classes == ('square', 'disc')
    assert read.median_side is None
    assert crop_side(read) == 64  # the shorter side: nothing says how large the objects are


@pytest.mark.parametrize(('size', 'side'), [((480, 360), 256), ((2048, 1024), 512), ((80, 64), 64)])
def test_images_without_boxes_keep_their_scale(tmp_path, size, side):
    for place in ('images', 'masks'):
        (tmp_path / place).mkdir()
        for i in range(5):
            values = np.full((size[1], size[0]), 1, np.uint8)
            cv2.imwrite(str(tmp_path / place / f'{i}.png'), values)
    assert crop_side(read_folder(tmp_path, 'regions')) == side
