"""Puts the paper's claims to a fair, small test: equal multiply-adds, data, schedule and seeds, from random weights.

A network is trained and tested once for each seed, and a row goes to results/study.csv; rows that are there are
not made again. The first network of a comparison has the width that its scale says; the width of each other one is that
which brings its multiply-adds nearest to the first one's, within 5 % or the study stops. Examples:

    python tools/research/study.py                                # everything, on one processor core
    python tools/research/study.py exchange streams --seeds 5
    python tools/research/study.py --scale long                   # the same networks with three times the steps
    python tools/research/study.py --holdout --rates 1e-3 3e-3    # recipes: study_recipes.csv
    python tools/research/study.py --tables                       # tables and picture of docs/reproduction.md
    python tools/research/study.py recovery --scale large --device cuda
    python tools/research/study.py classification --scale large --device cuda --fashion FOLDER
"""

import argparse
import contextlib
import copy
import io
import math
import random
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _study_claims import SCALES, Comparison, Network, Recipe, define_comparisons, define_networks
from _study_data import TASKS, Data, Part
from _study_report import write_report
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate, worker_init_fn
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS, DefaultScope
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from hrnet_mm.models.cost import count_macs, count_parameters
from hrnet_mm.weights.tables import append_rows, read_rows

ROOT = Path(__file__).resolve().parents[2]
ROWS, RECIPES = (ROOT / 'tools/research/results' / name for name in ('study.csv', 'study_recipes.csv'))
TOLERANCE = 0.05  # of multiply-adds
WORKERS = 12  # that read images where they are not kept in memory


@dataclass(frozen=True)
class Sized:
    """A network with its width, multiply-adds of one image, and parameters."""

    network: Network
    width: int
    macs: int
    parameters: int


def count(network: Network, width: int) -> Sized:
    """Count multiply-adds and parameters; the former without RoI heads, which are the same in every detector."""
    task = TASKS[network.task]
    with DefaultScope.overwrite_default_scope(task.scope):
        model = MODELS.build(ConfigDict(network.build(width))).eval()
        image = torch.zeros(1, task.channels, network.size, network.size)
        with count_macs(model) as cost:
            if task.scope == 'mmdet':
                model.rpn_head(model.extract_feat(image))
            else:
                model(image, None, mode='tensor')
    return Sized(network, width, cost.layers + cost.products, count_parameters(model))


def equalise(comparison: Comparison, networks: dict[str, Network], width: int) -> dict[str, Sized]:
    """The networks of a comparison, the first `width` wide, the others as wide as gives them the same multiply-adds.

    Raises:
        ValueError: One does not come within `TOLERANCE`.
    """
    first, *others = comparison.networks
    sized = {first: count(networks[first], width)}
    target = sized[first].macs
    for name in others:
        tried: dict[int, Sized] = {}
        guess = width
        while guess not in tried:  # multiply-adds grow with the width's square, but for the first layer
            tried[guess] = count(networks[name], guess)
            guess = max(1, round(guess * math.sqrt(target / tried[guess].macs)))
        tried |= {one: count(networks[name], one) for one in (guess - 1, guess + 1) if one > 0 and one not in tried}
        sized[name] = min(tried.values(), key=lambda one: abs(one.macs - target))
        if abs(sized[name].macs - target) > TOLERANCE * target:
            raise ValueError(
                f'{name} has {sized[name].macs / 1e6:.1f} M multiply-adds at width {sized[name].width}, '
                f'{first} {target / 1e6:.1f} M: more than {TOLERANCE:.0%} apart; change its depth'
            )
    return sized


