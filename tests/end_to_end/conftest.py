import pytest

from hrnet_mm.engine import launch


@pytest.fixture
def runners(monkeypatch):
    """The runners that the commands of a test build."""
    found = []
    build = launch._build_runner

    def build_and_keep(config, *arguments):
        found.append(build(config, *arguments))
        return found[-1]

    monkeypatch.setattr(launch, '_build_runner', build_and_keep)
    return found
