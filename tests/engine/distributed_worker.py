"""Trains and tests tiny networks through the commands, in one process and in two: FOLDER CONFIG...

The libraries are imported once, then every process is forked. The one works in FOLDER/one, the two in FOLDER/two, where
they also train a sharded network, of which sharded.json has the comparison.
"""

import argparse
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

import sharded
import torch
import torch._dynamo  # as the first step of an optimizer would, in each process

import hrnet_mm.drop_in.mmpretrain
import hrnet_mm.drop_in.mmseg  # noqa: F401
from hrnet_mm.commands import test, train

NORM = {
    'mmseg': ['model.backbone.norm_cfg.type=GN', 'model.backbone.norm_cfg.num_groups=2'],
    'mmpretrain': ['model.backbone.norm_cfg.type=GN', 'model.backbone.norm_cfg.num_groups=2'],
}
NORM['mmseg'] += ['model.decode_head.norm_cfg.type=GN', 'model.decode_head.norm_cfg.num_groups=2']
NORM['mmpretrain'] += ['model.neck.0.norm_cfg.type=GN', 'model.neck.0.norm_cfg.num_groups=2']


def run(command, *arguments):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args([str(argument) for argument in arguments]))


def train_and_test(config, work_dir):
    """Two epochs of batches of two images over all processes, then a test of three images, which two do not divide."""
    alone = 'RANK' not in os.environ
    common = [config, '--launcher', 'none' if alone else 'pytorch', '--work-dir']
    options = [f'train_dataloader.batch_size={2 if alone else 1}', *NORM[config.stem]]
    options += ['test_dataloader.dataset.indices=3', f'experiment_name={config.stem}']
    run(train, *common, work_dir / 'train', '--cfg-options', *options)
    checkpoint = work_dir / 'train' / 'epoch_2.pth'
    options[-1] += '_test'
    run(
        *(test, config, '--weights', checkpoint, *common[1:], work_dir / 'test'),
        *('--out', work_dir / 'predictions.pkl', '--cfg-options', *options),
    )


def work(work_dir, configs):
    for config in configs:
        train_and_test(config, work_dir / config.stem)
    if 'RANK' in os.environ:
        compared = sharded.compare()
        if torch.distributed.get_rank() == 0:
            (work_dir / 'sharded.json').write_text(json.dumps(compared))


def fork(work_dir, configs, **environment):
    process = os.fork()
    if process:
        return process
    status = 1
    signal.alarm(600)  # if one fails, the other must not wait for it for half an hour
    try:
        os.environ.update(environment)
        work(work_dir, configs)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def main(folder, *configs):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        common = {'WORLD_SIZE': '2', 'MASTER_ADDR': '127.0.0.1', 'MASTER_PORT': str(free.getsockname()[1])}
    processes = [fork(folder / 'one', configs)]
    processes += [fork(folder / 'two', configs, RANK=rank, LOCAL_RANK=rank, **common) for rank in '01']
    statuses = [os.waitpid(process, 0)[1] for process in processes]
    return int(any(statuses))


if __name__ == '__main__':
    sys.exit(main(*map(Path, sys.argv[1:])))
