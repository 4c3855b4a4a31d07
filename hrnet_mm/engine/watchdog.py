"""Watchdog over the ranks of a distributed training: a rank that hangs or dies ends the job and is named.

A rank that stops leaves the others waiting in a collective, for 30 minutes with gloo and 10 with NCCL, and their errors
do not name it. Here a thread of each rank reports through a separate store, so that it does not matter what blocks: the
backend, the GPU, the data or the file system.
"""

import json
import logging
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from mmengine.dist import barrier, broadcast_object_list, get_dist_info
from mmengine.hooks import Hook
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from ..errors import UserError
from ..registry import HOOKS
from ._mmengine import bare_model, built_loops, built_train_loop, wrap_iterations

__all__ = ['RankWatchHook']

_VERDICT = 'verdict'


@HOOKS.register_module()
class RankWatchHook(Hook):
    """Watchdog that ends all ranks with exit code 1 if one hangs or dies; each logs which one, and its own position.

    Every rank reports its progress to rank 0, which compares: the others wait for the rank with the least progress.
    With one process the hook does nothing.

    Args:
        timeout: The seconds that reading a batch, or half an iteration, may take. The job ends at most 20 s later.
        slow_timeout: The same for slow phases: the start, the first iteration, saving, and each step of a validation.

    Raises:
        UserError: `timeout` is not above 0, or above `slow_timeout`.
    """

    priority = 'VERY_HIGH'

    def __init__(self, timeout: float = 300, slow_timeout: float = 3600) -> None:
        if not 0 < timeout <= slow_timeout:
            raise UserError(f'timeout must be above 0 and at most slow_timeout={slow_timeout}, got {timeout}')
        self._limits = {'timeout': timeout, 'slow_timeout': slow_timeout}
        self._watch: _Watch | None = None
        self._first = True

    def before_run(self, runner: Any) -> None:
        """Start reporting, and follow the iterations and the forward passes."""
        if get_dist_info()[1] == 1:
            return
        self._watch = watch = _Watch(logger=runner.logger, **self._limits)
        bare_model(runner.model).register_forward_hook(lambda *_: watch.after_forward())
        for loop in built_loops(runner):
            wrap_iterations(loop, watch.around)

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Report that the batch has been read."""
        self._at(runner.iter, 1, f'forward pass of iteration {runner.iter + 1}', slow=self._first)

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report that the step is done."""
        self._first = False
        self._at(runner.iter + 1, 0, f'reading of the batch for iteration {runner.iter + 2}')

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Report the saving of a checkpoint, for which the other ranks wait."""
        self._at(_iteration(runner), 0, 'saving of a checkpoint', slow=True)

    def after_train_epoch(self, runner: Any) -> None:
        """Report the end of an epoch; saving, validation and a restart of the loader's workers may follow."""
        self._at(runner.iter, 0, f'end of epoch {runner.epoch + 1}', slow=True)

    def before_val_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Report a step of the validation."""
        self._at(_iteration(runner), 0, f'validation, batch {batch_idx + 1}', slow=True)

    def before_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Report a step of the test."""
        self._at(_iteration(runner), 0, f'test, batch {batch_idx + 1}', slow=True)

    def after_run(self, runner: Any) -> None:
        """Stop the threads of all ranks before the store ends with rank 0."""
        if self._watch is not None:
            self._at(_iteration(runner), 0, 'end of the run', slow=True)
            barrier()
            self._watch.stop()

    def _at(self, iteration: int, part: int, phase: str, slow: bool = False) -> None:
        if self._watch is not None:
            self._watch.report.at((iteration, part), phase, slow)


def _iteration(runner: Any) -> int:
    """Return the training's iteration, or 0 if nothing trains; `runner.iter` would then build the training data."""
    return runner.iter if built_train_loop(runner) is not None else 0


@dataclass
class _Report:
    """The report of a rank on its progress."""

    host: str
    pid: int
    beat: int = 0
    place: tuple[int, int] = (0, 0)  # iteration, and 0 before, 1 in, 2 after its forward pass
    phase: str = 'start'
    changed: int = 0
    slow: bool = True
    failed: bool = False

    def at(self, place: tuple[int, int], phase: str, slow: bool) -> None:
        self.place, self.phase, self.slow = place, phase, slow
        self.changed += 1


