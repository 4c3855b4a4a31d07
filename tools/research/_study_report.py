"""Tables of the study, from its rows and records alone."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from _study_claims import MANY, RATES, SCALES, Claim, Comparison, define_comparisons
from _study_costs import Sized, published_head
from _study_data import TASKS
from _study_statistics import (
    Floats,
    detectable,
    draw_images,
    evaluate,
    half_width,
    holm,
    p_value,
    records_file,
    standard_error,
)

from hrnet_mm.weights.tables import read_rows

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Finding:
    """A claim's mean difference over seeds, in points of the measure, and what follows from it.

    Attributes:
        claim: The claim.
        measure: The measure's name.
        seeds: The number of seeds that all its networks were trained with.
        obstacle: Why nothing was compared; empty if it was.
        mean: Better less worse.
        error: The mean's standard error over seeds and test images.
        level: The level that Holm's correction leaves to this claim.
        is_decided: Whether it is significant at that level.
    """

    claim: Claim
    measure: str = ''
    seeds: int = 0
    obstacle: str = ''
    mean: float = 0
    error: float = 0
    level: float = 1
    is_decided: bool = False

    @property
    def lead(self) -> float:
        """How far the mean is on the claim's side."""
        return self.claim.margin - abs(self.mean) if self.claim.margin else self.mean

    @property
    def p(self) -> float:
        return 1.0 if self.obstacle else p_value(self.lead, self.error, self.seeds)

    @property
    def verdict(self) -> str:
        if self.obstacle:
            return f'not compared: {self.obstacle}'
        if not self.is_decided:
            return 'not decided'
        return 'agrees' if self.lead > 0 else 'disagrees'


def write_report(results: Path, document: Path, scale: str, sized: Mapping[str, Sized]) -> None:
    """Put the tables of a scale between the document's marks, `<!-- study:NAME:begin -->` and `end`.

    Args:
        results: The folder of the tables.
        document: Its marks of other names stay as they are; those of another scale than 'small' begin with the scale.
        scale: The scale.
        sized: Its networks.
    """
    rows = [row for row in read_rows(results / 'study.csv') if _is_current(row, scale, sized)]
    trials = [row for row in read_rows(results / 'study_recipes.csv') if _is_current(row, scale, sized)]
    comparisons = define_comparisons(SCALES[scale])
    blocks = {
        'summary': _summary(comparisons, find(rows, trials, results / 'study', comparisons, sized)),
        'networks': _network_table(rows, trials, comparisons, sized),
        'recipes': _recipe_table(trials, sized),
        'status': _status(rows, trials, sized),
    }
    if scale == 'small':
        blocks['levels'] = _level_table(read_rows(results / 'study_levels.csv'))
        blocks['first'] = _first_table(read_rows(results / 'study_first.csv'), comparisons)
    else:
        blocks = {f'{scale}-{name}': text for name, text in blocks.items()}

    def put(match: re.Match[str]) -> str:
        text = f'\n{blocks[match[1]]}\n' if match[1] in blocks else match[2]
        return f'<!-- study:{match[1]}:begin -->{text}<!-- study:{match[1]}:end -->'

    text = document.read_text(encoding='utf-8')
    text = re.sub(r'<!-- study:([\w-]+):begin -->(.*?)<!-- study:\1:end -->', put, text, flags=re.DOTALL)
    document.write_text(text, encoding='utf-8')


def _is_current(row: Mapping[str, str], scale: str, sized: Mapping[str, Sized]) -> bool:
    """Whether a row is of a network and a recipe as they are defined now."""
    if row['scale'] != scale or row['network'] not in sized:
        return False
    one = sized[row['network']]
    recipe = SCALES[scale].recipes[one.network.task]
    expected = one.width, one.cost.macs, recipe.iterations, recipe.batch
    return tuple(int(row[column]) for column in ('width', 'macs', 'iterations', 'batch')) == expected


def best_trial(trials: Rows, name: str, one: Sized) -> float | None:
    """The best value of the mark's measure in the trials of a network; None before all have been made."""
    task = one.network.task
    own = {row['rate']: TASKS[task].read_mark(row) for row in trials if row['network'] == name}
    return max(own.values()) if own.keys() >= {f'{rate:g}' for rate in RATES[task]} else None


