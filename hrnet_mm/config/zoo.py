"""`hrnet-mm verify`: counts parameters and MACs of every config and compares them with what was published."""

import argparse
import copy
import csv
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import import_modules_from_strings
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .config_check import check_config, quick_reading
from .models.layers import StreamMix

__all__ = ['add_verify_arguments', 'compare', 'configs_folder', 'count', 'published_results', 'verify']

_NUM_ROIS = 512
"""RoIs of a region-based detector for which the published MACs are right."""

_INPUTS = {
    # Input sizes (height, width) by a part of the config's path, the first that fits; else the one in its name.
    '/detection/fcos': (800, 1312),
    '/detection/centernet': (511, 511),
    '/detection/': (800, 1216),
    'cityscapes': (1024, 2048),
    'in1k': (224, 224),
}


@dataclass(frozen=True)
class Comparison:
    """One figure of one row: `kind` is 'parameters' (millions) or 'MACs' (2**30), `status` 'equal' or another word."""

    row: Mapping[str, str]
    kind: str
    published: str
    counted: float
    status: str


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds which configs to verify, and whether to print every row."""
    parser.add_argument('pattern', nargs='?', default='', help='only configs whose path contains this text')
    parser.add_argument('--all', action='store_true', help='print the rows that agree too')


def verify(args: argparse.Namespace) -> int:
    """Prints what differs, with the reason where one is known, and a summary; 1 if anything differs unexplained.

    Raises ValueError if no config has `args.pattern` in its path.
    """
    warnings.filterwarnings('ignore')  # the libraries warn of their own age wherever they are imported
    configs = [path for path in config_paths() if args.pattern in path]
    if not configs:
        folders = sorted({path.partition('/')[0] for path in config_paths()})
        raise ValueError(f'no config has {args.pattern!r} in its path; give a part of one below {", ".join(folders)}')
    problems = {path: check_config(_read(path)) for path in configs}
    for path, sentences in problems.items():
        for sentence in sentences:
            print(f'configs/{path}: {sentence}')
    rows = [row for row in published_results() if row['config'] in {f'configs/{path}' for path in configs}]
    comparisons = [comparison for row in rows for comparison in compare(row)]
    for c in comparisons:
        if args.all or c.status != 'equal':
            reason = f': {c.row["note"]}' if c.status == 'explained' else ''
            print(f'{c.status:9} {c.row["id"]}: {c.kind} {c.published} published, {c.counted:.3f} counted{reason}')
    statuses = Counter(comparison.status for comparison in comparisons)
    misspelt = sum(map(bool, problems.values()))
    print(
        f'{len(configs)} configs, {misspelt} with unknown keys; {len(rows)} published rows, '
        f'{len(comparisons)} printed figures: {statuses["equal"]} equal, {statuses["explained"]} explained, '
        f'{statuses["different"]} different'
    )
    return int(misspelt + statuses['different'] > 0)


def published_results() -> list[dict[str, str]]:
    """The rows of results.csv, every value as printed."""
    with (Path(__file__).parent / 'weights' / 'results.csv').open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def configs_folder() -> Path:
    """Where the configs are: beside the package in a checkout, inside it in a wheel.

    Raises FileNotFoundError if they are in neither place.
    """
    package = Path(__file__).parent
    for folder in (package.parent / 'configs', package / '.mim' / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise FileNotFoundError(f'no configs beside or inside {package}; install the package or work in its checkout')


def config_paths() -> list[str]:
    """The zoo's configs, as paths below the folder of configs; those of short trainings are not among them."""
    folder = configs_folder()
    paths = [path.relative_to(folder) for path in sorted(folder.glob('*/*.py'))]
    return [path.as_posix() for path in paths if path.parts[0] not in ('_base_', 'demo', 'learn')]


