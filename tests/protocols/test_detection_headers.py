"""Headers of the detection configs: the batch of the learning rate, converted weights, and what remains different."""

import re

import pytest
from detection_configs import FOLDER, read

NAMES = [path.stem for path in sorted(FOLDER.glob('*.py'))]


@pytest.mark.parametrize('name', NAMES)
def test_header(name):
    lines = re.findall(r'^# (.*)$', (FOLDER / f'{name}.py').read_text(), re.MULTILINE)
    text, config = ' '.join(lines), read(name)
    (images, gpus, each) = map(int, re.search(r'rate is for (\d+) images: (\d+) GPUs of (\d+);', text).groups())
    assert images == gpus * each == config.auto_scale_lr.base_batch_size
    assert each == config.train_dataloader.batch_size
    assert '--auto-scale-lr' in text
    if 'centernet' in name:
        assert 'no official weights to convert' in text
    else:
        assert re.search(r'[Ww]eights converted from', text)
        assert re.search(r'[Dd]ifferences?( that remains?|s from|.* remain)', text)
    for other in re.findall(r'[\w-]+_hrnetv2p-[\w-]+\.py', text):
        assert (FOLDER / other).is_file(), other
    if not any(part in name for part in ('frozenbn', 'gn-head', 'bgr255', 'centernet')):
        assert config.optim_wrapper.optimizer.lr == 0.02


@pytest.mark.parametrize('kind', ['faster', 'mask'])
@pytest.mark.parametrize('schedule', ['1x', '2x'])
def test_both_variants_are_there(kind, schedule):
    """Wherever mmdet trained a width, it has a config of mmdet's beside that of the authors."""
    for width in (18, 32, 40):
        for end in (f'{schedule}_coco', f'{schedule}-mmdet_coco'):
            assert f'{kind}-rcnn_hrnetv2p-w{width}_{end}' in NAMES
