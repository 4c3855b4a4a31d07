"""Installs this package without a compiler on several Pythons, torches and numpys, and tries each installation.

bash tools/matrix.sh                        # every cell; about ten minutes each on 2 cores
bash tools/matrix.sh 3.11-torch2.11.0 ...   # these cells
bash tools/matrix.sh --short                # the versions of .venv, without the configs and without a row

A cell is a copy of the checkout in work_dirs/matrix, where tools/install.sh runs with other constraints and without a
compiler. It imports the four libraries, trains an iteration of every HRNet config of the libraries with the drop-ins,
trains, resumes and tests the shipped configs, and runs the demonstration for two iterations a task. The Pythons must be
on the PATH (pyenv: PYENV_VERSION=3.13.0:3.12.1:...). A row of tools/research/results/matrix.csv is a cell.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from hrnet_mm.errors import UserError, did_you_mean
from hrnet_mm.fast.machine import machine
from hrnet_mm.weights.tables import read_rows, write_rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'tools' / 'research' / 'results' / 'matrix.csv'
FORKS = ('onedl-mmengine==0.10.12', 'onedl-mmdetection==3.5.1', 'onedl-mmsegmentation==1.4.2')
FORKS += ('onedl-mmpretrain==1.3.6',)
FORKED = ('mmengine', 'mmdet', 'mmsegmentation', 'mmpretrain')


@dataclass(frozen=True)
class Cell:
    """Versions to install together; libraries A are upstream's, B are OneDL's forks."""

    python: str
    torch: str
    torchvision: str
    numpy: str
    opencv: str = '5.0.0.93'
    libraries: str = 'A'

    @property
    def name(self):
        """The word for the cell on the command line and in the table."""
        return f'{self.python}-torch{self.torch}' + ('-onedl' if self.libraries == 'B' else '')


CELLS = {
    cell.name: cell
    for cell in (
        Cell('3.10', '2.6.0', '0.21.0', '1.26.4', '4.11.0.86'),
        Cell('3.11', '2.11.0', '0.26.0', '2.4.6'),
        Cell('3.12', '2.6.0', '0.21.0', '2.4.6'),
        Cell('3.12', '2.11.0', '0.26.0', '2.4.6', libraries='B'),
        Cell('3.13', '2.11.0', '0.26.0', '2.4.6'),
        Cell('3.13', '2.15.0', '0.29.2', '2.4.6'),
    )
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cells', nargs='*', metavar='CELL', help=f'of {", ".join(CELLS)} (default: all)')
    parser.add_argument('--short', action='store_true', help='the versions of .venv: imports and demonstration alone')
    parser.add_argument('--keep', action='store_true', help='keep the environments')
    args = parser.parse_args()
    for name in args.cells:
        if name not in CELLS:
            raise UserError(f'no such cell: {name}{did_you_mean(name, CELLS)}')
    chosen = [this_cell()] if args.short else [CELLS[name] for name in args.cells or CELLS]
    failed = []
    for cell in chosen:
        row = tried(cell, args.short, args.keep)
        print(*(f'{key}={value}' for key, value in row.items()), flush=True)
        failed += [cell.name] * (row['sound'] != 'yes')
        if not args.short:
            kept = [other for other in read_rows(RESULTS) if other['cell'] != cell.name]
            write_rows(RESULTS, sorted([*kept, row], key=lambda row: list(CELLS).index(row['cell'])))
    print(f'failed: {", ".join(failed)}; see work_dirs/matrix' if failed else 'every cell is sound')
    return int(bool(failed))


def this_cell():
    names = ('torch', 'torchvision', 'numpy', 'opencv-python')
    return Cell(f'{sys.version_info.major}.{sys.version_info.minor}', *(version(name).split('+')[0] for name in names))


def tried(cell, short, keep):
    """Install and try a cell; its folder stays if something fails, with the outputs in logs/."""
    folder = ROOT / 'work_dirs' / 'matrix' / cell.name
    shutil.rmtree(folder, ignore_errors=True)
    copy_checkout(folder)
    constrain(folder / 'requirements' / 'constraints.txt', cell)
    shell = Shell(folder)
    start = time.monotonic()
    installed = shell('install', 'bash', 'tools/install.sh', PYTHON=find_python(cell.python))
    seconds = time.monotonic() - start
    uv = (folder / '.venv/bin/uv', 'pip')
    into = ('--python', folder / '.venv/bin/python')
    if cell.libraries == 'B':
        shell('forks', *uv, 'uninstall', *into, *FORKED)
        shell('forks', *uv, 'install', *into, '-c', 'requirements/constraints.txt', 'imaug')  # mmdet's fork needs it
        shell('forks', *uv, 'install', *into, '--no-deps', *FORKS)
    imports = shell('doctor', '.venv/bin/hrnet-mm', 'doctor')
    shell('demo', '.venv/bin/hrnet-mm', 'demo', '--iterations', '2')  # which misses its targets
    tasks = {row['task'] for row in read_rows(folder / 'work_dirs' / 'demo' / 'results.csv')}
    row = {
        'cell': cell.name,
        'python': cell.python,
        'torch': cell.torch,
        'numpy': cell.numpy,
        'libraries': cell.libraries,
        'install_s': f'{seconds:.0f}',
        'imports': 'yes' if imports.ok else 'no',
        'demo': f'{len(tasks)} of 5',
    }
    sound = installed.ok and imports.ok and len(tasks) == 5
    if not short:
        shell('tests', *uv, 'install', *into, '-c', 'requirements/constraints.txt', '-r', 'requirements/tests.txt')
        for kind in ('upstream', 'shipped'):
            log = shell(kind, '.venv/bin/pytest', '-q', f'tests/end_to_end/test_{kind}_configs.py')
            counts = {word: int(number) for number, word in re.findall(r'(\d+) (passed|failed|error)', log.output)}
            row[kind] = f'{counts.get("passed", 0)} of {sum(counts.values())}'
            sound = sound and log.ok
    described = machine()
    row |= {'sound': 'yes' if sound else 'no', **{name: described[name] for name in ('device', 'driver', 'commit')}}
    if sound and not keep:
        shutil.rmtree(folder)
    return row


@dataclass
class Log:
    """The outcome of a command."""

    ok: bool
    output: str


class Shell:
    """Runs commands in the folder of a cell, where no compiler is found, and keeps their outputs."""

    def __init__(self, folder):
        self.folder = folder
        (folder / 'logs').mkdir()

    def __call__(self, name, *command, **variables):
        """Run a command with its output in logs/NAME.txt."""
        path = self.folder / 'logs' / f'{name}.txt'
        environment = {**os.environ, 'CC': '/bin/false', 'CXX': '/bin/false', 'OMP_NUM_THREADS': '1', **variables}
        environment['HRNET_MM_TRUSTED'] = '1'  # the cells read what they have written
        with path.open('a') as log:
            arguments = [str(part) for part in command]
            done = subprocess.run(  # noqa: S603
                arguments, cwd=self.folder, env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        print(f'{self.folder.name} {name}: exit code {done.returncode}', flush=True)
        return Log(done.returncode == 0, path.read_text(errors='replace'))


def copy_checkout(folder):
    names = git('ls-files', '--cached', '--others', '--exclude-standard').splitlines()
    for name in filter(lambda name: (ROOT / name).is_file(), names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def constrain(path, cell):
    """Put the cell's versions in place of those in the constraints."""
    versions = {'torch': cell.torch, 'torchvision': cell.torchvision, 'numpy': cell.numpy, 'opencv-python': cell.opencv}
    kept = [line for line in path.read_text().splitlines() if re.split('[=<>;]', line)[0] not in versions]
    path.write_text('\n'.join([*kept, *(f'{name}=={value}' for name, value in versions.items())]) + '\n')


def find_python(wanted):
    if wanted == this_cell().python:
        return sys._base_executable
    uv = Path(sys.executable).with_name('uv')
    found = subprocess.run(  # noqa: S603
        [uv, 'python', 'find', '--no-python-downloads', '--system', wanted], capture_output=True, text=True, cwd='/'
    )
    if found.returncode:
        raise UserError(f'no Python {wanted} is on the PATH; install one (uv python install {wanted}).')
    return found.stdout.strip()


def git(*arguments):
    done = subprocess.run(['git', *arguments], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()


if __name__ == '__main__':
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f'matrix: {error}')
