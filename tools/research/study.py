"""Puts the paper's claims to a fair, small test: equal multiply-adds, data, schedule and seeds, from random weights.

Every network is first trained at each learning rate of one grid on one part of the training data and tested on another
(rows of results/study_recipes.csv). Then it is trained with its best rate and tested once for each seed: a row of
results/study.csv, and its results image by image in results/study/. What is there is not made again, so the study can
be stopped at any time and goes on where it was. The runs that decide most come first. Examples:

    python tools/research/study.py --processes 2 --hours 3        # on two processor cores, until the time is over
    python tools/research/study.py exchange streams --seeds 5
    python tools/research/study.py --tables                       # tables of docs/reproduction.md
    python tools/research/study.py --levels                       # which pyramid levels have people: study_levels.csv
    python tools/research/study.py recovery --scale large --device cuda
    python tools/research/study.py classification --scale large --device cuda --fashion FOLDER
"""

import argparse
import contextlib
import copy
import io
import math
import multiprocessing
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _study_claims import RATES, SCALES, Comparison, Recipe, Scale, define_comparisons, define_networks
from _study_costs import Sized, size_all
from _study_data import TASKS, Data, Part, prepare_sizes
from _study_report import write_report
from _study_statistics import Records, evaluate, read_key, records_file
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate, worker_init_fn
from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, MODELS, DefaultScope
from pycocotools.coco import COCO
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from hrnet_mm.weights.tables import append_rows, read_rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'tools/research/results'
WORKERS = 12  # that read images where they are not kept in memory


class Kept(Dataset):  # type: ignore[type-arg]
    """`copies` of each item of an OpenMMLab dataset, made once with the same random numbers and kept in memory."""

    def __init__(self, dataset: Any, copies: int) -> None:
        seed_all(0)
        self.items = [dataset[index] for _ in range(copies) for index in range(len(dataset))]
        self.ann_file = dataset.ann_file

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return copy.deepcopy(self.items[index])  # libraries change what they are given


def seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


@lru_cache(maxsize=8)  # the tasks of one stage of the study; more would fill the memory
def datasets(task: str, size: int, stride: int, part: Part, copies: int) -> tuple[Any, Any, Any]:
    """For training, the same images as they are, and for testing."""
    data: Data = TASKS[task].data(part, size, stride)
    with silent():
        train, check, test = (DATASETS.build(one) for one in (data.train, data.check, data.test))
    return (Kept(train, copies), Kept(check, 1), Kept(test, 1)) if copies else (train, check, test)


def silent() -> contextlib.AbstractContextManager[Any]:
    return contextlib.redirect_stdout(io.StringIO())  # pycocotools prints


def train(model: nn.Module, dataset: Any, recipe: Recipe, rate: float, seed: int) -> None:
    """Train with AdamW and one cycle of the learning rate.

    Raises:
        FloatingPointError: The loss is no longer finite.
    """
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
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=recipe.iterations)
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


def test(model: nn.Module, dataset: Any, task: str, workers: int) -> tuple[Records, Records]:
    """The records of the task's two measures."""
    model.eval()
    batch = 1 if TASKS[task].scope in ('mmseg', 'mmdet') else 100
    read = []
    with torch.no_grad(), silent():
        for images in DataLoader(dataset, batch, num_workers=workers, collate_fn=pseudo_collate):
            read += [TASKS[task].read(sample) for sample in model.test_step(images)]
        return TASKS[task].merge(read, dataset.ann_file)


@dataclass(frozen=True)
class Run:
    """A training and its tests."""

    name: str
    sized: Sized
    recipe: Recipe
    rate: float
    seed: int
    is_trial: bool

    def describe(self, scale: str) -> dict[str, object]:
        """The part of its row that is known before it."""
        network, cost = self.sized.network, self.sized.cost
        row: dict[str, object] = {'scale': scale, 'network': self.name, 'seed': self.seed, 'rate': f'{self.rate:g}'}
        row |= {'width': self.sized.width, 'macs': cost.macs, 'body_macs': cost.body, 'parameters': cost.parameters}
        row |= {'size': network.size, 'iterations': self.recipe.iterations, 'batch': self.recipe.batch}
        return row | {
            'trained_on': 'fit' if self.is_trial else 'train',
            'tested_on': 'val' if self.is_trial else 'test',
        }


