"""Kills a training again and again, resumes it, and compares its end with that of one that was left alone.

python tools/research/soak.py --minutes 15     # about that long; prints a summary and writes work_dirs/soak/soak.json

It trains the digits' demonstration (configs/demo/hrnet-c_digits.py) with a tiny HRNet, validation, a best checkpoint,
an average of the weights and a worker that reads. The kills are SIGKILL at random times: while it starts, trains,
validates and saves. Exits with 1 if a bit differs, or if fewer kills than asked for took place.
"""

import argparse
import json
import os
import signal
import statistics
import sys
import time
import traceback
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')  # bits depend on the number of threads, and forking wants few

# What a training imports: each is forked, so that its start takes a second, not ten.
import matplotlib.pyplot  # noqa: F401
import numpy as np
import torch
import torch._dynamo
import torchvision  # noqa: F401

import hrnet_mm.drop_in.mmpretrain  # noqa: F401
from hrnet_mm.data import prepare_digits
from hrnet_mm.engine import train
from hrnet_mm.weights import read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
_base_ = '{root}/configs/demo/hrnet-c_digits.py'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmpretrain'], allow_failed_imports=False)
arch = 'test-w4'
channels = [4, 8, 16, 32]
model = dict(
    backbone=dict(arch=arch), neck=[dict(type='HRFuseScales', in_channels=channels), dict(type='GlobalAveragePooling')]
)
train_cfg = dict(max_iters={iterations}, val_interval=25)
param_scheduler = dict(total_steps={iterations})
load, pack = dict(type='LoadImageFromFile'), dict(type='PackInputs')
turn = dict(type='Rotate', angle=10.0, prob=0.7, pad_val=0)
train_pipeline = [load, turn, dict(type='RandomCrop', crop_size=28, padding=2), pack]
train_dataloader = dict(
    batch_size=8, num_workers=1, persistent_workers=True, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(
    batch_size=50, sampler=dict(type='DefaultSampler', shuffle=False), dataset=dict(
        type='CustomDataset', data_root='data/demo/digits', data_prefix='images', ann_file='val.txt', indices=100,
        classes=[str(digit) for digit in range(10)], pipeline=[load, pack],
    )
)
val_cfg = dict()
val_evaluator = _base_.test_evaluator
checkpoint = dict(interval=5, max_keep_ckpts=2, save_best='accuracy/top1', save_optimizer=True)
default_hooks = dict(checkpoint=checkpoint)
custom_hooks = [dict(type='EMAHook', momentum=0.01)]
"""
COMPARED = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--minutes', type=float, default=15, help='about how long (default: 15)')
    parser.add_argument('--kills', type=int, default=30, help='at least how many kills (default: 30)')
    parser.add_argument('--seed', type=int, default=0, help='of the random times (default: 0)')
    parser.add_argument('--out', type=Path, default=Path('work_dirs', 'soak'), help='default: %(default)s')
    args = parser.parse_args()
    os.chdir(ROOT)
    prepare_digits(ROOT / 'data' / 'demo')
    args.out.mkdir(parents=True, exist_ok=True)

    began = time.monotonic()
    start, per_iteration = measure(args.out)
    iterations = max(10 * args.kills, int(0.3 * 60 * args.minutes / per_iteration))
    config = write_config(args.out, iterations)
    straight, killed = args.out / f'straight_{os.getpid()}', args.out / f'killed_{os.getpid()}'
    seconds = run(config, straight)
    kills = kill_and_resume(config, killed, args, start, seconds, iterations)
    after = [kill['after'] for kill in kills]
    differing = differences(*(final(folder, iterations) for folder in (straight, killed)))
    result = {
        'iterations': iterations,
        'seconds_undisturbed': round(seconds, 1),
        'kills': len(kills),
        'kills_while_a_file_was_written': sum(kill['saving'] for kill in kills),
        'kills_before_a_new_checkpoint': sum(kill['kept'] == 0 for kill in kills),
        'seconds_until_a_kill': [round(f(after), 2) for f in (min, statistics.median, max)],
        'tensors_and_numbers_compared': count(final(straight, iterations)),
        'differing': differing,
        'minutes': round((time.monotonic() - began) / 60, 1),
        'torch': torch.__version__,
    }
    (args.out / 'soak.json').write_text(json.dumps(result, indent=1) + '\n')
    print(json.dumps(result, indent=1))
    return int(bool(differing) or len(kills) < args.kills)


def measure(out):
    """Seconds until the first iteration, and of each."""
    few, many = (run(write_config(out, n), out / f'measure_{n}_{os.getpid()}') for n in (1, 41))
    return few, (many - few) / 40


def write_config(out, iterations):
    path = out / f'soak_{iterations}.py'
    path.write_text(CONFIG.format(root=ROOT, iterations=iterations))
    return path


def start_training(config, folder):
    """A process of its own that trains, or continues, in the folder."""
    folder.mkdir(exist_ok=True)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with (folder / 'output.txt').open('a') as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        train(config, folder, resume='auto')
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def run(config, folder):
    began = time.monotonic()
    if os.waitstatus_to_exitcode(os.waitpid(start_training(config, folder), 0)[1]):
        sys.exit(f'the training failed: see {folder}/output.txt')
    return time.monotonic() - began


def kill_and_resume(config, folder, args, start, seconds, iterations):
    """Kills at random times, so many that the training is nearly at its end after the last; gives one dict for each."""
    times = np.random.default_rng(args.seed)
    kills = []
    while True:
        before = saved(folder)
        # A tenth is left for after the last kill.
        share = max(0.9 - before / iterations, 0) / (args.kills - len(kills) + 1)
        limit = times.uniform(0, 2 * (start + share * seconds)) if len(kills) < args.kills else float('inf')
        # Where the machine has become faster, an attempt would go too far for all the kills to take place.
        farthest = before + 2 * share * iterations if len(kills) < args.kills else iterations
        began = time.monotonic()
        pid = start_training(config, folder)
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < began + limit:
            if named(folder) > farthest:
                break
            time.sleep(0.001)
        if ended[0]:
            if os.waitstatus_to_exitcode(ended[1]):
                sys.exit(f'the training failed after {len(kills)} kills: see {folder}/output.txt')
            return kills
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        is_saving = any(folder.glob('.*.partial'))
        kills.append({'after': time.monotonic() - began, 'saving': is_saving, 'kept': saved(folder) - before})


def saved(folder):
    """The iteration of the checkpoint that a resume would find, which is read whole."""
    return read_checkpoint(folder / f'iter_{named(folder)}.pth')['meta']['iter'] if named(folder) else 0


def named(folder):
    """The iteration of the checkpoint that is named as the last."""
    name = folder / 'last_checkpoint'
    return int(Path(name.read_text()).stem.removeprefix('iter_')) if name.exists() else 0


def final(folder, iterations):
    """The part of the last checkpoint that must be equal: all but times and durations."""
    checkpoint = read_checkpoint(folder / f'iter_{iterations}.pth')
    logged = checkpoint['message_hub']['log_scalars']
    return {
        **{name: checkpoint[name] for name in COMPARED},
        'logged': {name: history for name, history in logged.items() if not name.endswith('time')},
        'best': checkpoint['message_hub']['runtime_info']['best_score'],
    }


def differences(a, b, path='end'):
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [path]
        return [line for key in a for line in differences(a[key], b[key], f'{path}.{key}')]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [path]
        return [line for i, pair in enumerate(zip(a, b, strict=True)) for line in differences(*pair, f'{path}[{i}]')]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    return [] if same else [path]


def count(value):
    if isinstance(value, dict):
        return sum(map(count, value.values()))
    return sum(map(count, value)) if isinstance(value, list | tuple) else 1


if __name__ == '__main__':
    sys.exit(main())
