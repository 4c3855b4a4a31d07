"""Checkpoints hold plain data alone, and a kill or a full disk leaves a whole one that is found."""

import os
import signal
import subprocess
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmengine.runner.checkpoint import load_from_http
from torch.serialization import get_unsafe_globals_in_checkpoint

from hrnet_mm.engine.plain import from_plain, to_plain
from hrnet_mm.engine.reader import use_safe_reader
from hrnet_mm.weights import CheckpointError

MEGABYTES = 32
"""Size of a large checkpoint."""
LARGE = {'parameters': MEGABYTES * (1 << 17), 'length': 3, 'validate': 9}  # each is kept twice: there is an average
KEEP_ONE = {'checkpoint': {'interval': 1, 'max_keep_ckpts': 1}}
BEST = {'checkpoint': {'interval': 1, 'max_keep_ckpts': 1, 'save_best': 'mean', 'rule': 'greater'}}


@pytest.fixture
def readers() -> Iterator[None]:
    """mmengine's table of readers is put back."""
    before = dict(CheckpointLoader._schemes)
    yield
    CheckpointLoader._schemes = before


def latest(folder: Path) -> Path:
    """Return the checkpoint in `last_checkpoint`, which must be complete."""
    path = Path((folder / 'last_checkpoint').read_text())
    assert torch.load(path)['meta']['epoch'] >= 1
    return path


def written(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob('*.pth') if not file.name.startswith('end'))


@pytest.mark.slow
def test_every_file_is_plain(trainings: Any, tmp_path: Path) -> None:
    job = {'checkpoint': {**BEST['checkpoint'], 'max_keep_ckpts': 2}, 'rising': True, 'accumulate': 4, 'length': 2}
    assert trainings.run(tmp_path, **job) == [0]
    assert written(tmp_path) == ['best_mean_epoch_2.pth', 'epoch_1.pth', 'epoch_2.pth']
    for name in written(tmp_path):
        assert get_unsafe_globals_in_checkpoint(tmp_path / name) == []
    checkpoint = torch.load(tmp_path / 'epoch_1.pth')  # written while gradients are summed
    assert {'optimizer', 'param_schedulers', 'message_hub', 'ema_state_dict', 'states_by_process'} <= checkpoint.keys()


def test_nothing_plain_is_changed_and_the_rest_comes_back(tmp_path: Path) -> None:
    class Size(IntEnum):
        SMALL = 3

    layers = OrderedDict(weight=torch.ones(2))
    layers._metadata = {'': {'version': 2}}
    history = HistoryBuffer([0.1, 0.2], [1, 3], max_length=7)
    content = {
        'state_dict': layers,
        'message_hub': {'log_scalars': OrderedDict(loss=history), 'runtime_info': {'best': np.float64(0.3)}},
        'meta': {
            'sigmas': np.array([0.5, 0.25], np.float32),
            'colours': (np.array([[1, 2]], np.uint8), [np.bool_(True)]),
            'names': np.array(['a', 'b']),
            'flags': {1, 2},
            'path': Path('a/b'),
            'size': Size.SMALL,
            'kind': torch.float16,
            'what': object(),
        },
        'param_schedulers': [{'anneal': max, 'step': 3}],
    }
    assert to_plain(content) == ['meta.what (builtins.object)']
    torch.save(content, tmp_path / 'a.pth')
    assert get_unsafe_globals_in_checkpoint(tmp_path / 'a.pth') == []
    loaded = torch.load(tmp_path / 'a.pth')
    from_plain(loaded)
    assert loaded['state_dict']._metadata == {'': {'version': 2}}
    again = loaded['message_hub']['log_scalars']['loss']
    assert [part.tolist() for part in again.data] == [part.tolist() for part in history.data]
    assert (again.max_length, again.mean()) == (7, history.mean())
    assert type(loaded['message_hub']['runtime_info']['best']) is float
    meta = loaded['meta']
    assert meta['sigmas'].dtype == np.float32
    assert meta['sigmas'].tolist() == [0.5, 0.25]
    assert meta['colours'][0].dtype == np.uint8
    assert meta['colours'][1] == [True]
    assert (meta['names'], meta['path'], meta['size'], meta['kind']) == (['a', 'b'], 'a/b', 3, torch.float16)
    assert sorted(meta['flags']) == [1, 2]
    assert loaded['param_schedulers'] == [{'step': 3}]


