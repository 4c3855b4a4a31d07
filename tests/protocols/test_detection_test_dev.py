"""Submissions to COCO's test-dev server, by the command in the header of each config that has such a result."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from detection_configs import FOLDER, build, read
from made_data import _image
from pycocotools.coco import COCO
from shrink import loader_options, shrinking_options, with_options

from hrnet_mm.cli import main
from hrnet_mm.config.zoo import published_results

NAMES = sorted(
    {
        Path(row['config']).stem
        for row in published_results()
        if row['split'] == 'test-dev2017' and row['config'].startswith('configs/detection/')
    }
)


def command(name):
    """The words of the command in a header, and the file to submit."""
    lines = re.findall(r'^# (.*)$', (FOLDER / f'{name}.py').read_text(), re.MULTILINE)
    text, _, rest = ' '.join(lines).partition('Test-dev: ')[2].partition('; send ')
    return shlex.split(text), rest.partition(' ')[0]


def test_there_are_14_configs():
    assert len(NAMES) == 14


@pytest.mark.parametrize('name', NAMES)
def test_header_names_all_settings(name):
    (program, verb, path, flag, file, options_flag, *options), submitted = command(name)
    assert (program, verb, path, flag, file) == (
        'hrnet-mm',
        'test',
        f'configs/detection/{name}.py',
        '--weights',
        'FILE',
    )
    assert (options_flag, submitted) == ('--cfg-options', 'work_dirs/test-dev.bbox.json')
    config = with_options(read(name), options)
    dataset, evaluator = config.test_dataloader.dataset, config.test_evaluator
    annotations = 'annotations/image_info_test-dev2017.json'
    assert (dataset.data_root, dataset.ann_file, dataset.data_prefix.img) == ('data/coco/', annotations, 'test2017/')
    assert (evaluator.ann_file, evaluator.format_only) == (f'data/coco/{annotations}', True)
    assert evaluator.outfile_prefix == 'work_dirs/test-dev'
    assert config.val_evaluator.format_only is False


FAMILIES = [
    'faster-rcnn_hrnetv2p-w32_1x_coco',
    'cascade-mask-rcnn_hrnetv2p-w32_20e_coco',
    'htc_hrnetv2p-w48_28e_coco',
    'fcos_hrnetv2p-w18_bgr255-2x_coco',
    'centernet-triplet_hrnetv2p-w48_8xb6-480k_coco',
]


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # mmdet's masks, on numpy 2
@pytest.mark.parametrize('name', FAMILIES)
def test_three_images(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'configs').symlink_to(FOLDER.parent)
    config = read(name)
    images = [{'id': i, 'file_name': f'{i:012d}.jpg', 'width': 96, 'height': 72} for i in (3, 14, 159)]
    classes = [{'id': i, 'name': one} for i, one in enumerate(coco_classes(), 1)]
    file = Path('data/coco/annotations/image_info_test-dev2017.json')
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({'images': images, 'categories': classes, 'info': {}, 'licenses': []}))
    for i, image in enumerate(images):
        _image(Path('data/coco/test2017', image['file_name']), i)
    options = [*shrinking_options(config), *loader_options(config)]
    torch.manual_seed(0)
    model = build(with_options(config, options).model)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, 'FILE')
    (_, *words), submitted = command(name)
    assert main([*words, *options]) == 0
    found = json.loads(Path(submitted).read_text())
    if not found:
        assert name.startswith('centernet')  # untrained, it finds no keypoint in the middle of a box
        return
    coco = COCO(str(file))
    assert {one['image_id'] for one in found} == {3, 14, 159}
    results = coco.loadRes(submitted)
    assert len(results.anns) == len(found)
    boxes = np.array([one['bbox'] for one in found])
    assert (boxes[:, 2:] > 0).all()
    # The last pixel of the network's input ends less than a pixel behind the file, as in the official code.
    assert (boxes[:, :2] + boxes[:, 2:] < np.array([97, 73])).all()


def coco_classes():
    from mmdet.datasets import CocoDataset

    return CocoDataset.METAINFO['classes']
