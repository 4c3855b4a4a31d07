"""Two-process trainings that fail, for test_watchdog.py: FOLDER, and a word for each training, FAULT:RANK.

The libraries are imported once, then every rank is forked. Its output goes to FOLDER/FAULT:RANK/0 and 1, and a line of
JSON has the exit codes.
"""

import json
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import torch
import torch._dynamo  # as the first step of an optimizer would, in each process
from mmengine.model import BaseModel
from mmengine.runner import Runner

import hrnet_mm.engine  # noqa: F401  (before the processes are forked)

ITERATION = 3
Runner._log_env = lambda *_: None  # asks compilers and drivers for their versions, in each of the many processes


class Data(torch.utils.data.Dataset):
    metainfo = {}

    def __init__(self, fault):
        self.fault = fault
        self.reads = 0

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.reads += 1
        if self.reads == ITERATION and self.fault == 'hang-reading':
            time.sleep(600)
        return {'inputs': torch.ones(3)}


class Model(BaseModel):
    def __init__(self, fault):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.fault = fault
        self.calls = 0

    def forward(self, inputs, mode):
        self.calls += 1
        loss = self.layer(torch.stack(inputs)).sum()
        if self.calls == ITERATION:
            loss = self.go_wrong(loss)
        return {'loss': loss}

    def go_wrong(self, loss):
        if self.fault:
            time.sleep(1.5)  # two reports
        if self.fault == 'raise':
            raise KeyError('the fault of the test')
        if self.fault in ('kill', 'stop'):
            os.kill(os.getpid(), {'kill': signal.SIGKILL, 'stop': signal.SIGSTOP}[self.fault])
        if self.fault == 'hang-forward':
            time.sleep(600)
        return loss * float('nan') if self.fault == 'nan' else loss


def train(work_dir, fault):
    torch.distributed.init_process_group('gloo')
    runner = Runner(
        Model(fault),
        work_dir,
        train_dataloader=dict(batch_size=1, dataset=Data(fault), sampler=dict(type='DefaultSampler')),
        train_cfg=dict(by_epoch=True, max_epochs=1),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(checkpoint=None),
        custom_hooks=[
            dict(type='hrnet_mm.StopOnNonFiniteHook'),
            dict(type='hrnet_mm.RankWatchHook', timeout=3, slow_timeout=120),
        ],
        cfg=dict(model_wrapper_cfg=dict(type='MMDistributedDataParallel', device_ids=None)),
        launcher='pytorch',
        experiment_name='ranks',
        log_level='ERROR',
    )
    try:
        runner.train()
    finally:
        print('iterations:', runner.iter, 'weights:', [p.tolist() for p in runner.model.parameters()], flush=True)


def fork(folder, fault, rank, port):
    process = os.fork()
    if process:
        return process
    status = 1
    signal.alarm(600)  # if the watch fails, the tests must not hang with it
    try:
        output = os.open(folder / str(rank), os.O_WRONLY | os.O_CREAT)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ.update(
            RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port)
        )
        train(str(folder), fault)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def main():
    running, ended = {}, {}
    for word in sys.argv[2:]:
        folder = Path(sys.argv[1]) / word
        folder.mkdir()
        fault, _, faulty = word.partition(':')
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        for rank in (0, 1):
            running[fork(folder, fault if faulty == str(rank) else '', rank, port)] = word, rank
    while running:
        process, status = os.waitpid(-1, 0)
        word, rank = running.pop(process)
        ended[f'{word}/{rank}'] = os.waitstatus_to_exitcode(status)
        if word.startswith('stop') and rank != int(word[-1]):  # as torchrun does
            os.kill(next(p for p, other in running.items() if other[0] == word), signal.SIGKILL)
    print(json.dumps(ended))


main()
