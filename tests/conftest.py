"""Fixtures for every test: no network, few threads, no default scope left over, and a folder of tiny data."""

import atexit
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

# Before torch is imported: the machine's cores are shared with the processes that some tests start.
os.environ.setdefault('OMP_NUM_THREADS', '1')

import cv2
import numpy as np
import pytest
import torch
import torch.utils.data._utils
from filelock import FileLock
from mmengine.registry import DefaultScope
from torch import nn

import hrnet_mm

# Where no bytecode is kept, every process compiles the libraries anew, which takes 20 seconds for all of them.
os.environ.pop('PYTHONDONTWRITEBYTECODE', None)
sys.dont_write_bytecode = False

# What the tests check is not recorded in the user's folder.
os.environ['HRNET_MM_CACHE'] = tempfile.mkdtemp(prefix='hrnet_mm-cache-')
atexit.register(shutil.rmtree, os.environ['HRNET_MM_CACHE'], ignore_errors=True)

# The processes that tests start find the folder by the variable.
_OFFLINE = Path(__file__).parent / 'offline'
os.environ['PYTHONPATH'] = os.pathsep.join([str(_OFFLINE), *filter(None, [os.environ.get('PYTHONPATH')])])
_spec = importlib.util.spec_from_file_location('hrnet_mm_tests_offline', _OFFLINE / 'sitecustomize.py')
_spec.loader.exec_module(importlib.util.module_from_spec(_spec))


# Worker processes of a loader that the garbage collector finds, whichever test runs then, do not hear that they are to
# end; torch waits 5 seconds for each and terminates it.
torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as quick the first case of every test that is not slow, and put the longest tests first.

    Then no process is left at the end with a minute of work that the others cannot share.
    """
    items.sort(key=lambda item: item.path.parent.name != 'end_to_end')
    seen = set()
    for item in items:
        test = item.nodeid.partition('[')[0]
        if test not in seen and item.get_closest_marker('slow') is None:
            seen.add(test)
            item.add_marker('quick')


@pytest.fixture(autouse=True)
def _nothing_left_over(monkeypatch):
    """Undo what a test leaves in the process.

    Commands set variables of the environment, and mmengine keeps the scope of the last config built, in which the next
    test would look names up.
    """
    before = dict(os.environ)
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(scope='session')
def tiny_data(tmp_path_factory):
    """A folder with four 64x64 images of one bright square each, annotated for all four libraries."""
    folder = tmp_path_factory.mktemp('tiny_data')
    (folder / 'images').mkdir()
    (folder / 'labels').mkdir()
    images, annotations, classes = [], [], []
    for index in range(4):
        x, y, side = 4 + 12 * index, 16, 20
        label = np.zeros((64, 64), np.uint8)
        label[y : y + side, x : x + side] = 1
        noise = np.random.default_rng(index).integers(0, 50, (64, 64, 3))
        name = f'{index}.png'
        cv2.imwrite(str(folder / 'images' / name), (noise + 200 * label[..., None]).astype(np.uint8))
        cv2.imwrite(str(folder / 'labels' / name), label)
        images.append({'id': index, 'file_name': name, 'width': 64, 'height': 64})
        annotations.append(
            {
                'id': index + 1,
                'image_id': index,
                'category_id': 1,
                'bbox': [x, y, side, side],
                'area': side * side,
                'iscrowd': 0,
                'keypoints': [value for k in range(17) for value in (x + k, y + k, 2)],
                'num_keypoints': 17,
            }
        )
        classes.append(f'{name} {index // 2}\n')
    content = {'images': images, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'person'}]}
    (folder / 'annotations.json').write_text(json.dumps(content))
    (folder / 'classes.txt').write_text(''.join(classes))
    return folder


@pytest.fixture
def tiny_config(tiny_data, monkeypatch):
    """A function from a library's name to the path of its tiny training config."""
    monkeypatch.setenv('TINY_DATA', str(tiny_data))
    return lambda library: Path(__file__).parent / 'engine' / 'configs' / f'{library}.py'


@pytest.fixture
def network() -> Callable[..., nn.Module]:
    """A function that makes networks with batch norm statistics: without, activations grow from layer to layer."""

    def make(name: str, dtype: torch.dtype = torch.float32, **kwargs: Any) -> nn.Module:
        torch.manual_seed(0)
        model = hrnet_mm.create_model(name, **kwargs).train()
        with torch.no_grad():
            for _ in range(2):
                model(torch.randn(2, 3, 64, 64))
        return model.eval().to(dtype)

    return make


@pytest.fixture(scope='session')
def made_once(tmp_path_factory):
    """A function that fills a folder, once for all processes of pytest, and returns it."""
    root = tmp_path_factory.getbasetemp()
    if 'PYTEST_XDIST_WORKER' in os.environ:
        root = root.parent

    def make(name, fill):
        folder = root / name
        with FileLock(f'{folder}.lock'):
            if not (folder / 'complete').exists():
                folder.mkdir()
                fill(folder)
                (folder / 'complete').touch()
        return folder

    return make


@pytest.fixture(scope='session')
def wheel(made_once):
    """The wheel, built from the source distribution of a copy, because setuptools leaves files where it builds."""
    (built,) = made_once('source', _build).glob('hrnet_mm/dist/*.whl')
    return built


def _build(folder):
    root, copy = Path(__file__).parents[1], folder / 'hrnet_mm'
    for name in ('configs', 'hrnet_mm', 'requirements', 'tools'):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns('__pycache__'))
    for file in filter(Path.is_file, root.iterdir()):
        shutil.copy(file, copy)
    _run(sys.executable, '-m', 'build', '--no-isolation', copy)


@pytest.fixture(scope='session')
def python_with_wheel(wheel, made_once):
    """A Python where the wheel is installed.

    In an editable installation MIM finds no package, neither this nor another.
    """
    return made_once('mim', partial(_install, wheel)) / 'venv' / 'bin' / 'python'


def _install(wheel, folder):
    python = folder / 'venv' / 'bin' / 'python'
    _run(sys.executable, '-m', 'venv', '--without-pip', folder / 'venv')
    version = f'python{sys.version_info.major}.{sys.version_info.minor}'
    packages = folder / 'venv' / 'lib' / version / 'site-packages'
    # Everything else comes from this environment. The .pth file in there that points to the checkout is not read.
    (packages / 'others.pth').write_text(sysconfig.get_path('purelib'))
    _run(sys.executable, '-m', 'pip', '--python', python, 'install', '--quiet', '--no-deps', '--no-index', wheel)


@pytest.fixture
def mim(python_with_wheel):
    """A function that runs MIM where the wheel is installed and returns its output."""
    folder = python_with_wheel.parents[2]
    return lambda *arguments: _run(python_with_wheel, '-W', 'ignore', '-m', 'mim', *arguments, cwd=folder)


def _run(*command, cwd=None):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def runners(monkeypatch):
    """The runners that the commands of a test build."""
    from hrnet_mm.engine import launch

    found = []
    build = launch._build_runner

    def build_and_keep(config, *arguments):
        found.append(build(config, *arguments))
        return found[-1]

    monkeypatch.setattr(launch, '_build_runner', build_and_keep)
    return found
