import contextlib
import hashlib
import os
import pickle
import random
import resource
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import hrnet_mm.weights.io as io
from hrnet_mm.weights import CheckpointError, read_checkpoint, require_finite, state_dict_of, write_checkpoint

STATE = {'conv1.weight': torch.arange(24.0).reshape(2, 3, 2, 2), 'bn1.num_batches_tracked': torch.tensor(3)}


class Marker:
    """An attacker's pickle: unpickling it runs a command."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f'touch {self.path}',)


def saved(path: Path, **kwargs: bool) -> Path:
    torch.save(STATE, path, **kwargs)
    return path


@pytest.mark.parametrize('name', ['a.pth', 'a.safetensors'])
def test_round_trip(tmp_path: Path, name: str) -> None:
    path = write_checkpoint(tmp_path / 'new' / name, STATE, {'arch': 'w18', 'metric': {'AP': 74.4}})
    loaded = read_checkpoint(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    assert loaded.keys() == STATE.keys()
    assert all(torch.equal(loaded[k], v) for k, v in STATE.items())
    assert os.listdir(path.parent) == [name]


def test_the_format_of_2019(tmp_path: Path) -> None:
    path = saved(tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(path)
    assert torch.equal(read_checkpoint(path)['conv1.weight'], STATE['conv1.weight'])


@pytest.mark.parametrize('zipped', [True, False])
def test_code_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    marker, path = tmp_path / 'ran', tmp_path / 'evil.pth'
    torch.save({'state_dict': STATE, 'epoch': Marker(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        CheckpointError, match=r'evil\.pth holds more than data.*(posix|nt)\.system.*Re-save its state_dict'
    ):
        read_checkpoint(path, trusted=True)
    assert not marker.exists()


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        (b'<html>not found</html>', 'is not a checkpoint: neither'),
        (pickle.dumps({'a': 1}, protocol=2), 'damaged'),
        (b'PK\x03\x04 and no more', 'damaged or incomplete'),
        (b'\x80\x02garbage', 'not a checkpoint, or a damaged one'),
        (b'\x10\x00\x00\x00\x00\x00\x00\x00{"a": 1}        ', 'damaged safetensors'),
    ],
)
def test_other_files_are_refused_with_their_path(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / 'file.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf'file\.pth.*{message}'):
        read_checkpoint(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='No such file'):
        read_checkpoint(tmp_path / 'none.pth')
    with pytest.raises(CheckpointError, match='is not a file'):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize('kind', ['zip', 'legacy', 'safetensors'])
def test_truncated_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / 'file.bin'
    if kind == 'safetensors':
        save_file(STATE, path)
    else:
        saved(path, _use_new_zipfile_serialization=kind == 'zip')
    whole = path.read_bytes()
    for length in range(1, len(whole) - 1, max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r'file\.bin'):
            read_checkpoint(path)


def test_wrong_hash(tmp_path: Path) -> None:
    path = saved(tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=r'has sha256 .*, expected 00000000; download it again'):
        read_checkpoint(path, sha256='00000000')


def test_a_file_that_would_swell_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'bomb.pth'
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('bomb/data.pkl', b'0' * 10_000_000)
    with pytest.raises(CheckpointError, match='holds more than its size'):
        read_checkpoint(path)


def test_names_that_lead_out_of_an_archive_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / 'a' / 'b'
    folder.mkdir(parents=True)
    path = saved(folder / 'file.pth')
    with zipfile.ZipFile(path, 'a', zipfile.ZIP_STORED) as archive:
        for name in ('../../out', '/tmp/out', 'file/data/../../../out'):
            archive.writestr(name, b'0')
    with contextlib.suppress(CheckpointError):  # recent torch refuses such names, older one does not look at them
        read_checkpoint(path)
    assert [file.name for file in tmp_path.rglob('*') if file.is_file()] == ['file.pth']


def test_an_old_file_that_announces_too_much_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / 'old.pth', _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    # 24 elements, pickled in one byte, become 2**31 - 1 in four.
    at = content.index(b'cpu') + content[content.index(b'cpu') :].index(b'K\x18')
    path.write_bytes(content[:at] + b'J\xff\xff\xff\x7f' + content[at + 2 :])
    with pytest.raises(CheckpointError, match='announces 2147483647 numbers'):
        read_checkpoint(path)


def test_a_program_is_not_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / 'program.pt'
    torch.jit.save(torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)), path)
    with pytest.raises(CheckpointError, match='is a TorchScript file'):
        read_checkpoint(path)


def test_an_old_torch_needs_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, safe = saved(tmp_path / 'a.pth'), tmp_path / 'a.safetensors'
    save_file(STATE, safe)
    monkeypatch.setattr(io.torch, '__version__', '2.9.1+cpu')
    with pytest.raises(CheckpointError, match=r'CVE-2026-24747.*upgrade to torch 2\.10'):
        read_checkpoint(path)
    assert read_checkpoint(path, trusted=True).keys() == read_checkpoint(safe).keys()
    monkeypatch.setenv('HRNET_MM_TRUSTED', '1')  # for the commands, which have no argument for it
    assert read_checkpoint(path).keys() == read_checkpoint(safe).keys()


def test_wrappers_of_training_programs_come_off() -> None:
    wrapped = {'epoch': 3, 'state_dict': OrderedDict((f'module.{k}', v) for k, v in STATE.items())}
    assert state_dict_of(wrapped).keys() == STATE.keys()
    assert state_dict_of({'model': {f'module._orig_mod.{k}': v for k, v in STATE.items()}}).keys() == STATE.keys()
    with pytest.raises(CheckpointError, match=r'x\.pth holds a list, not'):
        state_dict_of([1], 'x.pth')
    with pytest.raises(CheckpointError, match='holds no tensors; its keys are epoch'):
        state_dict_of({'epoch': 3})


def test_nan_is_named() -> None:
    require_finite(STATE)
    with pytest.raises(CheckpointError, match=r'a\.pth holds NaN or infinity in 1 of 3 tensors, first bn\.bias'):
        require_finite(STATE | {'bn.bias': torch.tensor([1.0, torch.nan])}, 'a.pth')


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_checkpoint(tmp_path / 'a.safetensors', STATE)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(io.os, 'fsync', full)
    with pytest.raises(CheckpointError, match=r'could not be written.*No space left.*untouched'):
        write_checkpoint(path, {'other': torch.zeros(5)})
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ['a.safetensors']


@pytest.mark.parametrize('kind', [RuntimeError, ValueError, KeyError])
def test_an_error_of_the_program_is_not_one_of_the_disk(kind: type[Exception], tmp_path: Path) -> None:
    def draw() -> None:
        with io.written_aside(tmp_path / 'drawn.png') as aside:
            aside.touch()
            raise kind('shapes')

    with pytest.raises(kind) as caught:
        draw()
    assert not isinstance(caught.value, CheckpointError)
    assert os.listdir(tmp_path) == []


def mutated(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4, 8])):
        at = rng.randrange(len(data))
        match rng.randrange(5):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at] ^= 1 << rng.randrange(8)
            case 2:
                del data[at : at + rng.choice([1, 2, 16])]
            case 3:
                data[at:at] = rng.randbytes(rng.choice([1, 4, 8]))
            case 4:
                data[at : at + 4] = rng.choice([b'\xff\xff\xff\x7f', b'\x00\x00\x00\x00', b'\xff\xff\xff\xff'])
        if not data:
            return b''
    return bytes(data)


@pytest.mark.parametrize('count', [1500, pytest.param(21_000, marks=pytest.mark.slow)])
def test_mutated_files_raise_the_documented_error_or_none(tmp_path: Path, count: int) -> None:
    marker = tmp_path / 'ran'
    sources = []
    for name, kwargs in [('zip', {}), ('legacy', {'_use_new_zipfile_serialization': False})]:
        saved(tmp_path / name, **kwargs)
        sources.append((tmp_path / name).read_bytes())
        torch.save({'state_dict': STATE, 'hook': Marker(marker)}, tmp_path / name, **kwargs)
        sources.append((tmp_path / name).read_bytes())
    save_file(STATE, tmp_path / 'safe', {'format': 'pt'})
    sources.append((tmp_path / 'safe').read_bytes())
    rng, path, read, unnamed = random.Random(0), tmp_path / 'mutant.pth', 0, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(count):
        path.write_bytes(mutated(sources[i % len(sources)], rng))
        try:
            read_checkpoint(path)
            read += 1
        except CheckpointError as error:
            unnamed += 'mutant.pth' not in str(error)
    assert not marker.exists()
    assert unnamed == 0
    assert 0 < read < count  # some mutations change a number only, most break the file
    # Peak memory in KiB; one file has 1 to 3 KiB, and nothing may allocate what a mutated size says.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_file_is_written_where_folders_cannot_be_opened(tmp_path, monkeypatch):
    """As on Windows, which flushes no file that is open for reading alone either."""
    opened, flushed = os.open, os.fsync
    monkeypatch.delattr(os, 'O_DIRECTORY')

    def open_as_windows(path, flags, *more, **options):
        if os.path.isdir(path):
            raise PermissionError(13, 'Permission denied', str(path))
        handle = opened(path, flags, *more, **options)
        writable[handle] = bool(flags & os.O_RDWR)
        return handle

    def flush_as_windows(handle):
        if not writable.get(handle, True):
            raise OSError(9, 'Bad file descriptor')
        flushed(handle)

    writable = {}
    monkeypatch.setattr(os, 'open', open_as_windows)
    monkeypatch.setattr(os, 'fsync', flush_as_windows)
    write_checkpoint(tmp_path / 'new.safetensors', {'weight': torch.ones(2)})
    assert (tmp_path / 'new.safetensors').is_file()
