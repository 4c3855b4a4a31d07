"""Checkpoint hook with atomic writes and without pickled classes."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend
from mmengine.runner import Runner
from torch import Tensor

from ..registry import HOOKS
from ..weights.io import remove_partial, written_aside
from ._mmengine import OpenCheckpointHook, checkpoint_to_resume, is_resuming
from .per_process import gather_state, put_state
from .plain import from_plain, to_plain
from .reader import use_safe_reader

__all__ = ['SafeCheckpointHook']

_STATES = 'states_by_process'


@HOOKS.register_module()
class SafeCheckpointHook(OpenCheckpointHook):
    """Replacement of mmengine's CheckpointHook, with the same arguments and file names.

    Files hold only tensors and built-in containers. Each file is written to a temporary name, flushed to disk and
    renamed; then `last_checkpoint` is updated, and then older files are deleted. After a full disk, or a kill at any
    byte, there is a complete checkpoint, and `last_checkpoint` names one. During a write the disk holds one checkpoint
    more than `max_keep_ckpts`.

    The strategies of FlexibleRunner (DeepSpeed, FSDP), and storage other than local files, have their own writers. For
    them, only the order of saving and deleting differs from mmengine's.

    Args:
        *args: Arguments of mmengine's CheckpointHook.
        **kwargs: Arguments of mmengine's CheckpointHook.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reported: set[str] = set()
        self._states: list[dict[str, Tensor]] = []

    def before_run(self, runner: Any) -> None:
        """Make mmengine read checkpoints by the safe reader from now on."""
        own = checkpoint_to_resume(runner)
        use_safe_reader(trusted=[own] if own else [])

    def before_train(self, runner: Any) -> None:
        """Delete the unfinished files of killed processes."""
        super().before_train(runner)
        put_state(runner, self._states)
        if is_main_process() and isinstance(self.file_backend, LocalBackend):
            for folder in {self.out_dir, runner.work_dir}:
                for file in remove_partial(folder):
                    runner.logger.warning(f'removed {file}: its process ended while writing it')

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Convert the content to built-in types; the priority makes this the last hook."""
        if self._states:
            checkpoint[_STATES] = self._states
        for name in to_plain(checkpoint):
            if name not in self._reported:
                self._reported.add(name)
                runner.logger.warning(f'{name} is neither a tensor nor plain data: it is not in the checkpoints')

    def after_load_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Restore arrays and histories."""
        from_plain(checkpoint)
        states = checkpoint.pop(_STATES, [])
        self._states = states if is_resuming(runner) else []

    def write_step(self, runner: Any, step: int, meta: dict[str, Any]) -> None:
        """Save first and delete afterward; mmengine deletes first."""
        outdated = self._keep(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._states = gather_state(runner)
        self._aside(runner).save_checkpoint(
            self.out_dir,
            name,
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            with written_aside(Path(runner.work_dir) / 'last_checkpoint') as aside:
                aside.write_text(str(self.last_ckpt))
        for old in outdated:
            self._remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(old)))

    def _keep(self, runner: Any, step: int) -> list[int]:
        """Return the steps whose files are deleted after this step is saved."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return []
        outdated = [self.keep_ckpt_ids.popleft()] if len(self.keep_ckpt_ids) == self.max_keep_ckpts else []
        self.keep_ckpt_ids.append(step)
        # The checkpoint lists the files deleted after it: if the run dies before that, the next run deletes them.
        runner.message_hub.update_info('keep_ckpt_ids', [*outdated, *self.keep_ckpt_ids])
        return outdated

    def write_best(self, runner: Any, metrics: dict[str, Any]) -> None:
        """Save first and delete afterward; the previous best files are hidden from mmengine, which deletes first."""
        if not self.save_best:
            return
        previous = self._best()
        self._set_best(dict.fromkeys(previous))
        self._states = []  # no run resumes from the best checkpoint
        super().write_best(self._aside(runner), metrics)
        best = {key: path or previous.get(key) for key, path in self._best().items()}
        self._set_best(best)
        for path in previous.values():
            if path is not None and path not in best.values():
                self._remove(path)
                runner.logger.info(f'The previous best checkpoint {path} is removed')

    def _best(self) -> dict[str, str | None]:
        """Return the path of the best checkpoint by metric; mmengine stores a single one in another attribute."""
        single = len(self.key_indicators) == 1
        return {'': self.best_ckpt_path} if single else dict(self.best_ckpt_path_dict)

    def _set_best(self, paths: dict[str, str | None]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths['']
        else:
            self.best_ckpt_path_dict = paths

    def _aside(self, runner: Any) -> Any:
        is_local = isinstance(self.file_backend, LocalBackend) and isinstance(runner, Runner)
        return _SavesAside(runner) if is_local else runner

    def _remove(self, path: str) -> None:
        if not is_main_process():
            return
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # DeepSpeed writes folders
            self.file_backend.rmtree(path)


class _SavesAside:
    """A runner whose `save_checkpoint` writes atomically; everything else is delegated."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        if is_main_process():
            with written_aside(Path(out_dir) / filename) as aside:
                self._runner.save_checkpoint(out_dir, aside.name, *args, **kwargs)
