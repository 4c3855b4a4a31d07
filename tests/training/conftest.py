import multiprocessing
from types import SimpleNamespace

import pytest

from hrnet_mm.training import runs


@pytest.fixture(scope='session')
def _imported():
    """A way to start processes that have imported the libraries, as forks of one that imports them once."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(
        ['hrnet_mm.training.worker', 'mmdet.apis', 'mmpose.apis', 'mmpretrain', 'mmseg.apis']
    )
    return context


@pytest.fixture
def _quick_processes(_imported, monkeypatch):
    """Start the process of each job quickly; a new Python imports for longer than it trains."""
    monkeypatch.setattr(runs, 'multiprocessing', SimpleNamespace(get_context=lambda method: _imported))
