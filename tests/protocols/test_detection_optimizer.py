"""Parameter groups and learning rates of the detectors, against the official ones."""

import official_detection as official
import pytest
import torch
from detection_configs import FOLDER, build, read
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from torch import nn

NAMES = [path.stem for path in sorted(FOLDER.glob('*.py'))]
EPOCH = 7330  # iterations of 16 of the 117,266 images with an object


def groups(name):
    """Learning rate and weight decay of every trained parameter, and whether it is a bias of a convolution or layer."""
    config = read(name)
    config.model.backbone.update(arch='w18', pretrained=None)
    config.model.neck.update(arch='w18')
    with torch.device('meta'):
        model = build(config.model)
    with DefaultScope.overwrite_default_scope('mmdet'):
        optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
    norms = {id(p) for module in model.modules() if isinstance(module, nn.BatchNorm2d) for p in module.parameters()}
    rates = {id(p): (group['lr'], group['weight_decay']) for group in optimizer.param_groups for p in group['params']}
    for parameter_name, parameter in model.named_parameters():
        if parameter.requires_grad:
            yield parameter_name, id(parameter) in norms, rates[id(parameter)]


@pytest.mark.parametrize('name', [name for name in NAMES if 'frozenbn' in name])
def test_biases_of_maskrcnn_benchmark(name):
    """Every trained parameter whose name contains `bias` has twice the rate and no decay; no batch norm is trained."""
    found = list(groups(name))
    assert {rate for key, _, rate in found if 'bias' in key} == {(0.04, 0)}
    assert {rate for key, _, rate in found if 'bias' not in key} == {(0.02, 1e-4)}
    assert sum('bias' in key for key, _, _ in found) == 13  # HRFPN's six, RPN's three, and four of the box head
    assert not any(is_norm for _, is_norm, _ in found)


@pytest.mark.parametrize(
    'name',
    [
        f'{kind}_hrnetv2p-w18_{end}_coco'
        for kind, end in [('faster-rcnn', '1x'), ('mask-rcnn', '2x'), ('cascade-rcnn', '20e'), ('htc', '20e')]
    ],
)
def test_hrnet_object_detection_has_one_group(name):
    found = list(groups(name))
    assert {rate for _, _, rate in found} == {(0.02, 1e-4)}
    assert sum(is_norm for _, is_norm, _ in found) == 610  # batch norm is trained


@pytest.mark.parametrize('name', ['fcos_hrnetv2p-w18_bgr255-2x_coco', 'fcos_hrnetv2p-w40_bgr255-6l-ms-3x_coco'])
def test_biases_of_fcos(name):
    """The rule of maskrcnn-benchmark, here with trained batch norm and group norm, whose biases are biases."""
    found = list(groups(name))
    assert {rate for key, _, rate in found if 'bias' in key} == {(0.02, 0)}
    assert {rate for key, _, rate in found if 'bias' not in key} == {(0.01, 1e-4)}
    assert sum('bias' in key for key, is_norm, _ in found if is_norm) == 305


def test_biases_of_fcos_in_mmdet():
    """HRNet-Object-Detection leaves the learning rate of the biases of norms as it is."""
    found = list(groups('fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco'))
    of_norms = [rate for key, is_norm, (rate, _) in found if is_norm or '.gn.' in key]
    assert set(of_norms) == {0.01}
    assert {rate for key, is_norm, rate in found if 'bias' in key and not is_norm and '.gn.' not in key} == {(0.02, 0)}
    assert {rate for key, _, rate in found if 'bias' not in key} == {(0.01, 1e-4)}


SCHEDULES = {
    # base rate, iterations in which a tenth begins, factor of the warm-up, whether it is linear, iterations in all
    'faster-rcnn_hrnetv2p-w18_1x_coco': (0.02, [8 * EPOCH, 11 * EPOCH], 1 / 3, True, 12 * EPOCH),
    'mask-rcnn_hrnetv2p-w32_2x_coco': (0.02, [20 * EPOCH, 23 * EPOCH], 1 / 3, True, 24 * EPOCH),
    'cascade-rcnn_hrnetv2p-w32_20e_coco': (0.02, [16 * EPOCH, 19 * EPOCH], 1 / 3, True, 20 * EPOCH),
    'htc_hrnetv2p-w32_20e_coco': (0.02, [16 * EPOCH, 19 * EPOCH], 1 / 3, True, 20 * EPOCH),
    'htc_hrnetv2p-w48_28e_coco': (0.02, [24 * EPOCH, 27 * EPOCH], 1 / 3, True, 28 * EPOCH),
    'faster-rcnn_hrnetv2p-w18_frozenbn-1x_coco': (0.02, [60_000, 80_000], 1 / 3, True, 90_000),
    'faster-rcnn_hrnetv2p-w18_frozenbn-2x_coco': (0.02, [150_000, 170_000], 1 / 3, True, 180_000),
    'fcos_hrnetv2p-w18_bgr255-2x_coco': (0.01, [120_000, 160_000], 1 / 3, False, 180_000),
    'fcos_hrnetv2p-w40_bgr255-6l-ms-3x_coco': (0.01, [180_000, 240_000], 1 / 3, False, 270_000),
    'fcos_hrnetv2p-w18-gn-head_4xb4-1x_coco': (0.01, [8 * EPOCH, 11 * EPOCH], 1 / 3, False, 12 * EPOCH),
    'fcos_hrnetv2p-w32-gn-head_4xb4-2x_coco': (0.01, [16 * EPOCH, 22 * EPOCH], 1 / 3, False, 24 * EPOCH),
}


@pytest.mark.slow
@pytest.mark.parametrize('name', SCHEDULES)
def test_learning_rates(name):
    """At 20 iterations: in the warm-up, around its end and each step, and at the end."""
    base, steps, factor, linear, last = SCHEDULES[name]
    config = read(name)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=config.optim_wrapper.optimizer.lr)
    assert config.train_cfg.get('max_iters', config.train_cfg.get('max_epochs', 0) * EPOCH) == last
    with DefaultScope.overwrite_default_scope('mmdet'):
        schedulers = [PARAM_SCHEDULERS.build({**part, 'optimizer': optimizer}) for part in config.param_scheduler]
    looks = {0, 1, 2, 10, 100, 250, 400, 498, 499, 500, 501, 502, 5000, last - 1}
    looks |= {step + shift for step in steps for shift in (-1, 0, 1)}
    assert len(looks) == 20
    for iteration in range(last):
        if iteration in looks:
            expected = official.learning_rate(base, iteration, steps, factor, linear)
            assert optimizer.param_groups[0]['lr'] == pytest.approx(expected, rel=1e-6), iteration
        for scheduler in schedulers:
            if not scheduler.by_epoch or (iteration + 1) % EPOCH == 0:
                scheduler.step()


def test_gradients_are_clipped_where_the_authors_do():
    clipped = {'max_norm': 35, 'norm_type': 2}
    for name in NAMES:
        if 'centernet' in name or '-mmdet' in name:
            continue
        of_authors = 'frozenbn' not in name and 'bgr255' not in name  # those are of maskrcnn-benchmark
        assert read(name).optim_wrapper.clip_grad == (clipped if of_authors else None), name