def kill_when_written(folder: Path, name: str, size: int) -> Callable[[list[int]], None]:
    """Kills as soon as this many bytes of a file that matches the name are there."""

    def watch(processes: list[int]) -> None:
        end = time.monotonic() + 240
        while time.monotonic() < end:
            for file in folder.glob(name):
                try:
                    there = file.stat().st_size
                except FileNotFoundError:  # renamed meanwhile
                    continue
                if there >= size:
                    for process in processes:
                        os.kill(process, signal.SIGKILL)
                    return
            time.sleep(0.0002)
        raise AssertionError(f'{name} was never written')

    return watch


@pytest.mark.slow
@pytest.mark.parametrize('fraction', [0.0, *(round(part, 2) for part in np.random.default_rng(6).random(2))])
def test_a_kill_at_any_byte_leaves_a_whole_checkpoint(fraction: float, trainings: Any, tmp_path: Path) -> None:
    watch = kill_when_written(tmp_path, '.epoch_2.pth.*', int(fraction * MEGABYTES * (1 << 20)))
    assert trainings.run(tmp_path, watch, **LARGE, **KEEP_ONE) == [-9]
    assert latest(tmp_path).name == 'epoch_1.pth'
    assert list(tmp_path.glob('.*.partial'))
    assert trainings.run(tmp_path, **LARGE, **KEEP_ONE) == [0]
    assert written(tmp_path) == ['epoch_3.pth']
    assert latest(tmp_path).name == 'epoch_3.pth'
    assert not list(tmp_path.glob('.*.partial'))


def test_mmengine_alone_leaves_half_a_file(trainings: Any, tmp_path: Path) -> None:
    """Without this package no complete file remains, and `last_checkpoint` names a deleted one."""
    watch = kill_when_written(tmp_path, 'epoch_2.pth', 1)
    assert trainings.run(tmp_path, watch, **LARGE, **KEEP_ONE, runner='Runner') == [-9]
    assert not Path((tmp_path / 'last_checkpoint').read_text()).exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system for two and a half large checkpoints."""
    disk = tmp_path / 'disk'
    disk.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={MEGABYTES * 5 // 2}m', 'tmpfs', disk]).returncode:
        pytest.skip('mounting a file system needs root')
    yield disk
    subprocess.run(['umount', '--lazy', disk], check=True)


def fill_the_disk(work: Path, disk: Path) -> Callable[[list[int]], None]:
    """From the first checkpoint on, takes every byte that is or becomes free."""

    def watch(processes: list[int]) -> None:
        (process,) = processes
        with (disk / 'others').open('wb', buffering=0) as file:
            while True:
                try:
                    os.kill(process, 0)
                    while (work / 'last_checkpoint').exists():
                        file.write(bytes(1 << 16))
                except ProcessLookupError:
                    return
                except OSError:
                    pass
                time.sleep(0.0005)

    return watch


@pytest.mark.slow
def test_a_full_disk_leaves_the_previous_checkpoint(trainings: Any, small_disk: Path, tmp_path: Path) -> None:
    work = tmp_path / 'work'
    job = {**LARGE, 'checkpoint': {**KEEP_ONE['checkpoint'], 'out_dir': str(small_disk)}}
    assert trainings.run(work, fill_the_disk(work, small_disk), **job) == [1]
    message = (work / 'output_0.txt').read_text()
    assert 'epoch_2.pth could not be written' in message
    assert 'No space left on device' in message
    assert latest(work).name == 'epoch_1.pth'
    (small_disk / 'others').unlink()
    assert trainings.run(work, **job) == [0]
    assert written(small_disk / 'work') == ['epoch_3.pth']


def test_mmengine_alone_deletes_it_first(trainings: Any, small_disk: Path, tmp_path: Path) -> None:
    work = tmp_path / 'work'
    job = {**LARGE, 'checkpoint': {**KEEP_ONE['checkpoint'], 'out_dir': str(small_disk)}, 'runner': 'Runner'}
    assert trainings.run(work, fill_the_disk(work, small_disk), **job) == [1]
    assert not Path((work / 'last_checkpoint').read_text()).exists()


@pytest.mark.slow
def test_the_previous_best_stays_until_the_next_is_whole(trainings: Any, tmp_path: Path) -> None:
    job = {**LARGE, **BEST, 'validate': 1, 'rising': True}
    watch = kill_when_written(tmp_path, '.best_mean_epoch_2.pth.*', 1 << 20)
    assert trainings.run(tmp_path, watch, **job) == [-9]
    assert written(tmp_path) == ['best_mean_epoch_1.pth', 'epoch_2.pth']
    assert torch.load(tmp_path / 'best_mean_epoch_1.pth')['meta']['epoch'] == 1
    assert trainings.run(tmp_path, **job) == [0]
    assert written(tmp_path) == ['best_mean_epoch_3.pth', 'epoch_3.pth']


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda data: data[: len(data) // 2], r'epoch_2\.pth \([\d,]+ bytes\) is damaged.*earlier.*epoch_1\.pth'),
        (lambda data: b'', r'epoch_2\.pth is empty.*epoch_1\.pth'),
        (lambda data: b'hello', r'epoch_2\.pth is not a checkpoint.*epoch_1\.pth'),
        (None, r'epoch_2\.pth: no such checkpoint; beside it: epoch_1\.pth'),
    ],
)
@pytest.mark.usefixtures('readers')
def test_a_damaged_file_is_named(damage: Any, message: str, tmp_path: Path) -> None:
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        torch.save({'state_dict': {'weight': torch.zeros(1000)}}, tmp_path / name)
    if damage is None:
        (tmp_path / 'epoch_2.pth').unlink()
    else:
        (tmp_path / 'epoch_2.pth').write_bytes(damage((tmp_path / 'epoch_2.pth').read_bytes()))
    use_safe_reader()
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(torch.nn.Linear(1, 1), str(tmp_path / 'epoch_2.pth'))


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize('unsafe', [False, True])
@pytest.mark.usefixtures('readers')
def test_mmengine_runs_nothing(unsafe: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The safe reader is used for any caller of load_checkpoint, also where mmengine falls back to the unsafe one."""
    torch.save({'state_dict': {}, 'meta': Hostile(tmp_path / 'ran')}, tmp_path / 'a.pth')
    if unsafe:
        original = torch.load
        monkeypatch.setattr(torch, 'load', lambda *a, **k: original(*a, **{'weights_only': False, **k}))
    use_safe_reader()
    with pytest.raises(CheckpointError, match='holds more than data'):
        load_checkpoint(torch.nn.Linear(1, 1), str(tmp_path / 'a.pth'))
    assert not (tmp_path / 'ran').exists()


