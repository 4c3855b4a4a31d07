"""Draws docs/speed.png and docs/growth.png from the results files, and prints how cost grows as a table.

python tools/research/plot_speed.py

Average precisions are the published ones of hrnet_mm/weights/results.csv; times are the measured ones.
"""

import math
import re
import statistics
from pathlib import Path

import matplotlib as mpl

mpl.use('Agg')
import matplotlib.pyplot as plt

from hrnet_mm.config.zoo import published_results
from hrnet_mm.weights.tables import read_rows

ROOT = Path(__file__).resolve().parents[2]
SERIES = {  # the label of the axis: rows of growth.csv, and the column that grows
    'side of a square image (pixels), w18, batch 1': (
        lambda r: (r['model'], r['batch']) == ('hrnetv1_w18', 1),
        'height',
    ),
    'images of 128 x 128, w18': (lambda r: (r['model'], r['height']) == ('hrnetv1_w18', 128), 'batch'),
    'width, 256 x 256, batch 1': (lambda r: (r['height'], r['batch']) == (256, 1), 'width'),
}


def main() -> None:
    speed, growth = read('speed.csv'), read('growth.csv')
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.5), layout='constrained')
    draw_batches(axes[0], speed)
    draw_accuracy(axes[1:], speed)
    figure.suptitle(f'256 x 192, {speed[0]["threads"]} threads, {speed[0]["device"]}', fontsize=9)
    figure.savefig(ROOT / 'docs' / 'speed.png', dpi=80)
    figure, axes = plt.subplots(2, 3, figsize=(15, 8), layout='constrained')
    print('| varied | threads | time: MACs to the power of | memory |', '|---|---|---|---|', sep='\n')
    for column, (label, (belongs, cause)) in zip(axes.T, SERIES.items(), strict=True):
        draw_growth(column, label, [row for row in growth if belongs(row)], cause)
    figure.savefig(ROOT / 'docs' / 'growth.png', dpi=80)


def read(name: str) -> list[dict]:
    """The rows of a results file, with numbers as numbers."""
    file = ROOT / 'tools' / 'research' / 'results' / name
    rows = [{key: number(value) for key, value in row.items()} for row in read_rows(file)]
    for row in rows:
        width = re.search(r'w(\d+)', str(row['model']))
        row['width'] = int(width[1]) if width else None
    return rows


def number(cell: str) -> object:
    try:
        return int(cell) if cell.isdigit() else float(cell)
    except ValueError:
        return cell


def draw_batches(axis: plt.Axes, rows: list[dict]) -> None:
    """Milliseconds an image against the batch, a line for each engine that was measured at several."""
    lines: dict[str, dict[int, float]] = {}
    for row in rows:
        if row['task'] == 'test' and row['height'] == 256 and row['model'] in ('mmpose', 'hrnetv1_w32'):
            name = 'mmpose as it ships' if row['model'] == 'mmpose' else f'{row["engine"]} {row["precision"]}'
            if row['model'] != 'mmpose' or row['engine'] == 'plain':
                lines.setdefault(name, {})[row['batch']] = row['median_ms'] / row['batch']
    for name, points in lines.items():
        if len(points) > 2:
            axis.plot(*zip(*sorted(points.items()), strict=True), marker='o', label=name)
    axis.set(
        xscale='log', yscale='log', xlabel='batch', ylabel='ms an image', title='HRNetV1 w32: latency against batch'
    )
    axis.set_xticks([1, 2, 4, 8, 16, 32, 64], [1, 2, 4, 8, 16, 32, 64])
    axis.minorticks_off()
    axis.set_yticks([5, 10, 20, 50, 100, 200], [5, 10, 20, 50, 100, 200])
    axis.legend(fontsize=8, loc='upper right', ncols=2)


