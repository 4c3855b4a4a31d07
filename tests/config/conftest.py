"""Every zoo config, read once."""

import copy
import shutil
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.utils import import_modules_from_strings

from hrnet_mm.config.data import data_findings
from hrnet_mm.engine import quick_reading

ROOT = Path(__file__).parents[2]
FOLDERS = ('ablations', 'classification', 'detection', 'face', 'pose', 'segmentation')
PATHS = sorted(str(p.relative_to(ROOT / 'configs')) for d in FOLDERS for p in (ROOT / 'configs' / d).glob('*.py'))


def pytest_generate_tests(metafunc):
    if 'path' in metafunc.fixturenames:
        metafunc.parametrize('path', PATHS)


@pytest.fixture(scope='module', autouse=True)
def _quick_reading():
    with quick_reading():
        yield


@cache
def _read(path):
    return Config.fromfile(ROOT / 'configs' / path)


@pytest.fixture
def read():
    """A function from a path below configs/ to a copy of its config, whose library stays the default scope."""
    with ExitStack() as stack:

        def read_copy(path):
            config = copy.deepcopy(_read(path))
            import_modules_from_strings(**config.custom_imports)
            stack.enter_context(DefaultScope.overwrite_default_scope(config.default_scope))
            return config

        yield read_copy


@pytest.fixture
def data(tiny_data, tmp_path):
    """A copy of the tiny data, which a test may change."""
    shutil.copytree(tiny_data, tmp_path / 'data')
    return tmp_path / 'data'


@pytest.fixture
def check(data, tiny_config, monkeypatch):
    """A function that returns the mistakes and the warnings for a library's config after changes to it."""

    def checked(library, configure=None, training=False):
        path = tiny_config(library)
        monkeypatch.setenv('TINY_DATA', str(data))
        config = Config.fromfile(path)
        for loader in ('train_dataloader', 'test_dataloader') if configure else ():
            configure(config[loader].dataset)
        found = data_findings(config, training)
        return tuple([str(one) for one in found if one.level == level] for level in ('error', 'warning'))

    return checked
