"""Training curves: TensorBoard during a training, and a picture at its end."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.visualization.vis_backend import TensorboardVisBackend

from ..registry import HOOKS
from ..weights.io import written_aside
from ._mmengine import backends_of

__all__ = ['CurvesHook', 'TensorBoardHook', 'draw_curves']

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Iterations and the values logged after them."""

_AT = 'curves/iteration_of/'
_MEANS = 100  # points of the smoothed line
_WIDTH = 9.0  # of the picture, in inches


@HOOKS.register_module()
class TensorBoardHook(Hook):
    """Logging to TensorBoard, if it is installed; `tensorboard --logdir WORK_DIR` shows all runs.

    The files are beside the run's other logs. A visualizer that already has this backend keeps its own.
    """

    def before_train(self, runner: Any) -> None:
        """Add a backend to the visualizer."""
        backends = backends_of(runner.visualizer)
        others = [backend for name, backend in backends.items() if name != type(self).__name__]
        has_own = any(isinstance(backend, TensorboardVisBackend) for backend in others)
        if has_own or not is_main_process() or importlib.util.find_spec('tensorboard') is None:
            return
        # A second run in the same process may have the visualizer of the first, with the first backend.
        backends[type(self).__name__] = TensorboardVisBackend(str(Path(runner.log_dir, 'vis_data')))
        backends[type(self).__name__].add_config(runner.cfg)


@HOOKS.register_module()
class CurvesHook(Hook):
    """Picture WORK_DIR/curves.png at the end of a training: losses, and validation metrics below them.

    It reads the run's message hub, which is in every checkpoint, so that the curves of a resumed run are complete.
    """

    priority = 'LOW'  # after the metrics are logged, and before the checkpoint hook saves the best weights

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, Any] | None = None) -> None:
        """Log the iteration at which the metrics were measured."""
        for name in metrics or {}:
            if f'val/{name}' in runner.message_hub.log_scalars:
                runner.message_hub.update_scalar(_AT + name, runner.iter)

    def after_train(self, runner: Any) -> None:
        """Draw the picture."""
        if not is_main_process():
            return
        histories = {name: history.data[0] for name, history in runner.message_hub.log_scalars.items()}
        losses = {
            name.removeprefix('train/'): (np.arange(runner.iter - len(values), runner.iter) + 1.0, values)
            for name, values in histories.items()
            if name.startswith('train/') and 'loss' in name
        }
        metrics = {
            name.removeprefix(_AT): (at, histories[f'val/{name.removeprefix(_AT)}'][-len(at) :])
            for name, at in histories.items()
            if name.startswith(_AT)
        }
        if losses:
            file = Path(runner.work_dir, 'curves.png')
            draw_curves(file, losses, metrics)
            runner.logger.info(f'losses and metrics are drawn in {file}')


def draw_curves(file: Path, losses: Mapping[str, Curve], metrics: Mapping[str, Curve]) -> None:
    """Write a picture of losses, on a logarithmic scale with their means as lines, and of metrics.

    Values that are not finite, and losses that are not positive, are gaps.

    Args:
        file: The PNG file.
        losses: Iterations and values by name.
        metrics: Iterations and values by name; if empty, only the losses are drawn.

    Raises:
        CheckpointError: The file cannot be written.
    """
    panels = 2 if metrics else 1
    # All places are given: matplotlib draws every text several times to find them, which takes longer than the picture.
    longest = min(max(map(len, [*losses, *metrics])), 50)
    height, left, legend = 3.8 * panels, 0.8, 0.6 + 0.075 * longest  # in inches
    figure = Figure(figsize=(_WIDTH, height))
    edges = {'left': left / _WIDTH, 'right': 1 - legend / _WIDTH, 'bottom': 0.5 / height, 'top': 1 - 0.4 / height}
    figure.subplots_adjust(**edges, hspace=0.08)
    upper, *lower = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    for name, (at, values) in sorted(losses.items(), key=lambda item: item[0] != 'loss'):
        values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        (line,) = upper.plot(*_means(at, values), linewidth=2.2 if name == 'loss' else 1.2, label=name)
        if name == 'loss':
            upper.plot(at, values, color=line.get_color(), linewidth=0.6, alpha=0.3, zorder=0)
    upper.set(yscale='log', ylabel='loss')
    upper.set_title(file.absolute().parent.name, y=1.02)
    upper.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    upper.yaxis.set_major_formatter('{x:g}')
    upper.yaxis.set_minor_locator(NullLocator())
    for axes in lower:
        for name, (at, values) in metrics.items():
            axes.plot(at, np.where(np.isfinite(values), values, np.nan), marker='o', markersize=3, label=name)
        axes.set(ylabel='validation')
    for axes in (upper, *lower):
        axes.grid(alpha=0.3)
        axes.legend(loc='center left', bbox_to_anchor=(1, 0.5), fontsize=8)
        axes.yaxis.set_label_coords(-0.75 * left / (_WIDTH - left - legend), 0.5)
    (lower or [upper])[-1].set_xlabel('iteration')
    with written_aside(file) as aside:
        figure.savefig(aside, dpi=120, format='png')


def _means(at: npt.NDArray[np.float64], values: npt.NDArray[np.float64]) -> Curve:
    """Return the means of at most `_MEANS` adjacent groups of points; a group without a value has none."""
    groups = np.arange(len(at)) * min(_MEANS, len(at)) // len(at)
    there = np.isfinite(values)
    count = np.bincount(groups, there)
    with np.errstate(invalid='ignore'):
        mean = np.bincount(groups, np.where(there, values, 0)) / count
    return np.bincount(groups, at) / np.bincount(groups), mean
