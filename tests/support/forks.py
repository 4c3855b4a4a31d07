"""Pieces of code in new processes, which are forks of a Python that has imported modules and nothing else."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path


class Forks:
    """A server that imports modules once; `run` executes a piece of code in a fork of it."""

    def __init__(self, *modules: str) -> None:
        command = [sys.executable, '-W', 'ignore', __file__, *modules]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._lock = threading.Lock()

    def run(self, code: str) -> subprocess.CompletedProcess[str]:
        """Return what `python -W ignore -c CODE` would have printed, and its exit code."""
        with self._lock, tempfile.TemporaryDirectory() as folder:
            self._server.stdin.write(json.dumps([code, folder]) + '\n')
            self._server.stdin.flush()
            status = int(self._server.stdout.readline())
            out, err = (Path(folder, name).read_text() for name in ('out', 'err'))
        return subprocess.CompletedProcess(code, status, out, err)

    def close(self) -> None:
        with self._server:  # closes its input, at which it ends, and waits for that
            pass


def _serve() -> None:
    for line in sys.stdin:
        code, folder = json.loads(line)
        pid = os.fork()
        if not pid:
            _execute(code, folder)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _execute(code: str, folder: str) -> None:
    status = 1
    try:
        for descriptor, name in enumerate(('out', 'err'), 1):
            os.dup2(os.open(f'{folder}/{name}', os.O_WRONLY | os.O_CREAT), descriptor)
        exec(code, {'__name__': '__main__'})
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == '__main__':
    for module in sys.argv[1:]:
        __import__(module)
    _serve()
