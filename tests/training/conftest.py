from types import SimpleNamespace

import pytest
from forked import CONTEXT

from hrnet_mm.training import runs


@pytest.fixture
def _quick_processes(monkeypatch):
    """Start the process of each job quickly; a new Python imports for longer than it trains."""
    monkeypatch.setattr(runs, 'multiprocessing', SimpleNamespace(get_context=lambda method: CONTEXT))
