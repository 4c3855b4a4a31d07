"""The report of a training on a folder: metrics.json, pictures of its errors, and the model card."""

import heapq
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..tasks import Task, pictures
from ..weights import ModelSpec
from ..weights.io import written_aside
from .job import Job, Measure
from .suspicions import NOTHING, suspicions_after, suspicions_before

__all__ = ['Assessed', 'Outcome', 'write_report']

_WORST = 10
_LIBRARIES = ('torch', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet', 'mmpose', 'mmpretrain', 'mmsegmentation')


@dataclass
class Assessed:
    """The predictions of a test, of which the first, the worst, and the sum of the tables of errors are kept.

    Attributes:
        task: The task.
        metainfo: The metadata of the data set.
        shown: The samples that the task draws.
        table: The sum; None before the first prediction.
    """

    task: Task
    metainfo: Mapping[str, Any] = field(default_factory=dict)
    shown: list[Any] = field(default_factory=list)
    table: Any = None

    def __post_init__(self) -> None:
        self._worst: list[tuple[float, int, Any]] = []
        self._number = count()

    def add(self, samples: Sequence[Any]) -> None:
        """Add the predictions of a batch."""
        limit = self.task.shown_images
        if limit is None or len(self.shown) < limit:
            self.shown += samples
        for sample in samples:
            error, table = self.task.assess(sample, self.metainfo)
            self.table = table if self.table is None else self.table + table
            # The scores of all classes at all pixels are large, and are not drawn.
            for large in ('seg_logits', 'i_seg_logits'):
                if large in sample:
                    delattr(sample, large)
            entry = error, -next(self._number), sample
            if len(self._worst) < _WORST:
                heapq.heappush(self._worst, entry)
            elif entry[:2] > self._worst[0][:2]:
                heapq.heapreplace(self._worst, entry)

    @property
    def worst(self) -> list[tuple[float, Any]]:
        """The errors and samples of the worst predictions, the worst first; none without an error."""
        ordered = sorted(self._worst, key=lambda entry: entry[:2], reverse=True)
        return [(error, sample) for error, _, sample in ordered if error > 0]

    @property
    def names(self) -> list[str]:
        """The names of the rows of the table."""
        if 'keypoint_id2name' in self.metainfo:
            names = self.metainfo['keypoint_id2name']
            return [names[i] for i in sorted(names)]
        classes = list(self.metainfo['classes'])
        return [*classes, NOTHING] if self.table is not None and len(self.table) > len(classes) else classes


@dataclass(frozen=True)
class Outcome:
    """The numbers of a training.

    Attributes:
        measures: The metrics.
        spec: The model specification.
        batch_size: The images of a step.
        steps: The steps that were trained.
        seconds: The seconds that they took.
        validations: The steps of the validations and the metric.
        best: That of the kept weights; None for the last ones.
        stopped_at: The step after which the training ended early; None if it did not.
    """

    measures: tuple[Measure, ...]
    spec: ModelSpec
    batch_size: int
    steps: int
    seconds: float
    validations: list[tuple[int, float]]
    best: tuple[int, float] | None
    stopped_at: int | None


def write_report(job: Job, outcome: Outcome, assessed: Assessed) -> tuple[list[Path], list[str]]:
    """Write metrics.json, the pictures and the card into the job's folder.

    Returns:
        The files, and what is suspicious about the result.
    """
    assert job.own is not None
    folder, start = job.own.folder, job.work_dir / job.name
    is_table = folder.points is None and assessed.table is not None
    after = suspicions_after(outcome.measures, assessed.table if is_table else None, assessed.names)
    before = [*folder.warnings, *suspicions_before(folder)]
    files = _draw(job, outcome, assessed, start)
    content = {
        'task': job.task,
        'data': str(folder.path),
        'about': folder.about,
        'network': outcome.spec.network,
        'pretrained': job.own.pretrained,
        'input_size': list(outcome.spec.input_size),
        'batch_size': outcome.batch_size,
        'seed': job.seed,
        'steps': outcome.steps,
        'seconds': round(outcome.seconds, 1),
        'stopped_early_at_step': outcome.stopped_at,
        'weights_of_step': outcome.best[0] if outcome.best else outcome.steps,
        'metrics': [
            {
                'metric': one.metric,
                'value': _finite(one.value),
                'trivial': _finite(one.baseline),
                'trivial_is': one.baseline_is,
                'is_error': one.is_error,
            }
            for one in outcome.measures
        ],
        'validations': [{'step': step, outcome.measures[0].metric: _finite(one)} for step, one in outcome.validations],
        **_errors(assessed, folder.points is not None),
        'worst': [
            {'image': _below(sample.img_path, folder.path), 'error': round(e, 4)} for e, sample in assessed.worst
        ],
        'warnings': {'before': before, 'after': after},
        'versions': _versions(),
    }
    metrics, card = job.work_dir / 'metrics.json', start.with_name(f'{job.name}_card.md')
    for file, text in (
        (metrics, json.dumps(content, indent=1, ensure_ascii=False) + '\n'),
        (card, _card(job, outcome, content, files)),
    ):
        with written_aside(file) as aside:
            aside.write_text(text, encoding='utf-8')
    return [metrics, card, *files], after


def _draw(job: Job, outcome: Outcome, assessed: Assessed, start: Path) -> list[Path]:
    assert job.own is not None
    title, files = job.name, []
    curves = job.work_dir / 'curves.png'
    if curves.is_file():
        files.append(curves.replace(start.with_name(f'{job.name}_curves.png')))
    if assessed.table is not None and job.own.folder.points is not None:
        files.append(start.with_name(f'{job.name}_keypoints.png'))
        pictures.draw_point_errors(files[-1], f'{title}: errors by keypoint', _mean_errors(assessed), assessed.names)
    elif assessed.table is not None:
        files.append(start.with_name(f'{job.name}_confusion.png'))
        pictures.draw_confusion(files[-1], f'{title}: truth and prediction', assessed.table, assessed.names)
    if worst := assessed.worst:
        files.append(start.with_name(f'{job.name}_worst.png'))
        pairs = [
            (f'{Path(sample.img_path).name}\nerror {error:.1%}', assessed.task.pair(sample, assessed.metainfo))
            for error, sample in worst
        ]
        names, first = _colors(assessed)
        pictures.draw_pairs(files[-1], f'{title}: the {len(pairs)} worst of the validation part', pairs, names, first)
    return files


def _colors(assessed: Assessed) -> tuple[list[str], int]:
    """The names of what is drawn in different colors, and the number of the first color."""
    if 'keypoint_id2name' in assessed.metainfo:
        return assessed.names, pictures.FIRST_POINT
    if assessed.task.annotations == 'classes':
        return [], 0  # which are written
    classes = list(assessed.metainfo['classes'])
    return (classes[1:], 1) if assessed.task.annotations == 'regions' else (classes, 0)


def _mean_errors(assessed: Assessed) -> Any:
    """The mean error of each keypoint in percent; NaN for one that is labeled nowhere."""
    sums, numbers = assessed.table.T
    return 100 * np.divide(sums, numbers, out=np.full_like(sums, np.nan), where=numbers > 0)


def _errors(assessed: Assessed, has_points: bool) -> dict[str, Any]:
    if assessed.table is None:
        return {}
    if has_points:
        errors = _mean_errors(assessed)
        return {
            'mean_error_by_keypoint': {
                name: _finite(float(error)) for name, error in zip(assessed.names, errors, strict=True)
            }
        }
    return {'confusion': {'names': assessed.names, 'truth_by_prediction': assessed.table.astype(int).tolist()}}


def _finite(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def _below(file: str, folder: Path) -> str:
    path = Path(file).resolve()
    root = folder.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _versions() -> dict[str, str]:
    found = {'hrnet_mm': __version__, 'python': platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _card(job: Job, outcome: Outcome, content: Mapping[str, Any], files: Sequence[Path]) -> str:
    """The model card, in Markdown."""
    assert job.own is not None
    folder, spec, own = job.own.folder, outcome.spec, job.own
    points = folder.points is not None
    rows = [
        f'| {one.metric}{" (an error)" if one.is_error else ""} | {_shown(one.value)} | {_shown(one.baseline)} |'
        for one in outcome.measures
    ]
    counts = [f'| {_cell(name)} | {train} | {val} |' for name, (train, val) in folder.counts.items()]
    warnings = [*content['warnings']['before'], *content['warnings']['after']]
    if outcome.best is None:
        chosen = 'the weights of the last step'
    else:
        chosen = (
            f'the weights of step {outcome.best[0]}, the best of {len(outcome.validations)} validations: they were '
            'chosen on the images that the metrics are from, which are a little too good therefore'
        )
    early = f'; it ended early, after {own.patience} validations without a better one' if outcome.stopped_at else ''
    height, width = spec.input_size
    start = 'random weights' if own.pretrained is None else f'a backbone from `{own.pretrained}`'
    return '\n'.join(
        [
            f'# {job.name}',
            '',
            f'{job.task.capitalize()}, trained by `hrnet-mm train {job.task}` (hrnet_mm {__version__}).',
            '',
            '## Results',
            '',
            'On the validation part, in percent:',
            '',
            f'| metric | value | trivial ({outcome.measures[0].baseline_is}) |',
            '|---|---|---|',
            *rows,
            '',
            *[f'![{file.stem}]({file.name})' for file in files],
            '',
            '## Warnings',
            '',
            *([f'* {sentence}' for sentence in warnings] or ['None.']),
            '',
            '## Data',
            '',
            f'{folder.about}. {folder.split}.',
            '',
            f'| {"keypoint" if points else "class"} | training | validation |',
            '|---|---|---|',
            *counts,
            '',
            '## Network and training',
            '',
            f'* Network: `{spec.network}`, from {start}; input {width} x {height} pixels.',
            f'* Training: {outcome.steps} steps of {outcome.batch_size} images in {outcome.seconds:.0f} s, '
            f'AdamW, seed {job.seed}{early}.',
            f'* Kept: {chosen}.',
            '* Versions: ' + ', '.join(f'{name} {number}' for name, number in content['versions'].items()) + '.',
            '',
            '## Use',
            '',
            '```bash',
            'hrnet-mm predict weights.pth --data IMAGE',
            'hrnet-mm export weights.pth --out model.onnx',
            '```',
            '',
            'In Python, `hrnet_mm.create_model("weights.pth")`. The file is enough: preprocessing and names are in it.',
            '',
            '## License',
            '',
            'The code of hrnet_mm is under Apache-2.0. That of the images, and of a backbone that was trained before, '
            'is yours to state here.',
            '',
        ]
    )


def _cell(name: str) -> str:
    return name.replace('|', '\\|').replace('\n', ' ')


def _shown(value: float) -> str:
    return f'{value:.1f}' if math.isfinite(value) else 'not measured'