def run(one: Run, scale: str, part: Part, device: str, file: Path | None) -> dict[str, object]:
    """Train and test a network with a seed; returns its row and, where asked for, writes records for `file`."""
    prepare_process()
    network = one.sized.network
    task, recipe = TASKS[network.task], one.recipe
    row = one.describe(scale) | {'device': describe_device(device), 'torch': torch.__version__}
    part = replace(part, train=str(row['trained_on']), test=str(row['tested_on']))
    with DefaultScope.overwrite_default_scope(task.scope):
        training, *tested = datasets(network.task, network.size, network.stride, part, recipe.copies)
        seed_all(one.seed)
        clock = time.process_time if device == 'cpu' else time.perf_counter
        start = clock()
        model = MODELS.build(ConfigDict(network.build(one.sized.width)))
        model.init_weights()
        model.to(device, memory_format=torch.channels_last)
        try:
            train(model, training, recipe, one.rate, one.seed)
        except FloatingPointError as error:  # a rate that is too high counts as having learned nothing
            print(f'{one.name}, rate {one.rate:g}: {error}')
            tested = []
        seconds = clock() - start
        records = [test(model, dataset, network.task, 0 if recipe.copies else WORKERS) for dataset in tested]
    values = [[float(evaluate(measure)[0]) for measure in pair] for pair in records] or [[0.0, 0.0]] * 2
    for prefix, pair in zip(('train_', ''), values, strict=True):
        row |= {f'{prefix}{place}value': f'{value:.3f}' for place, value in zip(('', 'second_'), pair, strict=True)}
    if file and records:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **records[1][0])
    row |= {'measure': task.measures[0], 'second_measure': task.measures[1]}
    return row | {'seconds': f'{seconds:.1f}', 'test_seconds': f'{clock() - start - seconds:.1f}'}


def prepare_process() -> None:
    torch.set_num_threads(1)
    MMLogger.get_instance('study', log_level='ERROR')  # mmengine logs every parameter's initialization
    warnings.filterwarnings('ignore', module='mm|torch')


def choose_trial(trials: Sequence[Mapping[str, str]], one: Run) -> Mapping[str, str] | None:
    """The row with the highest value on held-out training data, that of the lowest rate among equal ones.

    `trials` are rows of study_recipes.csv. Without a row of each rate of the grid, nothing is chosen.
    """
    rows = {row['rate']: row for row in trials if _is_trial_of(row, one)}
    rates = [f'{rate:g}' for rate in RATES[one.sized.network.task]]
    if not rows.keys() >= set(rates):
        return None
    return max((rows[rate] for rate in rates), key=lambda row: float(row['value']))


def _is_trial_of(row: Mapping[str, str], one: Run) -> bool:
    columns = ('network', 'width', 'macs', 'iterations', 'batch', 'trained_on')
    known = replace(one, is_trial=True).describe(row['scale'])
    return all(row[column] == str(known[column]) for column in columns)


def plan(
    scale: Scale,
    sized: Mapping[str, Sized],
    comparisons: Mapping[str, Comparison],
    seeds: int,
    iterations: int | None,
    trials: Sequence[Mapping[str, str]],
) -> Iterator[Run]:
    """Every run, the most valuable first; runs of networks whose rate is not chosen yet are left out.

    Turn by turn: the trials of all networks, then seed by seed a run of each. Networks whose best trial is below the
    mark come at the end, because they will hardly be compared.
    """
    planned, late = set(), []
    for turn in sorted({one.turn for one in comparisons.values()}):
        names = list(dict.fromkeys(name for one in comparisons.values() if one.turn == turn for name in one.networks))
        runs = {name: _first_run(scale, name, sized[name], iterations) for name in names if name not in planned}
        planned |= set(names)
        for rates in zip(*(RATES[one.sized.network.task] for one in runs.values()), strict=True):
            yield from (replace(one, rate=rate, is_trial=True) for one, rate in zip(runs.values(), rates, strict=True))
        chosen = {name: choose_trial(trials, one) for name, one in runs.items()}
        for seed in range(seeds):
            for name, trial in chosen.items():
                if trial is not None:
                    one = replace(runs[name], rate=float(trial['rate']), seed=seed)
                    task = TASKS[one.sized.network.task]
                    if task.read_mark(trial) >= task.mark[1]:
                        yield one
                    else:
                        late.append(one)
    yield from late


def _first_run(scale: Scale, name: str, sized: Sized, iterations: int | None) -> Run:
    recipe = scale.recipes[sized.network.task]
    return Run(name, sized, replace(recipe, iterations=iterations or recipe.iterations), 0.0, 0, is_trial=False)


