"""The segmentation configs' data, network and optimizer against the official code's: draws, first weights, rates."""

import random
from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmseg.registry import MODELS, TRANSFORMS
from official_segmentation import RECIPES, config_of, draw_long_side, long_side, rate_after, training_sample
from shrink import shrinking_options, with_options
from torch import nn

import hrnet_mm.drop_in.mmseg  # noqa: F401  # type='HRNet'

DRAWS = 10_000
FAMILIES = [
    'segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024',
    'segmentation/fcn_hr48_4xb10-114k_lip-473x473',
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-480x480',
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-59-520x520',
    'segmentation/fcn_hr48_ohem-4xb4-152k_ade20k-520x520',
    'segmentation/ocrnet_hr48_ohem-4xb4-152k_ade20k-520x520',
    'segmentation/fcn_hr48_ohem-4xb4-62k_coco-stuff10k-520x520',
]
"""One config of each way to make training images."""

FIRST = {'lip': 'square', 'ade20k': 'short side', 'coco-stuff10k': 'short side'}


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def pipeline_of(config):
    """The training pipeline, which the parts of a concatenated data set share."""
    data = config.train_dataloader.dataset
    parts = data.datasets if 'datasets' in data else [data]
    assert all(part.pipeline == parts[0].pipeline for part in parts)
    return parts[0].pipeline


def step_of(config, kind):
    (step,) = [step for step in pipeline_of(config) if step.type == kind]
    return TRANSFORMS.build({**step})


def of_dataset(table, path):
    return next((value for name, value in table.items() if f'_{name}-' in path), None)


@pytest.mark.parametrize('path', RECIPES)
def test_every_training_has_the_steps_of_its_family(path):
    recipe, config = RECIPES[path], config_of(path)
    types = [step.type for step in pipeline_of(config)]
    extra = ['Resize'] if of_dataset(FIRST, path) else []
    assert types[:2] == ['LoadImageFromFile', 'LoadAnnotations']
    assert types[2:] == [*extra, 'RandomChoiceResize', 'Pad', 'RandomCrop', 'RandomFlip', 'PackSegInputs']
    resize, crop = step_of(config, 'RandomChoiceResize'), step_of(config, 'RandomCrop')
    factor = recipe.scale_factor
    sides = [long_side(recipe.base_size, 0.5 + tenths / 10) for tenths in range(factor + 1)]
    assert resize.scales == [(side, side) for side in sides]
    assert tuple(crop.crop_size) == recipe.crop
    assert crop.cat_max_ratio == 1
    assert config.train_dataloader.batch_size * 4 == recipe.batch


@pytest.mark.parametrize('path', FAMILIES)
def test_ten_thousand_scales_are_drawn_as_in_the_official_code(path):
    recipe, resize = RECIPES[path], step_of(config_of(path), 'RandomChoiceResize')
    np.random.seed(0)
    random.seed(0)
    given = [resize._random_select()[0] for _ in range(DRAWS)]
    assert all(width == height for width, height in given)
    given, expected = [side for side, _ in given], [draw_long_side(recipe) for _ in range(DRAWS)]
    assert (min(given), max(given)) == (min(expected), max(expected))
    spread = np.std(expected) * (2 / DRAWS) ** 0.5
    assert abs(np.mean(given) - np.mean(expected)) < 4 * spread
    ours, theirs = Counter(given), Counter(expected)
    assert set(ours) == set(theirs)
    # The histograms: two samples of one distribution, whose chi-squared has as many degrees of freedom as bins less 1.
    statistic = sum((ours[side] - theirs[side]) ** 2 / (ours[side] + theirs[side]) for side in ours)
    freedom = len(ours) - 1
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5


