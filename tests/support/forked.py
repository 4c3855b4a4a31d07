"""`hrnet-mm` in processes of its own, which are forks of one that has imported the libraries."""

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from hrnet_mm.cli import main

CONTEXT = multiprocessing.get_context('forkserver')
CONTEXT.set_forkserver_preload(
    ['hrnet_mm.training.worker', 'mmdet.apis', 'mmpose.apis', 'mmpretrain.apis', 'mmseg.apis']
)


class ForkedCommand:
    """A command that has been started, with the methods of `subprocess.Popen` that the tests need."""

    def __init__(self, arguments: Iterable[object], **environment: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._files = [Path(self._folder.name, name) for name in ('out', 'err')]
        given = list(map(str, arguments)), os.getcwd(), {**os.environ, **environment}, self._files
        self._process = CONTEXT.Process(target=_run, args=given)
        self._process.start()

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self._process.join(timeout)
        assert self.poll() is not None
        out, err = (file.read_text() for file in self._files)
        self._folder.cleanup()
        return out, err


def _run(arguments: list[str], folder: str, environment: dict[str, str], files: list[Path]) -> None:
    for descriptor, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # ignored where a shell started the tests in the background
    os.chdir(folder)
    os.environ.update(environment)
    sys.path[:0] = environment['PYTHONPATH'].split(os.pathsep)
    sys.exit(main(arguments))
