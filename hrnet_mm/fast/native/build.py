"""The compiled kernels: one shared library for each instruction set, shipped with the package or built at first use.

This module imports only the standard library: setup.py runs it to ship the libraries.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ['INSTRUCTION_SETS', 'BuildError', 'build', 'buildable', 'digest', 'find']

_FOLDER = Path(__file__).parent
_AVX512 = '-mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512'
# OpenMP is not linked: PyTorch has loaded it, and so both share one pool of threads.
_FLAGS = '-O3 -std=c++20 -fPIC -fvisibility=hidden'
_LINK = '-shared -static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL'  # the library runs beside any C++ runtime

INSTRUCTION_SETS = {
    'amx': ('x86_64', 'amx.cpp', f'{_AVX512} -mavx512bf16 -mamx-tile -mamx-bf16'),
    'avx512vnni': ('x86_64', 'vector.cpp', f'{_AVX512} -mavx512vnni'),
    'avx512': ('x86_64', 'vector.cpp', _AVX512),
    'avxvnni': ('x86_64', 'vector.cpp', '-mavx2 -mfma -mavxvnni'),
    'avx2': ('x86_64', 'vector.cpp', '-mavx2 -mfma'),
    'neon': ('aarch64', 'vector.cpp', ''),
}
"""The machine, the source and the compiler's flags of each."""


class BuildError(RuntimeError):
    """The kernels could not be built."""


def buildable() -> list[str]:
    """The instruction sets of this kind of machine, whatever its CPU; none without compiler or Linux."""
    if sys.platform != 'linux' or not _compiler():
        return []
    return [name for name, (machine, _, _) in INSTRUCTION_SETS.items() if machine == platform.machine()]


def find(name: str) -> Path:
    """The library of an instruction set as it comes with a package that was built with a compiler."""
    # In a folder of its own: Python would import a file amx.so beside amx.py in its place.
    return _FOLDER / 'kernels' / f'{name}.so'


def digest(name: str) -> str:
    """A short hash of what a library is built from."""
    _, source, flags = INSTRUCTION_SETS[name]
    parts = [(_FOLDER / file).read_bytes() for file in ('program.h', 'weights.h', 'training.h', source)]
    return hashlib.sha256(b'\0'.join([*parts, f'{_FLAGS} {flags}'.encode()])).hexdigest()[:16]


def build(name: str, target: Path) -> None:
    """Compile the library of an instruction set.

    The compiler is that of CXX, or the first of c++, g++ and clang++; CXXFLAGS come last.

    Args:
        name: The instruction set.
        target: The file to write, whole or not at all.

    Raises:
        BuildError: There is no compiler, or it fails.
    """
    _, source, given = INSTRUCTION_SETS[name]
    compiler = _compiler()
    if not compiler:
        raise BuildError('no C++ compiler (c++, g++ or clang++) on the PATH')
    flags = [*_FLAGS.split(), *given.split(), *shlex.split(os.environ.get('CXXFLAGS', ''))]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f'.{os.getpid()}')
    try:
        for command in (
            [*compiler, *flags, '-c', str(_FOLDER / source), '-o', f'{partial}.o'],
            [*compiler, *flags, *_LINK.split(), f'{partial}.o', '-o', str(partial)],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                errors = [line for line in done.stderr.splitlines() if 'error' in line] or [f'exit {done.returncode}']
                raise BuildError(f'{command[0]}: {errors[0]}')
        partial.replace(target)
    except OSError as error:
        raise BuildError(str(error)) from error
    finally:
        for rest in (partial, Path(f'{partial}.o')):
            rest.unlink(missing_ok=True)


def _compiler() -> list[str]:
    if given := os.environ.get('CXX'):
        return shlex.split(given)
    return [path for name in ('c++', 'g++', 'clang++') if (path := shutil.which(name))][:1]
