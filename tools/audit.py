"""Audit of the pinned packages against advisory databases; docs/security.md must have a decision on each finding.

Exit code 0: every package was looked up, and every finding has a decision; 1: one has none; 2: a package was not
looked up.

example:
  python tools/audit.py
  python tools/audit.py --service osv
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ('pypi', 'osv')


def pinned() -> list[str]:
    """Return the lines of constraints.txt that apply to this Python and pin one version."""
    lines = (
        line.partition('#')[0].strip() for line in (ROOT / 'requirements/constraints.txt').read_text().splitlines()
    )
    requirements = [Requirement(line) for line in lines if line]
    return [
        f'{r.name}{r.specifier}'
        for r in requirements
        if str(r.specifier).startswith('==') and (r.marker is None or r.marker.evaluate())
    ]


def look_up(packages: list[str], service: str) -> dict[str, list[dict]] | str:
    """Return the findings of each package that the service knows, or the reason why it failed."""
    with tempfile.TemporaryDirectory() as folder:
        requirements, report = Path(folder, 'requirements.txt'), Path(folder, 'report.json')
        requirements.write_text('\n'.join(packages))
        options = ['--no-deps', '--disable-pip', '--progress-spinner', 'off', '--format', 'json', '--output', report]
        command = [sys.executable, '-m', 'pip_audit', '--requirement', requirements, '--vulnerability-service', service]
        result = subprocess.run([*command, *options], capture_output=True, text=True)  # noqa: S603  # fixed arguments
        if not report.exists():
            return result.stderr.strip().splitlines()[-1] if result.stderr.strip() else f'exit code {result.returncode}'
        # A package that the service does not find is reported as "skipped", under the line "No known vulnerabilities".
        return {d['name']: d['vulns'] for d in json.loads(report.read_text())['dependencies'] if 'vulns' in d}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--service', choices=SERVICES, action='append', help='default: all of them')
    args = parser.parse_args()
    packages, decided = pinned(), (ROOT / 'docs/security.md').read_text()
    looked_up: set[str] = set()
    undecided = False
    for service in args.service or SERVICES:
        result = look_up(packages, service)
        if isinstance(result, str):
            print(f'{service}: no result ({result[:300]})')
            continue
        looked_up |= result.keys()
        print(f'{service}: {len(result)} of {len(packages)} packages looked up')
        for name, findings in result.items():
            for finding in findings:
                names = [finding['id'], *finding['aliases']]
                is_decided = any(one in decided for one in names)
                undecided |= not is_decided
                fixed = ', '.join(finding['fix_versions']) or 'nothing yet'
                print(f'  {name}: {" ".join(names)}, fixed in {fixed}: {"decided" if is_decided else "NOT DECIDED"}')
    missing = [package for package in packages if package.partition('==')[0] not in looked_up]
    if missing:
        print(f'not looked up: {", ".join(missing)}')
    return 1 if undecided else 2 if missing else 0


if __name__ == '__main__':
    sys.exit(main())