def test_ten_thousand_crops_and_flips_are_drawn_as_in_the_official_code():
    """Corners are uniform over all places, both ends included; half of the images are flipped."""
    config = config_of(FAMILIES[0])
    crop, flip = step_of(config, 'RandomCrop'), step_of(config, 'RandomFlip')
    np.random.seed(0)
    image = np.broadcast_to(np.uint8(0), (512 + 5, 1024 + 9, 3))
    corners = [crop.crop_bbox({'img': image}) for _ in range(DRAWS)]
    for start, places in ((0, 6), (2, 10)):
        counts = Counter(corner[start] for corner in corners)
        assert set(counts) == set(range(places))
        statistic = sum((count - DRAWS / places) ** 2 / (DRAWS / places) for count in counts.values())
        assert statistic < places - 1 + 4 * (2 * (places - 1)) ** 0.5
    flips = sum(flip._choose_direction() == 'horizontal' for _ in range(DRAWS))
    assert abs(flips - DRAWS / 2) < 4 * (DRAWS / 4) ** 0.5
    assert {RECIPES[path] and step_of(config_of(path), 'RandomFlip').prob for path in FAMILIES} == {0.5}


@pytest.mark.parametrize('flip', [False, True])
@pytest.mark.parametrize('tenths', [5, 13, 16])
@pytest.mark.parametrize('path', FAMILIES)
def test_a_drawn_sample_is_that_of_the_official_code_byte_for_byte(path, tenths, flip, tmp_path):
    recipe, config = RECIPES[path], config_of(path)
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (60, 84, 3), np.uint8)
    label = generator.integers(1, 13, (60, 84), np.uint8)
    side, corner = long_side(recipe.base_size, tenths / 10), (0.25, 0.75)
    # Official LIP images are flipped before everything; a flip of the whole and of the part are the same thing but for
    # the rounding of places.
    flip = flip and 'lip' not in path

    def corner_of(results):
        places = [have - want for have, want in zip(results['img'].shape, recipe.crop, strict=False)]
        top, left = (int(at * place) for at, place in zip(corner, places, strict=True))
        return top, top + recipe.crop[0], left, left + recipe.crop[1]

    pipeline = Compose(pipeline_of(config))
    steps = {type(step).__name__: step for step in pipeline.transforms}
    steps['RandomChoiceResize']._random_select = lambda: ((side, side), 0)
    steps['RandomCrop'].crop_bbox = corner_of
    steps['RandomFlip']._choose_direction = lambda: 'horizontal' if flip else None
    for name, array in (('image', image), ('label', label)):
        cv2.imwrite(str(tmp_path / f'{name}.png'), array)
    reduced = any(step.get('reduce_zero_label') for step in pipeline_of(config))
    files = {'img_path': str(tmp_path / 'image.png'), 'seg_map_path': str(tmp_path / 'label.png')}
    data = pipeline({**files, 'reduce_zero_label': reduced, 'seg_fields': []})

    expected = training_sample(image, label - reduced, recipe, side, corner, flip, of_dataset(FIRST, path))
    assert np.array_equal(data['inputs'].numpy().transpose(1, 2, 0), expected[0])
    assert np.array_equal(data['data_samples'].gt_sem_seg.data[0].numpy(), expected[1])


def test_a_flip_of_lip_swaps_left_and_right():
    assert step_of(config_of(FAMILIES[1]), 'RandomFlip').swap_seg_labels == [(14, 15), (16, 17), (18, 19)]


@pytest.mark.parametrize('path', RECIPES)
def test_network_and_optimizer_are_those_of_the_recipe(path):
    recipe, config = RECIPES[path], config_of(path)
    with torch.device('meta'):
        model = MODELS.build(config.model)
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert {norm.momentum for norm in norms} == {recipe.momentum}
    assert {norm.eps for norm in norms} == {1e-5}
    assert len(norms) > 70
    assert all(isinstance(norm, nn.SyncBatchNorm) for norm in norms)
    assert (model.backbone.fuse_upsample, model.backbone.align_corners) == ('bilinear', recipe.align_corners)
    heads = model.decode_head if isinstance(model.decode_head, nn.ModuleList) else [model.decode_head]
    assert [head.align_corners for head in heads] == [recipe.align_corners] * (2 if recipe.ocr else 1)
    assert (config.model.get('pretrained') is None) == recipe.scratch

    optimizer = build_optim_wrapper(model, config.optim_wrapper).optimizer
    assert type(optimizer) is torch.optim.SGD
    names = {parameter: name for name, parameter in model.named_parameters()}
    seen = 0
    for group in optimizer.param_groups:
        assert (group['momentum'], group['nesterov'], group['dampening']) == (0.9, False, 0)
        for parameter in group['params']:
            in_head = names[parameter].startswith('decode_head.')
            assert group['lr'] == pytest.approx(recipe.rate * (recipe.head_rate if in_head else 1), rel=1e-9)
            assert group['weight_decay'] == recipe.decay  # of batch norms and biases too
            seen += 1
    assert seen == len(names)
    assert config.optim_wrapper.get('clip_grad') is None
    assert config.train_cfg.max_iters == recipe.iterations