def compare(row: Mapping[str, str]) -> Iterator[Comparison]:
    """Compares the row's parameters and MACs, as far as they are printed, with its config's; rounded as printed."""
    if not row['config'] or not (row['params'] or row['gimacs']):
        return
    params, macs = count(row['config'].removeprefix('configs/'), _input_size(row['config']))
    for kind, published, counted in (
        ('parameters', row['params'], params / 1e6),
        ('MACs', row['gimacs'], macs / 2**30),
    ):
        if published:
            digits = len(published.partition('.')[2])
            equal = round(counted, digits) == float(published)
            status = 'equal' if equal else 'explained' if row['note'] else 'different'
            yield Comparison(row, kind, published, counted, status)


def _input_size(config: str) -> tuple[int, int]:
    for part, size in _INPUTS.items():
        if part in config:
            return size
    height, width = re.findall(r'\d+', config.rpartition('-')[2])
    return int(height), int(width)


@cache
def _read(path: str) -> Config:
    with quick_reading():
        config = Config.fromfile(configs_folder() / path)
    import_modules_from_strings(**config.custom_imports)
    return config


@cache
def count(path: str, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters, and MACs of convolutions and linear layers for one RGB image, of the config at `path`.

    Detectors with RoIs are counted with 512 of them. The 1x1 convolutions of HRFPN and of the segmentation head are
    counted at the finest resolution, as published; this package applies them to every stream at its own, with fewer.
    """
    config = _read(path)
    model_cfg = copy.deepcopy(config.model)
    if config.default_scope == 'mmpretrain':
        model_cfg.data_preprocessor = config.data_preprocessor
    with DefaultScope.overwrite_default_scope(config.default_scope), torch.device('meta'), torch.no_grad():
        model = MODELS.build(model_cfg).eval()
        saved: list[int] = []
        for module in model.modules():
            if isinstance(module, StreamMix):
                module.register_forward_hook(lambda _, inputs, out: saved.append(_saved(inputs[0], out)))
        with FlopCounterMode(display=False) as counter:
            _forward(model, torch.empty(1, 3, *size))
    # The published figures leave out the products of OCR's attention.
    flops = counter.get_flop_counts()['Global']
    macs = sum(n for op, n in flops.items() if op is not torch.ops.aten.bmm) // 2
    return sum(p.numel() for p in model.parameters()), macs + sum(saved)


def _forward(model: Any, image: Tensor) -> None:
    """Run each part of the model once; prediction itself needs real numbers."""
    feats = model.extract_feat(image)
    if hasattr(model, 'roi_head'):
        model.rpn_head(feats)
        _run_roi_head(model.roi_head, feats)
    elif hasattr(model, 'decode_head'):
        first, *others = _as_list(model.decode_head)
        logits = first(feats)
        for head in others:
            logits = head(feats, logits)
    else:
        head = model.bbox_head if hasattr(model, 'bbox_head') else model.head
        head(feats)


def _run_roi_head(roi_head: Any, feats: Sequence[Tensor]) -> None:
    rois = torch.empty(_NUM_ROIS, feats[0].shape[1], 7, 7)
    regions = torch.empty(_NUM_ROIS, feats[0].shape[1], 14, 14)
    for head in _as_list(roi_head.bbox_head):
        head(rois)
    if not roi_head.with_mask:
        return
    if not hasattr(roi_head, 'mask_info_flow'):
        for head in _as_list(roi_head.mask_head):
            head(regions)
        return
    roi_head.semantic_head(feats)
    last = None
    for head in roi_head.mask_head:
        _, last = head(regions, last, return_logits=True, return_feat=True)


def _as_list(heads: Any) -> list[Any]:
    return list(heads) if isinstance(heads, nn.ModuleList) else [heads]


def _saved(streams: Sequence[Tensor], out: Tensor) -> int:
    """MACs that StreamMix would need in addition for one image, were all streams enlarged before it."""
    area = out.shape[2:].numel()
    return sum(x.shape[1] * out.shape[1] * (area - x.shape[2:].numel()) for x in streams)
