"""Trains Mask R-CNN with mmcv's operators in Python and with the compiled ones, side by side.

python tools/research/ops_training.py [--iterations 100] [--repeats 3]

It needs a compiled mmcv. Two copies of the demonstration's Mask R-CNN see the same batches and the same random numbers;
the largest relative difference of their losses is printed. Then both kinds run training steps and predictions of the
demonstration and of Mask R-CNN W18 at 800 x 1216 in turn, on one thread; times are CPU times, so that a busy machine
changes the ratio little. The rows go to tools/research/results/ops.csv.
"""

import argparse
import copy
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mmcv.ops  # noqa: F401 - imports mmcv._ext
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from ops_speed import RESULTS
from torch import nn

from hrnet_mm.fast.machine import machine
from hrnet_mm.ops.extension import create_module
from hrnet_mm.weights.tables import replace_rows

ROOT = Path(__file__).parents[2]
EXTENSIONS = {'compiled': sys.modules['mmcv._ext'], 'python': create_module()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--iterations', type=int, default=100, help='of the demonstration, whose losses are compared')
    parser.add_argument('--repeats', type=int, default=3, help='measured runs of each kind at 800 x 1216')
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = [*demonstration(args.iterations), *large(args.repeats)]
    replace_rows(RESULTS, rows, 'operator')


def use(kind: str) -> None:
    for name, module in sys.modules.items():
        if name.startswith('mmcv.ops.') and hasattr(module, 'ext_module'):
            module.ext_module = EXTENSIONS[kind]
    torch.manual_seed(0)  # the samplers draw boxes


def runner(path: str, work_dir: str) -> Runner:
    config = Config.fromfile(ROOT / 'configs' / path)
    config.work_dir = str(ROOT / 'work_dirs' / work_dir)
    config.randomness = dict(seed=0)
    for name in ('train_dataloader', 'test_dataloader'):
        config[name].update(num_workers=0, persistent_workers=False)
    return Runner.from_cfg(config)


def demonstration(iterations: int) -> list[dict[str, Any]]:
    built = runner('demo/mask-rcnn_hrnetv2p_nuclei.py', 'ops_training')
    wrapper = built.build_optim_wrapper(built.cfg.optim_wrapper)
    models = {'compiled': built.model.train(), 'python': copy.deepcopy(built.model).train()}
    optimizers = {'compiled': wrapper, 'python': None}
    built.model = models['python']
    optimizers['python'] = built.build_optim_wrapper(built.cfg.optim_wrapper)
    times: dict[str, list[float]] = {kind: [] for kind in models}
    largest = 0.0
    batches = iter(built.train_dataloader)
    for iteration in range(iterations):
        batch = next(batches)
        losses = {}
        for kind, model in models.items():
            use(kind)
            start = time.process_time()
            losses[kind] = model.train_step(copy.deepcopy(batch), optimizers[kind])
            times[kind].append(time.process_time() - start)
        for name, value in losses['compiled'].items():
            difference = abs(value - losses['python'][name]) / max(abs(value), 1e-12)
            largest = max(largest, float(difference))
        if iteration % 10 == 9:
            print(f'{iteration + 1} iterations, largest relative difference {largest:.1e}', flush=True)
    rows = [row('Mask R-CNN, demonstration', 'training step', times, largest)]
    times = {kind: [] for kind in models}
    for batch in built.test_dataloader:
        for kind in [*models] * 4:
            use(kind)
            with torch.no_grad():
                start = time.process_time()
                models['compiled'].eval().test_step(copy.deepcopy(batch))
                times[kind].append(time.process_time() - start)
    return [*rows, row('Mask R-CNN, demonstration', 'prediction', times)]


def large(repeats: int) -> list[dict[str, Any]]:
    from mmdet.registry import MODELS
    from mmdet.testing import demo_mm_inputs

    config = Config.fromfile(ROOT / 'configs/detection/mask-rcnn_hrnetv2p-w18_1x_coco.py')
    config.model.backbone.pretrained = None
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    model.init_weights()
    batch = demo_mm_inputs(1, [[3, 800, 1216]], num_items=[10], num_classes=80, with_mask=True)
    batch = model.data_preprocessor(batch, True)
    with torch.no_grad():
        calibrate(model, batch['inputs'])
    rows = []
    for stage in ('training step', 'prediction'):
        times: dict[str, list[float]] = {kind: [] for kind in EXTENSIONS}
        for repeat in range(repeats + 1):
            for kind in EXTENSIONS:
                use(kind)
                start = time.process_time()
                step(model, batch, stage == 'training step')
                if repeat:  # the first run warms up
                    times[kind].append(time.process_time() - start)
        rows.append(row('Mask R-CNN W18, 800 x 1216', stage, times))
    return rows


def calibrate(model: nn.Module, images: torch.Tensor) -> None:
    """Give the batch norms the statistics of random weights; with those of no weights, outputs explode."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train().momentum = None
    model.extract_feat(images)


def step(model: nn.Module, batch: dict[str, Any], training: bool) -> None:
    if not training:
        with torch.no_grad():
            model.eval().predict(batch['inputs'], batch['data_samples'])
        return
    model.train()
    losses, _ = model.parse_losses(model.loss(batch['inputs'], batch['data_samples']))
    losses.backward()
    model.zero_grad()


def row(name: str, stage: str, times: dict[str, list[float]], difference: float | None = None) -> dict[str, Any]:
    medians = {kind: 1000 * statistics.median(values) for kind, values in times.items()}
    found = {
        'operator': name,
        'size': '' if difference is None else f'largest difference of a loss {difference:.0e}',
        'pass': stage,
        'python_ms': f'{medians["python"]:.1f}',
        'compiled_ms': f'{medians["compiled"]:.1f}',
        'python/compiled': f'{medians["python"] / medians["compiled"]:.3f}',
        'repeats': len(times['python']),
        'threads': 1,
        'torchvision': version('torchvision'),
        'mmcv': version('mmcv'),
        **machine(),
    }
    print(*list(found.values())[:7], flush=True)
    return found


if __name__ == '__main__':
    main()
