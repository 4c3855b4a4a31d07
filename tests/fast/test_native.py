"""The native engine against eager PyTorch; skipped where the CPU has no AMX or nothing can build the engine."""

import shutil

import pytest
import torch
from torch import nn

from hrnet_mm.fast import native
from hrnet_mm.fast.native.engine import compile_native
from hrnet_mm.models import HRNetV2pFPN

pytestmark = pytest.mark.skipif(
    not native.is_available() or not shutil.which('ninja') or not shutil.which('c++'),
    reason='needs a CPU with AMX for bfloat16, ninja and a C++ compiler',
)

# What one multiplication keeps, times what adds up along a network: 24, 16 and 8 bits.
TOLERANCE = {'fp32': 2e-5, 'bf16x3': 2e-3, 'bf16': 0.3}


def outputs(given):
    return list(given) if isinstance(given, (tuple, list)) else [given]


def assert_close(model, x, precision='fp32', engine=None):
    with torch.no_grad():
        expected = outputs(model(x))
    engine = engine or compile_native(model, x, precision=precision)
    actual = outputs(engine(x))
    assert [y.shape for y in actual] == [y.shape for y in expected]
    for a, b in zip(actual, expected, strict=True):
        assert (a - b).norm() <= TOLERANCE[precision] * b.norm()
        assert (a - b).abs().max() <= TOLERANCE[precision] * b.abs().max()
    return engine


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv1_test-w4', 'hrnetv2_test-w18', 'hrnetv2p_test-w4', 'hrnet_test-w4'])
@pytest.mark.parametrize('shape', [(1, 3, 64, 64), (3, 3, 65, 39)])
def test_readouts(network, name, shape):
    assert_close(network(name), torch.randn(shape))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv1_w18', 'hrnetv2_w18', 'hrnetv2p_w18', 'hrnet_w18'])
def test_whole_networks(network, name):
    assert_close(network(name), torch.randn(1, 3, 64, 96))


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['bf16x3', 'bf16'])
def test_precisions(network, precision):
    assert_close(network('hrnetv1_test-w16'), torch.randn(2, 3, 64, 48), precision)


@pytest.mark.parametrize(('channels', 'kernel', 'stride', 'size'), [
    (3, 3, 2, (33, 47)),
    (18, 3, 1, (9, 7)),
    (40, 1, 1, (5, 3)),
    (64, 3, 2, (16, 12)),
    (48, 1, 2, (7, 9)),
    (160, 3, 1, (1, 1)),
])  # fmt: skip
def test_single_convolutions(channels, kernel, stride, size):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 40, kernel, stride, kernel // 2)
    x = torch.randn(2, channels, *size)
    with torch.no_grad():
        exact = conv.double()(x.double())
        y = compile_native(conv.float(), x)(x)
    # Below the rounding of a float32 sum of that many products.
    assert (y - exact).norm() < 3e-7 * exact.norm()


class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.pyramid = HRNetV2pFPN((4, 8, 16, 32), 40)

    def forward(self, *xs):
        return self.pyramid(xs)


def test_several_inputs():
    torch.manual_seed(0)
    model = Neck().eval()
    xs = [torch.randn(2, c, 17 // s, 24 // s) for c, s in ((4, 1), (8, 2), (16, 4), (32, 8))]
    with torch.no_grad():
        expected = model(*xs)
    for y, exact in zip(compile_native(model, *xs)(*xs), expected, strict=True):
        assert (y - exact).abs().max() <= 1e-5 * exact.abs().max()
    with pytest.raises(ValueError, match=r'the inputs are torch\.float32'):
        compile_native(model, *xs)(*xs[:3])


@pytest.mark.slow
def test_threads_do_not_change_outputs(network):
    model, x = network('hrnetv1_test-w16'), torch.randn(1, 3, 96, 64)
    engine = compile_native(model, x)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(engine(x)[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.slow
def test_calls_do_not_depend_on_one_another(network):
    """Also not through activations of an earlier call that were not finite, nor through the other image."""
    model, x = network('hrnetv1_test-w18'), torch.randn(2, 3, 64, 48)
    engine = compile_native(model, x)
    before = engine(x)[0]
    broken = x.clone()
    broken[0, :, 20, 20] = float('nan')
    spoiled = engine(broken)[0]
    with torch.no_grad():
        assert spoiled[model(broken)[0].isnan()].isnan().all()
    assert torch.equal(spoiled[1], before[1])
    assert torch.equal(engine(x)[0], before)


def test_infinities_stay_visible():
    conv, x = nn.Conv2d(32, 8, 3, padding=1), torch.randn(1, 32, 6, 6)
    x[0, 3, 2, 2] = float('inf')
    with torch.no_grad():
        expected = conv(x)
    actual = compile_native(conv, x)(x)
    assert not actual[~expected.isfinite()].isfinite().any()
    assert torch.allclose(actual[expected.isfinite()], expected[expected.isfinite()], atol=1e-5)


@pytest.mark.slow
def test_input_of_any_layout(network):
    model, x = network('hrnetv1_test-w4'), torch.randn(1, 3, 64, 64).to(memory_format=torch.channels_last)
    assert_close(model, x)


def test_other_inputs_are_refused(network):
    engine = compile_native(nn.Conv2d(3, 8, 3, padding=1), torch.randn(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r'expected float32 \(1, 3, 8, 8\)'):
        engine(torch.randn(1, 3, 8, 9))
    with pytest.raises(ValueError, match='float64'):
        engine(torch.randn(1, 3, 8, 8, dtype=torch.float64))


def test_unknown_precision_is_refused():
    with pytest.raises(ValueError, match=r"'fp64'.*bf16x3"):
        compile_native(nn.Conv2d(3, 8, 1), torch.randn(1, 3, 8, 8), precision='fp64')


@pytest.mark.parametrize(('layer', 'named'), [
    (nn.Sigmoid(), 'sigmoid'),
    (nn.Conv2d(8, 8, 3, padding=1, groups=8), 'conv2d'),
    (nn.Conv2d(8, 8, 7, padding=3), 'conv2d'),
    (nn.Upsample(scale_factor=1.5), 'upsample_nearest2d'),
])  # fmt: skip
def test_unknown_operators_are_named(layer, named):
    with pytest.raises(ValueError, match=f'cannot run .*{named}'):
        compile_native(layer, torch.randn(1, 8, 8, 8))
