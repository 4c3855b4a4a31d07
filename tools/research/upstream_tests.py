"""Runs the libraries' own unit tests of HRNet on their classes and on the drop-ins, and prints the counts.

python tools/research/upstream_tests.py FOLDER

FOLDER holds mmdet/, mmseg/, mmpose/ and mmpretrain/ with test files of these libraries, such as their repositories'
tests/test_models/test_backbones/test_hrnet.py; the installed packages have none. The tests get the drop-in wherever
they import HRNet, HRFPN or HRFuseScales from a library. The rows go to tools/research/results/upstream_tests.csv.
"""

import argparse
import importlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hrnet_mm.weights.tables import write_rows

RESULTS = Path(__file__).parent / 'results' / 'upstream_tests.csv'
DISTRIBUTIONS = {'mmdet': 'mmdet', 'mmseg': 'mmsegmentation', 'mmpose': 'mmpose', 'mmpretrain': 'mmpretrain'}
CLASSES = {'HRNet': 'backbones.hrnet', 'HRFPN': 'necks.hrfpn', 'HRFuseScales': 'necks.hr_fuse'}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    folder = parser.parse_args().folder
    rows = []
    for library in (name for name in DISTRIBUTIONS if (folder / name).is_dir()):
        counts = {network: run(library, network, folder / library) for network in ('upstream', 'drop-in')}
        for test in sorted(set().union(*counts.values())):
            outcomes = {network: counts[network].get(test, 'not collected') for network in counts}
            rows.append({'library': library, 'version': version(DISTRIBUTIONS[library]), 'test': test, **outcomes})
        for network, outcomes in counts.items():
            passed = sum(outcome == 'passed' for outcome in outcomes.values())
            print(f'{library}, {network}: {passed} of {len(outcomes)} passed')
    write_rows(RESULTS, rows)


def run(library: str, network: str, folder: Path) -> dict[str, str]:
    """Run the tests of a folder in a process of their own, and return their outcomes by name."""
    command = [sys.executable, __file__, '--tests', library, network, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    lines = [line for line in done.stdout.splitlines() if line.startswith('{')]
    if not lines:
        sys.exit(f'{library}: {done.stdout}{done.stderr}')
    return json.loads(lines[-1])


def run_here(library: str, network: str, folder: str) -> None:
    """Run the tests of a folder in this process, and print their outcomes by name as JSON."""
    import pytest

    class Outcomes(dict):
        def pytest_runtest_logreport(self, report: Any) -> None:
            if report.when == 'call' or report.failed:
                self[report.nodeid.partition('::')[2]] = report.outcome

    if network == 'drop-in':
        replace_classes(library)
    outcomes = Outcomes()
    pytest.main(['-q', '-p', 'no:cacheprovider', '--rootdir', folder, '-c', '/dev/null', folder], plugins=[outcomes])
    print(json.dumps(outcomes))


def replace_classes(library: str) -> None:
    """Put the registered drop-ins in the place of a library's classes."""
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    models = importlib.import_module(f'{library}.registry').MODELS
    for name, path in CLASSES.items():
        try:
            module = importlib.import_module(f'{library}.models.{path}')
        except ModuleNotFoundError:
            continue  # this library has no such class
        ours = models.get(name)
        assert ours.__module__.startswith('hrnet_mm'), name
        for place in (module, importlib.import_module(module.__name__.rpartition('.')[0])):
            setattr(place, name, ours)


if __name__ == '__main__':
    if sys.argv[1:2] == ['--tests']:
        run_here(*sys.argv[2:])
    else:
        main()
