"""The native engine against float64 and eager PyTorch, on every instruction set of this CPU.

The matrix unit's kernels run in software (tiles.h) where the CPU has AVX-512 for bfloat16 and no matrix unit.
"""

import os
import platform
import random
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hrnet_mm.fast.native import build, engine, library
from hrnet_mm.fast.native.engine import compile_native
from hrnet_mm.models import HRNet, HRNetV2pFPN
from hrnet_mm.models.archs import Arch, Stage

FOLDER = Path(__file__).parent
VECTORS = ('avx512', 'avx2', 'neon')

# What one multiplication keeps, times what adds up along a network: 24, 16 and 8 bits.
TOLERANCE = {'fp32': 2e-5, 'bf16x3': 2e-3, 'bf16': 0.3}


def prepare(name, monkeypatch):
    """Let the engine compute with an instruction set, or skip."""
    able = list(library.instruction_sets())
    if name == 'amx' and name not in able:
        if platform.machine() != 'x86_64' or not torch.cpu._is_avx512_bf16_supported():
            pytest.skip('needs a CPU with AVX-512 for bfloat16')
        able.append(name)
        monkeypatch.setattr(library, 'library', lambda _: emulated())
    if name not in able:
        pytest.skip(f'needs a CPU with {name}')
    monkeypatch.setattr(engine, 'instruction_sets', lambda: [name])
    try:
        library.library(name)
    except build.BuildError as error:
        pytest.skip(str(error))
    return name


@cache
def emulated():
    path = library.cache_folder() / 'emulated.so'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CXX', f'c++ -include {FOLDER / "tiles.h"}')
        build.build('amx', path)
    return library.load(path)


@pytest.fixture(params=['amx', *VECTORS])
def instructions(request, monkeypatch):
    return prepare(request.param, monkeypatch)


@pytest.fixture(params=VECTORS)
def vectors(request, monkeypatch):
    return prepare(request.param, monkeypatch)


@pytest.fixture
def matrix(monkeypatch):
    return prepare('amx', monkeypatch)


def outputs(given):
    return list(given) if isinstance(given, (tuple, list)) else [given]


def assert_close(model, *xs, precision='fp32', compiled=None):
    with torch.no_grad():
        expected = outputs(model(*xs))
    compiled = compiled or compile_native(model, *xs, precision=precision)
    actual = outputs(compiled(*xs))
    assert [y.shape for y in actual] == [y.shape for y in expected]
    for a, b in zip(actual, expected, strict=True):
        assert (a - b).norm() <= TOLERANCE[precision] * b.norm()
        assert (a - b).abs().max() <= TOLERANCE[precision] * b.abs().max()
    return compiled


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv1_test-w4', 'hrnetv2_test-w18', 'hrnetv2p_test-w4', 'hrnet_test-w4'])
@pytest.mark.parametrize('shape', [(1, 3, 64, 64), (3, 3, 65, 39)])
def test_readouts(network, instructions, name, shape):
    assert_close(network(name), torch.randn(shape))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv1_w18', 'hrnetv2_w30', 'hrnetv2p_w18', 'hrnet_w18'])
def test_whole_networks(network, vectors, name):
    assert_close(network(name), torch.randn(1, 3, 64, 96))


@pytest.mark.slow
@pytest.mark.parametrize('precision', ['bf16x3', 'bf16'])
def test_precisions(network, matrix, precision):
    assert_close(network('hrnetv1_test-w16'), torch.randn(2, 3, 64, 48), precision=precision)


@pytest.mark.slow
def test_random_networks(vectors):
    """Networks of any widths, depths, read-outs and sizes; HRNET_MM_NETWORKS of them."""
    draw = random.Random(0)
    for _ in range(int(os.environ.get('HRNET_MM_NETWORKS', '4'))):
        stages = []
        for branches in range(1, 5):
            block = draw.choice(['BASIC', 'BOTTLENECK'])
            widths = tuple(draw.randint(1, 12 if block == 'BOTTLENECK' else 40) for _ in range(branches))
            stages.append(Stage(draw.randint(1, 2), block, tuple(draw.randint(1, 2) for _ in widths), widths))
        torch.manual_seed(draw.randint(0, 10**6))
        fuse_upsample = draw.choice(['nearest', 'bilinear'])
        model = HRNet(Arch(*stages), fuse_upsample=fuse_upsample, downsample=draw.choice(['strided', 'bilinear']))
        with torch.no_grad():
            model.train()(torch.randn(4, 3, 64, 64))
        assert_close(model.eval(), torch.randn(draw.randint(1, 3), 3, draw.randint(33, 90), draw.randint(33, 90)))


