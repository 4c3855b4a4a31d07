"""Packaging of hrnet_mm; the settings of the development tools are in pyproject.toml."""

import re
import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')
STARTUP_FILE = 'hrnet_mm.pth'
NOT_EXTRAS = ('build', 'constraints', 'runtime')


class Build(build_py):
    """Adds hrnet_mm.pth, and what MIM looks for as hrnet_mm/.mim, a folder that the checkout itself never holds."""

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

    def get_outputs(self, include_bytecode=1):
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        mim = [str(Path(self.build_lib, 'hrnet_mm', '.mim', source)) for source in self._mim_files()]
        return [*outputs, str(Path(self.build_lib, STARTUP_FILE)), *mim]

    @staticmethod
    def _mim_files():
        files = [ROOT / name for name in ('model-index.yml', 'tools/train.py', 'tools/test.py')]
        files += [file for file in ROOT.glob('configs/**/*') if file.suffix in ('.py', '.yml', '.md')]
        return sorted(str(file.relative_to(ROOT)) for file in files)


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
    cmdclass={'build_py': Build},
    zip_safe=False,
)
