"""A training that is killed and resumed ends with the bits of one that was not."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow


def differences(a: Any, b: Any, path: str = 'end') -> list[str]:
    """The places where two nested containers of tensors differ in a bit."""
    if isinstance(a, Mapping):
        both = a.keys() & b.keys()
        return [f'{path}.{key}' for key in a.keys() ^ b.keys()] + [
            line for key in both for line in differences(a[key], b[key], f'{path}.{key}')
        ]
    if isinstance(a, Sequence) and not isinstance(a, str):
        pairs = zip(a, b, strict=True)
        return [line for i, (one, other) in enumerate(pairs) for line in differences(one, other, f'{path}[{i}]')]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    return [] if same else [path]


def end(folder: Path, rank: int = 0) -> Any:
    state = torch.load(folder / f'end_{rank}.pth')
    state['best'][1] = Path(state['best'][1]).name if state['best'][1] else None
    if rank:
        del state['logged']  # only the first process logs
    return state


def read(folder: Path) -> list[str]:
    return (folder / 'read_0.txt').read_text().split()


BY_ITERATION = {'interval': 3, 'by_epoch': False}
BEST = {'interval': 1, 'max_keep_ckpts': 1, 'save_best': 'mean', 'rule': 'less'}
CASES = {
    # what differs from the defaults of resume_worker.py, and the moments of the kills; 5 batches are an epoch
    'after an epoch': ({}, ['epoch 2']),
    'while it validates, with a best checkpoint': ({'checkpoint': BEST}, ['validation 2', 'validation 4']),
    'within epochs': ({'checkpoint': BY_ITERATION}, [[7], [13]]),
    'iterations': ({'loop': 'iter', 'length': 20, 'validate': 6, 'checkpoint': BY_ITERATION}, [[7], [13]]),
    'an endless sampler and two workers': (
        {'loop': 'infinite', 'length': 20, 'validate': 6, 'checkpoint': BY_ITERATION, 'workers': 2},
        [[7]],
    ),
    'within sums over four batches': ({'checkpoint': BY_ITERATION, 'accumulate': 4}, [[7]]),
    'two processes': ({'checkpoint': BY_ITERATION, 'processes': 2}, ['epoch 2', [8]]),
}


@pytest.mark.parametrize('case', CASES)
def test_the_end_is_the_same(case: str, trainings: Any, tmp_path: Path) -> None:
    job, kills = CASES[case]
    ranks = range(job.get('processes', 1))
    straight, killed = tmp_path / 'straight', tmp_path / 'killed'
    assert trainings.run(straight, **job) == [0 for _ in ranks]
    for moment in kills:
        codes = trainings.run(killed, kill_at=moment, **job)
        assert -9 in codes
    assert trainings.run(killed, **job) == [0 for _ in ranks], (killed / 'output_0.txt').read_text()
    for rank in ranks:
        assert differences(end(straight, rank), end(killed, rank)) == []


def test_what_was_trained_on_is_not_read_again(trainings: Any, tmp_path: Path) -> None:
    job = {'checkpoint': BY_ITERATION, 'length': 2, 'validate': 9}
    trainings.run(tmp_path / 'straight', **job)
    trainings.run(tmp_path / 'killed', kill_at=[6], **job)
    trainings.run(tmp_path / 'killed', **job)
    assert read(tmp_path / 'killed') == read(tmp_path / 'straight')
    assert len(read(tmp_path / 'straight')) == 40


def test_a_seed_that_no_config_names_is_kept(trainings: Any, tmp_path: Path) -> None:
    """Two processes draw different seeds; the resumed run continues with the first."""
    job = {'seed': None, 'length': 3}
    trainings.run(tmp_path / 'a', kill_at='epoch 2', **job)
    shutil.copytree(tmp_path / 'a', tmp_path / 'b')
    (tmp_path / 'b' / 'last_checkpoint').write_text(str(tmp_path / 'b' / 'epoch_1.pth'))
    for name in 'ab':
        assert trainings.run(tmp_path / name, **job) == [0]
    assert differences(end(tmp_path / 'a'), end(tmp_path / 'b')) == []


def test_one_process_goes_on_where_two_were(trainings: Any, tmp_path: Path) -> None:
    trainings.run(tmp_path, processes=2, length=2)
    assert trainings.run(tmp_path, length=3) == [0]
    checkpoint = torch.load(tmp_path / 'epoch_3.pth')
    assert (checkpoint['meta']['epoch'], checkpoint['meta']['iter']) == (3, 2 * 3 + 5)  # 3 batches of two, then 5
    assert len(read(tmp_path)) == 2 * 10 + 20


def test_two_processes_go_on_where_one_was(trainings: Any, tmp_path: Path) -> None:
    trainings.run(tmp_path, length=2)
    assert trainings.run(tmp_path, processes=2, length=3) == [0, 0]
    checkpoint = torch.load(tmp_path / 'epoch_3.pth')
    assert (checkpoint['meta']['epoch'], checkpoint['meta']['iter']) == (3, 2 * 5 + 3)
    assert len(read(tmp_path)) == 2 * 20 + 10


def test_mmengine_alone_reads_what_was_written(trainings: Any, tmp_path: Path) -> None:
    """Without this package's hooks, under torch's safe default: all but the smoothed logs is there."""
    trainings.run(tmp_path, length=2)
    assert trainings.run(tmp_path, length=3, runner='Runner') == [0], (tmp_path / 'output_0.txt').read_text()


def test_mmengine_alone_cannot_resume_its_own(trainings: Any, tmp_path: Path) -> None:
    """The reason for this package's checkpoints; if this fails, mmengine can resume."""
    trainings.run(tmp_path, length=1, runner='Runner')
    assert trainings.run(tmp_path, length=2, runner='Runner') == [1]
    assert 'Weights only load failed' in (tmp_path / 'output_0.txt').read_text()