def rates(config, iterations):
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=config.optim_wrapper.optimizer.lr)
    (settings,) = config.param_scheduler
    scheduler = PARAM_SCHEDULERS.build({**settings, 'optimizer': optimizer})
    parameter.grad = torch.zeros(1)
    for _ in range(iterations):
        yield optimizer.param_groups[0]['lr']
        optimizer.step()
        scheduler.step()  # as mmengine's hook does, after each iteration


@pytest.mark.parametrize('path', RECIPES)
def test_rates_of_twenty_iterations(path):
    """The official code sets the rate after an iteration, counted from 0, so that its first two are equal."""
    recipe, config = RECIPES[path], config_of(path)
    given = list(rates(config, 20))
    assert given == pytest.approx([recipe.rate, *(rate_after(iteration, recipe) for iteration in range(19))], rel=1e-8)
    # A whole training of 20 iterations.
    (settings,) = config.param_scheduler
    settings.end += 20 - recipe.iterations
    expected = [recipe.rate, *(recipe.rate * (1 - iteration / 20) ** 0.9 for iteration in range(19))]
    assert list(rates(config, 20)) == pytest.approx(expected, rel=1e-9)


def drawn(config):
    """A tiny network of a config with first weights, but no ImageNet weights."""
    small = with_options(config, shrinking_options(config))
    small.model.backbone.init_cfg = config.model.backbone.get('init_cfg')
    torch.manual_seed(0)
    model = MODELS.build(small.model)
    model.init_weights()
    return model


def convolutions(module):
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d)}


@pytest.mark.parametrize('path', [path for path, recipe in RECIPES.items() if not recipe.ocr])
def test_convolutions_start_from_the_official_normal_distribution(path):
    """All of a network from random weights; of the others the head, which no ImageNet weights fill."""
    recipe, model = RECIPES[path], drawn(config_of(path))
    parts = [model] if recipe.scratch else [model.decode_head]
    layers = {name: layer for part in parts for name, layer in convolutions(part).items()}
    assert len(layers) == (len(convolutions(model)) if recipe.scratch else 2)
    weights = torch.cat([layer.weight.detach().flatten() for layer in layers.values()])
    size = len(weights)
    assert abs(weights.mean()) < 4 * 0.001 / size**0.5
    assert weights.std() == pytest.approx(0.001, rel=4 / (2 * size) ** 0.5)
    within = (weights.abs() < 0.001).float().mean().item()
    assert within == pytest.approx(0.6827, abs=4 * (0.6827 * 0.3173 / size) ** 0.5)
    for name, layer in layers.items():
        count = layer.weight.numel()
        assert layer.weight.std().item() == pytest.approx(0.001, rel=5 / (2 * count) ** 0.5), name
    for norm in model.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            assert (norm.weight == 1).all()
            assert (norm.bias == 0).all()


def test_the_last_convolutions_of_ocr_heads_start_from_pytorchs_default():
    """As in the official code: uniform within the root of the inverse of the inputs, biases too."""
    model = drawn(config_of('segmentation/ocrnet_hr48_4xb3-120k_cityscapes-512x1024'))
    for head in model.decode_head:
        last = head.conv_seg
        bound = last.in_channels**-0.5
        assert last.weight.abs().max() <= bound
        assert last.bias.abs().max() <= bound
        tolerance = 4 / last.weight.numel() ** 0.5
        assert last.weight.std().item() == pytest.approx(bound / 3**0.5, rel=tolerance)
