"""The segmentation configs' test with --tta against the official code's: sizes, windows, padding, flip and sums."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from official_segmentation import MEAN, RECIPES, config_of, heads_of, multi_scale_scores, normalized, padded, resized
from torch import nn
from torch.nn import functional as F

import hrnet_mm.drop_in.mmseg  # noqa: F401  # type='OfficialTTA'

ONE_SCALE = {'scales': (1.0,), 'flip': False}
SWAPPED = [(14, 15), (16, 17), (18, 19)]


class Network(nn.Module):
    """A segmentor whose logits depend on a pixel's surroundings, on its place in a window, and on the whole window."""

    def __init__(self, classes, preprocessor, align_corners):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, classes, 7, 4, 3)
        self.data_preprocessor = preprocessor
        self.align_corners = align_corners

    def network(self, image):
        return 2 * self.conv(image) + self.conv(image).mean((2, 3), keepdim=True)

    def encode_decode(self, image, metas):
        return F.interpolate(self.network(image), image.shape[2:], mode='bilinear', align_corners=self.align_corners)

    def test_step(self, data):
        raise AssertionError('OfficialTTA calls encode_decode')


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def in_this_package(config, image, label, folder, classes, **options):
    """The scores of --tta on an image, and the segmentor."""
    for name, array in (('image', image), ('label', label)):
        cv2.imwrite(str(folder / f'{name}.png'), array)
    reduced = any(step.get('reduce_zero_label') for step in config.tta_pipeline)
    files = {'img_path': str(folder / 'image.png'), 'seg_map_path': str(folder / 'label.png')}
    data = Compose(config.tta_pipeline)({**files, 'reduce_zero_label': reduced, 'seg_fields': []})
    preprocessor = MODELS.build({**config.model.data_preprocessor})
    module = Network(classes, preprocessor, heads_of(config)[-1].align_corners)
    model = MODELS.build({**config.tta_model, **options, 'module': module})
    with torch.no_grad():
        (sample,) = model.test_step({'inputs': [data['inputs']], 'data_samples': [data['data_samples']]})
    assert torch.equal(sample.pred_sem_seg.data, sample.seg_logits.data.argmax(0, keepdim=True))
    return sample.seg_logits.data, module.network


