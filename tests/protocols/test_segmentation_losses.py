"""The segmentation configs' losses against the official code's, at given logits."""

import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from official_segmentation import RECIPES, config_of, heads_of, loss

import hrnet_mm.drop_in.mmseg  # noqa: F401  # type='OfficialCrossEntropy'
from hrnet_mm.drop_in.mmseg.official import OfficialCrossEntropy


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield


def made_batch(classes, heads, confident):
    """Logits of each head at the size of the label, and a label of which an eighth is ignored.

    2 x 320 x 320 pixels are more than the 131072 that OHEM keeps. In the `confident` batch all have a probability
    above 0.9, so that this number counts; in the other one most are hard.
    """
    generator = torch.Generator().manual_seed(classes)
    label = torch.randint(0, classes, (2, 320, 320), generator=generator)
    outputs = []
    for _ in range(heads):
        logits = torch.randn(2, classes, 320, 320, generator=generator)
        logits.scatter_add_(1, label[:, None], 14.0 * confident + 6 * torch.rand(2, 1, 320, 320, generator=generator))
        outputs.append(logits.requires_grad_())
    label[torch.rand(label.shape, generator=generator) < 0.125] = 255
    return outputs, label


# One of each family: the others have the same losses.
FAMILIES = [
    'segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024',
    'segmentation/fcn_hr48_ohem-4xb3-120k_cityscapes-512x1024',
    'segmentation/fcn_hr48_trainval-ohem-4xb3-140k_cityscapes-512x1024',
    'segmentation/ocrnet_hr48_4xb3-120k_cityscapes-512x1024',
    'segmentation/fcn_hr48_4xb10-114k_lip-473x473',
    'segmentation/ocrnet_hr48_4xb10-114k_lip-473x473',
    'segmentation/fcn_hr48_ohem-4xb4-152k_ade20k-520x520',
    'segmentation/ocrnet_hr48_ohem-4xb4-152k_ade20k-520x520',
    'segmentation/fcn_hr48_ohem-4xb4-62k_coco-stuff10k-520x520',
    'segmentation/ocrnet_hr48_ohem-4xb4-62k_coco-stuff10k-520x520',
    'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520',
]


@pytest.mark.parametrize('confident', [False, True])
@pytest.mark.parametrize('path', FAMILIES)
def test_loss_and_gradients_are_those_of_the_official_code(path, confident):
    recipe, heads = RECIPES[path], heads_of(config_of(path))
    # mmseg calls the losses of the heads with these arguments, and adds up what they give. Few classes stand for all
    # where the loss has no class weights.
    outputs, label = made_batch(19 if recipe.class_weights else 5, len(heads), confident)
    given = sum(
        MODELS.build({**head.loss_decode})(logits, label, weight=None, ignore_index=255)
        for head, logits in zip(heads, outputs, strict=True)
    )
    gradients = torch.autograd.grad(given, outputs)
    expected = loss(outputs, label, recipe)
    torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-8)
    for one, other in zip(gradients, torch.autograd.grad(expected, outputs), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize('path', RECIPES)
def test_every_head_has_the_loss_of_its_recipe(path):
    recipe, heads = RECIPES[path], heads_of(config_of(path))
    assert [head.num_classes for head in heads] == [recipe.classes] * (2 if recipe.ocr else 1)
    assert [head.get('ignore_index', 255) for head in heads] == [255] * len(heads)
    weights = 'cityscapes' if recipe.class_weights else None
    for head in heads:
        assert head.loss_decode.type == 'OfficialCrossEntropy'
        assert head.loss_decode.get('class_weight') == weights
        assert head.get('sampler') is None
    *before, last = (head.loss_decode.get('thresh') for head in heads)
    assert before == [None] * (len(heads) - 1)
    assert last == (0.9 if recipe.ohem else None)


def test_the_mean_of_the_auxiliary_loss_counts_ignored_pixels():
    logits, label = torch.zeros(1, 4, 2, 4), torch.full((1, 2, 4), 255)
    label[0, 0, :3] = 1
    log4 = torch.tensor(4.0).log()
    assert OfficialCrossEntropy()(logits, label) == pytest.approx(log4)
    halved = OfficialCrossEntropy(avg_non_ignore=False, loss_weight=0.5)
    assert halved(logits, label) == pytest.approx(0.5 * log4 * 3 / 8)
    weighted = OfficialCrossEntropy(class_weight=[1.0, 2, 1, 1], avg_non_ignore=False)
    assert weighted(logits, label) == pytest.approx(2 * log4 * 3 / 8)
    with pytest.raises(ValueError, match=r'thresh=0\.9 averages over the hard pixels'):
        OfficialCrossEntropy(thresh=0.9, avg_non_ignore=False)
