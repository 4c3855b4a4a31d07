"""Calibration, measured: short trainings on rendered people and on digits, with images that nothing else has seen.

Each training has a validation part, on which the best of three checkpoints is selected and the calibration is fitted,
and further images of the same kind in two halves: one to fit on in place of the validation part, one to measure on.
Writes to results/calibration.csv: the expected calibration error before and after, and the share of keypoints within
their radii. Needs the data of `hrnet-mm demo pose classification` in data/demo. Example:

    python tools/research/calibration.py --seeds 3
"""

import argparse
import json
import random
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook

from hrnet_mm.calibration import apply_temperature, calibration_error, radii_of
from hrnet_mm.data import prepare_digits, prepare_people
from hrnet_mm.datasets import read_folder
from hrnet_mm.engine import read_config, train
from hrnet_mm.tasks import TASKS, config_path
from hrnet_mm.tasks.calibration import KINDS, Observed
from hrnet_mm.training.adapt import adapt
from hrnet_mm.weights.tables import append_rows

RESULTS = Path(__file__).parent / 'results' / 'calibration.csv'
ARCH = 'test-w8'  # the narrowest network: three trainings of each task in minutes
PARTS = {  # images of each
    'pose': {'train': 160, 'validation': 60, 'others': 60, 'held-out': 120},
    'segmentation': {'train': 60, 'validation': 20, 'others': 20, 'held-out': 60},
    'classification': {'train': 600, 'validation': 200, 'others': 200, 'held-out': 400},
}
STEPS = {'pose': 100, 'segmentation': 40, 'classification': 60}
COLUMNS = ('task', 'seed', 'steps', 'checkpoint', 'fitted on', 'measured on', 'samples', 'correct', 'ECE before')
COLUMNS += ('ECE after', 'temperature', 'coverage', 'median radius', 'median error')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('tasks', nargs='*', default=list(PARTS), metavar='TASK', help='default: all of %(default)s')
    parser.add_argument('--seeds', type=int, default=3, help='trainings of each (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=RESULTS, help='default: %(default)s')
    args = parser.parse_args()
    warnings.filterwarnings('ignore')  # the libraries warn of their own age wherever they are imported
    for seed in range(args.seeds):
        for task in args.tasks:
            with tempfile.TemporaryDirectory() as folder:
                rows = measure(task, seed, Path(folder))
            append_rows(args.out, rows, COLUMNS)
            print(*rows, sep='\n', flush=True)


def measure(task: str, seed: int, folder: Path) -> list[dict[str, Any]]:
    """Train a task once, and measure its calibration."""
    part_of = write_parts(task, seed, folder / 'data')
    config = read_config(config_path(task))
    config.randomness.seed = seed
    config.default_hooks.checkpoint.save_last = False
    config.train_cfg.max_iters = config.param_scheduler.total_steps = STEPS[task]
    (folder / 'work').mkdir()
    adapt(config, task, read_folder(folder / 'data', TASKS[task].annotations), folder / 'work', ARCH, None)
    hook = Observe(task, part_of, [STEPS[task] // 2, 3 * STEPS[task] // 4, STEPS[task]])
    train(config, folder / 'work', hooks=[hook], data_checked=True)
    about = {'task': task, 'seed': seed, 'steps': STEPS[task]}
    last = STEPS[task]
    best = max(hook.found, key=lambda step: (quality(task, hook.found[step]['validation']), step))
    return [
        {**about, 'checkpoint': name, **row}
        for name, step in (('last', last), ('best', best))
        for row in compare(task, hook.found[step])
    ]


def write_parts(task: str, seed: int, folder: Path) -> dict[str, str]:
    """Write a folder of the training part and all others as its validation part; returns the part of each image."""
    data = Path('data', 'demo')
    part_of: dict[str, str] = {}
    if task == 'classification':
        source = prepare_digits(data)
        lines = [line.split() for line in (source / 'train.txt').read_text().splitlines()]
        random.Random(seed).shuffle(lines)  # noqa: S311
        for part, (name, label) in zip(parts(task), lines, strict=False):
            place = folder / ('train' if part == 'train' else 'val') / label / Path(name).name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / 'images' / Path(name).name, place)
            part_of[place.name] = part
        return part_of
    source = prepare_people(data)
    content = json.loads((source / 'train.json').read_text())
    images = sorted(content['images'], key=lambda one: one['id'])
    random.Random(seed).shuffle(images)  # noqa: S311
    part_of = {one['file_name']: part for part, one in zip(parts(task), images, strict=False)}
    folder.mkdir()
    (folder / 'images').symlink_to((source / 'images').resolve())
    for name in ('train', 'val'):
        chosen = [one for one in images if one['file_name'] in part_of]
        chosen = [one for one in chosen if (part_of[one['file_name']] == 'train') == (name == 'train')]
        ids = {one['id'] for one in chosen}
        objects = [one for one in content['annotations'] if one['image_id'] in ids]
        if task == 'pose':
            objects = [one for one in objects if one['num_keypoints']]
            chosen = [one for one in chosen if one['id'] in {each['image_id'] for each in objects}]
        (folder / f'{name}.json').write_text(json.dumps({**content, 'images': chosen, 'annotations': objects}))
    return part_of


def parts(task: str) -> list[str]:
    """The part of each image in the shuffled order."""
    return [part for part, number in PARTS[task].items() for _ in range(number)]


class Observe(Hook):
    """Hook that observes all parts but the training's after some steps."""

    def __init__(self, task: str, part_of: Mapping[str, str], steps: Sequence[int]) -> None:
        self.kind = KINDS[TASKS[task].annotations]
        self.part_of = part_of
        self.steps = steps
        self.found: dict[int, dict[str, Observed]] = {}

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Observe all parts."""
        if batch_idx + 1 not in self.steps:
            return
        runner.model.eval()
        of_part: dict[str, list[Observed]] = {}
        with torch.inference_mode():
            for batch in runner.test_dataloader:
                for sample in runner.model.test_step(batch):
                    part = self.part_of[Path(sample.img_path).name]
                    of_part.setdefault(part, []).append(self.kind.observe(sample))
        runner.model.train()
        self.found[batch_idx + 1] = {
            part: tuple(np.concatenate(column) for column in zip(*observed, strict=True))
            for part, observed in of_part.items()
        }


def quality(task: str, observed: Observed) -> float:
    """More is better: the share of right answers, or of points within a tenth of the box's side."""
    first, second = observed
    return float(np.mean(second < 0.1) if task == 'pose' else np.mean(first.argmax(1) == second))


def compare(task: str, found: Mapping[str, Observed]) -> list[dict[str, Any]]:
    """Rows of what is fitted on the validation part or on others, measured on what it was fitted on and on neither."""
    rows = []
    for fitted, measured in (('validation', 'validation'), ('validation', 'held-out'), ('others', 'held-out')):
        numbers = KINDS[TASKS[task].annotations].fit(*found[fitted])
        first, second = found[measured]
        row = {'fitted on': fitted, 'measured on': measured, 'samples': len(second)}
        row['correct'] = round(quality(task, found[measured]), 4)
        if task == 'pose':
            radii = radii_of(first, numbers['radius_scores'], numbers['radii'])
            row['coverage'] = round(float(np.mean(second <= radii)), 4)
            row['median radius'] = round(float(np.median(radii)), 4)
            row['median error'] = round(float(np.median(second)), 4)
        else:
            after = apply_temperature(first, numbers['temperature'])
            hits = first.argmax(1) == second
            row['temperature'] = round(numbers['temperature'], 3)
            row['ECE before'] = round(calibration_error(first.max(1), hits), 4)
            row['ECE after'] = round(calibration_error(after.max(1), hits), 4)
        rows.append(row)
    return rows


if __name__ == '__main__':
    main()
