"""Versions of the installed packages, incompatibilities among them, and their repair."""

import importlib
import importlib.metadata
import importlib.util
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from packaging.requirements import Requirement

from .compat import is_active
from .errors import UserError
from .ops.extension import IMPLEMENTED, REFUSED, is_compiled

__all__ = ['LIBRARIES', 'Finding', 'inspect_environment', 'repair_environment']

LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')

_PROJECTS = {
    'mmcv': ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmpretrain': ('mmpretrain', 'onedl-mmpretrain'),
    'mmseg': ('mmsegmentation', 'onedl-mmsegmentation'),
}
"""Projects that provide a module, where not only the one of its name does; OneDL's forks have versions of their own."""

_WITHOUT_DEPENDENCIES = ('mmpose>=1.3.2,<1.4', 'xtcocotools>=1.14.3')
"""What mmpose's extra leaves out: mmpose, whose dependency chumpy cannot be built and is imported on no path used
here, and xtcocotools, which would have to be compiled."""

_TRIALS = {
    **{library: f'import {library}.apis' for library in LIBRARIES},
    'opencv-python': 'import cv2',
    'pillow': 'import PIL.Image',
    'setuptools': 'import pkg_resources',
    'xtcocotools': 'import numpy; from xtcocotools import mask; mask.area(mask.encode(numpy.eye(2, 2, 0, "u1", "F")))',
}
"""What shows that a package works, where importing the module of its name does not."""

_COMMON = ('torch', 'torchvision', 'numpy', 'opencv-python', 'mmengine', 'mmcv')
"""Packages that every library imports: a library that works has tried them."""