class Kept(Dataset):  # type: ignore[type-arg]
    """`copies` of each item of an OpenMMLab dataset, made once with the same random numbers and kept in memory."""

    def __init__(self, dataset: Any, copies: int) -> None:
        seed_all(0)
        self.items = [dataset[index] for _ in range(copies) for index in range(len(dataset))]
        self.metainfo = dataset.metainfo

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return copy.deepcopy(self.items[index])  # libraries change what they are given


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@cache
def datasets(task: str, size: int, stride: int, part: Part, copies: int) -> tuple[Any, Any, Data]:
    """The training set, the test set, and the configs that they were made of."""
    data = TASKS[task].data(part, size, stride)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        train, test = DATASETS.build(data.train), DATASETS.build(data.test)
    return (Kept(train, copies), Kept(test, 1), data) if copies else (train, test, data)


def train(model: nn.Module, dataset: Any, recipe: Recipe, seed: int) -> None:
    """Train with AdamW and one cycle of the learning rate."""
    order = torch.Generator().manual_seed(seed)
    sampler = RandomSampler(dataset, num_samples=recipe.iterations * recipe.batch, generator=order)
    workers = 0 if recipe.copies else WORKERS
    loader = DataLoader(
        dataset,
        recipe.batch,
        sampler=sampler,
        num_workers=workers,
        collate_fn=pseudo_collate,
        worker_init_fn=partial(worker_init_fn, num_workers=workers, rank=0, seed=seed),
    )
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=recipe.iterations)
    model.train()
    for batch in loader:
        loss, _ = model.parse_losses(model(**model.data_preprocessor(batch, True), mode='loss'))
        if not torch.isfinite(loss):
            raise FloatingPointError(f'the loss became {loss.item()}')
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        schedule.step()


def test(model: nn.Module, dataset: Any, metrics: Sequence[Any], batch: int, workers: int) -> dict[str, float]:
    """The library's metrics of the whole test set."""
    model.eval()
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        evaluator = Evaluator(copy.deepcopy(metrics))
        evaluator.dataset_meta = dataset.metainfo
        for images in DataLoader(dataset, batch, num_workers=workers, collate_fn=pseudo_collate):
            evaluator.process(model.test_step(images), images)
        return evaluator.evaluate(len(dataset))


def run(sized: Sized, recipe: Recipe, seed: int, part: Part, device: str) -> dict[str, object]:
    """Train and test a network with a seed; returns the measured part of its row."""
    network, task = sized.network, TASKS[sized.network.task]
    with DefaultScope.overwrite_default_scope(task.scope):
        training, tested, data = datasets(network.task, network.size, network.stride, part, recipe.copies)
        seed_all(seed)
        clock = time.process_time if device == 'cpu' else time.perf_counter
        start = clock()
        model = MODELS.build(ConfigDict(network.build(sized.width)))
        model.init_weights()
        model.to(device, memory_format=torch.channels_last)
        train(model, training, recipe, seed)
        seconds = clock() - start
        batch = 1 if task.scope in ('mmseg', 'mmdet') else 100
        metrics = test(model, tested, data.metrics, batch, 0 if recipe.copies else WORKERS)
    row: dict[str, object] = {}
    for prefix, measure in zip(('', 'second_'), task.measures, strict=True):
        # Where nothing at all is found, mmdet gives no value; it is zero.
        row |= {
            f'{prefix}measure': measure.name,
            f'{prefix}value': f'{measure.factor * metrics.get(measure.key, 0.0):.3f}',
        }
    return row | {'seconds': f'{seconds:.1f}'}


KEY = ('scale', 'network', 'seed', 'rate', 'iterations', 'trained_on')


def plan(args: argparse.Namespace) -> Iterator[tuple[str, Sized, Recipe, int]]:
    """Every run that was asked for, once: its network's name, the network, the recipe and the seed."""
    scale = SCALES[args.scale]
    networks, comparisons = define_networks(scale), define_comparisons(scale)
    for comparison in (comparisons[name] for name in args.comparisons or comparisons):
        if not comparison.networks:
            continue
        first = comparison.networks[0]
        task = networks[first].task
        sized = equalise(comparison, networks, scale.widths.get(first) or scale.widths[task])
        recipe = scale.recipes[task]
        recipe = replace(recipe, iterations=args.iterations or recipe.iterations)
        for name, rate, seed in (
            (name, rate, seed)
            for rate in args.rates or [recipe.rate]
            for seed in range(args.seeds)
            for name in comparison.networks
        ):
            yield name, sized[name], replace(recipe, rate=rate), seed