def find(
    rows: Rows, trials: Rows, records: Path, comparisons: Mapping[str, Comparison], sized: Mapping[str, Sized]
) -> dict[Claim, Finding]:
    """The finding of every claim, corrected for all of them together.

    Args:
        rows: The trainings with seeds.
        trials: The trials of learning rates.
        records: The folder of their records.
        comparisons: The comparisons.
        sized: The networks.
    """
    table = records.with_suffix('.csv')
    by_run = {(row['network'], int(row['seed'])): row for row in rows}
    weights: dict[tuple[str, int], Floats] = {}
    drawn: dict[tuple[str, int], Floats] = {}

    def redraw(name: str, seed: int) -> Floats:
        """The values of a run on samples of its test images, which are the same for all networks of a task."""
        if (name, seed) not in drawn:
            with np.load(records_file(table, by_run[name, seed])) as stored:
                own = dict(stored)
            task, images = sized[name].network.task, len(own['of'] if 'of' in own else own['objects'])
            if (task, images) not in weights:
                weights[task, images] = draw_images(images, np.random.default_rng(0)).astype(float)
            drawn[name, seed] = evaluate(own, weights[task, images])
        return drawn[name, seed]

    def examine(claim: Claim, least: int) -> Finding:
        names = *claim.better, *claim.worse
        if set(names) - set(sized):
            return Finding(claim, obstacle='its networks were left out')
        task = TASKS[sized[names[0]].network.task]
        seeds = sorted(set.intersection(*({seed for one, seed in by_run if one == name} for name in names)))
        found = Finding(claim, task.measures[0], len(seeds))
        if len(seeds) < least:
            for name in names:
                reached = best_trial(trials, name, sized[name])
                if reached is not None and reached < task.mark[1]:
                    obstacle = f'{name} reaches {reached:.1f} of {task.mark[1]:g} {task.mark[0]} on its training images'
                    return replace(found, obstacle=f'{obstacle} in its best trial')
            return replace(found, obstacle=f'{len(seeds) or "none"} of {least} seeds')
        for name in names:
            for seed in seeds:
                if not records_file(table, by_run[name, seed]).exists():  # its loss was no longer finite
                    return replace(found, obstacle=f'{name} has no records of seed {seed}')
            reached = np.mean([task.read_mark(by_run[name, seed]) for seed in seeds])
            if reached < task.mark[1]:
                obstacle = f'{name} reaches {reached:.1f} of {task.mark[1]:g} {task.mark[0]} on its training images'
                return replace(found, obstacle=obstacle)
        signs = [*((name, 1) for name in claim.better), *((name, -1) for name in claim.worse)]
        mean = np.mean([sum(sign * float(by_run[name, seed]['value']) for name, sign in signs) for seed in seeds])
        differences = np.stack([sum(sign * redraw(name, seed) for name, sign in signs) for seed in seeds], axis=1)
        error = standard_error(differences, np.random.default_rng(1))
        return replace(found, mean=float(mean), error=error)

    findings = [examine(claim, one.seeds) for one in comparisons.values() for claim in one.claims]
    decided, levels = holm([one.p for one in findings])
    return {
        one.claim: replace(one, is_decided=bool(is_decided), level=float(level))
        for one, is_decided, level in zip(findings, decided, levels, strict=True)
    }


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return '\n'.join(
        [f'| {" | ".join(head)} |', '|---' * len(head) + '|', *(f'| {" | ".join(one)} |' for one in lines)]
    )


def _summary(comparisons: Mapping[str, Comparison], findings: Mapping[Claim, Finding]) -> str:
    head = ['claim', 'paper', 'difference and corrected interval', 'verdict', 'seeds', 'could have been seen']
    lines = []
    for comparison in comparisons.values():
        lines.append([f'**{comparison.title}**', *[''] * 5])
        for claim in comparison.claims:
            one = findings[claim]
            difference = could = ''
            if not one.obstacle:
                half = half_width(one.error, one.seeds, one.level)
                difference = f'{one.mean:+.1f} [{one.mean - half:+.1f}, {one.mean + half:+.1f}] {one.measure}'
                could = f'{claim.margin + detectable(one.error, one.seeds, one.level):.1f}'
            lines.append([claim.text, claim.paper, difference, one.verdict, str(one.seeds), could])
    return _table(head, lines)