_GPU = """
import torch
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print(', '.join(names) or 'none', f'(torch is built for CUDA {torch.version.cuda})' if torch.version.cuda else '')
"""
_MISSING = 'not installed'
_SECONDS = 300


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        subject: The package or part.
        state: Its version or kind.
        problem: What is broken; empty if nothing is.
        install: The arguments of `pip install` that repair it, if they do.
        repair: Its repair in words or as a command; empty if there is none.
    """

    subject: str
    state: str
    problem: str = ''
    install: tuple[str, ...] = ()
    repair: str = ''


def inspect_environment(wanted: Sequence[str] = ()) -> list[Finding]:
    """Inspect this Python environment: versions, whether they fit, and whether each package works.

    Each package is imported in a separate process, because a broken one may end it.

    Args:
        wanted: Libraries that are needed even if they are not installed.

    Returns:
        A finding for each part; mmcv's operators are the last.
    """
    return [_python(), _gpu(), *_tried(_packages(wanted)), _operators()]


def repair_environment(wanted: Sequence[str] = ()) -> list[Finding]:
    """Install what is missing or does not fit, without a compiler, by pip or uv, whose output is shown.

    Args:
        wanted: Libraries to install.

    Returns:
        The findings after it.

    Raises:
        UserError: If a command of pip or uv fails.
    """
    _install(_packages(wanted))
    findings = inspect_environment(wanted)
    return inspect_environment(wanted) if _install(findings) else findings


def _install(findings: Sequence[Finding]) -> bool:
    calls = [finding.install for finding in findings if finding.install]
    together = tuple(argument for call in calls if len(call) == 1 for argument in call)
    for call in [together] * bool(together) + [call for call in calls if len(call) > 1]:
        command = [*_installer(call), *call]
        print(f'$ {shlex.join(command)}', flush=True)
        done = subprocess.run(command, check=False)  # noqa: S603
        if done.returncode:
            raise UserError(f'`{shlex.join(command)}` failed with exit code {done.returncode}, for the reason above.')
    importlib.invalidate_caches()
    return bool(calls)


def _installer(call: tuple[str, ...]) -> list[str]:
    # uv makes environments without pip, and reads none of pip's settings.
    other_platform = '--target' in call
    if _installed('pip'):
        return [sys.executable, '-m', 'pip', 'install', *(['--platform', 'manylinux1_x86_64'] * other_platform)]
    uv = shutil.which('uv')
    if uv is None:
        raise UserError(f'{sys.executable} has no pip, and uv is not on the PATH; install one of them.')
    platforms = ['--python-platform', 'x86_64-manylinux2014'] * other_platform
    return [uv, 'pip', 'install', '--python', sys.executable, *platforms]


def _requirements(libraries: list[str]) -> dict[str, Requirement]:
    """Return the requirements of this package and of the libraries, by module."""
    modules = {project: name for name, projects in _PROJECTS.items() for project in projects}
    stated = map(Requirement, importlib.metadata.requires('hrnet_mm') or ())
    needs = [
        need
        for need in stated
        if need.marker is None or any(need.marker.evaluate({'extra': library}) for library in libraries)
    ]
    if 'mmpose' in libraries:
        needs += map(Requirement, _WITHOUT_DEPENDENCIES)
    return {modules.get(need.name, need.name): need for need in needs}


def _packages(wanted: Sequence[str]) -> list[Finding]:
    libraries = [name for name in LIBRARIES if name in wanted or importlib.util.find_spec(name) is not None]
    needs = _requirements(libraries)
    names = [*_COMMON, *LIBRARIES, 'xtcocotools']
    names += [name for name in needs if name not in names]
    return [_version(name, needs.get(name)) for name in names]


def _python() -> Finding:
    return Finding('Python', f'{platform.python_version()}, {sys.executable}, {platform.platform()}')


def _gpu() -> Finding:
    done = _run(_GPU)
    return Finding('GPU', done.stdout.strip() if done and done.returncode == 0 else 'unknown')


def _version(name: str, requirement: Requirement | None) -> Finding:
    installed = _installed(name)
    if len(installed) > 1:
        projects = ' and '.join(installed)
        repair = f'pip uninstall {" ".join(installed)}, then install one of them'
        return Finding(name, projects, f'{projects} are installed into the same folder', (), repair)
    if not installed:
        if requirement is None:
            return Finding(name, _MISSING)
        return _repaired(Finding(name, _MISSING, f'{name} is missing; expected {requirement}'), requirement)
    ((project, version),) = installed.items()
    state = version if project == name else f'{version} ({project})'
    if requirement is None or project.startswith('onedl-') or requirement.specifier.contains(version, True):
        return Finding(name, state)
    problem = f'{name} is {version}; expected {requirement.specifier}'
    return _repaired(Finding(name, state, problem), Requirement(f'{project}{requirement.specifier}'))


def _repaired(finding: Finding, requirement: Requirement) -> Finding:
    bare = Requirement(str(requirement))
    bare.marker = None
    install: tuple[str, ...] = (str(bare),)
    if bare.name == 'xtcocotools':
        # Its Python files, from a wheel for a Python that this one is not; `compat` supplies the compiled functions.
        folder = sysconfig.get_path('purelib')
        options = ('--upgrade', '--no-deps', '--only-binary', ':all:', '--python-version', '3.9', '--target', folder)
        install = (*options, *install)
    elif bare.name == 'mmpose':
        install = ('--no-deps', *install)
    return replace(finding, install=install, repair=f'pip install {shlex.join(install)}')


def _installed(name: str) -> dict[str, str]:
    """Return the projects that provide a module and their versions."""
    versions = {}
    for project in _PROJECTS.get(name, (name,)):
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[project] = importlib.metadata.version(project)
    return versions


def _operators() -> Finding:
    """Determine which operators mmcv has, without importing it."""
    subject = 'operators of mmcv'
    if importlib.util.find_spec('mmcv') is None:
        return Finding(subject, _MISSING)
    if is_compiled():
        return Finding(subject, 'compiled')
    if is_active():
        count, refused = (sum(map(len, table.values())) for table in (IMPLEMENTED, REFUSED))
        kinds = ', '.join(sorted(IMPLEMENTED))
        return Finding(subject, f'{count} in Python ({kinds}), {refused} missing ({", ".join(REFUSED)})')
    problem = 'mmcv has no operators, and mmdet, mmseg and mmpose import them'
    return Finding(subject, _MISSING, problem, (), 'install hrnet_mm with pip, which places hrnet_mm.pth beside it')


def _tried(findings: list[Finding]) -> list[Finding]:
    """Try the installed packages, two at a time, and add their errors."""
    installed = [finding.subject for finding in findings if not finding.problem and finding.state != _MISSING]
    with ThreadPoolExecutor(2) as pool:

        def problems(names: list[str]) -> dict[str, str]:
            return dict(zip(names, pool.map(_trial_problem, names), strict=True))

        found = problems([name for name in installed if name not in _COMMON])
        libraries = [found[name] for name in LIBRARIES if name in found]
        if not libraries or any(libraries):
            found |= problems([name for name in installed if name in _COMMON])
    return [_with_error(finding, found.get(finding.subject, '')) for finding in findings]


def _with_error(finding: Finding, error: str) -> Finding:
    if error and finding.subject == 'xtcocotools':
        return _repaired(replace(finding, problem=error), Requirement(_WITHOUT_DEPENDENCIES[1]))
    return replace(finding, problem=finding.problem or error)


def _trial_problem(name: str) -> str:
    code = _TRIALS.get(name, f'import {name.replace("-", "_")}')
    done = _run(code)
    if done is None:
        return f'`{code}` does not end within {_SECONDS} s'
    if done.returncode == 0:
        return ''
    lines = done.stderr.strip().splitlines()
    return f'`{code}` fails: {lines[-1] if lines else f"exit code {done.returncode}"}'


def _run(code: str) -> subprocess.CompletedProcess[str] | None:
    command = [sys.executable, '-W', 'ignore', '-c', code]
    with suppress(subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603
    return None
