"""Tables and picture of the study, from its rows alone."""

import csv
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _study_claims import SCALES, Claim, Comparison, Scale, define_comparisons
from scipy.stats import t as student

Rows = Sequence[dict[str, str]]
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


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows that `add_row` wrote; none if there is no file."""
    if not file.exists():
        return []
    with file.open(newline='') as stream:
        return list(csv.DictReader(stream))


def add_row(file: Path, row: dict[str, object]) -> None:
    """Append a row; the first one also writes the head, its keys."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = not file.exists()
    with file.open('a', newline='') as stream:
        writer = csv.DictWriter(stream, list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def write_report(rows: Rows, recipes: Rows, document: Path) -> None:
    """Put the tables between the document's marks, `<!-- study:NAME:begin -->` and `end`, and draw its picture.

    `recipes` are the rows of trainings by which learning rates were chosen.

    Raises ValueError if a mark names nothing that there are rows of.
    """
    blocks: dict[str, str] = {'recipes': _recipe_table(recipes)} if recipes else {}
    for name, scale in SCALES.items():
        own = [row for row in rows if row['scale'] == name]
        if own:
            prefix = '' if name == 'small' else f'{name}-'
            blocks |= {f'{prefix}{mark}': text for mark, text in _tables(own, scale).items()}
            if name == 'small':
                draw(own, scale, document.with_suffix('.png'))
    text = document.read_text(encoding='utf-8')

    def replace(match: re.Match[str]) -> str:
        if match[1] not in blocks:
            raise ValueError(f'{document} has a mark study:{match[1]}, but there are no rows of it')
        return f'<!-- study:{match[1]}:begin -->\n{blocks[match[1]]}\n<!-- study:{match[1]}:end -->'

    text = re.sub(r'<!-- study:([\w-]+):begin -->.*?<!-- study:\1:end -->', replace, text, flags=re.DOTALL)
    document.write_text(text, encoding='utf-8')


def findings(rows: Rows, comparison: Comparison) -> list[Finding]:
    """What was found of each claim of which there are two seeds or more."""
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


def _tables(rows: Rows, scale: Scale) -> dict[str, str]:
    comparisons = define_comparisons(scale)
    tables = {}
    summary = ['| claim | paper | found | seeds | verdict |', '|---|---|---|---|---|']
    for name, comparison in comparisons.items():
        found = findings(rows, comparison)
        lines = [_claim_line(finding) for finding in found]
        if lines:
            summary += [f'| **{comparison.title}** | | | | |', *lines]
        if any(row['network'] in comparison.networks for row in rows):
            tables[name] = _network_table(rows, comparison)
    spent = sum(float(row['seconds']) for row in rows)
    machines = ' and '.join(sorted({f'{row["device"]}, torch {row["torch"]}' for row in rows}))
    made = f'{len(rows)} trainings, which took {spent / 60:.0f} minutes without rendering and testing, on {machines}.'
    return tables | {'summary': '\n'.join(summary), 'made': made}


def _claim_line(finding: Finding) -> str:
    claim = finding.claim
    difference = f'{finding.mean:+.1f} ± {finding.half:.1f} {finding.measure}'
    return f'| {claim.text} | {claim.paper} | {difference} | {len(finding.differences)} | {finding.verdict} |'


def _network_table(rows: Rows, comparison: Comparison) -> str:
    lines = []
    for name in comparison.networks:
        own = [row for row in rows if row['network'] == name]
        if not own:
            continue
        one = own[0]
        if not lines:
            head = ['network', 'width', 'M MACs', 'M parameters', 'seeds', one['measure'], one['second_measure']]
            lines = [f'| {" | ".join(head)} |', '|---' * len(head) + '|']
        cells = [name, one['width'], f'{int(one["macs"]) / 1e6:.1f}', f'{int(one["parameters"]) / 1e6:.2f}']
        cells += [str(len(own)), _mean_and_spread(own, 'value'), _mean_and_spread(own, 'second_value')]
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


def draw(rows: Rows, scale: Scale, file: Path) -> None:
    """Every claim's difference with its interval and its seeds, a panel for each measure."""
    import matplotlib as mpl

    mpl.use('agg')
    from matplotlib import pyplot as plt

    panels: dict[str, list[Finding]] = defaultdict(list)
    for comparison in define_comparisons(scale).values():
        for finding in findings(rows, comparison):
            panels[finding.measure].append(finding)
    heights = [len(found) for found in panels.values()]
    figure, axes = plt.subplots(
        len(panels), figsize=(9, 0.32 * sum(heights) + 0.75 * len(panels)), height_ratios=heights, squeeze=False
    )
    for axis, (measure, found) in zip(axes[:, 0], panels.items(), strict=True):
        for place, finding in enumerate(found):
            colour = VERDICTS[finding.verdict]
            axis.errorbar(finding.mean, place, xerr=finding.half, color=colour, fmt='o', capsize=3, markersize=5)
            axis.plot(finding.differences, [place + 0.25] * len(finding.differences), '|', color=colour, alpha=0.6)
        axis.axvline(0, color='black', linewidth=0.8)
        axis.set_yticks(range(len(found)), [finding.claim.text for finding in found], fontsize=8)
        axis.set_ylim(len(found) - 0.4, -0.6)
        axis.set_xlabel(f'difference in {measure}', fontsize=8, labelpad=1)
        axis.tick_params(axis='x', labelsize=8)
        axis.spines[['top', 'right']].set_visible(False)
    shown = {colour: text for text, colour in reversed(VERDICTS.items())}
    handles = [plt.Line2D([], [], color=colour, marker='o', label=text) for colour, text in shown.items()]
    figure.legend(handles=handles[::-1], loc='upper right', ncols=3, fontsize=8, frameon=False)
    figure.suptitle('left of 0: against the claim; right: as claimed', x=0.02, ha='left', fontsize=9)
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)
