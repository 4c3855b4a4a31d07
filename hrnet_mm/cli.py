"""Console script `hrnet-mm`, which imports only the module of the command it runs."""

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from .errors import UserError, did_you_mean

__all__ = ['main']

_COMMANDS = (
    *('demo', 'list', 'info', 'train', 'test', 'track', 'predict', 'streams', 'convert', 'export', 'benchmark'),
    *('verify', 'verify-checkpoint', 'doctor', 'check', 'labels', 'suggest'),
)
"""Names of the modules in `commands`, with hyphens for underscores."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    A `UserError` is printed as one sentence. Any other exception propagates with its traceback.

    Args:
        argv: The arguments after `hrnet-mm`; None for those of the process.

    Returns:
        The command's exit code: 0 for success, 2 for a mistake of the user, 130 after Ctrl-C.

    Raises:
        SystemExit: argparse refused the arguments (code 2) or printed a help text (code 0).

    Examples:
        >>> main(['list', 'w32'])
        backbone       channels of the branches  networks
        w32              32   64  128  256       hrnet_w32 hrnetv1_w32 hrnetv2_w32 hrnetv2p_w32
        0
    """
    # Read when torch is loaded, here and in the processes that a command starts. Threads that spin for long while they
    # wait for one another take the processor from the one that works as soon as another process is busy; threads that
    # sleep at once make an idle machine slower.
    if not {'OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'} & os.environ.keys():
        os.environ.update(OMP_WAIT_POLICY='PASSIVE', GOMP_SPINCOUNT='1000')
    argv = sys.argv[1:] if argv is None else list(argv)
    name = f'hrnet-mm {argv[0]}' if argv else 'hrnet-mm'
    try:
        command, args = _parse(argv)
        return command.run(args) or 0
    except UserError as error:
        print(f'{name}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(f'{name}: ' + '; '.join(['interrupted', *map(str, stop.args)]), file=sys.stderr)
        return 130


def _parse(argv: list[str]) -> tuple[Any, argparse.Namespace]:
    """Return the module of the called command and its arguments, with the whole line as `command_line`."""
    parser = argparse.ArgumentParser(
        prog='hrnet-mm',
        description='HRNet for the OpenMMLab libraries.',
        epilog='example:\n  hrnet-mm demo\n\nhrnet-mm COMMAND --help shows more.',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title='commands', dest='command', metavar='COMMAND', required=True)
    called = argv[0] if argv and not argv[0].startswith('-') else None
    if called is not None and called not in _COMMANDS:
        parser.error(f'unknown command {called!r}{did_you_mean(called, _COMMANDS)}')
    command: Any = None
    for name in _COMMANDS if called is None else (called,):
        command = importlib.import_module(f'{__package__}.commands.{name.replace("-", "_")}')
        subparser = commands.add_parser(
            name,
            help=command.HELP,
            description=command.HELP,
            epilog=f'example:\n{command.EXAMPLE}',
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name == called:
            command.add_arguments(subparser)
    parser.set_defaults(command_line=shlex.join(['hrnet-mm', *argv]))
    return command, parser.parse_args(argv)  # exits where no command is called


if __name__ == '__main__':
    sys.exit(main())
