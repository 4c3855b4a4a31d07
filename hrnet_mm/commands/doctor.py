"""`hrnet-mm doctor`: installed versions, incompatibilities, and their repair."""

import argparse

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'show the versions of Python, torch and the libraries, and what does not fit together, and repair it'
EXAMPLE = """\
  hrnet-mm doctor
  hrnet-mm doctor --fix mmdet mmpose   # installs these libraries too, without a compiler"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm doctor`."""
    from ..environment import LIBRARIES

    parser.add_argument('libraries', nargs='*', metavar='LIBRARY', help=f'also needed: {", ".join(LIBRARIES)}')
    parser.add_argument('--fix', action='store_true', help='install what is missing or does not fit')


def run(args: argparse.Namespace) -> int:
    """Print the report, which belongs in an issue.

    Returns:
        1 if a package that is installed or named does not work.
    """
    from ..environment import LIBRARIES, inspect_environment, repair_environment
    from ..errors import UserError, did_you_mean

    for name in args.libraries:
        if name not in LIBRARIES:
            raise UserError(f'doctor {name}: no such library{did_you_mean(name, LIBRARIES)}')
    findings = repair_environment(args.libraries) if args.fix else inspect_environment(args.libraries)
    for finding in findings:
        print(f'{finding.subject:20} {finding.state}')
    broken = [finding for finding in findings if finding.problem]
    for finding in broken:
        print(f'\n{finding.problem}' + (f'\n  repair: {finding.repair}' if finding.repair else ''))
    print(f'\n{len(broken)} problem{"s"[: len(broken) != 1]}')
    return 1 if broken else 0