@pytest.mark.usefixtures('readers')
def test_mmengine_runs_nothing_that_was_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this package mmengine runs the file, regardless of torch's default."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    (tmp_path / 'hub' / 'checkpoints').mkdir(parents=True)
    torch.save({'state_dict': {}, 'meta': Hostile(tmp_path / 'ran')}, tmp_path / 'hub' / 'checkpoints' / 'a.pth')
    address = 'http://localhost/a.pth'  # in torch's cache, so nothing is fetched
    CheckpointLoader.register_scheme('http://', load_from_http, force=True)
    load_checkpoint(torch.nn.Linear(1, 1), address)
    assert (tmp_path / 'ran').exists()
    (tmp_path / 'ran').rmdir()
    use_safe_reader()
    with pytest.raises(CheckpointError, match='holds more than data'):
        load_checkpoint(torch.nn.Linear(1, 1), address)
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize('name', ['s3://bucket/a.pth', 'pavi://a.pth', 'petrel://a/b.pth'])
@pytest.mark.usefixtures('readers')
def test_other_storage_is_refused(name: str) -> None:
    use_safe_reader()
    with pytest.raises(CheckpointError, match='fetch the file'):
        CheckpointLoader.load_checkpoint(name)


@pytest.mark.usefixtures('readers')
def test_a_resume_of_a_hostile_file_runs_nothing(trainings: Any, tmp_path: Path) -> None:
    torch.save({'state_dict': {}, 'meta': Hostile(tmp_path / 'ran')}, tmp_path / 'epoch_1.pth')
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_1.pth'))
    assert trainings.run(tmp_path) == [1]
    assert 'holds more than data' in (tmp_path / 'output_0.txt').read_text()
    assert not (tmp_path / 'ran').exists()
