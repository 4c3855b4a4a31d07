"""Versions of the installed packages, and incompatibilities among them."""

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace

from packaging.requirements import Requirement

from .ops.extension import is_compiled

__all__ = ['Finding', 'inspect_environment']

_LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')
_PROJECTS = {
    'mmcv': ('mmcv', 'mmcv-lite', 'onedl-mmcv'),
    'mmdet': ('mmdet', 'onedl-mmdetection'),
    'mmengine': ('mmengine', 'onedl-mmengine'),
    'mmpretrain': ('mmpretrain', 'onedl-mmpretrain'),
    'mmseg': ('mmsegmentation', 'onedl-mmsegmentation'),
}
"""Projects that provide a module, where not only the one of its name does; OneDL's forks have versions of their own."""

_MODULES = {'opencv-python': 'cv2', 'setuptools': 'pkg_resources'}
"""Modules of projects with another name."""

_MISSING = 'not installed'
_SECONDS = 300


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        subject: The package or part.
        state: Its version or kind.
        problem: What is broken; empty if nothing is.
        repair: The command that repairs it; empty if there is none.
    """

    subject: str
    state: str
    problem: str = ''
    repair: str = ''


def inspect_environment() -> list[Finding]:
    """Inspect this Python environment: versions, whether they fit, and whether each library can be imported.

    Each library is imported in a separate process, because a broken one may end it.

    Returns:
        A finding for each part; mmcv's operators are the last.
    """
    libraries = [name for name in _LIBRARIES if importlib.util.find_spec(name) is not None]
    needs = _requirements(libraries)
    names = ['torch', 'torchvision', 'numpy', 'opencv-python', 'mmengine', 'mmcv', *_LIBRARIES]
    versions = [_version(name, needs.get(name)) for name in (*names, 'xtcocotools', 'setuptools')]
    with ThreadPoolExecutor(2) as pool:
        return [_python(), *pool.map(_with_import, versions), _operators()]


def _python() -> Finding:
    return Finding('Python', f'{platform.python_version()}, {sys.executable}, {platform.platform()}')


def _version(name: str, requirement: Requirement | None) -> Finding:
    project, version = _installed(name)
    if not version:
        if requirement is None:
            return Finding(name, _MISSING)
        return Finding(name, _MISSING, f'{name} is missing; expected {requirement}', f"pip install '{requirement}'")
    state = version if project == name else f'{version} ({project})'
    if requirement is None or project.startswith('onedl-') or requirement.specifier.contains(version, True):
        return Finding(name, state)
    problem = f'{name} is {version}; expected {requirement.specifier}'
    return Finding(name, state, problem, f"pip install '{project}{requirement.specifier}'")


def _installed(name: str) -> tuple[str, str]:
    """Return the project that provides a module and its version, '' if there is none."""
    for project in _PROJECTS.get(name, (name,)):
        with suppress(importlib.metadata.PackageNotFoundError):
            return project, importlib.metadata.version(project)
    return name, ''


def _requirements(libraries: list[str]) -> dict[str, Requirement]:
    """Return the requirements of this package and of the libraries, by module."""
    modules = {project: name for name, projects in _PROJECTS.items() for project in projects}
    needs = {}
    for requirement in map(Requirement, importlib.metadata.requires('hrnet_mm') or ()):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({'extra': library}) for library in libraries):
            needs[modules.get(requirement.name, requirement.name)] = requirement
    return needs


def _operators() -> Finding:
    """Determine whether mmcv has its operators, without importing it."""
    subject = 'operators of mmcv'
    if importlib.util.find_spec('mmcv') is None:
        return Finding(subject, _MISSING)
    if is_compiled():
        return Finding(subject, 'compiled')
    repair = 'pip uninstall mmcv mmcv-lite, then pip install --no-build-isolation mmcv==2.1.0, with a C++ compiler'
    repair += '; or call hrnet_mm.ops.install() before mmcv.ops is imported'
    return Finding(subject, _MISSING, 'mmcv has no operators, and mmdet, mmseg and mmpose import them', repair)


def _with_import(finding: Finding) -> Finding:
    """Import an installed package, and add its error."""
    module = _MODULES.get(finding.subject, finding.subject)
    if finding.problem or finding.state == _MISSING:
        return finding
    problem = _import_problem(f'{module}.apis' if module in _LIBRARIES else module)
    return replace(finding, problem=problem)


def _import_problem(module: str) -> str:
    command = [sys.executable, '-W', 'ignore', '-c', f'import {module}']
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f'import {module} does not end within {_SECONDS} s'
    if done.returncode == 0:
        return ''
    lines = done.stderr.strip().splitlines()
    return f'import {module} fails: {lines[-1] if lines else f"exit code {done.returncode}"}'