def _network_table(rows: Rows, trials: Rows, comparisons: Mapping[str, Comparison], sized: Mapping[str, Sized]) -> str:
    head = ['network', 'width', 'M MACs', "body's", 'head', 'published head', 'M parameters', 'rate', 'seeds']
    head += ['on training images', 'on test images']
    bodies = {name for one in comparisons.values() if one.bodies for name in one.networks}
    lines = []
    for name, one in sized.items():
        task = TASKS[one.network.task]
        own = [row for row in rows if row['network'] == name]
        published = 'bodies compared'
        if name not in bodies:
            published = f'{100 * published_head(one.network):.0f} % ({one.network.published.text})'
        cells = [name, str(one.width), f'{one.cost.macs / 1e6:.1f}', f'{one.cost.body / 1e6:.1f}']
        cells += [f'{100 * one.cost.head:.0f} %', published, f'{one.cost.parameters / 1e6:.2f}']
        cells += [', '.join(sorted({row['rate'] for row in own}, key=float)), str(len(own))]
        if own:
            reached = np.mean([task.read_mark(row) for row in own])
            cells.append(f'{reached:.1f} {task.mark[0]} (mark: {task.mark[1]:g})')
            cells.append(f'{_mean_and_spread([float(row["value"]) for row in own])} {task.measures[0]}')
        elif (reached := best_trial(trials, name, one)) is not None:
            cells += [f'{reached:.1f} {task.mark[0]} in the best trial (mark: {task.mark[1]:g})', '']
        else:
            cells += [f'(mark: {task.mark[1]:g} {task.mark[0]})', '']
        lines.append(cells)
    return _table(head, lines)


def _recipe_table(trials: Rows, sized: Mapping[str, Sized]) -> str:
    """The measure of each network at each learning rate on held-out training data; the best is bold."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for row in trials:
        values[row['network']][row['rate']] = float(row['value'])
    if not values:
        return 'No trial has been made yet.'
    lines = []
    for name in (name for name in sized if name in values):
        task, own = sized[name].network.task, values[name]
        rates = [f'{rate:g}' for rate in RATES[task]]
        best = max(rates, key=lambda rate: own.get(rate, -1)) if len(own) == len(rates) else ''
        cells = [f'{own[rate]:.1f} at {rate}' if rate in own else '' for rate in rates]
        cells = [f'**{cell}**' if rate == best else cell for cell, rate in zip(cells, rates, strict=True)]
        lines.append([name, TASKS[task].measures[0], *cells])
    return _table(['network', 'measure', 'lowest rate', 'middle rate', 'highest rate'], lines)


def _status(rows: Rows, trials: Rows, sized: Mapping[str, Sized]) -> str:
    planned = sum(len(RATES[one.network.task]) for one in sized.values())
    text = f'{len(trials)} of {planned} trials of learning rates and {len(rows)} of '
    text += f'{len(sized) * MANY} trainings with seeds have been made'
    if not (made := [*trials, *rows]):
        return f'{text}.'
    spent = sum(float(row['seconds']) + float(row['test_seconds']) for row in made)
    machines = ' and '.join(sorted({f'{row["device"]}, torch {row["torch"]}' for row in made}))
    return f'{text}. They took {spent / 3600:.1f} hours of a processor, on {machines}.'


def _level_table(rows: Rows) -> str:
    head = ['images', 'boxes by', *(f'stride {row["stride"]}' for row in rows if row['part'] == 'train')]
    names = {'anchors': 'best anchor (RPN)', 'rois': 'RoIAlign'}
    lines = [
        [part, text, *(row[column] for row in rows if row['part'] == part)]
        for part in ('train', 'test')
        for column, text in names.items()
    ]
    return _table(head, lines)


def _first_table(rows: Rows, comparisons: Mapping[str, Comparison]) -> str:
    """The differences of the study's first form, by claim; its two lengths are the scales 'small' and 'long'."""
    values = {(row['scale'], row['network'], row['seed']): float(row['value']) for row in rows}
    measures = {row['network']: row['measure'] for row in rows}
    lines = []
    for claim in (claim for one in comparisons.values() for claim in one.claims):
        if not set(claim.better + claim.worse) <= set(measures):
            continue
        cells = []
        for scale in ('small', 'long'):
            seeds = [seed for one, name, seed in values if (one, name) == (scale, claim.better[0])]
            better, worse = (
                np.array([sum(values[scale, name, seed] for name in names) for seed in seeds])
                for names in (claim.better, claim.worse)
            )
            cells.append(_mean_and_spread(better - worse, sign='+'))
        lines.append([claim.text, measures[claim.better[0]], *cells, str(len(seeds))])
    return _table(['claim', 'measure', 'short', 'three times as long', 'seeds'], lines)


def _mean_and_spread(values: Sequence[float] | Floats, sign: str = '') -> str:
    mean = f'{np.mean(values):{sign}.1f}'
    return f'{mean} ± {np.std(values, ddof=1):.1f}' if len(values) > 1 else mean
