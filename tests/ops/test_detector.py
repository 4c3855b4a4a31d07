"""mmdet's Mask R-CNN on the operators in Python: the losses, gradients and predictions of the compiled ones."""

import json
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
from mmcv_lite import HIDE_COMPILED

CODE = (
    HIDE_COMPILED
    + """
import runpy, sys
runpy.run_path(sys.argv.pop(1))
"""
)
RUN = Path(__file__).with_name('mask_rcnn.py')
CONFIGS = Path(mmdet.__file__).parent / '.mim/configs'


@pytest.mark.slow
def test_mask_rcnn(compiled, tmp_path):
    """In its own process, where mmcv finds the module in Python before its layers are imported."""
    out = tmp_path / 'results.json'
    command = [sys.executable, '-W', 'ignore', '-c', CODE, str(RUN), compiled.__file__, str(CONFIGS), str(out)]
    subprocess.run(command, check=True, timeout=600)
    results = json.loads(out.read_text())
    mine, theirs = results['python'], results['compiled']
    assert len(theirs['losses']) == 6
    assert mine['losses'] == pytest.approx(theirs['losses'], rel=1e-5)
    assert mine['after a step'] == pytest.approx(theirs['after a step'], rel=1e-5)
    assert mine['labels'] == theirs['labels']
    assert len(mine['labels']) > 3
    assert mine['boxes'] == pytest.approx(theirs['boxes'], rel=1e-5)
    assert theirs['masks'] > 10
    assert mine['masks'] == pytest.approx(theirs['masks'], rel=1e-3)
