"""Tables and picture of the study, from its rows alone."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _study_claims import SCALES, Claim, Comparison, define_comparisons
from scipy.stats import t as student

Rows = Sequence[dict[str, str]]
FORMS = {
    '': ('small', 'long'),
    'large-': ('large',),
}  # scales whose networks are the same, by the prefix of their marks
VERDICTS = {'agrees': '#2a7f3f', 'within noise': '#888888', 'no difference seen': '#888888', 'disagrees': '#b03030'}


@dataclass(frozen=True)
class Finding:
    """A claim's difference for each seed that all its networks were trained with, in points of the measure."""

    claim: Claim
    measure: str
    differences: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.differences.mean())

    @property
    def half(self) -> float:
        """Half of the mean's 95 % interval, by Student's t of the differences of equal seeds."""
        n = len(self.differences)
        return float(student.ppf(0.975, n - 1) * self.differences.std(ddof=1) / np.sqrt(n))

    @property
    def verdict(self) -> str:
        if abs(self.mean) <= self.half:
            return 'no difference seen' if self.claim.equal else 'within noise'
        return 'agrees' if self.mean > 0 and not self.claim.equal else 'disagrees'


def write_report(rows: Rows, recipes: Rows, document: Path) -> None:
    """Put the tables between the document's marks, `<!-- study:NAME:begin -->` and `end`, and draw its picture.

    `recipes` are the rows of trainings by which learning rates were chosen.

    Raises:
        ValueError: A mark names a table without rows.
    """
    blocks: dict[str, str] = {'recipes': _recipe_table(recipes)} if recipes else {}
    for prefix, names in FORMS.items():
        runs = {name: [row for row in rows if row['scale'] == name] for name in names}
        runs = {name: own for name, own in runs.items() if own}
        if runs:
            blocks |= {f'{prefix}{mark}': text for mark, text in _tables(runs).items()}
            if not prefix:
                draw(runs, document.with_suffix('.png'))
    text = document.read_text(encoding='utf-8')

    def replace(match: re.Match[str]) -> str:
        if match[1] not in blocks:
            raise ValueError(f'{document} has a mark study:{match[1]}, but there are no rows of it')
        return f'<!-- study:{match[1]}:begin -->\n{blocks[match[1]]}\n<!-- study:{match[1]}:end -->'

    text = re.sub(r'<!-- study:([\w-]+):begin -->.*?<!-- study:\1:end -->', replace, text, flags=re.DOTALL)
    document.write_text(text, encoding='utf-8')


def findings(rows: Rows, comparison: Comparison) -> list[Finding]:
    """The finding of each claim that has two seeds or more."""
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        values[row['network']][row['seed']] = float(row['value'])
    measures = {row['network']: row['measure'] for row in rows}
    found = []
    for claim in comparison.claims:
        seeds = set.intersection(*(set(values[name]) for name in (*claim.better, *claim.worse)))
        differences = np.array(
            [sum(values[one][s] for one in claim.better) - sum(values[one][s] for one in claim.worse) for s in seeds]
        )
        if len(differences) > 1:
            found.append(Finding(claim, measures[claim.better[0]], differences))
    return found


def _tables(runs: Mapping[str, Rows]) -> dict[str, str]:
    """The summary and a table of each comparison's networks; `runs` are the rows by scale, of equal networks."""
    comparisons = define_comparisons(SCALES[next(iter(runs))])
    tables = {}
    head = ['claim', 'paper', *(cell for name in runs for cell in (f'found, {name}', 'verdict')), 'seeds']
    summary = [f'| {" | ".join(head)} |', '|---' * len(head) + '|']
    for mark, comparison in comparisons.items():
        found = {name: {one.claim: one for one in findings(own, comparison)} for name, own in runs.items()}
        lines = [_claim_line(claim, [own.get(claim) for own in found.values()]) for claim in comparison.claims]
        if any(found.values()):
            summary += [f'| **{comparison.title}** {"| " * (len(head) - 1)}|', *lines]
        if any(row['network'] in comparison.networks for own in runs.values() for row in own):
            tables[mark] = _network_table(runs, comparison)
    rows = [row for own in runs.values() for row in own]
    spent = sum(float(row['seconds']) for row in rows)
    machines = ' and '.join(sorted({f'{row["device"]}, torch {row["torch"]}' for row in rows}))
    made = f'{len(rows)} trainings, which took {spent / 60:.0f} minutes without rendering and testing, on {machines}.'
    return tables | {'summary': '\n'.join(summary), 'made': made}


