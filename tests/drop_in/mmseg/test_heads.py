"""HRNetV2Head computes the same as mmseg's FCNHead, with an eighth of the multiply-adds in its first convolution."""

import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import hrnet_mm.drop_in.mmseg  # noqa: F401  # type='HRNet'
from hrnet_mm.drop_in.mmseg.heads import HRNetV2Head
from hrnet_mm.fast import fold
from hrnet_mm.models import HRNet

STREAMS = [4, 8, 16, 32]
BN = {'type': 'BN'}
FCN = dict(input_transform='resize_concat', kernel_size=1, num_convs=1, concat_input=False)


def pair(in_channels=STREAMS, channels=60, **kwargs):
    """FCNHead and HRNetV2Head with the same random weights and, in batch norms, statistics."""
    args = dict(in_channels=in_channels, channels=channels, num_classes=7, in_index=(0, 1, 2, 3), **kwargs)
    theirs, ours = FCNHead(**args, **FCN).double(), HRNetV2Head(**args).double()
    for name, tensor in theirs.state_dict().items():
        if tensor.is_floating_point():
            nn.init.uniform_(tensor, 0.5, 1.5) if 'var' in name else nn.init.normal_(tensor)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return theirs, ours


def streams(sizes=((16, 24), (8, 12), (4, 6), (2, 3))):
    return [torch.randn(2, c, *size, dtype=torch.float64) for c, size in zip(STREAMS, sizes, strict=True)]


@pytest.mark.parametrize('norm', [None, {'type': 'BN'}, {'type': 'GN', 'num_groups': 4}])
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('training', [False, True])
def test_equals_fcn_head(norm, align_corners, training):
    torch.manual_seed(0)
    theirs, ours = pair(norm_cfg=norm, align_corners=align_corners, dropout_ratio=0)
    theirs.train(training)
    ours.train(training)
    for sizes in ((16, 24), (8, 12), (4, 6), (2, 3)), ((17, 25), (9, 13), (5, 7), (3, 4)):
        xs = streams(sizes)
        expected, given = theirs(xs), ours(xs)
        torch.testing.assert_close(given, expected, rtol=1e-10, atol=1e-10)
        expected.square().sum().backward()
        given.square().sum().backward()
    for (name, a), (_, b) in zip(theirs.named_parameters(), ours.named_parameters(), strict=True):
        torch.testing.assert_close(b.grad, a.grad, rtol=1e-8, atol=1e-8 * a.grad.abs().max().item(), msg=name)
    assert all(torch.allclose(a, ours.state_dict()[name]) for name, a in theirs.state_dict().items())


def test_the_first_map_gives_the_size_whatever_its_place():
    torch.manual_seed(0)
    theirs, ours = (head.eval() for head in pair(norm_cfg={'type': 'BN'}))
    theirs.in_index = ours.in_index = (2, 1, 0, 3)
    xs = streams()
    xs[0], xs[2] = torch.randn(2, 16, 16, 24).double(), torch.randn(2, 4, 4, 6).double()
    assert ours(xs).shape[2:] == (4, 6)
    torch.testing.assert_close(ours(xs), theirs(xs), rtol=1e-10, atol=1e-10)


def test_folded_it_is_the_same():
    torch.manual_seed(0)
    _, ours = pair(norm_cfg={'type': 'BN'})
    ours.eval()
    xs = streams()
    with torch.no_grad():
        torch.testing.assert_close(fold(ours)(xs), ours(xs), rtol=1e-10, atol=1e-10)


def segmentor(kind):
    torch.manual_seed(0)
    head = dict(in_channels=STREAMS, channels=60, num_classes=7, in_index=(0, 1, 2, 3), dropout_ratio=0, norm_cfg=BN)
    head |= {'type': 'HRNetV2Head'} if kind is HRNetV2Head else {'type': 'FCNHead', **FCN}
    config = {
        'type': 'EncoderDecoder',
        'data_preprocessor': {'type': 'SegDataPreProcessor', 'size': (64, 96)},
        'backbone': {'type': 'HRNet', 'arch': 'test-w4', 'norm_cfg': BN},
        'decode_head': head,
        'test_cfg': {'mode': 'whole'},
    }
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(copy.deepcopy(config))
    assert type(model.decode_head) is kind
    return model.double()


def test_training_steps_are_those_of_fcn_head():
    models = {kind: segmentor(kind).train() for kind in (FCNHead, HRNetV2Head)}
    models[HRNetV2Head].load_state_dict(models[FCNHead].state_dict(), strict=True)
    labels = torch.randint(0, 7, (2, 1, 64, 96))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo={'img_shape': (64, 96)}) for label in labels]
    images, losses = torch.randn(2, 3, 64, 96, dtype=torch.float64), {}
    for kind, model in models.items():
        wrapper = build_optim_wrapper(model, {'type': 'OptimWrapper', 'optimizer': {'type': 'SGD', 'lr': 0.1}})
        losses[kind] = []
        for _ in range(3):
            loss = model.loss(images, samples)['decode.loss_ce']
            wrapper.update_params(loss)
            losses[kind].append(loss.item())
    assert losses[HRNetV2Head] == pytest.approx(losses[FCNHead], rel=1e-9)
    assert losses[FCNHead][-1] < losses[FCNHead][0]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'kernel_size': 3}, r"needs kernel_size=1, got 3; use type='FCNHead'"),
        ({'num_convs': 2}, 'needs num_convs=1, got 2'),
        ({'concat_input': True}, 'needs concat_input=False, got True'),
        ({'input_transform': 'multiple_select'}, "needs input_transform='resize_concat', got 'multiple_select'"),
        ({'conv_cfg': {'type': 'ConvWS'}}, 'ordinary 1x1 convolution, got ConvWS2d'),
    ],
)
def test_another_head_is_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        HRNetV2Head(in_channels=STREAMS, channels=60, num_classes=7, **kwargs)


def test_streams_of_other_channels_are_refused():
    _, ours = pair()
    with pytest.raises(ValueError, match=r'branches with 60 channels in total, got \[4, 8, 16\]'):
        ours.convs(streams()[:3])


def macs(module, *inputs):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return counter.get_total_flops() // 2


def test_macs_at_512x1024():
    """17.4 G multiply-adds become 2.6 G in the head of W48 with 19 classes: 6.8 times fewer; 8 times in the first."""
    widths = [48, 96, 192, 384]
    args = dict(in_channels=widths, channels=720, num_classes=19, in_index=(0, 1, 2, 3), norm_cfg=BN)
    with torch.device('meta'):
        theirs, ours = FCNHead(**args, **FCN).eval(), HRNetV2Head(**args).eval()
        xs = HRNet('w48').eval()(torch.empty(1, 3, 512, 1024))
        before, after = macs(theirs, xs), macs(ours, xs)
    last = 720 * 19 * 128 * 256
    assert (before, after) == (720 * 720 * 128 * 256 + last, 720 * 720 * 128 * 256 // 8 + last)
    assert before / after == pytest.approx(6.78, abs=0.01)
