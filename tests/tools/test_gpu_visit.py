"""tools/research/gpu_visit.sh on the CPU: every step leaves a row, and a wrong output or a fault the exit code."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hrnet_mm.fast.machine import machine
from hrnet_mm.weights.tables import read_rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools' / 'research')
        yield importlib.import_module('gpu_visit')


@pytest.fixture
def visit(tool, tmp_path, monkeypatch):
    """A function that runs the tool on one small case, and returns its exit code and rows."""
    case = tool.Case('hrnetv1_test_w4', 3, 1, (64, 64), ['eager', 'eager:bf16'], is_timed=True)
    monkeypatch.setattr(tool, 'QUICK', [case])
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', True)  # the tool's own setting ends with the test

    def run(*arguments):
        path = tmp_path / 'gpu.csv'
        monkeypatch.setattr(sys, 'argv', ['gpu_visit.py', '--device', 'cpu', '--quick', '--out', str(path), *arguments])
        return tool.main(), read_rows(path)

    return run


def steps(rows):
    return [(row['step'], row['engine'], row['precision'], row['outcome']) for row in rows]


def test_outputs_are_checked_and_times_taken(visit):
    code, rows = visit()
    assert code == 0
    assert steps(rows) == [
        ('network', '', 'fp64', 'ok'),
        *(('check', 'eager', precision, 'ok') for precision in ('fp32', 'bf16')),
        *(('time', 'eager', precision, 'ok') for precision in ('fp32', 'bf16')),
    ]
    for row in rows[1:3]:
        assert 0 < float(row['rms_difference']) < float(row['tolerance'])
        assert 0 < float(row['difference']) < float(row['tolerance'])
    assert [row['tf32'] for row in rows[1:]] == ['off', ''] * 2
    assert all(float(row['median_ms']) > 0 and row['repeats'] == '2' for row in rows[3:])
    assert all(row['device'] == machine()['device'] and row['date'] and row['versions'] for row in rows)


def test_a_wrong_output_is_told_and_never_timed(visit, tool, monkeypatch):
    monkeypatch.setitem(tool.TOLERANCES, 'bf16', 1e-6)
    code, rows = visit()
    assert code == 1
    assert steps(rows)[2:] == [('check', 'eager', 'bf16', 'outside the tolerance'), ('time', 'eager', 'fp32', 'ok')]


def test_a_fault_is_told_and_the_other_steps_go_on(visit, tool, monkeypatch):
    inference = tool.inference

    def faulty(name, network, engine, precision, *others):
        if precision == 'fp32':
            raise RuntimeError('out of memory\nat length')
        return inference(name, network, engine, precision, *others)

    monkeypatch.setattr(tool, 'inference', faulty)
    code, rows = visit()
    assert code == 1
    assert [outcome for *_, outcome in steps(rows)] == ['ok', 'failed: RuntimeError: out of memory', 'ok', 'ok']


def test_an_output_of_earlier_images_is_wrong(visit, tool, monkeypatch):
    inference = tool.inference

    def kept(*arguments):
        subject = inference(*arguments)
        outputs = subject.run()
        return tool.replace(subject, run=lambda: outputs)

    monkeypatch.setattr(tool, 'inference', kept)
    code, rows = visit()
    assert code == 1
    assert [outcome for *_, outcome in steps(rows)] == ['ok', *2 * ['outside the tolerance']]


def test_what_exceeds_the_budget_is_left_out(visit, tool, monkeypatch):
    code, rows = visit('--minutes', '0')
    assert code == 0
    assert steps(rows) == [('network', '', '', 'left out: budget')]
    monkeypatch.setitem(tool.ESTIMATES, 'time', 600)  # checks of what could not be timed are left out too
    code, rows = visit()
    assert [outcome for *_, outcome in steps(rows[1:])] == ['ok', *2 * ['left out: budget']]


def test_a_gpu_is_needed(tool, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(sys, 'argv', ['gpu_visit.py'])
    with pytest.raises(SystemExit, match='2'):
        tool.main()
    assert '--device cpu --quick' in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_path(tool, tmp_path):
    path = tmp_path / 'gpu.csv'
    # Without trials of the processor's vectors, each of which starts a Python.
    environment = {**os.environ, 'PYTHON': sys.executable, 'TORCHINDUCTOR_VEC_ISA_OK': '1'}
    command = ['bash', ROOT / 'tools/research/gpu_visit.sh', path, '--device', 'cpu', '--quick']
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = read_rows(path)
    checked = {(row['model'], row['engine'], row['precision']): row for row in rows if row['step'] == 'check'}
    for case in tool.QUICK:
        for spec in (*case.engines, *case.exact):
            peer, _, name = spec.rpartition('@')
            engine, _, precision = name.partition(':')
            assert (peer or case.network, engine, precision or 'fp32') in checked
    for (_, engine, _), row in checked.items():
        if engine in ('concurrent', 'cudagraph'):
            assert row['outcome'].startswith('left out: ')
            assert 'on a GPU' in row['outcome']
        else:
            assert row['difference'] or row['outcome'].startswith('left out: ')


def test_tables_hold_the_last_visit_of_each_gpu(visit, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools')
    tables = importlib.import_module('make_tables')
    _, rows = visit()
    older = [{**row, 'date': '2000-01-01 00:00'} for row in rows]
    other = [{**row, 'device': 'another', 'outcome': 'left out: budget', 'difference': ''} for row in rows]
    lines = tables.gpus([*older, *rows, *other])
    text = '\n'.join(lines)
    assert text.count('| network |') == 2
    assert '2000' not in text
    assert text.count('| hrnetv1_test_w4 | 1 of 64x64 | eager:bf16 | - |') == 2
    assert '| hrnetv1_test_w4 | 1 of 64x64 | eager:fp32 | off | - (left out: budget) |' in text
    assert next(line.split(' | ')[-1] for line in lines if 'eager:fp32' in line) == '1.00 |'
    assert tables.gpus([]) == ['No GPU was measured with it yet.']
