"""Versions of the installed packages, and incompatibilities among them."""

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ['Finding', 'inspect_environment']

_LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')
_DISTRIBUTIONS = {'mmseg': ('mmsegmentation',), 'mmcv': ('mmcv', 'mmcv-lite')}
"""Distributions of modules whose name differs, or that have several; the forks of OneDL have a prefix."""

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
        A finding for each part, in the order of dependence.
    """
    libraries = [name for name in _LIBRARIES if importlib.util.find_spec(name) is not None]
    findings = [_python(), *_versions(['torch', 'torchvision', 'numpy', 'opencv-python', 'mmengine', 'mmcv'])]
    findings += [_operators(), *_versions(libraries), *_versions(['xtcocotools', 'setuptools'])]
    findings += [Finding(name, 'not installed') for name in _LIBRARIES if name not in libraries]
    return _with_imports(findings)


def _python() -> Finding:
    return Finding('Python', f'{platform.python_version()}, {sys.executable}, {platform.platform()}')


def _versions(names: list[str]) -> Iterator[Finding]:
    needs = _requirements()
    for name in names:
        distribution = _distribution(name)
        if distribution is None:
            needed = str(needs[name]) if name in needs else ''
            problem = f'{name} is missing; expected {needed}' if needed else ''
            yield Finding(name, 'not installed', problem, f"pip install '{needed}'" if needed else '')
            continue
        project, version = distribution
        state = version if project == name else f'{version} ({project})'
        requirement = needs.get(name)
        if requirement is not None and not requirement.specifier.contains(version, prereleases=True):
            problem = f'{name} is {version}; expected {requirement.specifier}'
            yield Finding(name, state, problem, f"pip install '{project}{requirement.specifier}'")
        else:
            yield Finding(name, state)


def _distribution(name: str) -> tuple[str, str] | None:
    """Return the project that provides a module, and its version."""
    known = _DISTRIBUTIONS.get(name, (name,))
    for project in (*known, *(f'onedl-{one}' for one in (*known, 'mmdetection' * (name == 'mmdet')) if one)):
        try:
            return project, importlib.metadata.version(project)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _requirements() -> dict[str, Requirement]:
    """Return the requirements of this package and of the installed libraries, by module."""
    modules = {project: name for name, projects in _DISTRIBUTIONS.items() for project in projects}
    needs = {}
    for line in importlib.metadata.requires('hrnet_mm') or ():
        requirement = Requirement(line)
        extras = [name for name in _LIBRARIES if importlib.util.find_spec(name) is not None]
        marker = requirement.marker
        if marker is None or any(marker.evaluate({'extra': extra}) for extra in extras):
            needs[modules.get(requirement.name, requirement.name)] = requirement
    return needs


def _operators() -> Finding:
    """Determine the kind of mmcv's operators, without importing it."""
    mmcv = importlib.util.find_spec('mmcv')
    if mmcv is None:
        return Finding('operators of mmcv', 'no mmcv')
    folders = mmcv.submodule_search_locations or ()
    compiled = [
        file.name for folder in folders for file in Path(folder).glob('_ext*') if file.suffix in ('.so', '.pyd')
    ]
    if compiled:
        return Finding('operators of mmcv', f'compiled ({compiled[0]})')
    if importlib.util.find_spec('mmcv._ext') is not None:
        return Finding('operators of mmcv', 'Python (hrnet_mm.ops)')
    return Finding('operators of mmcv', 'none', 'mmcv has no operators', 'hrnet-mm doctor --fix')


def _with_imports(findings: list[Finding]) -> list[Finding]:
    """Import the installed packages, and add their errors."""
    modules = {'opencv-python': 'cv2', 'setuptools': 'pkg_resources'}

    def tried(finding: Finding) -> Finding:
        module = modules.get(finding.subject, finding.subject)
        if finding.problem or not module.isidentifier() or module == 'Python' or finding.state == 'not installed':
            return finding
        problem = _import_problem(f'{module}.apis' if module in _LIBRARIES else module)
        return Finding(finding.subject, finding.state, problem) if problem else finding

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(tried, findings))


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
