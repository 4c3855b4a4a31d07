"""Two processes over gloo, one of which fails: both end, and their output names it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FAULTS = {
    'raise:1': r"rank 1 \(process \d+ on \S+, forward pass of iteration 3: KeyError: 'the fault of the test'\) failed",
    'kill:1': r'rank 1 \(process \d+ on \S+, .*\) died',
    'kill:0': r'rank 0( \(process \d+ on \S+, .*\) died| died|, which no longer responds)',
    'stop:1': r'rank 1 \(process \d+ on \S+, forward pass of iteration 3\): stopped or dead, no longer reporting',
    'stop:0': r'because of rank 0(, which no longer responds|: stopped, no response| \(.*\): stopped or dead)',
    'hang-reading:1': r'rank 1 \(process \d+ on \S+, reading of the batch for iteration 3\): hangs, no progress for 3',
    'hang-forward:0': r'rank 0 \(process \d+ on \S+, forward pass of iteration 3\): hangs, no progress for 3',
}


@pytest.fixture(scope='module')
def faulty_trainings(tmp_path_factory):
    """Exit codes and outputs by fault and rank."""
    folder = tmp_path_factory.mktemp('ranks')
    worker = Path(__file__).parent / 'watchdog_worker.py'
    result = subprocess.run(
        [sys.executable, str(worker), str(folder), *FAULTS, 'nan:1', 'none:1'], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    codes = json.loads(result.stdout.splitlines()[-1])
    return {name: (code, (folder / name).read_text()) for name, code in codes.items()}


@pytest.mark.parametrize('fault', FAULTS)
def test_the_other_rank_ends_and_names_it(fault, faulty_trainings):
    code, output = faulty_trainings[f'{fault}/{1 - int(fault[-1])}']
    assert code == 1, output
    assert re.search(FAULTS[fault], output), output


@pytest.mark.parametrize('fault', ['raise:1', 'hang-reading:1', 'hang-forward:0'])
def test_the_rank_itself_says_where_it_was(fault, faulty_trainings):
    code, output = faulty_trainings[f'{fault}/{fault[-1]}']
    assert code == 1, output
    assert 'in go_wrong' in output or 'in __getitem__' in output
    assert ('the fault of the test' if fault == 'raise:1' else 'time.sleep') in output


def test_a_loss_on_one_rank_stops_both_alike(faulty_trainings):
    (code, output), (other_code, other) = faulty_trainings['nan:1/0'], faulty_trainings['nan:1/1']
    assert code == other_code == 1
    for text in (output, other):
        assert 'FloatingPointError: iteration 3: a loss or gradient is not finite' in text, text
        assert re.search(r'rank 0, iteration 3: loss=-?[\d.]+; samples', text)
        assert 'rank 1, iteration 3: loss=nan; samples' in text
    assert 'iterations: 2 ' in output
    weights = re.search('weights:.*', output)[0]
    assert weights == re.search('weights:.*', other)[0]
    assert 'nan' not in weights


def test_without_a_fault_nothing_happens(faulty_trainings):
    for rank in (0, 1):
        code, output = faulty_trainings[f'none:1/{rank}']
        assert code == 0, output
        assert 'The job ends' not in output
        assert 'iterations: 6 ' in output