def _claim_line(claim: Claim, found: Sequence[Finding | None]) -> str:
    cells, seeds = [claim.text, claim.paper], set()
    for one in found:
        cells += ['', ''] if one is None else [f'{one.mean:+.1f} ± {one.half:.1f} {one.measure}', one.verdict]
        seeds |= set() if one is None else {str(len(one.differences))}
    return f'| {" | ".join([*cells, ", ".join(sorted(seeds))])} |'


def _network_table(runs: Mapping[str, Rows], comparison: Comparison) -> str:
    lines = []
    for name in comparison.networks:
        own = [[row for row in rows if row['network'] == name] for rows in runs.values()]
        if not any(own):
            continue
        one = next(rows[0] for rows in own if rows)
        if not lines:
            measures = [f'{one[m]}, {scale}' for scale in runs for m in ('measure', 'second_measure')]
            head = ['network', 'width', 'M MACs', 'M parameters', 'seeds', *measures]
            lines = [f'| {" | ".join(head)} |', '|---' * len(head) + '|']
        cells = [name, one['width'], f'{int(one["macs"]) / 1e6:.1f}', f'{int(one["parameters"]) / 1e6:.2f}']
        cells.append(', '.join(sorted({str(len(rows)) for rows in own if rows})))
        cells += [
            _mean_and_spread(rows, column) if rows else '' for rows in own for column in ('value', 'second_value')
        ]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def _recipe_table(rows: Rows) -> str:
    """The measure of each network at each learning rate, a line for each number of steps."""
    rates = sorted({row['rate'] for row in rows}, key=float)
    values: dict[tuple[str, ...], dict[str, str]] = defaultdict(dict)
    for row in rows:
        values[row['network'], row['iterations'], row['measure']][row['rate']] = f'{float(row["value"]):.1f}'
    lines = [f'| network | steps | measure | {" | ".join(rates)} |', '|---' * (3 + len(rates)) + '|']
    lines += [f'| {" | ".join([*key, *(found.get(rate, "") for rate in rates)])} |' for key, found in values.items()]
    return '\n'.join(lines)


def _mean_and_spread(rows: Rows, column: str) -> str:
    values = np.array([float(row[column]) for row in rows])
    return f'{values.mean():.1f} ± {values.std(ddof=1):.1f}' if len(values) > 1 else f'{values[0]:.1f}'


def draw(runs: Mapping[str, Rows], file: Path) -> None:
    """Every claim's difference with its interval and seeds, a panel for each measure; the last scale is bold."""
    import matplotlib as mpl

    mpl.use('agg')
    from matplotlib import pyplot as plt

    panels: dict[str, dict[str, list[tuple[str, Finding]]]] = defaultdict(lambda: defaultdict(list))
    for comparison in define_comparisons(SCALES[next(iter(runs))]).values():
        for name, rows in runs.items():
            for one in findings(rows, comparison):
                panels[one.measure][one.claim.text].append((name, one))
    heights = [len(found) for found in panels.values()]
    figure, axes = plt.subplots(
        len(panels), figsize=(9, 0.42 * sum(heights) + 0.75 * len(panels)), height_ratios=heights, squeeze=False
    )
    for axis, (measure, found) in zip(axes[:, 0], panels.items(), strict=True):
        for place, of_scales in enumerate(found.values()):
            for name, one in of_scales:
                last = name == list(runs)[-1]
                at, color = place + (0.13 if last else -0.2), VERDICTS[one.verdict]
                style = dict(color=color, alpha=1.0 if last else 0.45)
                axis.errorbar(one.mean, at, xerr=one.half, fmt='o', capsize=3, markersize=5 if last else 3, **style)
                axis.plot(
                    one.differences, [at + 0.22] * len(one.differences), '|', color=color, alpha=0.6, markersize=4
                )
        axis.axvline(0, color='black', linewidth=0.8)
        axis.set_yticks(range(len(found)), list(found), fontsize=8)
        axis.set_ylim(len(found) - 0.4, -0.6)
        axis.set_xlabel(f'difference in {measure}', fontsize=8, labelpad=1)
        axis.tick_params(axis='x', labelsize=8)
        axis.spines[['top', 'right']].set_visible(False)
    shown = {color: text for text, color in reversed(VERDICTS.items())}
    handles = [plt.Line2D([], [], color=color, marker='o', label=text) for color, text in shown.items()]
    figure.legend(handles=handles[::-1], loc='upper right', ncols=3, fontsize=8, frameon=False)
    figure.suptitle(
        f'left of 0: against the claim; right: as claimed; bold: {list(runs)[-1]}', x=0.02, ha='left', fontsize=9
    )
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)
