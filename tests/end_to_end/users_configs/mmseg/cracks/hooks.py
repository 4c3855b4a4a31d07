import json
from collections import Counter
from pathlib import Path

from mmengine.hooks import Hook
from mmseg.registry import HOOKS


@HOOKS.register_module()
class CountingHook(Hook):
    """Writes WORK_DIR/calls.json: how often each of its methods was called."""

    def __init__(self, interval=1):
        self.interval = interval
        self.calls = Counter()

    def before_train(self, runner):
        self.calls['before_train'] += 1

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if self.every_n_train_iters(runner, self.interval):
            self.calls['after_train_iter'] += 1

    def after_train_epoch(self, runner):
        self.calls['after_train_epoch'] += 1

    def after_val_epoch(self, runner, metrics=None):
        self.calls['after_val_epoch'] += 1

    def after_test_epoch(self, runner, metrics=None):
        self.calls['after_test_epoch'] += 1

    def after_run(self, runner):
        Path(runner.work_dir, 'calls.json').write_text(json.dumps(self.calls))
