"""A small training in separate processes, which tests kill and resume.

The program reads a job in JSON from each line of its input, forks a process for each rank, and replies with the process
numbers, then with the exit codes (negative: the signal). Forking saves the imports of each process.

A job has a work directory and differences from the defaults below. The end state is written to WORK_DIR/end_RANK.pth.
Weights, order, augmentation, dropout, losses and validation all depend on random numbers.
"""

import contextlib
import json
import os
import random
import signal
import sys
import traceback
from pathlib import Path

import matplotlib.pyplot  # noqa: F401  # what mmengine imports when it is built or started
import numpy as np
import torch
import torch._dynamo
import torchvision  # noqa: F401
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook, Hook
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS, RUNNERS
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

import hrnet_mm.engine  # noqa: F401

with contextlib.suppress(ImportError):  # need not be installed
    import torch.utils.tensorboard

DEFAULTS = {
    'runner': 'hrnet_mm.ReliableRunner',  # or 'Runner': mmengine's, with its own hooks
    'loop': 'epoch',
    'length': 4,  # epochs, or iterations of the other loop
    'validate': 1,
    'checkpoint': {'interval': 1},
    'workers': 0,
    'seed': 0,
    'accumulate': 1,
    'kill_at': None,  # [iteration] or 'epoch N' or 'validation N': the process kills itself there, by SIGKILL
    'rising': False,  # whether each validation is better than the last
    'hooks': {},
    'parameters': 0,  # numbers of a layer without use, which makes files as large as needed
}


@DATASETS.register_module()
class Noise(Dataset):
    """20 samples, each changed by the three generators that augmentations draw from."""

    metainfo = {'classes': ('a', 'b'), 'weights': np.array([0.5, 1.5], np.float32)}

    def __init__(self, log: str) -> None:
        self.log = Path(log)

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        with self.log.open('a') as file:
            file.write(f'{int(index)}\n')
        base = torch.full((6,), index / 20)
        return {'inputs': base + torch.rand(6) / 9 + random.random() / 9 + float(np.random.rand()) / 9}


