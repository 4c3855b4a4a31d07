"""`hrnet-mm doctor`: installed versions and incompatibilities."""

import argparse

__all__ = ['EXAMPLE', 'HELP', 'add_arguments', 'run']

HELP = 'show the versions of Python, torch and the libraries, incompatibilities, and their repair'
EXAMPLE = '  hrnet-mm doctor'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `hrnet-mm doctor`: none."""


def run(args: argparse.Namespace) -> int:
    """Print the report, which belongs in an issue.

    Returns:
        1 if an installed package does not work.
    """
    from ..environment import inspect_environment

    findings = inspect_environment()
    for finding in findings:
        print(f'{finding.subject:20} {finding.state}')
    broken = [finding for finding in findings if finding.problem]
    for finding in broken:
        print(f'\n{finding.problem}' + (f'\n  repair: {finding.repair}' if finding.repair else ''))
    print(f'\n{len(broken)} problem{"s"[: len(broken) != 1]}')
    return 1 if broken else 0