def describe_device(device: str) -> str:
    if device != 'cpu':
        return torch.cuda.get_device_name(device)
    names = [
        line.partition(':')[2].strip()
        for line in Path('/proc/cpuinfo').read_text().splitlines()
        if 'model name' in line
    ]
    return f'{names[0]}, {torch.get_num_threads()} thread(s)'


def parse() -> argparse.Namespace:
    names = list(define_comparisons(SCALES['small']))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('comparisons', nargs='*', metavar='COMPARISON', help=f'default: all of {", ".join(names)}')
    parser.add_argument('--seeds', type=int, default=3, help='how many (default: 3)')
    parser.add_argument(
        '--scale',
        choices=SCALES,
        default='small',
        help='long: three times the steps; large: for a graphics card (default: small)',
    )
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--threads', type=int, default=1, help='of the processor (default: 1)')
    parser.add_argument('--iterations', type=int, help="instead of the recipe's, to try the study out")
    parser.add_argument('--rates', type=float, nargs='+', help="learning rates instead of the recipe's")
    parser.add_argument('--holdout', action='store_true', help='train and test on parts of the training data')
    parser.add_argument('--data', type=Path, default=ROOT / 'data/demo', help='made if missing (default: data/demo)')
    parser.add_argument(
        '--fashion',
        type=Path,
        help="large scale: folder of Fashion-MNIST's four IDX files, unpacked (Debian: dataset-fashion-mnist)",
    )
    parser.add_argument(
        '--csv', type=Path, help='default: tools/research/results/study.csv, study_recipes.csv with --holdout'
    )
    parser.add_argument('--tables', action='store_true', help='train nothing; write the document again')
    parser.add_argument('--document', type=Path, default=ROOT / 'docs/reproduction.md')
    args = parser.parse_args()
    if unknown := set(args.comparisons) - set(names):
        parser.error(f'unknown comparison {", ".join(unknown)}; there are {", ".join(names)}')
    args.csv = args.csv or (RECIPES if args.holdout else ROWS)
    return args


def main() -> None:
    args = parse()
    if args.tables:
        write_report(read_rows(args.csv), read_rows(RECIPES), args.document)
        return
    torch.set_num_threads(args.threads)
    MMLogger.get_instance('study', log_level='ERROR')  # mmengine logs every parameter's initialization
    warnings.filterwarnings('ignore', module='mm|torch')
    trained_on, tested_on = ('fit', 'val') if args.holdout else ('train', 'test')
    part = Part(args.data, trained_on, tested_on, args.scale == 'large', args.fashion)
    done = {tuple(row[column] for column in KEY) for row in read_rows(args.csv)}
    for name, sized, recipe, seed in plan(args):
        row: dict[str, object] = {'scale': args.scale, 'network': name, 'seed': seed, 'width': sized.width}
        row |= {'macs': sized.macs, 'parameters': sized.parameters, 'size': sized.network.size}
        row |= {'iterations': recipe.iterations, 'batch': recipe.batch, 'rate': recipe.rate}
        row |= {'trained_on': trained_on, 'tested_on': tested_on}
        row |= {'device': describe_device(args.device), 'torch': torch.__version__}
        key = tuple(str(row[column]) for column in KEY)
        if key in done:
            continue
        row |= run(sized, recipe, seed, part, args.device)
        append_rows(args.csv, [row], list(row))
        done.add(key)
        print(*(row[column] for column in ('network', 'seed', 'rate', 'measure', 'value', 'seconds')), flush=True)


if __name__ == '__main__':
    main()