def draw_accuracy(axes: list[plt.Axes], rows: list[dict]) -> None:
    """Published AP against the time and MACs of the run that had ResNets in it."""
    precisions = published()
    runs = [row for row in rows if row['against'].startswith('mmpose::') and row['precision'] == 'fp32']
    styles = {
        'plain': ('o', 'PyTorch'),
        'openvino': ('s', 'OpenVINO'),
        'native': ('^', 'native'),
        'native-bf16x3': ('v', 'native-bf16x3'),
    }
    for family, color in (('ResNet', 'tab:gray'), ('HRNet', 'tab:red')):
        own = [(arch(row['model']), row) for row in runs if arch(row['model']).startswith(family)]
        for engine, (marker, title) in styles.items():
            points = sorted((row['median_ms'], precisions[name], name) for name, row in own if row['engine'] == engine)
            if points:
                axes[0].plot(
                    [p[0] for p in points],
                    [p[1] for p in points],
                    marker=marker,
                    color=color,
                    label=f'{family}, {title}',
                    alpha=0.8,
                )
        points = sorted({(row['macs'] / 1e9, precisions[name], name) for name, row in own})
        axes[1].plot([p[0] for p in points], [p[1] for p in points], marker='o', color=color, label=family)
        for x, y, name in points:
            axes[1].annotate(name, (x, y), xytext=(5, -11), textcoords='offset points', fontsize=8)
    for axis, label in zip(axes, ('ms, batch 1, fp32', 'GMACs'), strict=True):
        axis.set(
            xlabel=label,
            ylabel='published COCO val2017 AP',
            title=f'accuracy against {"latency" if axis is axes[0] else "MACs"}',
        )
        axis.legend(fontsize=8, loc='center left' if axis is axes[0] else 'lower right')
    axes[0].set(xscale='log')
    axes[0].minorticks_off()
    axes[0].set_xticks([20, 50, 100, 200], [20, 50, 100, 200])


def arch(model: str) -> str:
    """The architecture's name in results.csv, of a model's or a config's name."""
    found = re.search(r'(res|w)(\d+)', model.rpartition('/')[2])
    assert found, model
    return f'ResNet-{found[2]}' if found[1] == 'res' else f'HRNet-W{found[2]}'


def published() -> dict[str, float]:
    """AP on COCO val2017 at 256 x 192 of networks that were trained from ImageNet weights."""
    return {
        row['arch']: float(row['metrics'].partition(';')[0].removeprefix('AP='))
        for row in published_results()
        if (row['task'], row['split'], row['input'], row['variant']) == ('pose_topdown', 'val2017', '256x192', '')
        and row['method'] in ('SimpleBaseline', 'HRNetV1')
    }


def draw_growth(axes: list[plt.Axes], label: str, rows: list[dict], cause: str) -> None:
    """Time above, memory below, with the exponents: of pixels, of images, or of multiply-adds."""
    for threads in sorted({row['threads'] for row in rows}):
        own = sorted((row for row in rows if row['threads'] == threads), key=lambda row: row[cause])
        work = [row['macs'] for row in own]
        fits = [exponent(work, [row[cost] for row in own]) for cost in ('median_ms', 'peak_mb')]
        print(f'| {label} | {threads} | {fits[0]:.2f} | {fits[1]:.2f} |')
        for axis, cost, fit in zip(axes, ('median_ms', 'peak_mb'), fits, strict=True):
            title = f'{threads} thread{"s" * (threads > 1)}: MACs to the power of {fit:.2f}'
            axis.plot([row[cause] for row in own], [row[cost] for row in own], marker='o', label=title)
            axis.set(xscale='log', yscale='log', xlabel=label, ylabel='ms' if cost == 'median_ms' else 'MB')
            ticks = [row[cause] for row in own]
            axis.set_xticks(ticks, ticks)
            axis.minorticks_off()
            axis.legend(fontsize=8)


def exponent(causes: list[float], costs: list[float]) -> float:
    """The slope of log(cost) over log(cause), by least squares: 1 means that cost grows as the cause does."""
    return statistics.linear_regression([math.log(c) for c in causes], [math.log(c) for c in costs]).slope


if __name__ == '__main__':
    main()
