"""A user's own hook and training loop, registered as mmpretrain's "Customize Runtime Settings" teaches."""

import json
from collections import Counter
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop
from mmpretrain.registry import HOOKS, LOOPS


@HOOKS.register_module()
class CountBatchesHook(Hook):
    """Counts the calls of each stage, in WORK_DIR/calls.json."""

    def __init__(self):
        self.calls = Counter()

    def _after_iter(self, runner, batch_idx, data_batch=None, outputs=None, mode='train'):
        self.calls[f'{mode}_iter'] += 1

    def _after_epoch(self, runner, mode='train'):
        self.calls[f'{mode}_epoch'] += 1

    def after_run(self, runner):
        Path(runner.work_dir, 'calls.json').write_text(json.dumps(self.calls))


@LOOPS.register_module()
class ShortenedLoop(IterBasedTrainLoop):
    """Ends after a share of the iterations; its run() is its own."""

    def __init__(self, runner, dataloader, max_iters, share=1.0, **kwargs):
        super().__init__(runner, dataloader, max_iters, **kwargs)
        self._max_iters = int(max_iters * share)

    def run(self):
        self.runner.logger.info(f'{self.max_iters} iterations')
        return super().run()
