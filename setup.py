"""Packaging of hrnet_mm; the settings of the development tools are in pyproject.toml."""

import re
import runpy
import shutil
import sys
from pathlib import Path

from setuptools import Distribution, find_packages, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')
STARTUP_FILE = 'hrnet_mm.pth'
NOT_EXTRAS = ('build', 'constraints', 'runtime')
KERNELS = runpy.run_path(str(ROOT / 'hrnet_mm' / 'fast' / 'native' / 'build.py'))


class Build(build_py):
    """Adds what a checkout does not hold: hrnet_mm.pth, compiled kernels, and what MIM looks for as hrnet_mm/.mim."""

    def run(self):
        super().run()
        folder = self.get_finalized_command('install').install_lib if self.editable_mode else self.build_lib
        Path(folder, STARTUP_FILE).write_text(read_startup(), encoding='utf-8')
        if self.editable_mode:
            return
        for source in self._mim_files():
            target = Path(self.build_lib, 'hrnet_mm', '.mim', source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / source, target)
        for name in self._kernels():
            try:
                KERNELS['build'](name, self._kernel_file(name))
            except KERNELS['BuildError'] as error:  # an older compiler: they are built at first use, or not at all
                print(f'no kernels for {name}: {error}', file=sys.stderr)

    def get_outputs(self, include_bytecode=1):
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        mim = [str(Path(self.build_lib, 'hrnet_mm', '.mim', source)) for source in self._mim_files()]
        kernels = [str(file) for file in map(self._kernel_file, self._kernels()) if file.is_file()]
        return [*outputs, str(Path(self.build_lib, STARTUP_FILE)), *mim, *kernels]

    def _kernels(self):
        return KERNELS['buildable']() if self.distribution.has_ext_modules() else []

    def _kernel_file(self, name):
        return Path(self.build_lib, KERNELS['find'](name).relative_to(ROOT))

    @staticmethod
    def _mim_files():
        files = [ROOT / name for name in ('model-index.yml', 'tools/train.py', 'tools/test.py')]
        files += [file for file in ROOT.glob('configs/**/*') if file.suffix in ('.py', '.yml', '.md')]
        return sorted(str(file.relative_to(ROOT)) for file in files)


class Package(Distribution):
    """Belongs to one kind of machine where a compiler can build the kernels, and to any machine elsewhere."""

    def has_ext_modules(self):
        return bool(KERNELS['buildable']())


class Wheel(bdist_wheel):
    """Serves every version of Python, because the kernels have a C interface of their own."""

    def get_tag(self):
        _, _, platform = super().get_tag()
        return 'py3', 'none', platform


def read_requirements(name):
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line for line in (re.sub(r'\s*#.*', '', line).strip() for line in lines) if line]


def read_version():
    text = (ROOT / 'hrnet_mm' / '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '(.+)'$", text, re.MULTILINE).group(1)


def read_startup():
    return runpy.run_path(str(ROOT / 'hrnet_mm' / 'compat.py'))['STARTUP']


extras = {
    file.stem: read_requirements(file.stem)
    for file in sorted(ROOT.glob('requirements/*.txt'))
    if file.stem not in NOT_EXTRAS
}
extras['all'] = sorted({line for name in LIBRARIES for line in extras[name]})

setup(
    name='hrnet_mm',
    version=read_version(),
    description='One HRNet (V1, V2, V2p, C) for mmdet, mmseg, mmpose, mmpretrain and plain PyTorch',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='hrnet_mm contributors',
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.10',
    packages=find_packages(include=['hrnet_mm', 'hrnet_mm.*']),
    package_data={'hrnet_mm': ['py.typed', 'weights/results.csv', 'fast/native/*.cpp', 'fast/native/*.h']},
    install_requires=read_requirements('runtime'),
    extras_require=extras,
    entry_points={'console_scripts': ['hrnet-mm = hrnet_mm.cli:main']},
    cmdclass={'bdist_wheel': Wheel, 'build_py': Build},
    distclass=Package,
    zip_safe=False,
)