class Here(Executor):
    """Runs what it is given at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> 'Future[Any]':  # noqa: D102
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def describe_device(device: str) -> str:
    if device != 'cpu':
        return torch.cuda.get_device_name(device)
    names = [
        line.partition(':')[2].strip()
        for line in Path('/proc/cpuinfo').read_text().splitlines()
        if 'model name' in line
    ]
    return f'{names[0]}, {torch.get_num_threads()} thread(s)'


def count_levels(boxes: np.ndarray) -> dict[str, list[int]]:
    """How many boxes `(N, 4)` of x, y, width, height each pyramid level has in the small scale's detectors.

    Returns:
        For each level, finest first: boxes whose best anchor is there, and boxes that RoIAlign reads there.
    """
    network = define_networks(SCALES['small'])['Faster R-CNN V2p']
    corners = torch.as_tensor(np.column_stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]), dtype=torch.float32)
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(ConfigDict(network.build(8)))
    strides = [size[0] for size in model.rpn_head.prior_generator.strides]
    anchors = model.rpn_head.prior_generator.grid_priors(
        [(network.size // stride,) * 2 for stride in strides], device='cpu'
    )
    from mmdet.structures.bbox import bbox_overlaps

    best = torch.stack([bbox_overlaps(corners, level).amax(dim=1) for level in anchors]).argmax(dim=0)
    rois = model.roi_head.bbox_roi_extractor.map_roi_levels(torch.cat([corners[:, :1] * 0, corners], dim=1), 4)
    return {
        name: torch.bincount(levels, minlength=len(strides)).tolist()
        for name, levels in (('anchors', best), ('rois', rois))
    }


def write_levels(part: Part, file: Path) -> None:
    """Print and store the levels of the people in the training and the test images."""
    folder, rows = prepare_sizes(part), []
    for name in ('train', 'test'):
        with silent():
            coco = COCO(folder / f'{name}.json')
        boxes = np.array([one['bbox'] for one in coco.anns.values()])
        levels = count_levels(boxes)
        for level, counts in enumerate(zip(levels['anchors'], levels['rois'], strict=True)):
            rows.append({'part': name, 'stride': 4 << level, 'anchors': counts[0], 'rois': counts[1]})
            print(*rows[-1].values())
        longer = boxes[:, 2:].max(axis=1)
        print(f'{name}: {len(coco.imgs)} images, {len(boxes)} people, {longer.min():.0f} to {longer.max():.0f} pixels')
    file.unlink(missing_ok=True)
    append_rows(file, rows, list(rows[0]))


def parse() -> argparse.Namespace:
    names = list(define_comparisons(SCALES['small']))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('comparisons', nargs='*', metavar='COMPARISON', help=f'default: all of {", ".join(names)}')
    parser.add_argument('--seeds', type=int, default=8, help='how many (default: 8)')
    parser.add_argument('--scale', choices=SCALES, default='small', help='large: for a graphics card (default: small)')
    parser.add_argument('--device', default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--processes', type=int, default=1, help='runs at a time, each on one thread (default: 1)')
    parser.add_argument(
        '--hours', type=float, default=math.inf, help='start no run after this time (default: no limit)'
    )
    parser.add_argument('--iterations', type=int, help="instead of the recipe's, to try the study out")
    parser.add_argument('--data', type=Path, default=ROOT / 'data/demo', help='made if missing (default: data/demo)')
    parser.add_argument(
        '--fashion',
        type=Path,
        help="large scale: folder of Fashion-MNIST's four IDX files, unpacked (Debian: dataset-fashion-mnist)",
    )
    parser.add_argument('--results', type=Path, default=RESULTS, help='folder of the tables (default: %(default)s)')
    parser.add_argument('--tables', action='store_true', help='train nothing; write the document again')
    parser.add_argument('--levels', action='store_true', help='train nothing; count people by pyramid level')
    parser.add_argument('--document', type=Path, default=ROOT / 'docs/reproduction.md')
    args = parser.parse_args()
    if unknown := set(args.comparisons) - set(names):
        parser.error(f'unknown comparison {", ".join(unknown)}; there are {", ".join(names)}')
    return args


def main() -> None:
    args = parse()
    prepare_process()
    scale, part = SCALES[args.scale], Part(args.data, '', '', args.scale == 'large', args.fashion)
    if args.levels:
        write_levels(part, args.results / 'study_levels.csv')
        return
    comparisons = define_comparisons(scale)
    comparisons = {name: comparisons[name] for name in args.comparisons or comparisons}
    sized = size_all(scale, comparisons)
    if args.tables:
        write_report(args.results, args.document, args.scale, sized)
        return
    tables = {trial: args.results / f'study{"_recipes" * trial}.csv' for trial in (True, False)}
    done = {read_key(row) for table in tables.values() for row in read_rows(table)}
    end = time.monotonic() + 3600 * args.hours
    pool = Here() if args.processes == 1 else ProcessPoolExecutor(args.processes, multiprocessing.get_context('spawn'))
    with pool as executor:
        running: dict[Future[Any], Run] = {}
        while True:
            trials = read_rows(tables[True])
            waiting = (
                one
                for one in plan(scale, sized, comparisons, args.seeds, args.iterations, trials)
                if read_key(one.describe(args.scale)) not in done and one not in running.values()
            )
            while len(running) < args.processes and time.monotonic() < end and (one := next(waiting, None)):
                file = None if one.is_trial else records_file(tables[False], one.describe(args.scale))
                running[executor.submit(run, one, args.scale, part, args.device, file)] = one
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                one, row = running.pop(future), future.result()
                append_rows(tables[one.is_trial], [row], list(row))
                done.add(read_key(row))
                columns = ('network', 'seed', 'rate', 'tested_on', 'measure', 'train_value', 'value', 'seconds')
                print(*(row[column] for column in columns), flush=True)


if __name__ == '__main__':
    main()
