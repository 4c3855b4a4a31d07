"""Eight bits in the native engine: exact sums of the rounded numbers, on every instruction set of this CPU."""

from functools import cache
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hrnet_mm.fast import EngineError, accelerate
from hrnet_mm.fast.fold import fold
from hrnet_mm.fast.native import build, engine, library
from hrnet_mm.fast.native.engine import PRECISIONS, NativeEngine, compile_native
from hrnet_mm.fast.native.lowering import Output, lower
from hrnet_mm.fast.native.quantize import evaluate, quantized_weight, read_quantized, write_quantized
from hrnet_mm.fast.native.trace import trace
from hrnet_mm.models.layers import resize


@pytest.fixture(params=PRECISIONS['int8'])
def instructions(request, monkeypatch):
    able = library.instruction_sets()
    if request.param == 'avxvnni' and 'avxvnni' not in able and 'avx512vnni' in able:
        monkeypatch.setattr(library, 'library', lambda _: encoded_for_avx512())
    elif request.param not in able:
        pytest.skip(f'needs a CPU with {request.param}')
    monkeypatch.setattr(engine, 'instruction_sets', lambda: [request.param])
    try:
        library.library(request.param)
    except build.BuildError as error:
        pytest.skip(str(error))
    return request.param


@cache
def encoded_for_avx512():
    """The kernels for AVX-VNNI with AVX-512's encoding of the same instruction."""
    path = library.cache_folder() / 'encoded.so'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CXX', f'c++ -include {Path(__file__).with_name("avxvnni.h")}')
        flags = '-mno-avxvnni -D__AVXVNNI__ -mavx512vl -mavx512vnni -U__AVX512F__ -U__AVX512VNNI__'
        patch.setenv('CXXFLAGS', flags)
        build.build('avxvnni', path)
    return library.load(path)


def rounded(x, given):
    """What the bytes of a map stand for, less the scale."""
    inverse = torch.tensor(1 / given.scale)
    return ((x * inverse).round() + given.zero).clamp(0, given.largest) - given.zero


def sums(conv, x, given):
    """A quantized convolution in float64."""
    whole, scale = quantized_weight(conv.weight.detach())
    y = F.conv2d(rounded(x, given).double(), whole.double(), None, conv.stride, conv.padding)
    bias = conv.bias.detach().double() + given.shift
    return y * (scale.double() * given.scale)[:, None, None] + bias[:, None, None]


@pytest.mark.parametrize(('channels', 'kernel', 'stride', 'size'), [
    (16, 3, 1, (9, 7)),
    (18, 3, 1, (9, 7)),
    (30, 3, 2, (23, 14)),
    (40, 1, 1, (5, 3)),
    (64, 3, 1, (16, 12)),
    (49, 1, 2, (7, 9)),
    (160, 3, 1, (1, 1)),
])  # fmt: skip
@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('low', [0.0, -1.0, -0.3], ids=['after ReLU', 'even', 'uneven'])
def test_single_convolutions(instructions, channels, kernel, stride, size, batch, low):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 40, kernel, stride, kernel // 2)
    data = [torch.rand(4, channels, *size) * (1 - low) + low for _ in range(2)]
    compiled = compile_native(conv, data[0][:batch], precision='int8', calibration=data)
    if instructions == 'avx2' and (kernel, stride) == (3, 1):
        assert not compiled.quantized  # Winograd's filtering is faster
        return
    (given,) = compiled.quantized.values()
    assert (given.zero == 0) == (low == 0)
    x = 1.5 * data[1][:batch]  # also beyond the range
    torch.testing.assert_close(compiled(x).double(), sums(conv, x, given), rtol=1e-5, atol=1e-5)


def test_the_largest_products_do_not_overflow(instructions):
    conv = nn.Conv2d(64, 16, 3, 2, 1)
    with torch.no_grad():
        conv.weight.fill_(1)
        conv.weight[::2] = -1
        conv.weight[0, 0, 0, 0] = 0.4
    x = torch.rand(1, 64, 8, 8)
    compiled = compile_native(conv, x, precision='int8', calibration=[x])
    (given,) = compiled.quantized.values()
    full = torch.full_like(x, 2)
    torch.testing.assert_close(compiled(full).double(), sums(conv, full, given), rtol=1e-6, atol=1e-4)