class _Watch:
    """The threads of one rank; rank 0 has the store, compares all reports and writes the verdict."""

    def __init__(self, *, timeout: float, slow_timeout: float, logger: logging.Logger) -> None:
        self._beat = min(timeout / 5, 2.0)
        self._limits = {False: timeout, True: slow_timeout}
        self._logger = logger
        self._rank, self._world_size = get_dist_info()
        self.report = _Report(socket.gethostname(), os.getpid())
        self._now = 0.0  # time by this rank's beats, because a suspended machine does not hang
        self._heard: dict[int, tuple[int, float]] = {}  # per rank: last beat and its time
        self._moved: dict[int, tuple[int, float]] = {}  # per rank: last change of phase and its time
        self._stopped = threading.Event()
        self._verdict, self._rounds = '', 0
        self._store = self._join_store(timeout)
        self._send()
        barrier()  # afterward, every report can be read
        for target in (self._exchange, self._wait):
            threading.Thread(target=target, name='rank watch', daemon=True).start()

    def around(self, run_iter: Callable[..., None], *args: Any) -> None:
        """Report an error to the other ranks, and name the rank behind an error about a closed connection."""
        try:
            run_iter(*args)
        except Exception as error:
            # Errors of the backends are RuntimeErrors.
            if isinstance(error, RuntimeError) and (silent := self.silent_ranks()):
                raise RuntimeError(f'{silent} died; if it failed by itself, its own output says how') from error
            self.fail(error)
            raise

    def after_forward(self) -> None:
        """Report the end of a forward pass in an iteration; others, such as a validation's, are not progress."""
        iteration, part = self.report.place
        if part == 1:
            self.report.at((iteration, 2), self.report.phase.replace('forward', 'backward'), self.report.slow)

    def fail(self, error: Exception) -> None:
        """Report an error, and wait until the others have read it."""
        self.report.phase, self.report.failed = f'{self.report.phase}: {type(error).__name__}: {error}', True
        time.sleep(3 * self._beat)

    def silent_ranks(self) -> str:
        """Return the ranks that no longer report."""
        try:
            before = self._receive(range(self._world_size))
            time.sleep(3 * self._beat)
            after = self._receive(range(self._world_size))
        except Exception:  # the store ended with rank 0
            return 'rank 0'
        return _names({rank: after[rank] for rank in after if after[rank].beat == before[rank].beat})

    def stop(self) -> None:
        self._stopped.set()

    def _join_store(self, timeout: float) -> TCPStore:
        host = os.environ.get('MASTER_ADDR', socket.gethostname())
        wait = timedelta(seconds=timeout)
        address: list[Any] = [host, 0]
        if self._rank == 0:
            store = TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=wait)
            address = [host, store.port]
        broadcast_object_list(address)
        return store if self._rank == 0 else TCPStore(address[0], address[1], is_master=False, timeout=wait)

    def _exchange(self) -> None:
        while not self._stopped.wait(self._beat):
            try:
                self._verdict = self._round()
            except Exception as error:
                if self._stopped.wait(2 * self._beat):  # the run has ended, and rank 0 was faster
                    return
                self._verdict = f'rank 0, which no longer responds ({type(error).__name__})'
            self._rounds += 1

    def _wait(self) -> None:
        """Watch the rounds in a separate thread, because a round never returns if rank 0 is stopped."""
        rounds, idle = 0, 0.0
        while not self._stopped.wait(self._beat):
            idle = 0.0 if self._rounds > rounds else idle + self._beat
            rounds = self._rounds
            limit = self._limits[self.report.slow]
            verdict = self._verdict or (f'rank 0: stopped, no response for {limit} s' if idle >= limit else '')
            if verdict and not self.report.failed:  # a rank that failed ends with its own error
                self._end(verdict)

    def _round(self) -> str:
        self._send()
        if self._rank == 0:
            verdict = self._judge(self._receive(range(self._world_size)))
            if verdict:
                self._store.set(_VERDICT, verdict)
            return verdict
        if self._store.check([_VERDICT]):
            return str(self._store.get(_VERDICT).decode())
        return self._judge(self._receive([0]), compare=False)

    def _judge(self, reports: dict[int, _Report], compare: bool = True) -> str:
        """Return the reason why the job must end, or an empty string."""
        now = self._now = self._now + self._beat
        for rank, report in reports.items():
            if self._heard.get(rank, (-1,))[0] != report.beat:
                self._heard[rank] = (report.beat, now)
            if self._moved.get(rank, (-1,))[0] != report.changed:
                self._moved[rank] = (report.changed, now)
        if failed := {rank: report for rank, report in reports.items() if report.failed}:
            return f'{_names(failed)} failed'
        silent = {rank: report for rank, report in reports.items() if self._since(self._heard, rank, report)}
        least = min(report.place for report in reports.values())
        behind = {rank: report for rank, report in reports.items() if report.place == least}
        if compare and all(self._since(self._moved, rank, report) for rank, report in behind.items()):
            silent = {rank: report for rank, report in behind.items() if now - self._heard[rank][1] > 2 * self._beat}
            if not silent:
                return f'{_names(behind)}: hangs, no progress for {self._limit(behind)} s'
        return f'{_names(silent)}: stopped or dead, no longer reporting' if silent else ''

    def _since(self, times: dict[int, tuple[int, float]], rank: int, report: _Report) -> bool:
        return self._now - times[rank][1] >= self._limits[report.slow]

    def _limit(self, reports: dict[int, _Report]) -> float:
        return min(self._limits[report.slow] for report in reports.values())

    def _end(self, verdict: str) -> None:
        # The log may block together with its file system; the process then ends without it.
        speaker = threading.Thread(target=self._tell, args=(verdict,), daemon=True)
        speaker.start()
        speaker.join(3 * self._beat)
        if self._rank == 0:
            time.sleep(3 * self._beat)  # the others read the verdict from this process
        os._exit(1)  # the main thread may be blocked forever

    def _tell(self, verdict: str) -> None:
        frame = sys._current_frames().get(threading.main_thread().ident or 0)
        stack = ''.join(traceback.format_stack(frame)) if frame else ''
        self._logger.error(f'The job ends because of {verdict}. Rank {self._rank} was here:\n{stack}')
        logging.shutdown()

    def _send(self) -> None:
        self.report.beat += 1
        self._store.set(str(self._rank), json.dumps(asdict(self.report)))

    def _receive(self, ranks: Any) -> dict[int, _Report]:
        reports = {rank: _Report(**json.loads(self._store.get(str(rank)))) for rank in ranks}
        for report in reports.values():
            report.place = tuple(report.place)  # type: ignore[assignment]  # JSON has lists only
        return reports


def _names(reports: dict[int, _Report]) -> str:
    return ', '.join(f'rank {r} (process {x.pid} on {x.host}, {x.phase})' for r, x in reports.items())
