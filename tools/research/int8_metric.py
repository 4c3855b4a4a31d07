"""The accuracy that int8 costs: the demonstration's five networks, quantized, on their test images.

Each network's backbone, neck and dense head are quantized by the native engine, by ONNX Runtime and by OpenVINO (NNCF),
with images of its training part, and tested by its config. Writes to results/int8.csv: each metric in percent, and the
points lost against the network in PyTorch at fp32. Needs the files of `hrnet-mm demo`. Example:

    hrnet-mm demo
    python tools/research/int8_metric.py
    ATEN_CPU_CAPABILITY=avx2 python tools/research/int8_metric.py --engines native --out int8_avx2.csv
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch import Tensor

from hrnet_mm.config.place import configs_folder
from hrnet_mm.engine import ReliableRunner, read_config
from hrnet_mm.fast import EngineError, accelerate
from hrnet_mm.fast.machine import machine
from hrnet_mm.registry import scope_of
from hrnet_mm.tasks import TASKS, Task
from hrnet_mm.weights.tables import write_rows

RESULTS = Path(__file__).parent / 'results' / 'int8.csv'
ENGINES = ('native', 'onnxruntime', 'openvino')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('tasks', nargs='*', metavar='TASK', default=list(TASKS), help='default: all five')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/demo'), help='default: %(default)s')
    parser.add_argument('--engines', nargs='+', choices=ENGINES, default=ENGINES, help='default: all')
    parser.add_argument('--calibration', type=int, default=32, metavar='N', help='training images (default: 32)')
    parser.add_argument('--out', type=Path, default=RESULTS, help='default: %(default)s')
    args = parser.parse_args()
    warnings.filterwarnings('ignore')  # the libraries warn of their own age wherever they are imported
    rows = []
    for name in args.tasks:
        config = read_config(configs_folder() / 'demo' / TASKS[name].config)
        weights = args.work_dir / name / 'weights.pth'
        expected = None
        for engine in ('PyTorch', *args.engines):
            found, applied = measured(config, weights, engine, args.calibration)
            expected = expected or found
            for row in results(TASKS[name], config, found, expected):
                rows.append({'task': name, 'engine': engine, **row, 'applied': applied, **machine()})
                print(rows[-1], flush=True)
    write_rows(args.out, rows)


def measured(config: Config, weights: Path, engine: str, calibration: int) -> tuple[dict[str, float], str]:
    """The metrics of a network in an engine, and what the engine says of itself."""
    config = Config(config.to_dict())
    config.load_from = str(weights)
    config.test_dataloader.batch_size = 1
    applied = ''
    with tempfile.TemporaryDirectory() as folder:
        config.work_dir = folder
        runner = ReliableRunner.from_cfg(config)
        init_default_scope(scope_of(config))
        runner.load_or_resume()
        runner.model.eval()
        if engine != 'PyTorch':
            (example,) = inputs(runner.model, runner.test_dataloader, 1)
            images = inputs(runner.model, calibration_loader(config), calibration)
            data = crops(images, calibration, example.shape[2:])
            try:  # without a tolerance: the accuracy is to be measured, however far the outputs are
                accelerate(runner.model, example, 'int8', engine, float('inf'), calibration=data, choice=False)
            except EngineError as error:
                return {}, str(error)
            applied = ', '.join(runner.model.report.applied)
        return runner.test(), applied


def calibration_loader(config: Config) -> Any:
    """The training images, read as those of the test are."""
    dataset = {**config.train_dataloader.dataset, 'pipeline': config.test_dataloader.dataset.pipeline}
    sampler = {'type': 'DefaultSampler', 'shuffle': True}
    collate = config.test_dataloader.get('collate_fn', {'type': 'pseudo_collate'})
    loader = {'batch_size': 1, 'num_workers': 0, 'sampler': sampler, 'dataset': dataset, 'collate_fn': collate}
    return Runner.build_dataloader(loader, seed=0)


def inputs(model: Any, loader: Any, count: int) -> list[Tensor]:
    """The network's inputs for the first images, `(1, 3, H, W)` each."""
    found = []
    for batch in loader:
        x = model.data_preprocessor(batch)['inputs']
        found.append(x if isinstance(x, Tensor) else torch.stack(list(x)))
        if len(found) == count:
            break
    return found


def crops(images: Sequence[Tensor], count: int, size: Sequence[int]) -> list[Tensor]:
    """Random crops of the images in turn, as large as the test's: not every engine takes other sizes."""
    random = torch.Generator().manual_seed(0)
    found = []
    for i in range(count):
        x = images[i % len(images)]
        top, left = (
            int(torch.randint(max(whole - part, 0) + 1, (), generator=random))
            for whole, part in zip(x.shape[2:], size, strict=True)
        )
        found.append(x[:, :, top : top + size[0], left : left + size[1]].contiguous())
    return found


def results(
    task: Task, config: Config, found: dict[str, float], expected: dict[str, float]
) -> Sequence[dict[str, object]]:
    """A row for each metric of a task, in percent."""
    rows = []
    for metric in task.metrics(config.test_evaluator):
        value, before = (metric.factor * metrics.get(metric.key, float('nan')) for metrics in (found, expected))
        lost = value - before if metric.is_error else before - value
        rows.append({'metric': metric.name, 'value': f'{value:.2f}', 'lost_points': f'{lost:.2f}'})
    return rows


if __name__ == '__main__':
    main()
