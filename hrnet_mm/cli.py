"""The console script `hrnet-mm`; only the module of the command that is called is imported."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Any

from .errors import did_you_mean

__all__ = ['main']

_COMMANDS = (
    *('demo', 'list', 'info', 'train', 'test', 'track', 'predict', 'streams', 'convert', 'export', 'benchmark'),
    *('verify', 'verify-checkpoint'),
)
"""Each is a module of `commands`, with an underscore for a hyphen."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line (that of the process unless given) and return the exit code; mistakes exit with 2."""
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
    except (ValueError, RuntimeError) as error:
        if not str(error):
            raise  # such as a library's NotImplementedError, of which only the place says something
        print(f'hrnet-mm {args.command}: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f'hrnet-mm {args.command}: interrupted', file=sys.stderr)
        return 130


if __name__ == '__main__':
    sys.exit(main())
