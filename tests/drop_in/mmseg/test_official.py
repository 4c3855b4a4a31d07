"""The official segmentation losses and merging, against cases worked out by hand."""

from math import log

import numpy as np
import pytest
import torch
from mmcv.transforms import RandomFlip
from mmengine.config import ConfigDict
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn
from torch.nn import functional as F

from hrnet_mm.drop_in.mmseg.official import CITYSCAPES_CLASS_WEIGHTS, OfficialCrossEntropy, OfficialTTA


def logits_of(*probabilities):
    """`(1, 2, 1, W)` logits that give class 0 these probabilities."""
    p = torch.tensor(probabilities)
    return torch.stack([p.log(), (1 - p).log()])[None, :, None]


def test_class_weights_divide_by_their_sum_and_ignored_pixels_do_not_count():
    logits, label = logits_of(0.5, 0.25, 0.9, 0.1), torch.tensor([[[0, 1, 255, 1]]])
    loss = OfficialCrossEntropy(class_weight=[1.0, 3.0])(logits, label)
    expected = -(log(0.5) + 3 * log(0.75) + 3 * log(0.9)) / 7
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert loss.item() == pytest.approx(
        F.cross_entropy(logits, label, torch.tensor([1.0, 3.0]), ignore_index=255).item()
    )
    plain = OfficialCrossEntropy(loss_weight=0.4)(logits, label)
    assert plain.item() == pytest.approx(-0.4 * (log(0.5) + log(0.75) + log(0.9)) / 3, rel=1e-5)


def test_ohem_keeps_what_is_below_the_threshold():
    logits, label = logits_of(0.95, 0.3, 0.92, 0.6, 0.2), torch.tensor([[[0, 0, 0, 0, 255]]])
    loss = OfficialCrossEntropy(thresh=0.9, min_kept=1)(logits, label)
    assert loss.item() == pytest.approx(-(log(0.3) + log(0.6)) / 2, rel=1e-5)


def test_ohem_keeps_a_number_of_pixels_whatever_the_batch():
    logits = logits_of(0.95, 0.93, 0.99, 0.97)
    label = torch.zeros(1, 1, 4, dtype=torch.long)
    loss = OfficialCrossEntropy(thresh=0.9, min_kept=2)(logits, label)
    assert loss.item() == pytest.approx(-(log(0.93) + log(0.95)) / 2, rel=1e-4)
    # Two images: still two pixels, those of the lowest probability in the whole batch.
    both = torch.cat([logits, logits_of(0.91, 0.92, 0.98, 0.96)])
    loss = OfficialCrossEntropy(thresh=0.9, min_kept=2)(both, label.repeat(2, 1, 1))
    assert loss.item() == pytest.approx(-(log(0.91) + log(0.92)) / 2, rel=1e-4)


def test_ohem_weights_classes_but_divides_by_the_number_kept():
    logits, label = logits_of(0.3, 0.5), torch.tensor([[[0, 1]]])
    loss = OfficialCrossEntropy(class_weight=[2.0, 3.0], thresh=0.9, min_kept=1)(logits, label)
    assert loss.item() == pytest.approx(-(2 * log(0.3) + 3 * log(0.5)) / 2, rel=1e-5)


@pytest.mark.parametrize('thresh', [None, 0.9])
def test_a_batch_in_which_no_pixel_counts_gives_zero(thresh):
    logits = torch.rand(1, 2, 1, 3, requires_grad=True)
    loss = OfficialCrossEntropy(thresh=thresh)(logits, torch.full((1, 1, 3), 255))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_cityscapes_has_a_weight_for_each_class_and_other_names_none():
    assert len(CITYSCAPES_CLASS_WEIGHTS) == 19
    loss = OfficialCrossEntropy(class_weight='cityscapes')
    assert loss.class_weight.tolist() == pytest.approx(CITYSCAPES_CLASS_WEIGHTS)
    assert not loss.state_dict()  # checkpoints of mmseg load
    with pytest.raises(ValueError, match="'cityscapes' or a number for each class, got 'lip'"):
        OfficialCrossEntropy(class_weight='lip')


def segmentor(**loss):
    """HRNet-w4 with mmseg's FCNHead and the official loss."""
    import hrnet_mm.drop_in.mmseg  # noqa: F401

    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor={'type': 'SegDataPreProcessor', 'mean': [10.0, 20, 30], 'std': [2.0, 4, 5]},
        backbone={'type': 'HRNetV2', '_scope_': 'hrnet_mm', 'arch': 'w4'},
        decode_head={
            'type': 'FCNHead',
            'in_channels': 60,
            'channels': 8,
            'num_convs': 1,
            'kernel_size': 1,
            'num_classes': 3,
            'in_index': 0,
            'align_corners': False,
            'loss_decode': {'type': 'OfficialCrossEntropy', **loss},
        },
        test_cfg={'mode': 'whole'},
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(cfg)


def sample(size=(32, 32)):
    from mmengine.structures import PixelData

    label = torch.randint(0, 3, (1, *size))
    meta = {'img_shape': size, 'ori_shape': size, 'pad_shape': size}
    return SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=meta)


def test_a_segmentor_trains_with_it_and_a_sampler_is_refused():
    model = segmentor(class_weight=[1.0, 2, 3], thresh=0.9, min_kept=10)
    losses = model.loss(torch.rand(2, 3, 32, 32), [sample(), sample()])
    losses['decode.loss_ce'].backward()
    assert torch.isfinite(losses['decode.loss_ce'])
    with pytest.raises(ValueError, match='set `thresh`'):
        OfficialCrossEntropy()(logits_of(0.5), torch.zeros(1, 1, 1).long(), weight=torch.ones(1, 1, 1))


