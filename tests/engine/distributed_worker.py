"""Trains and tests tiny networks through the commands; run by torchrun, or alone: WORK_DIR CONFIG..."""

import argparse
import sys
from pathlib import Path

import torch

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
    alone = not torch.distributed.is_torchelastic_launched()
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


if __name__ == '__main__':
    for name in sys.argv[2:]:
        train_and_test(Path(name), Path(sys.argv[1]) / Path(name).stem)