@MODELS.register_module()
class Network(BaseModel):
    """Batch norm, dropout and two layers."""

    def __init__(self, parameters: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
        if parameters:
            self.unused = nn.Parameter(torch.zeros(parameters), requires_grad=False)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> object:
        out = self.body(torch.stack(inputs))
        return {'loss': ((out - 0.3) ** 2).mean()} if mode == 'loss' else list(out)


@METRICS.register_module()
class Mean(BaseMetric):
    """The mean output, with a random part, so that a validation that is repeated must repeat its draws."""

    def __init__(self, rising: bool) -> None:
        super().__init__()
        self.rising = rising

    def process(self, data_batch: object, data_samples: list[torch.Tensor]) -> None:
        self.results.extend(float(sample) for sample in data_samples)

    def compute_metrics(self, results: list[float]) -> dict[str, float]:
        if self.rising:
            return {'mean': float(MessageHub.get_current_instance().get_info('iter'))}
        return {'mean': float(np.mean(results)) + random.random() / 100}


class KillHook(Hook):
    """Kills the process at a stated moment."""

    priority = 100  # after everything else

    def __init__(self, at: list[int] | str) -> None:
        self.at = at

    def _kill(self, now: list[int] | str) -> None:
        if now == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def after_train_iter(self, runner: Runner, **_: object) -> None:
        self._kill([runner.iter + 1])

    def after_train_epoch(self, runner: Runner) -> None:
        self._kill(f'epoch {runner.epoch + 1}')

    def before_val_epoch(self, runner: Runner) -> None:
        self._kill(f'validation {runner.epoch}')


def main(work_dir: Path, settings: dict[str, object]) -> None:
    s = {**DEFAULTS, **settings}
    if 'processes' in s:
        torch.distributed.init_process_group('gloo')
    torch.manual_seed(1)
    rank = int(os.environ.get('RANK', '0'))
    by_epoch = s['loop'] == 'epoch'
    data = {
        'dataset': {'type': 'Noise', 'log': f'{work_dir}/read_{rank}.txt'},
        'sampler': {'type': 'DefaultSampler' if s['loop'] != 'infinite' else 'InfiniteSampler', 'shuffle': True},
        'batch_size': 4,
        'num_workers': s['workers'],
        'persistent_workers': s['workers'] > 0,
    }
    kind = 'EpochBasedTrainLoop' if by_epoch else 'IterBasedTrainLoop'
    config = {
        'runner_type': s['runner'],
        'model': {'type': 'Network', 'parameters': s['parameters']},
        'work_dir': str(work_dir),
        'train_dataloader': data,
        'train_cfg': {
            'type': kind,
            'max_epochs' if by_epoch else 'max_iters': s['length'],
            'val_interval': s['validate'],
        },
        'val_dataloader': {
            'dataset': {'type': 'Noise', 'log': f'{work_dir}/validated_{rank}.txt'},
            'sampler': {'type': 'DefaultSampler', 'shuffle': False},
            'batch_size': 4,
        },
        'val_cfg': {},
        'val_evaluator': {'type': 'Mean', 'rising': s['rising']},
        'optim_wrapper': {
            'optimizer': {'type': 'AdamW', 'lr': 0.05},
            'accumulative_counts': s['accumulate'],
            'clip_grad': {'max_norm': 1.0},
        },
        'param_scheduler': [
            {'type': 'LinearLR', 'start_factor': 0.1, 'by_epoch': False, 'begin': 0, 'end': 7},
            {'type': 'OneCycleLR', 'eta_max': 0.1, 'total_steps': 30, 'by_epoch': False},
        ],
        'default_hooks': {
            'logger': {'type': 'LoggerHook', 'interval': 1},
            'checkpoint': {'type': 'CheckpointHook', 'by_epoch': by_epoch, **s['checkpoint']},
            **s['hooks'],
        },
        'custom_hooks': [{'type': 'EMAHook', 'momentum': 0.1, 'update_buffers': True}],
        'randomness': {'seed': s['seed']},
        'resume': True,
        'launcher': 'pytorch' if 'processes' in s else 'none',
        'model_wrapper_cfg': {'type': 'MMDistributedDataParallel', 'broadcast_buffers': False, 'device_ids': None},
        'experiment_name': 'run',
        'log_level': 'WARNING',
        'log_processor': {'by_epoch': by_epoch},
        'visualizer': {'type': 'Visualizer', 'vis_backends': [{'type': 'LocalVisBackend'}]},
    }
    runner = RUNNERS.build(config)
    if s['kill_at'] is not None:
        runner.register_hook(KillHook(s['kill_at']))
    runner.train()
    model = getattr(runner.model, 'module', runner.model)
    hub = runner.message_hub
    end = {
        'weights': model.state_dict(),
        'ema': next(hook for hook in runner.hooks if isinstance(hook, EMAHook)).ema_model.state_dict(),
        'optimizer': runner.optim_wrapper.state_dict(),
        'schedules': [
            {k: v for k, v in schedule.state_dict().items() if not callable(v)} for schedule in runner.param_schedulers
        ],
        'logged': {
            name: torch.from_numpy(np.stack(history.data))
            for name, history in hub.log_scalars.items()
            if not name.endswith('time')  # how long things took
        },
        'best': [hub.get_info('best_score'), hub.get_info('best_ckpt')],
    }
    torch.save(end, work_dir / f'end_{rank}.pth')


def serve() -> None:
    for line in sys.stdin:
        job = json.loads(line)
        processes = [_fork(job, rank) for rank in range(job.get('processes', 1))]
        print(json.dumps(processes), flush=True)
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in processes]), flush=True)


def _fork(job: dict[str, object], rank: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    np.random.seed()  # mmengine draws from here the seed that a config does not name
    try:
        if 'processes' in job:
            os.environ.update(
                RANK=str(rank),
                LOCAL_RANK=str(rank),
                WORLD_SIZE=str(job['processes']),
                MASTER_ADDR='127.0.0.1',
                MASTER_PORT=str(job['port']),
            )
        with open(f'{job["work_dir"]}/output_{rank}.txt', 'a') as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        main(Path(job['work_dir']), job)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == '__main__':
    serve()