def official_scores(kind, image, network, recipe, scales, flip):
    """The official scores at the size of the label, by data set."""
    size, padding = image.shape[:2], (0, 0)
    if kind in ('ade20k', 'coco-stuff'):
        image = resized(image, recipe.base_size, by=min)
        whole = [-(-side // 8) * 8 for side in image.shape[:2]]
        if kind == 'coco-stuff':  # where the padding is cut off again
            padding = [more - side for more, side in zip(whole, image.shape, strict=False)]
        image = padded(image, whole, (MEAN[::-1] * 255).tolist())
    elif kind == 'lip':
        image = cv2.resize(image, recipe.crop[::-1])
    windows, swapped = ('moved' if kind == 'cityscapes' else 'padded'), (SWAPPED if kind == 'lip' else ())
    with torch.no_grad():
        scores = multi_scale_scores(network, normalized(image), recipe, scales, flip, windows, swapped)
    scores = scores[:, :, : scores.shape[2] - padding[0], : scores.shape[3] - padding[1]]
    if scores.shape[2:] != size:
        scores = F.interpolate(scores, size, mode='bilinear', align_corners=recipe.align_corners)
    return scores[0]


def made_image(height, width):
    """Blurred noise, which keeps its look when it is scaled, and any label."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.blur(noise, (5, 5)), np.ones((height, width), np.uint8)


def assert_equal(given, expected, tolerance):
    torch.testing.assert_close(given, expected, rtol=tolerance, atol=0)
    best = expected.sort(0, descending=True).values
    clear = best[0] > best[1] * (1 + 2 * tolerance)
    assert clear.float().mean() > 0.9
    assert torch.equal(given.argmax(0)[clear], expected.argmax(0)[clear])


OFFICIAL = {
    'segmentation/ocrnet_hr48_ohem-4xb4-152k_ade20k-520x520': 'ade20k',
    'segmentation/fcn_hr48_ohem-4xb4-152k_ade20k-520x520': 'ade20k',
    'segmentation/ocrnet_hr48_ohem-4xb4-62k_coco-stuff10k-520x520': 'coco-stuff',
    'segmentation/fcn_hr48_ohem-4xb4-62k_coco-stuff10k-520x520': 'coco-stuff',
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-480x480': 'pascal',
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-59-480x480': 'pascal',
    'segmentation/fcn_hr48_4xb4-62k_pascal-context-59-520x520': 'pascal',
    'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-520x520': 'pascal',
    'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520': 'pascal',
    'segmentation/fcn_hr48_4xb10-114k_lip-473x473': 'lip',
    'segmentation/ocrnet_hr48_4xb10-114k_lip-473x473': 'lip',
}


@pytest.mark.parametrize(('config', 'kind'), OFFICIAL.items(), ids=[path.partition('/')[2] for path in OFFICIAL])
def test_scores_are_those_of_the_official_code(config, kind, tmp_path):
    recipe = RECIPES[config]
    config = config_of(config)
    # The color of COCO-Stuff's padding is the mean here, and the mean rounded to a byte there.
    tolerance = 5e-3 if kind == 'coco-stuff' else 2e-3
    classes = 20 if kind == 'lip' else 4
    image, label = made_image(60, 85)  # 520 x 737, padded to 520 x 744
    given, network = in_this_package(config, image, label, tmp_path, classes)
    assert_equal(given, official_scores(kind, image, network, recipe, recipe.scales, True), tolerance)


@pytest.mark.parametrize('name', ['ade20k-520x520', 'coco-stuff10k-520x520'])
def test_one_scale_of_ade20k_and_coco_stuff_is_that_of_the_official_code(name, tmp_path):
    (path,) = [path for path in OFFICIAL if '/ocrnet' in path and path.endswith(name)]
    recipe = RECIPES[path]
    config = config_of(path)
    image, label = made_image(85, 60)
    given, network = in_this_package(config, image, label, tmp_path, 4, **ONE_SCALE)
    assert_equal(given, official_scores(OFFICIAL[path], image, network, recipe, **ONE_SCALE), 5e-3)


@pytest.mark.parametrize('path', [path for path, kind in OFFICIAL.items() if kind in ('ade20k', 'coco-stuff')])
def test_without_tta_the_long_side_is_520_too(path, tmp_path):
    for name, array in zip(('image', 'label'), made_image(60, 85), strict=True):
        cv2.imwrite(str(tmp_path / f'{name}.png'), array)
    files = {'img_path': str(tmp_path / 'image.png'), 'seg_map_path': str(tmp_path / 'label.png')}
    for loader in (config_of(path).val_dataloader, config_of(path).test_dataloader):
        data = Compose(loader.dataset.pipeline)({**files, 'reduce_zero_label': True, 'seg_fields': []})
        assert data['inputs'].shape == (3, 367, 520)
        assert data['data_samples'].gt_sem_seg.shape == (60, 85)


@pytest.mark.parametrize('head', ['fcn', 'ocrnet'])
def test_cityscapes_has_windows_above_scale_one(head, tmp_path):
    """At a sixteenth of the size, whose windows are 64 x 128."""
    path = f'segmentation/{head}_hr48_4xb3-120k_cityscapes-512x1024'
    config, recipe = config_of(path), RECIPES[path](base_size=128)
    assert (config.tta_model.crop_size, config.tta_model.stride) == ((1024, 2048), (1024, 2048))
    config.tta_model.update(crop_size=(64, 128), stride=(64, 128))
    config.tta_pipeline = [step for step in config.tta_pipeline if step.type != 'Resize']  # to 1024 x 2048
    image, label = made_image(64, 128)
    given, network = in_this_package(config, image, label, tmp_path, 4)
    assert_equal(given, official_scores('cityscapes', image, network, recipe, recipe.scales, True), 2e-3)


@pytest.mark.parametrize('path', RECIPES)
def test_scales_are_those_of_the_readme(path):
    config, recipe = config_of(path), RECIPES[path]
    assert (config.tta_model.scales, config.tta_model.flip) == (recipe.scales, True)


def test_sides_are_rounded_as_in_the_official_code():
    """All images of up to 40 pixels at seven scales: a half is rounded up, whatever the order of the operations."""
    given = []
    module = Network(1, nn.Identity(), False)
    module.encode_decode = lambda image, metas: (given.append(tuple(image.shape[2:])), image[:, :1])[1]
    scales = RECIPES['segmentation/fcn_hr48_4xb4-62k_pascal-context-480x480'].scales
    model = MODELS.build({'type': 'OfficialTTA', 'module': module, 'scales': scales, 'base_size': 52})
    expected = []
    for height in range(3, 40, 3):
        for width in range(3, 40, 2):
            model.scores(torch.zeros(1, 3, height, width))
            expected += [resized(np.zeros((height, width)), int(52 * scale + 0.5)).shape for scale in scales]
    assert given == expected