@pytest.mark.parametrize(('channels', 'kernel', 'stride', 'size'), [
    (3, 3, 2, (33, 47)),
    (3, 3, 1, (10, 11)),
    (18, 3, 1, (9, 7)),
    (30, 3, 1, (23, 14)),
    (40, 1, 1, (5, 3)),
    (64, 3, 2, (16, 12)),
    (48, 1, 2, (7, 9)),
    (64, 3, 1, (8, 6)),
    (160, 3, 1, (1, 1)),
    (32, 3, 1, (37, 50)),
])  # fmt: skip
@pytest.mark.parametrize('batch', [1, 3])
def test_single_convolutions(instructions, channels, kernel, stride, size, batch):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 40, kernel, stride, kernel // 2)
    x = torch.randn(batch, channels, *size)
    with torch.no_grad():
        exact = conv.double()(x.double())
        y = compile_native(conv.float(), x)(x)
    # The rounding of a float32 sum of that many products one by one, which the matrix unit adds in parts.
    assert (y - exact).norm() < (3e-7 if instructions == 'amx' else 1e-6) * exact.norm()


def test_denormals(instructions):
    """Products of numbers below the normal range vanish or stay as small, and spoil no others."""
    torch.manual_seed(0)
    conv, x = nn.Conv2d(32, 32, 3, padding=1), torch.randn(1, 32, 12, 12)
    x[:, ::2] = 1e-41
    assert_close(conv, x)
    with torch.no_grad():
        conv.weight[:16] = 1e-42
    assert_close(conv, x)


class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.pyramid = HRNetV2pFPN((4, 8, 16, 32), 40)

    def forward(self, *xs):
        return self.pyramid(xs)


