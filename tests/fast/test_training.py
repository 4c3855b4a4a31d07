"""Layers in training by the native kernels, against float64 and PyTorch, on every instruction set of this CPU."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hrnet_mm.fast import accelerate, accelerate_training, fold
from hrnet_mm.fast.native import build, layers, library
from hrnet_mm.models import HRNet, HRNetV2pFPN
from hrnet_mm.models.layers import BasicBlock

# Of sums of float32 products, one by one; the larger tiles lose one digit more than the sum as it is written.
TOLERANCE = 3e-6


@pytest.fixture(params=['avx512vnni', 'avx512', 'avx2', 'neon'])
def instructions(request, monkeypatch):
    """Let an instruction set compute, or skip."""
    if request.param not in library.instruction_sets():
        pytest.skip(f'needs a CPU with {request.param}')
    monkeypatch.setattr(library, 'instruction_sets', lambda: [request.param])
    for cached in (layers.kernels, layers._lanes):
        cached.cache_clear()
    loaded, name = layers.kernels()
    if loaded is None:
        pytest.skip(name)
    yield request.param
    monkeypatch.undo()
    for cached in (layers.kernels, layers._lanes):
        cached.cache_clear()


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def gradients(function, *inputs):
    """The output of a function and the gradients of a sum of it, weighted by numbers of its own."""
    y = function(*inputs)
    torch.manual_seed(1)
    weights = torch.randn(y.shape, dtype=torch.float64).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, [x for x in inputs if x is not None and x.requires_grad], weights)]


def assert_close(actual, expected, tolerance=TOLERANCE):
    for a, b in zip(actual, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).norm() <= tolerance * b.norm()


def doubled(*tensors):
    return [None if t is None else t.detach().double().requires_grad_(t.requires_grad) for t in tensors]


@pytest.mark.parametrize(('inputs', 'outputs', 'size'), [
    (16, 16, (9, 7)),
    (18, 36, (13, 22)),
    (30, 18, (23, 14)),
    (3, 8, (10, 11)),
    (48, 64, (8, 6)),
    (160, 144, (5, 3)),
])  # fmt: skip
@pytest.mark.parametrize('batch', [1, 3])
def test_convolutions(instructions, threads, inputs, outputs, size, batch):
    torch.manual_seed(0)
    x = torch.randn(batch, inputs, *size, requires_grad=True)
    weight = torch.randn(outputs, inputs, 3, 3, requires_grad=True)
    for memory_format in (torch.contiguous_format, torch.channels_last):
        own = [t.detach().contiguous(memory_format=memory_format).requires_grad_() for t in (x, weight)]
        for tile in (2, 4):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(layers, '_tile', lambda *_, tile=tile: tile)
                actual = gradients(lambda *xs: layers.convolve(*xs, None), *own)
            assert_close(actual, gradients(lambda *xs: F.conv2d(*xs, padding=1), *doubled(x, weight)))
            assert actual[2].stride() == own[1].stride(), 'optimizers add it to the weight as it lies in memory'


def test_inputs_of_any_layout(instructions):
    torch.manual_seed(0)
    x = torch.randn(2, 12, 34, 16, requires_grad=True)
    weight, bias = torch.randn(16, 16, 3, 3, requires_grad=True), torch.randn(16, requires_grad=True)

    def run(convolution, x, weight, bias):
        y = convolution(x[:, :, ::2].permute(0, 3, 1, 2), weight, bias)
        return y.transpose(2, 3).flatten(1)  # whose gradient is not in channels_last format

    expected = gradients(partial(run, partial(F.conv2d, padding=1)), *doubled(x, weight, bias))
    assert_close(gradients(partial(run, layers.convolve), x, weight, bias), expected)


@pytest.mark.parametrize('frozen', ['x', 'weight'])
def test_what_needs_no_gradient_has_none(instructions, frozen, monkeypatch):
    tensors = {'x': torch.randn(1, 16, 8, 8), 'weight': torch.randn(16, 16, 3, 3)}
    for name, tensor in tensors.items():
        tensor.requires_grad_(name != frozen)
    y = layers.convolve(*tensors.values(), None)
    unused = {'x': '_convolved', 'weight': '_weight_gradient'}[frozen]
    monkeypatch.setattr(layers, unused, None)
    y.sum().backward()
    assert tensors[frozen].grad is None


@pytest.mark.parametrize(
    ('channels', 'size'), [(16, (5, 7)), (32, (64, 48)), (48, (9, 7)), (144, (3, 2)), (18, (9, 7))]
)
@pytest.mark.parametrize('with_shortcut', [False, True])
def test_batch_norms(instructions, threads, channels, size, with_shortcut):
    torch.manual_seed(0)
    x = torch.randn(3, channels, *size) * 2 + 10
    x.requires_grad_()
    shortcut = torch.randn(3, channels, *size, requires_grad=True) if with_shortcut else None
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    exact = copy.deepcopy(norm).double()
    for momentum in (0.1, 0.3, None):
        norm.momentum = exact.momentum = momentum
        actual = gradients(lambda x, s, *_: layers.normalize(norm, x, s), x, shortcut, norm.weight, norm.bias)
        expected = gradients(
            lambda x, s, *_: F.relu(exact(x) if s is None else exact(x) + s),
            *doubled(x, shortcut),
            exact.weight,
            exact.bias,
        )
        assert_close(actual, expected, 1e-5)
        for name, value in exact.named_buffers():
            torch.testing.assert_close(norm.get_buffer(name).double(), value.double(), rtol=1e-5, atol=1e-7)


class Regression(nn.Module):
    """A network and its pyramid, trained to give zero."""

    def __init__(self, arch='test-w16', **kwargs):
        super().__init__()
        self.backbone = HRNet(arch, **kwargs)
        self.neck = HRNetV2pFPN(arch=arch, out_channels=16)
        self.backbone.init_weights()

    def forward(self, x):
        return torch.stack([y.square().mean() for y in self.neck(self.backbone(x))]).sum()


def train(model, steps, size=(64, 48)):
    """The losses of a training on images that depend on the step alone."""
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = model.train()(torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(step)))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses)


@pytest.mark.slow
@pytest.mark.parametrize('arch', ['test-w16', 'test-w18'])
def test_the_same_training_over_50_steps(instructions, arch):
    """At a rate at which rounding does not grow: at 1e-3, fp32 leaves fp64 by 2 % in 50 steps, with PyTorch as well."""
    torch.manual_seed(0)
    plain = Regression(arch)
    native = copy.deepcopy(plain)
    keys = list(native.state_dict())
    assert accelerate_training(native).startswith(f'native training ({instructions}): ')
    expected = train(plain, 50)
    assert expected[-1] < 0.95 * expected[0], 'it learns'
    torch.testing.assert_close(train(native, 50), expected, rtol=1e-5, atol=0)
    assert list(native.state_dict()) == keys, 'checkpoints keep their names'
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(native.state_dict()[name], value, rtol=1e-4, atol=1e-4, msg=name)


def test_whole_networks_have_the_same_gradients(instructions):
    """Frozen and recomputed stages, and two backward passes that add up, in float64 and by the kernels."""
    torch.manual_seed(0)
    exact = Regression(frozen_stages=1, with_cp=[3])
    native = copy.deepcopy(exact)
    exact = exact.double().train()
    accelerate_training(native.train())
    x = torch.randn(2, 3, 64, 48)
    for _ in range(2):
        exact(x.double()).backward()
        native(x).backward()
    for (name, a), b in zip(native.named_parameters(), exact.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            assert (a.grad - b.grad).norm() <= 1e-3 * b.grad.norm() + 1e-6, name
    for name, value in exact.named_buffers():
        torch.testing.assert_close(native.get_buffer(name).double(), value.double(), rtol=1e-4, atol=1e-6)


def test_copies_and_files_compute_the_same(instructions):
    torch.manual_seed(0)
    model = nn.Sequential(BasicBlock(16, 16, None, {'type': 'BN'}))
    accelerate_training(model)
    x = torch.randn(2, 16, 8, 8)
    expected = model(x)
    assert type(expected.grad_fn).__name__ == '_NormBackward'
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other[0].bn1.reset_running_stats()
        y = other(x)
        assert torch.equal(y, expected)
        assert type(y.grad_fn).__name__ == '_NormBackward'
        y.sum().backward()
    assert model[0].conv1.weight.grad is None


def test_inference_is_that_of_pytorch(instructions):
    """Without gradients nothing changes, so that networks are folded, exported, traced and counted as ever."""
    torch.manual_seed(0)
    model = HRNet('test-w16').eval()
    x = torch.randn(1, 3, 64, 48)
    with torch.no_grad():
        expected = model(x)
        accelerate_training(model)
        for y, plain in zip(model(x), expected, strict=True):
            torch.testing.assert_close(y, plain, rtol=1e-4, atol=1e-5)
            assert (fold(model)(x)[0] - expected[0]).norm() <= 1e-5 * expected[0].norm()
    assert accelerate(model, x, engine='native', choice=False).report.engine == 'native'


def test_pytorch_computes_the_rest(instructions):
    conv = partial(nn.Conv2d, 16, 16, 3, padding=1, bias=False)
    model = nn.Sequential(conv(), conv(stride=2), conv(groups=2))
    assert accelerate_training(model) == f'native training ({instructions}): 1 of 3 convolutions, 0 of 0 batch norms'
    x = torch.randn(2, 16, 8, 8)
    assert type(model[0](x).grad_fn).__name__ == '_ConvolutionBackward'
    assert type(model[0](x[0]).grad_fn).__name__ != '_ConvolutionBackward', 'an image without a batch'
    assert type(model.double()[0](x.double()).grad_fn).__name__ == 'ConvolutionBackward0'
    model.float()
    with torch.autocast('cpu', torch.bfloat16):
        assert model(x).dtype == torch.bfloat16


def test_gradients_of_gradients_are_refused(instructions):
    x, weight = torch.randn(1, 16, 8, 8, requires_grad=True), torch.randn(16, 16, 3, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(layers.convolve(x, weight, None).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match='differentiate twice'):
        gradient.sum().backward()


def test_training_without_kernels_is_said(monkeypatch):
    for sets, said in (([], 'none of their instruction sets'), (['avx2'], 'no compiler')):
        monkeypatch.setattr(library, 'instruction_sets', lambda sets=sets: sets)
        monkeypatch.setattr(library, 'library', failing)
        layers.kernels.cache_clear()
        model = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1))
        assert said in accelerate_training(model)
        assert type(model(torch.randn(1, 16, 8, 8)).grad_fn).__name__ == 'ConvolutionBackward0'
    layers.kernels.cache_clear()


def failing(_):
    raise build.BuildError('no compiler')


SANITIZED = """
import torch
from hrnet_mm.fast.native import layers, library
import sys
library.instruction_sets = lambda: [sys.argv[1]]
from torch import nn
for threads in (1, 2):
    torch.set_num_threads(threads)
    for n, i, o, h, w in ((1, 16, 32, 7, 5), (2, 18, 30, 9, 14), (1, 64, 128, 4, 3)):
        x, weight = torch.randn(n, i, h, w, requires_grad=True), torch.randn(o, i, 3, 3, requires_grad=True)
        norm = nn.BatchNorm2d(o)
        layers.normalize(norm, layers.convolve(x, weight, None), torch.randn(n, o, h, w)).sum().backward()
print('sound')
"""


@pytest.mark.slow
def test_sanitizers(instructions, tmp_path):
    """Neither reads and writes beyond maps, weights and scratch memory, nor undefined behavior."""
    if not shutil.which('g++'):
        pytest.skip('needs g++')
    runtime = subprocess.run(['g++', '-print-file-name=libasan.so'], capture_output=True, text=True, check=True)
    if not runtime.stdout.strip().startswith('/'):
        pytest.skip('needs the runtime of the address sanitizer')
    environment = {
        **os.environ,
        'CXX': 'g++',
        'CXXFLAGS': '-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=vptr',
        'LD_PRELOAD': runtime.stdout.strip(),
        'ASAN_OPTIONS': 'detect_leaks=0',
        'HRNET_MM_CACHE': str(tmp_path),
    }
    done = subprocess.run(
        [sys.executable, '-c', SANITIZED, instructions], capture_output=True, text=True, check=False, env=environment
    )
    assert done.stdout.endswith('sound\n'), done.stderr[-2000:]
