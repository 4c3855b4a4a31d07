"""Runs without the work that has no effect on them; a process that forks small trainings, to be killed and resumed."""

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from quick import quick_work


@pytest.fixture
def quick() -> Iterator[None]:
    with quick_work():
        yield


class Trainings:
    """Runs jobs of resume_worker.py; `run` gives the exit codes of its processes."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).parent / 'resume_worker.py')]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, work_dir: Path, watch: Callable[[list[int]], None] | None = None, **job: Any) -> list[int]:
        """Train; `watch` is called with the process numbers while they work."""
        work_dir.mkdir(parents=True, exist_ok=True)
        if 'processes' in job:
            with socket.socket() as free:
                free.bind(('127.0.0.1', 0))
                job['port'] = free.getsockname()[1]
        self._server.stdin.write(json.dumps({**job, 'work_dir': str(work_dir)}) + '\n')
        self._server.stdin.flush()
        processes = json.loads(self._server.stdout.readline())
        if watch is not None:
            watch(processes)
        return json.loads(self._server.stdout.readline())

    def close(self) -> None:
        with self._server:  # closes its input, at which it ends, and waits for that
            pass


@pytest.fixture(scope='session')
def trainings() -> Iterator[Trainings]:
    started = Trainings()
    yield started
    started.close()
