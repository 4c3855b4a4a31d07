"""The console script `hrnet-mm`; only the module of the command that is called is imported."""

import argparse
import importlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from .errors import UserError, did_you_mean

__all__ = ['main']

_COMMANDS = (
    *('demo', 'list', 'info', 'train', 'test', 'track', 'predict', 'streams', 'convert', 'export', 'benchmark'),
    *('verify', 'verify-checkpoint'),
)
"""Each is a module of `commands`, with an underscore for a hyphen."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code: 2 for a mistake of the user, 130 for Ctrl-C.

    Every other error keeps its traceback.

    Args:
        argv: the words after `hrnet-mm` (default: those of the process).
    """
    argv = sys.argv[1:] if argv is None else list(argv)
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
    args = parser.parse_args(argv)  # exits where no command is called
    try:
        return command.run(args) or 0
    except UserError as error:
        print(f'hrnet-mm {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt as interruption:
        print(f'hrnet-mm {args.command}: interrupted{_how_to_continue(command, argv, interruption)}', file=sys.stderr)
        return 130


def _how_to_continue(command: Any, argv: Sequence[str], interruption: KeyboardInterrupt) -> str:
    """What was saved, as the interrupted function says, and the call that goes on from there."""
    if not interruption.args:
        return ''
    again = [*argv, *(word for word in getattr(command, 'CONTINUE', ()) if word not in argv)]
    return f'; {interruption}. To continue: hrnet-mm {shlex.join(again)}'


if __name__ == '__main__':
    sys.exit(main())
