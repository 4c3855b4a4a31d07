"""Arguments shared by `hrnet-mm train` and `hrnet-mm test`."""

import argparse
import os
from typing import Any

__all__ = ['SettingsAction', 'add_config_arguments', 'config_settings']

_LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')


class SettingsAction(argparse.Action):
    """The engine's SettingsAction, which is imported where there are settings: a mistyped option is told at once."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        """Parse the settings, and add them to the earlier ones."""
        from ..engine.settings import SettingsAction

        SettingsAction(self.option_strings, self.dest, nargs='+')(parser, namespace, values, option_string)


def add_config_arguments(parser: argparse.ArgumentParser, is_optional: bool = False) -> None:
    """Add the arguments shared by OpenMMLab's tools/train.py and tools/test.py.

    Args:
        parser: The parser.
        is_optional: Whether the config may be left out.
    """
    parser.add_argument(
        'config',
        nargs='?' if is_optional else None,
        metavar='MODEL',
        help='a config, which names the data and the metrics: a path (.py), or mmdet::...',
    )
    parser.add_argument(
        '--work-dir', metavar='DIR', help="folder of logs and checkpoints (default: the config's, or work_dirs/CONFIG)"
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=SettingsAction,
        metavar='KEY=VALUE',
        help='settings that replace those of the config, such as train_dataloader.batch_size=4',
    )
    parser.add_argument('--unchecked', action='store_true', help='continue even if the config seems to have mistakes')
    parser.add_argument('--launcher', choices=_LAUNCHERS, default='none', help='the launcher of the processes')
    # torchrun sets the variable; torch.distributed.launch, which MIM uses, passes this argument.
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)


def config_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the parsed arguments as arguments of `engine.train` and `engine.test`.

    Args:
        args: The arguments of `add_config_arguments`.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return {
        'config': args.config,
        'work_dir': args.work_dir,
        'options': args.cfg_options,
        'launcher': args.launcher,
        'unchecked': args.unchecked,
    }
