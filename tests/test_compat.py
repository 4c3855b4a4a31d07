"""What `hrnet_mm.compat` supplies to the libraries, and that every Python process has it."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmcv_lite import HIDE_COMPILED

from hrnet_mm import compat

ROOT = Path(__file__).parents[1]


def run_python(code, *arguments, **options):
    command = [sys.executable, '-W', 'ignore', '-c', code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_activation_imports_nothing():
    code = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
exec(sys.argv[2])
print(*sorted(set(sys.modules) - before))
"""
    command = [sys.executable, '-I', '-S', '-c', code, ROOT, compat.STARTUP]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['__future__', 'hrnet_mm', 'hrnet_mm.compat']


def test_startup_without_the_package():
    code = f"""
import sys
sys.path.insert(0, '{Path(__file__).parent}')
before = list(sys.meta_path)
{compat.STARTUP}
assert sys.meta_path == before
"""
    subprocess.run([sys.executable, '-I', '-S', '-c', code], check=True)


def test_every_process_has_it():
    assert compat.is_active()
    finders = list(sys.meta_path)
    compat.activate()
    assert sys.meta_path == finders
    assert run_python('import sys; print(sys.meta_path[0].__module__)').strip() == 'hrnet_mm.compat'


@pytest.mark.slow
def test_operators_in_python_without_compiled_ones(tmp_path):
    """As with mmcv-lite: in this process, in data-loader workers, and in the processes that torchrun starts."""
    worker = tmp_path / 'worker.py'
    worker.write_text(
        HIDE_COMPILED
        + """
import sys
import torch
from torch.utils.data import DataLoader, Dataset

class Kept(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        from mmcv.ops import nms
        boxes = torch.tensor([[0.0, 0, 9, 9], [0, 0, 9, 8], [20, 20, 29, 29]])
        return nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)[1]

if __name__ == '__main__':
    for context in ('fork', 'spawn'):
        loader = DataLoader(Kept(), batch_size=2, num_workers=1, multiprocessing_context=context)
        assert next(iter(loader)).tolist() == [[0, 2], [0, 2]]
    Kept()[0]
    print('worker', sys.modules['mmcv._ext'].__doc__)
"""
    )
    torchrun = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=1', worker]
    done = subprocess.run(torchrun, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count('worker The operators of mmcv in Python.') == 1


def test_xtcocotools_has_the_functions_of_pycocotools():
    import pycocotools._mask
    from xtcocotools import mask

    assert mask.iou is pycocotools._mask.iou
    ones = mask.encode(np.ones((4, 5), np.uint8, order='F'))
    assert mask.area(ones) == 20
    assert pycocotools._mask.__spec__.name == 'pycocotools._mask'


@pytest.mark.parametrize('name', compat.ADDED)
def test_the_library_still_reads_the_attribute(name):
    """A release that has mended itself needs no entry."""
    alias, attribute, _ = compat.ADDED[name]
    source = Path(importlib.util.find_spec(name).origin).read_text()
    assert f'{alias}.{attribute}' in source
    (line,) = re.findall(rf"^    '{name}': .*line (\d+);", Path(compat.__file__).read_text(), re.MULTILINE)
    assert f'{alias}.{attribute}' in source.splitlines()[int(line) - 1]


@pytest.mark.parametrize(
    ('module', 'function'),
    [('mmcv.utils.ext_loader', 'check_ops_exist'), ('mmengine.utils.dl_utils.misc', 'mmcv_full_available')],
)
def test_operators_are_found_without_find_loader(module, function):
    """As in Python 3.14."""
    run_python(f"""
import pkgutil
if hasattr(pkgutil, 'find_loader'):
    del pkgutil.find_loader
from {module} import {function} as found
assert found()
assert not hasattr(pkgutil, 'find_loader')
""")


@pytest.mark.slow
def test_retrieval_without_in1d():
    """As in numpy 2.4, whose `numpy` itself stays as it is."""
    code = """
import numpy as np, torch
if hasattr(np, 'in1d'):
    del np.in1d
from mmpretrain.evaluation.metrics import RetrievalRecall
ranked, targets = [[2, 0, 1], [1, 2, 0]], [[2], [0]]
(recall,) = RetrievalRecall.calculate(ranked, targets, topk=1, pred_indices=True, target_indices=True)
assert recall == 50
assert not hasattr(np, 'in1d')
"""
    run_python(code)


def test_video_evaluation_without_float():
    """As in numpy 1.24 and later."""
    from mmdet.evaluation.functional import ytviseval

    assert ytviseval.np.cumsum([1, 2]).astype(dtype=ytviseval.np.float).dtype == np.float64
    assert not hasattr(np, 'float')


def test_configs_of_a_fork_of_mmseg_are_found():
    """As with onedl-mmsegmentation, whose project has another name than mmengine's table."""
    run_python("""
import importlib.metadata
given = importlib.metadata.distribution
def distribution(name):
    if name == 'mmsegmentation':
        raise importlib.metadata.PackageNotFoundError(name)
    return given(name)
importlib.metadata.distribution = distribution
from mmengine.config.utils import MODULE2PACKAGE
assert MODULE2PACKAGE['mmseg'] == 'mmseg'
from mmengine.utils import get_installed_path
assert get_installed_path('mmseg').endswith('mmseg')
""")
    run_python("from mmengine.config.utils import MODULE2PACKAGE as p; assert p['mmseg'] == 'mmsegmentation'")


def test_an_attribute_that_is_there_stays(tmp_path, monkeypatch):
    (tmp_path / 'written_before.py').write_text('import numpy as np')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(compat.ADDED, 'written_before', ('np', 'isin', float))
    assert importlib.import_module('written_before').np is np


def test_a_release_without_the_name_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / 'written_since.py').write_text('import numpy')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(compat.ADDED, 'written_since', ('np', 'float', float))
    assert importlib.import_module('written_since').numpy is np