class Block(nn.Module):
    """A map that is read as bytes, as numbers and in slices, by what follows it."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 18, 3, padding=1)
        self.second, self.third = nn.Conv2d(18, 18, 3, padding=1), nn.Conv2d(18, 18, 3, padding=1)
        self.wide = nn.Conv2d(36, 20, 1)

    def forward(self, x):
        x = self.first(x).relu()
        y = (self.third(self.second(x).relu()) + x).relu()
        small = F.interpolate(F.avg_pool2d(y, 2), y.shape[2:], mode='bilinear', align_corners=False)
        z = self.wide(torch.cat([x, small], 1))
        return z, z.relu(), y


def test_every_kind_of_map(instructions):
    torch.manual_seed(0)
    model, x = Block().eval(), torch.randn(2, 3, 10, 14)
    compiled = compile_native(model, x, precision='int8', calibration=[torch.randn(4, 3, 10, 14) for _ in range(2)])
    assert len(compiled.quantized) == (1 if instructions == 'avx2' else 3)  # the colors stay numbers
    with torch.no_grad():
        for y, exact in zip(compiled(x), model(x), strict=True):
            assert (y - exact).norm() < 0.03 * exact.norm()


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv1_test-w18', 'hrnetv2p_test-w18', 'hrnet_test-w18'])
def test_whole_networks(network, instructions, name):
    torch.manual_seed(0)
    model, x = network(name), torch.randn(2, 3, 64, 96)
    compiled = compile_native(
        model, x, precision='int8', calibration=[torch.randn(2, 3, *size) for size in ((64, 96), (96, 64))]
    )
    leaves = torch.utils._pytree.tree_leaves
    with torch.no_grad():
        for y, exact in zip(leaves(compiled(x)), leaves(model(x)), strict=True):
            assert (y - exact).norm() < 0.1 * exact.norm()
    assert torch.equal(leaves(compiled(x))[0], leaves(compiled(x))[0])


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv2_test-w18', 'hrnetv2p_test-w18', 'hrnet_test-w18'])
def test_the_lowered_network_computes_the_same(network, name):
    """`evaluate`, by which ranges are found, on a batch other than the lowered one."""
    model, x = network(name), torch.randn(3, 3, 65, 39)
    ops = lower(*trace(fold(model), (x[:1],), engine.KNOWN)[:2])
    leaves = torch.utils._pytree.tree_leaves
    with torch.no_grad():
        found = {op.index: values[op.out.root] for op, values in evaluate(ops, [x]) if isinstance(op, Output)}
        for i, exact in enumerate(leaves(model(x))):
            torch.testing.assert_close(found[i].view_as(exact), exact, rtol=1e-4, atol=1e-5)


def test_convolutions_that_lose_too_much_stay_in_float32(instructions):
    """One input of a thousand times the size leaves no steps for the others."""
    torch.manual_seed(0)
    conv, x = nn.Conv2d(32, 8, 1), torch.rand(2, 32, 8, 8)
    x[:, 0] *= 1000
    with torch.no_grad():
        conv.weight[:, 0] = 0
    compiled = compile_native(conv, x, precision='int8', calibration=[x])
    assert not compiled.quantized
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), conv(x))


def test_calibration_without_images_is_refused(instructions):
    conv, x = nn.Conv2d(16, 8, 1), torch.rand(1, 16, 8, 8)
    for calibration, given in ((), 'none'), ([torch.rand(1, 3, 8, 8)], r'\[\(3,\)\]'):
        with pytest.raises(ValueError, match=rf'int8 needs calibration=.* with C = 16, got {given}'):
            NativeEngine(conv, x, precision='int8', calibration=calibration)


class Resized(nn.Module):
    """A map that is resized, unless it has that size already: then there is one operation less."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 1)

    def forward(self, x):
        return self.second(resize(self.first(x).relu(), (8, 8), 'nearest'))


def test_calibration_at_a_size_with_other_operations_is_refused(instructions):
    model, x = Resized().eval(), torch.rand(1, 3, 8, 8)
    other, many = torch.rand(2, 3, 16, 16), torch.rand(2, 3, 8, 8)
    with pytest.raises(EngineError, match=r'has an input \(2, 3, 16, 16\), for which .* than for \(1, 3, 8, 8\)'):
        accelerate(model, x, 'int8', 'native', calibration=[many, other], choice=False)
    with pytest.raises(EngineError, match=r'than for \(2, 3, 16, 16\)'):
        accelerate(model, other, 'int8', 'native', calibration=[x], choice=False)
    for given, data in ((x, many), (other, torch.rand(1, 3, 12, 20))):
        compiled = compile_native(model, given, precision='int8', calibration=[data])
        assert len(compiled.quantized) == 1
        with torch.no_grad():
            assert (compiled(given) - model(given)).norm() < 0.05 * model(given).norm()


def test_what_was_found_is_kept(instructions, tmp_path):
    torch.manual_seed(0)
    conv, x = nn.Conv2d(16, 8, 1), torch.rand(1, 16, 8, 8)
    first = NativeEngine(conv, x, precision='int8', calibration=[x])
    write_quantized(first.quantized, tmp_path / 'native.pt')
    again = read_quantized(tmp_path / 'native.pt')
    assert torch.equal(NativeEngine(conv, x, precision='int8', quantized=again)(x), first(x))
    other = {i: type(given)(given.scale, given.zero, 100, given.shift) for i, given in again.items()}
    with pytest.raises(ValueError, match='quantized for other kernels'):
        NativeEngine(conv, x, precision='int8', quantized=other)


@pytest.mark.slow
def test_accelerate(network, instructions, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    torch.manual_seed(0)
    model, x = network('hrnetv1_test-w18'), torch.randn(1, 3, 64, 64)
    data = [torch.randn(2, 3, 64, 64) for _ in range(2)]
    fast = accelerate(model, x, 'int8', 'native', calibration=data)
    assert 'convolutions in int8' in str(fast.report)
    monkeypatch.setattr(engine, 'quantize', None)  # the second start reads the file
    again = accelerate(model, x, 'int8', 'native', calibration=data)
    assert all(torch.equal(a, b) for a, b in zip(again(x), fast(x), strict=True))
    with pytest.raises(EngineError, match='int8 needs calibration='):
        accelerate(model, x, 'int8', 'native')
