"""Runs on test-dev, and tests at several scales, as the headers of pose configs describe them, on three made images."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made_data import make_data
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from pycocotools.coco import COCO
from quick import quick_runs
from shrink import loader_options, shrinking_options, with_options

from hrnet_mm.cli import main

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SIZES = {11: (96, 72), 25: (70, 101), 42: (81, 80)}  # image ids, and width and height
BOXES = [[8, 10, 36, 48], [30, 12, 38, 50]]
HEADERS = {
    path.stem: path.read_text().partition('# Command')[0] for path in sorted((ROOT / 'configs/pose').glob('*.py'))
}
TEST_DEV = [name for name, header in HEADERS.items() if 'image_info_test-dev2017' in header]
SCALES = [name for name, header in HEADERS.items() if '--tta`' in header]


@pytest.fixture(scope='module', autouse=True)
def _quick_runs():
    with quick_runs():
        yield


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with configs/ and the files of test-dev, which have no annotations."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    coco = tmp_path / 'data/coco'
    for folder in ('annotations', 'test2017', 'person_detection_results'):
        (coco / folder).mkdir(parents=True)
    images, boxes = [], []
    for number, (width, height) in SIZES.items():
        name = f'{number:012d}.jpg'
        picture = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
        cv2.imwrite(str(coco / 'test2017' / name), picture)
        images.append({'id': number, 'file_name': name, 'width': width, 'height': height})
        boxes += [{'image_id': number, 'category_id': 1, 'bbox': box, 'score': 0.9} for box in BOXES]
    info = {'images': images, 'categories': [{'id': 1, 'name': 'person'}], 'info': {}, 'licenses': []}
    (coco / 'annotations/image_info_test-dev2017.json').write_text(json.dumps(info))
    (coco / 'person_detection_results/COCO_test-dev2017_detections_AP_H_609_person.json').write_text(json.dumps(boxes))
    return tmp_path


def options_of(name):
    """The options of the run on test-dev in a header."""
    (command,) = re.findall(
        r'# test-dev: `(hrnet-mm test CONFIG --weights FILE --cfg-options\s.*?)`', HEADERS[name], re.DOTALL
    )
    return re.sub(r'\s*\n#\s*', ' ', command).split()[6:]


def weights_of(config, options):
    """A checkpoint of the shrunk network; a bias in the last layers lets it find people."""
    small = with_options(config, options)
    with DefaultScope.overwrite_default_scope('mmpose'):
        model = MODELS.build(small.model)
    torch.manual_seed(0)
    model.init_weights()
    for key, value in model.head.named_parameters():
        if key in ('final_layer.bias', 'final_layers.0.bias', 'final_layers.1.bias', 'heatmap_conv_layers.2.bias'):
            torch.nn.init.uniform_(value, 0.3, 0.6)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, 'weights.pth')
    return 'weights.pth'


def run(name, *arguments, options=()):
    path = f'configs/pose/{name}.py'
    config = Config.fromfile(path)
    small = [*shrinking_options(config), *loader_options(config)]
    command = ['test', path, '--weights', weights_of(config, small), '--work-dir', 'work_dirs/run', *arguments]
    assert main([*command, '--cfg-options', *small, *options]) == 0


def check_submission(config, file, truth):
    results = json.loads(Path(file).read_text())
    assert {result['image_id'] for result in results} == set(truth.getImgIds())
    loaded = truth.loadRes(file)
    assert len(loaded.anns) == len(results)
    joints = 14 if 'crowdpose' in config else 17
    for result in results:
        assert set(result) >= {'image_id', 'category_id', 'keypoints', 'score'}
        assert result['category_id'] == 1
        assert np.isfinite(result['score'])
        assert np.isfinite(np.reshape(result['keypoints'], (joints, 3))).all()


@pytest.mark.parametrize('name', TEST_DEV)
def test_a_run_on_test_dev_writes_a_submission(name, place):
    run(name, options=options_of(name))
    truth = COCO('data/coco/annotations/image_info_test-dev2017.json')
    check_submission(name, 'work_dirs/test-dev.keypoints.json', truth)


@pytest.mark.parametrize('name', SCALES)
def test_scales_are_tested_together(name, place):
    if name in TEST_DEV:
        run(name, '--tta', options=options_of(name))
        truth = COCO('data/coco/annotations/image_info_test-dev2017.json')
        check_submission(name, 'work_dirs/test-dev.keypoints.json', truth)
    else:
        config = Config.fromfile(f'configs/pose/{name}.py')
        make_data(config, place)
        run(name, '--tta', options=['test_evaluator.outfile_prefix=work_dirs/test'])
        check_submission(name, 'work_dirs/test.keypoints.json', COCO(config.test_evaluator.ann_file))


def test_poses_are_matched_to_heatmaps(place):
    name = 'dekr_hrnet-w32_official-4xb10-140e_coco-512x512'
    (option,) = re.findall(r'`--cfg-options (model.test_cfg.match_heatmaps=True)`', HEADERS[name])
    run(name, options=[*options_of(name), option])
    truth = COCO('data/coco/annotations/image_info_test-dev2017.json')
    check_submission(name, 'work_dirs/test-dev.keypoints.json', truth)


def test_the_configs_of_the_published_rows_are_here():
    assert len(TEST_DEV) == 8
    assert len(SCALES) == 8
