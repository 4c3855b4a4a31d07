"""The module that stands for mmcv._ext: its names, its refusals, and when it is installed."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import mmcv.ops
import pytest
from mmcv_lite import HIDE_COMPILED

from hrnet_mm.errors import UserError
from hrnet_mm.ops import extension

IMPLEMENTED = [name for names in extension.IMPLEMENTED.values() for name in names]
REFUSED = [name for names in extension.REFUSED.values() for name in names]
SOURCES = {path.name: path.read_text() for path in Path(mmcv.ops.__file__).parent.glob('*.py')}
NEW_PROCESS = """
import sys
import mmcv.ops
assert hasattr(sys.modules['mmcv._ext'], '__getattr__') is {lite}  # as the module in Python has
"""


def test_every_function_that_mmcv_asks_for_is_there():
    wanted = set()
    for source in SOURCES.values():
        for names in re.findall(r"load_ext\(\s*'_ext',\s*\[(.*?)\]", source, re.DOTALL):
            wanted |= set(re.findall(r"'(\w+)'", names))
    assert len(wanted) == 112
    assert sorted(IMPLEMENTED + REFUSED) == sorted(wanted)
    module = extension.create_module()
    assert all(callable(getattr(module, name)) for name in wanted)
    assert set(dir(module)) == wanted
    with pytest.raises(AttributeError, match='no_such_operator'):
        _ = module.no_such_operator


@pytest.mark.parametrize('name', IMPLEMENTED)
def test_signature(name, compiled):
    """The names and the order of the arguments are those of the compiled function."""
    function = getattr(extension.create_module(), name)
    documented = re.search(rf'{name}\((.*?)\)', getattr(compiled, name).__doc__, re.DOTALL)[1]
    expected = [argument.split(':')[0].strip() for argument in documented.split(',') if argument]
    assert list(inspect.signature(function).parameters) == expected


@pytest.mark.parametrize('name', REFUSED)
def test_refusal(name):
    with pytest.raises(UserError) as error:
        getattr(extension.create_module(), name)(1, 2, key=3)
    message = str(error.value)
    assert f'{name!r}' in message
    assert next(use for use, names in extension.REFUSED.items() if name in names) in message
    assert 'pip install' in message
    assert message.count('. ') == 0


@pytest.mark.parametrize('lite', [False, True])
def test_which_module_mmcv_gets(lite, compiled):
    """A compiled mmcv keeps its own, and mmcv-lite, which has no shared library, gets the one in Python."""
    code = (HIDE_COMPILED if lite else '') + NEW_PROCESS.format(lite=lite)
    subprocess.run([sys.executable, '-W', 'ignore', '-c', code], check=True)
