"""The examples in docstrings, which run as they are printed."""

import doctest
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / 'hrnet_mm'
MODULES = [file for file in sorted(PACKAGE.rglob('*.py')) if '>>> ' in file.read_text()]


@pytest.mark.parametrize('file', MODULES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_examples_of_docstrings(file):
    module = importlib.import_module('.'.join(file.relative_to(PACKAGE.parent).with_suffix('').parts))
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert results.attempted
    assert not results.failed
