"""A user's own hook, metric and training loop, registered as mmdet's customize_runtime page teaches."""

import json
from collections import Counter
from pathlib import Path

from mmdet.registry import HOOKS, LOOPS, METRICS
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop


@HOOKS.register_module()
class CountCallsHook(Hook):
    """A hook that counts its calls by name in WORK_DIR/calls.json."""

    def __init__(self, interval=1):
        self.interval = interval
        self.calls = Counter()

    def before_train(self, runner):
        self.calls['before_train'] += 1

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        assert outputs['loss'].isfinite()
        self.calls['after_train_iter'] += 1
        if self.every_n_train_iters(runner, self.interval):
            self.calls['every_n'] += 1

    def after_train_epoch(self, runner):
        self.calls['after_train_epoch'] += 1

    def after_val_epoch(self, runner, metrics=None):
        self.calls['after_val_epoch'] += 1

    def after_run(self, runner):
        Path(runner.work_dir, 'calls.json').write_text(json.dumps(self.calls))


@METRICS.register_module()
class BoxCountMetric(BaseMetric):
    """How many boxes an image has."""

    default_prefix = 'balloon'

    def process(self, data_batch, data_samples):
        self.results += [len(sample['pred_instances']['scores']) for sample in data_samples]

    def compute_metrics(self, results):
        return {'boxes': sum(results) / len(results)}


@LOOPS.register_module()
class TwicePerEpochLoop(EpochBasedTrainLoop):
    """Passes each batch twice, as repeated augmentation does; knows an argument of its own."""

    def __init__(self, runner, dataloader, max_epochs, repeats=2, **kwargs):
        super().__init__(runner, dataloader, max_epochs, **kwargs)
        self.repeats = repeats
        self._max_iters *= repeats

    def run_iter(self, idx, data_batch):
        for _ in range(self.repeats):
            super().run_iter(idx, data_batch)