class Recorder(nn.Module):
    """A segmentor whose logits are the image's channels plus the column, and which records its inputs."""

    align_corners = False

    def __init__(self):
        super().__init__()
        self.given = []
        self.data_preprocessor = nn.Identity()
        self.data_preprocessor.mean = torch.tensor([1.0, 2, 3]).view(3, 1, 1)
        self.data_preprocessor.std = torch.tensor([1.0, 2, 2]).view(3, 1, 1)

    def test_step(self, data):
        raise AssertionError('the wrapped segmentor predicts by encode_decode')

    def encode_decode(self, image, metas):
        assert metas[0]['img_shape'] == image.shape[-2:]
        self.given.append(image)
        return image + torch.arange(image.shape[-1])


def test_logits_are_averaged_over_the_flip_with_labels_swapped():
    image = torch.tensor([[0.0, 2.0], [1.0, 3.0], [4.0, 8.0]])[None, :, None]
    model = Recorder()
    scores = OfficialTTA(model, flip=True, swap_labels=[(1, 2)]).scores(image)
    assert torch.equal(model.given[1], image.flip(-1))
    straight = torch.tensor([[0.0, 3], [1, 4], [4, 9]])
    back = torch.tensor([[1.0, 2], [5, 8], [2, 3]])  # flipped, one more on its right, flipped back, 1 and 2 swapped
    assert torch.allclose(scores[0, :, 0], ((straight + back) / 2).exp())


def test_scores_of_scales_are_summed_after_the_exponential():
    image = torch.zeros(1, 3, 4, 8)
    model = Recorder()
    scores = OfficialTTA(model, scales=(0.5, 1.0), base_size=16).scores(image)
    assert [tuple(x.shape[-2:]) for x in model.given] == [(4, 8), (8, 16)]
    larger = F.interpolate(torch.arange(16.0).exp().expand(1, 1, 8, 16), (4, 8), mode='bilinear')
    expected = torch.arange(8.0).exp() + larger[0, 0]
    assert torch.allclose(scores[0, 0], expected, rtol=1e-4)


def test_windows_are_filled_up_in_black_or_moved_inside():
    image = torch.rand(1, 3, 4, 10)
    model = Recorder()
    padded = OfficialTTA(model, crop_size=(6, 6), stride=(4, 4)).scores(image)
    assert [tuple(x.shape[-2:]) for x in model.given] == [(6, 6), (6, 6)]  # at columns 0 and 4
    assert torch.allclose(model.given[0][..., :4, :], image[..., :6], atol=1e-6)
    black = torch.tensor([-1.0, -1, -1.5]).view(3, 1, 1).expand(3, 2, 6)
    assert torch.allclose(model.given[0][0, :, 4:], black)
    # Where windows overlap, scores are averaged: column 4 is column 4 of the first and 0 of the second.
    first = (image[..., 4] + 4).exp()
    assert torch.allclose(padded[..., 4], (first + image[..., 4].exp()) / 2, rtol=1e-4)
    assert torch.allclose(padded[..., 9], (image[..., 9] + 5).exp(), rtol=1e-4)

    model = Recorder()
    tta = OfficialTTA(model, crop_size=(4, 6), stride=(4, 6), pad_windows=False)
    moved = tta.scores(image)
    assert torch.equal(model.given[1], image[..., 4:])
    assert torch.allclose(moved[..., 9], (image[..., 9] + 5).exp(), rtol=1e-4)
    model.given.clear()
    tta.scores(image[..., :3])
    assert tuple(model.given[0].shape[-2:]) == (4, 3)  # fits: as it is


def test_it_wraps_a_segmentor_as_tta_model_and_one_argument_alone_is_refused():
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build({'type': 'OfficialTTA', 'module': segmentor(), 'flip': True, 'swap_labels': [(1, 2)]})
    model.eval()
    data = {'inputs': [torch.randint(0, 255, (3, 32, 32))], 'data_samples': [sample((48, 40))]}
    with torch.no_grad():
        (result,) = model.test_step(data)
    assert result.seg_logits.data.shape == (3, 48, 40)
    assert result.pred_sem_seg.data.shape == (1, 48, 40)
    with pytest.raises(ValueError, match='both crop_size and stride'):
        OfficialTTA(Recorder(), crop_size=(4, 4))


def test_at_one_scale_it_predicts_what_mmseg_predicts():
    module = segmentor().eval()
    tta = OfficialTTA(module)
    data = {'inputs': [torch.randint(0, 255, (3, 32, 32))], 'data_samples': [sample()]}
    with torch.no_grad():
        expected = module.test_step({k: list(v) for k, v in data.items()})[0].pred_sem_seg.data
        (result,) = tta.test_step(data)
    assert torch.equal(result.pred_sem_seg.data, expected)


def test_mmcv_s_flip_swaps_labels_as_the_recipe_says():
    flip = RandomFlip(prob=1.0, swap_seg_labels=[(14, 15), (16, 17), (18, 19)])
    label = np.array([[13, 14, 15, 16, 17, 18, 19, 255]], np.uint8)
    image = np.zeros((1, 8, 3), np.uint8)
    results = flip({'img': image, 'gt_seg_map': label.copy(), 'img_shape': (1, 8), 'seg_fields': ['gt_seg_map']})
    assert results['gt_seg_map'].tolist() == [[255, 18, 19, 16, 17, 14, 15, 13]]