def test_several_inputs(instructions):
    torch.manual_seed(0)
    model = Neck().eval()
    xs = [torch.randn(2, c, 17 // s, 24 // s) for c, s in ((4, 1), (8, 2), (16, 4), (32, 8))]
    with torch.no_grad():
        expected = model(*xs)
    for y, exact in zip(compile_native(model, *xs)(*xs), expected, strict=True):
        assert (y - exact).abs().max() <= 1e-5 * exact.abs().max()
    with pytest.raises(ValueError, match=r'the inputs are torch\.float32'):
        compile_native(model, *xs)(*xs[:3])


class InPlace(nn.Module):
    """Operators that overwrite what others read, as they stand in many a network."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 18, 3, padding=1), nn.Conv2d(18, 18, 3, padding=1)

    def forward(self, x):
        x = self.first(x)
        y = F.relu_(x)
        y = self.second(y)
        y += x  # after ReLU
        return F.relu_(y), x


@pytest.mark.parametrize('pool', [nn.AdaptiveAvgPool2d(1), nn.AdaptiveAvgPool2d((1, 1))])
def test_a_vector_by_view(instructions, pool):
    """mmpretrain's GlobalAveragePooling."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 20, 3, padding=1), pool, nn.Flatten(), nn.Linear(20, 5)).eval()
    assert_close(model, torch.randn(2, 3, 9, 14))
    assert_close(model[:3], torch.randn(2, 3, 9, 14))
    with pytest.raises(ValueError, match=r'cannot run .*view'):
        compile_native(nn.Flatten(), torch.randn(1, 3, 8, 8))


def test_operators_in_place(instructions):
    torch.manual_seed(0)
    assert_close(InPlace().eval(), torch.randn(2, 3, 9, 14))


class Slices(nn.Module):
    """Sums of slices of maps: the slices begin at vectors, so both maps are cut in the same places."""

    def __init__(self):
        super().__init__()
        self.whole, self.parts = nn.Conv2d(3, 54, 1), nn.ModuleList(nn.Conv2d(3, c, 3, padding=1) for c in (18, 36))
        self.last = nn.Conv2d(54, 5, 3, padding=1)

    def forward(self, x):
        y = torch.cat([conv(x) for conv in self.parts], 1) + self.whole(x)
        a, b = y.split([10, 44], 1)
        return self.last(y.relu()), a, b


def test_slices(instructions):
    torch.manual_seed(0)
    assert_close(Slices().eval(), torch.randn(2, 3, 7, 9))


@pytest.mark.slow
def test_threads_do_not_change_outputs(network, instructions):
    model, x = network('hrnetv1_test-w16'), torch.randn(1, 3, 96, 64)
    compiled = compile_native(model, x)
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(compiled(x)[0])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


@pytest.mark.slow
def test_calls_do_not_depend_on_one_another(network, instructions):
    """Also not through activations of an earlier call that were not finite, nor through the other image."""
    model, x = network('hrnetv1_test-w18'), torch.randn(2, 3, 64, 48)
    compiled = compile_native(model, x)
    before = compiled(x)[0]
    broken = x.clone()
    broken[0, :, 20, 20] = float('nan')
    spoiled = compiled(broken)[0]
    with torch.no_grad():
        assert spoiled[model(broken)[0].isnan()].isnan().all()
    assert torch.equal(spoiled[1], before[1])
    assert torch.equal(compiled(x)[0], before)


def test_infinities_stay_visible(instructions):
    conv, x = nn.Conv2d(32, 8, 3, padding=1), torch.randn(2, 32, 12, 12)
    x[0, 3, 2, 2] = float('inf')
    with torch.no_grad():
        expected = conv(x)
    actual = compile_native(conv, x)(x)
    assert not actual[~expected.isfinite()].isfinite().any()
    far = (..., slice(6, None), slice(6, None))  # tiles are 6 pixels wide
    assert torch.allclose(actual[0][far], expected[0][far], atol=1e-5)
    assert torch.allclose(actual[1], expected[1], atol=1e-5)


@pytest.mark.slow
def test_input_of_any_layout(network, instructions):
    model, x = network('hrnetv1_test-w4'), torch.randn(1, 3, 64, 64).to(memory_format=torch.channels_last)
    assert_close(model, x)


def test_profile(instructions):
    x = torch.randn(1, 3, 8, 8)
    compiled = compile_native(nn.Conv2d(3, 8, 3, padding=1), x)
    with pytest.raises(ValueError, match='not called yet'):
        compiled.profile()
    y = compiled(x)
    assert torch.equal(compiled(x), y), 'the second call measures too'
    assert torch.equal(compiled(x), y)
    assert [name for name, _ in compiled.profile()] == ['input 3x8x8', 'conv 3x3 stride 1 3 to 8x8x8', 'output 8x8x8']
    assert all(seconds > 0 for _, seconds in compiled.profile())


class Scaled(nn.Module):
    def forward(self, x):
        return torch.add(x.relu(), x, alpha=2)


def test_kernels_that_cannot_be_built_leave_the_others(monkeypatch):
    class Compiled:
        def __init__(self, *_, precision, instructions):
            if instructions in failing:
                raise build.BuildError(f'no {instructions}')
            self.instructions = instructions

        def profile(self):
            return [('conv', 1.0)]

    monkeypatch.setattr(engine, 'NativeEngine', Compiled)
    monkeypatch.setattr(engine, 'instruction_sets', lambda: ['amx', 'avx512', 'avx2'])
    failing = ['amx']
    assert compile_native(None).instructions == 'avx512'
    failing.append('avx512')
    with pytest.raises(build.BuildError, match='no avx512'):
        compile_native(None)


@pytest.mark.parametrize('fast', ['amx', 'avx512'])
def test_the_faster_unit_computes(monkeypatch, fast):
    class Compiled:
        def __init__(self, *_, precision, instructions):
            self.instructions = instructions

        def __call__(self):
            pass

        def profile(self):
            return [('conv', 1.0), ('sum', 0.5 if self.instructions == fast else 0.6)]

    monkeypatch.setattr(engine, 'NativeEngine', Compiled)
    monkeypatch.setattr(engine, 'instruction_sets', lambda: ['amx', 'avx512', 'avx2'])
    assert compile_native(None).instructions == fast
    assert compile_native(None, precision='bf16').instructions == 'amx'
    assert compile_native(None, instructions='avx2').instructions == 'avx2'


def test_other_inputs_are_refused(instructions):
    compiled = compile_native(nn.Conv2d(3, 8, 3, padding=1), torch.randn(1, 3, 8, 8))
    with pytest.raises(ValueError, match=r'expected float32 \(1, 3, 8, 8\)'):
        compiled(torch.randn(1, 3, 8, 9))
    with pytest.raises(ValueError, match='float64'):
        compiled(torch.randn(1, 3, 8, 8, dtype=torch.float64))


def test_unknown_precisions_and_instructions_are_refused(vectors):
    conv, x = nn.Conv2d(3, 8, 1), torch.randn(1, 3, 8, 8)
    with pytest.raises(ValueError, match=r"'fp64'.*bf16x3"):
        compile_native(conv, x, precision='fp64')
    with pytest.raises(ValueError, match=f"'avx1024'; this CPU has {vectors}"):
        compile_native(conv, x, instructions='avx1024')
    with pytest.raises(RuntimeError, match='no kernels of bf16 '):
        compile_native(conv, x, precision='bf16')


@pytest.mark.parametrize(('layer', 'named'), [
    (nn.Sigmoid(), 'sigmoid'),
    (nn.Conv2d(8, 8, 3, padding=1, groups=8), 'conv2d'),
    (nn.Conv2d(8, 8, 7, padding=3), 'conv2d'),
    (nn.Upsample(scale_factor=1.5), 'upsample_nearest2d'),
    (Scaled(), 'add'),
])  # fmt: skip
def test_unknown_operators_are_named(vectors, layer, named):
    with pytest.raises(ValueError, match=f'cannot run .*{named}'):
        compile_native(layer, torch.randn(1, 8, 8, 8))


def test_a_cpu_without_kernels_is_told(monkeypatch):
    monkeypatch.setattr(engine, 'instruction_sets', list)
    with pytest.raises(RuntimeError, match='instruction sets of this CPU'):
        compile_native(nn.Conv2d(3, 8, 1), torch.randn(1, 3, 8, 8))


@pytest.mark.parametrize(
    ('capability', 'flags', 'expected'),
    [
        ('AVX512', {'avx512_vnni'}, ['avx512vnni', 'avx512', 'avx2']),
        ('AVX512', set(), ['avx512', 'avx2']),
        ('AVX2', {'avx512_vnni', 'avx_vnni'}, ['avxvnni', 'avx2']),
        ('AVX2', {'avx512_vnni'}, ['avx2']),
        ('DEFAULT', {'avx_vnni'}, []),
    ],
)
def test_instruction_sets(monkeypatch, capability, flags, expected):
    monkeypatch.setattr(library, '_cpu_flags', lambda: {'', *flags})
    monkeypatch.setattr('platform.machine', lambda: 'x86_64')
    monkeypatch.setattr(torch.backends.cpu, 'get_cpu_capability', lambda: capability)
    monkeypatch.setattr(torch, 'cpu', SimpleNamespace(_is_amx_tile_supported=lambda: False))
    assert library.instruction_sets.__wrapped__() == expected


def test_failed_builds_say_why(monkeypatch, tmp_path):
    monkeypatch.setattr(library, 'find', lambda name: tmp_path / 'none')
    monkeypatch.setenv('HRNET_MM_CACHE', str(tmp_path))
    monkeypatch.setenv('CXX', '/bin/false')
    with pytest.raises(build.BuildError, match='needs GCC 11 or Clang 14 or later: /bin/false: exit 1'):
        library.library.__wrapped__('avx2')
    monkeypatch.delenv('CXX')
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(build.BuildError, match=r'no C\+\+ compiler'):
        library.library.__wrapped__('avx2')
    assert not list(tmp_path.rglob('*.*'))


@pytest.mark.slow
def test_wheels_bring_kernels(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as file:
        names = [name for name in file.namelist() if name.endswith('.so')]
        file.extractall(tmp_path / 'site')
    able = []
    for name in build.buildable():  # where there is a compiler, which may be too old for some
        with suppress(build.BuildError):
            build.build(name, tmp_path / name)
            able.append(name)
    assert sorted(Path(name).stem for name in names) == sorted(able)
    assert wheel.stem.split('-')[2:4] == ['py3', 'none']
    assert wheel.stem.endswith('-any') == (not build.buildable())
    if not names:
        return
    environment = {**os.environ, 'CXX': '/bin/false', 'HRNET_MM_CACHE': str(tmp_path / 'empty')}
    environment['PYTHONPATH'] = str(tmp_path / 'site')
    done = subprocess.run(
        [sys.executable, '-c', INSTALLED], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.stdout.splitlines() == [str(tmp_path / 'site' / 'hrnet_mm' / '__init__.py'), 'native'], done.stderr
    assert not list((tmp_path / 'empty').rglob('*.so'))


INSTALLED = """
import torch, hrnet_mm
from hrnet_mm.fast import accelerate
print(hrnet_mm.__file__)
model = hrnet_mm.create_model('hrnetv1_test-w4', num_classes=5).eval()
print(accelerate(model, torch.randn(1, 3, 64, 64), engine='native', choice=False).report.engine)
"""


@pytest.mark.slow
def test_neon_in_an_emulator(tmp_path):
    """A program of its own, because PyTorch does not run there: Debian's g++-aarch64-linux-gnu and qemu-user."""
    compiler, emulator = shutil.which('aarch64-linux-gnu-g++'), shutil.which('qemu-aarch64')
    if not compiler or not emulator:
        pytest.skip('needs aarch64-linux-gnu-g++ and qemu-aarch64')
    program = tmp_path / 'check_kernels'
    flags = ['-O3', '-std=c++20', '-fopenmp', '-static', '-w']
    subprocess.run([compiler, *flags, FOLDER / 'check_kernels.cpp', '-o', program], check=True)
    done = subprocess.run([emulator, program], capture_output=True, text=True, check=False)
    assert done.stdout.startswith('4 lanes'), done.stderr
    assert done.returncode == 0, done.stdout


SANITIZED = """
import ctypes, sys
import torch
from hrnet_mm.factory import create_model
from hrnet_mm.fast.native import engine, memory
from hrnet_mm.fast.native.engine import compile_native

def take(self, size):  # each map and weight on its own, with red zones around it
    libc = ctypes.CDLL(None)
    libc.aligned_alloc.restype = ctypes.c_void_p
    libc.aligned_alloc.argtypes = [ctypes.c_size_t] * 2
    address = libc.aligned_alloc(64, size + -size % 64)
    ctypes.memset(address, 0, size)
    return torch.frombuffer((ctypes.c_ubyte * size).from_address(address), dtype=torch.uint8)

memory._Arena.take = take
engine.instruction_sets = lambda: [sys.argv[1]]
for name, shape in (('hrnetv1_test-w4', (2, 3, 40, 33)), ('hrnetv2_test-w18', (1, 3, 33, 47))):
    if name.endswith('w18') and sys.argv[1] == 'amx':
        continue  # takes long in software
    model, x = create_model(name, num_classes=5).eval(), torch.randn(shape)
    int8 = {'calibration': [x]} if sys.argv[2] == 'int8' else {}
    compiled = compile_native(model, x, precision=sys.argv[2], **int8)
    assert bool(compiled.quantized) == bool(int8)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        with torch.no_grad():
            expected = model(x)
        difference = (compiled(x) - expected).abs().max() / expected.abs().max()
        assert difference < (0.2 if int8 else 1e-4), difference
print('sound', compiled.instructions)
"""


@pytest.mark.slow
@pytest.mark.parametrize('instructions', ['amx', *VECTORS, 'avx512vnni int8', 'avx2 int8'])
def test_sanitizers(instructions, tmp_path, monkeypatch):
    """Neither reads and writes beyond maps, weights and scratch memory, nor undefined behavior."""
    if not shutil.which('g++'):
        pytest.skip('needs g++')
    instructions, _, precision = instructions.partition(' ')
    prepare(instructions, monkeypatch)
    runtime = subprocess.run(['g++', '-print-file-name=libasan.so'], capture_output=True, text=True, check=True)
    if not runtime.stdout.strip().startswith('/'):
        pytest.skip('needs the runtime of the address sanitizer')
    flags = '-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=vptr'
    tiles = f'-include {FOLDER / "tiles.h"}' if instructions == 'amx' else ''
    environment = {
        **os.environ,
        'CXX': 'g++',
        'CXXFLAGS': f'{tiles} {flags}',
        'LD_PRELOAD': runtime.stdout.strip(),
        'ASAN_OPTIONS': 'detect_leaks=0',
        'HRNET_MM_CACHE': str(tmp_path),
    }
    command = [sys.executable, '-c', SANITIZED, instructions, precision or 'fp32']
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout.endswith(f'sound {instructions}\n'), done.stderr[-2000:]
