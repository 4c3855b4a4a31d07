"""The compiled kernels as Python sees them: structures and functions of program.h."""

import ctypes
import platform
from collections.abc import Sequence
from contextlib import suppress
from ctypes import POINTER, c_double, c_float, c_int, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import torch

from ...cache import cache_folder
from .build import BuildError, build, digest, find

__all__ = ['Axis', 'Convolution', 'Filters', 'Map', 'Run', 'Term', 'instruction_sets', 'library', 'load']


class Map(ctypes.Structure):
    """An activation in memory."""

    _fields_ = [
        ('images', c_int32),
        ('height', c_int32),
        ('width', c_int32),
        ('channels', c_int32),
        ('step', c_int64),
        ('full', c_void_p),
        ('part', c_void_p * 3),
        ('bytes', c_void_p),
        ('inverse', c_float),
        ('zero', c_int32),
    ]


class Axis(ctypes.Structure):
    """The inputs and weights of a resampled row or column."""

    _fields_ = [('taps', c_int32), ('index', c_void_p), ('weight', c_void_p)]


class Term(ctypes.Structure):
    """A summand."""

    _fields_ = [('map', Map), ('y', Axis), ('x', Axis)]


class Run(ctypes.Structure):
    """Input channels that follow one another in memory."""

    _fields_ = [('offset', c_int64), ('tiles', c_int32)]


class Convolution(ctypes.Structure):
    """A convolution with what follows its sums."""

    _fields_ = [
        ('source', Map),
        ('out', Map),
        ('residual', Map),
        ('weight', c_void_p),
        ('bias', c_void_p),
        ('scales', c_void_p),
        ('relu', c_int32),
        ('kernel', c_int32),
        ('stride', c_int32),
        ('padding', c_int32),
        ('depth', c_int32),
        ('tile', c_int32),
        ('gather', c_int32),
        ('run_count', c_int32),
        ('runs', POINTER(Run)),
    ]


class Filters(ctypes.Structure):
    """The weights of a convolution where PyTorch keeps them."""

    _fields_ = [
        ('full', c_void_p),
        ('outputs', c_int32),
        ('inputs', c_int32),
        ('steps', c_int64 * 4),
        ('factor', c_void_p),
    ]


_ARGUMENTS: dict[str, Sequence[Any]] = {
    'free': [c_void_p],
    'input': [c_void_p, c_int, POINTER(Map), c_int, c_int],
    'output': [c_void_p, c_int, POINTER(Map), c_int, POINTER(c_int32), c_int],
    'sum': [c_void_p, c_int, POINTER(Map), c_int, POINTER(Term), c_int],
    'conv': [c_void_p, c_int, POINTER(Convolution)],
    'run': [c_void_p, POINTER(c_void_p), POINTER(c_void_p), c_int],
    'costs': [c_void_p, POINTER(c_double)],
    'calibrate': [c_void_p, POINTER(c_void_p), POINTER(c_void_p), c_int],
}


@cache
def instruction_sets() -> list[str]:
    """The instruction sets of this CPU that have kernels, the most able first.

    ATEN_CPU_CAPABILITY=avx2 hides AVX-512 from it, as it does from PyTorch.
    """
    machine = platform.machine().lower()
    if machine in ('aarch64', 'arm64'):
        return ['neon']
    if machine not in ('x86_64', 'amd64'):
        return []
    able = torch.backends.cpu.get_cpu_capability()  # type: ignore[no-untyped-call]
    found = {'AVX512': ['avx512vnni', 'avx512', 'avxvnni', 'avx2'], 'AVX2': ['avxvnni', 'avx2']}.get(able, [])
    flags = _cpu_flags()
    found = [name for name in found if _NEEDED_FLAG.get(name, '') in flags]
    # The first asks the CPU; the second the kernel, for the whole process.
    if 'avx512' in found and torch.cpu._is_amx_tile_supported() and torch.cpu._init_amx():
        found.insert(0, 'amx')
    return found


_NEEDED_FLAG = {'avx512vnni': 'avx512_vnni', 'avxvnni': 'avx_vnni'}
"""What Linux calls an ability of which PyTorch says nothing."""


def _cpu_flags() -> set[str]:
    with suppress(OSError):
        for line in Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines():
            if line.startswith('flags'):
                return {'', *line.split()}
    return {''}


@cache
def library(name: str) -> Any:
    """The kernels of an instruction set: those that came with the package, or built now and kept in the cache folder.

    Raises:
        BuildError: They did not come with the package, and there is no compiler that can build them.
    """
    path = find(name)
    if not path.is_file():
        path = cache_folder() / 'native' / digest(name) / f'{name}.so'
    if not path.is_file():
        try:
            build(name, path)
        except BuildError as error:
            raise BuildError(
                f'the native engine is built at first use, which needs GCC 11 or Clang 14 or later: {error}'
            ) from error
    return load(path)


def load(path: Path) -> Any:
    """The kernels in a file."""
    if not hasattr(ctypes.CDLL(None), 'GOMP_parallel'):
        ctypes.CDLL('libgomp.so.1', mode=ctypes.RTLD_GLOBAL)
    loaded = ctypes.CDLL(str(path))
    for function, arguments in _ARGUMENTS.items():
        getattr(loaded, f'hrnet_mm_{function}').argtypes = arguments
        getattr(loaded, f'hrnet_mm_{function}').restype = None
    loaded.hrnet_mm_program.restype = c_void_p
    return loaded
