"""Trainings by MIM, a JSON list of its arguments, in one process, which also runs the scripts that MIM would start."""

import json
import runpy
import sys
from unittest.mock import patch

from mim.commands.train import train


def run_here(command, **_):
    sys.argv = command[1:]
    try:
        runpy.run_path(command[1], run_name='__main__')
    except SystemExit as end:
        return end.code or 0
    return 0


if __name__ == '__main__':
    with (
        patch('mim.commands.train.subprocess.check_call', run_here),
        patch('mim.commands.train.subprocess.check_output', return_value=b''),  # the help, which names no --gpus
    ):
        for package, config, *arguments in json.loads(sys.argv[1]):
            assert train(package, config, gpus=0, other_args=arguments)[0]
