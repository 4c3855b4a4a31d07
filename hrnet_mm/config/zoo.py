"""The shipped configs: where they are, what was published for each, and what its network costs."""

import copy
import csv
import re
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

from ..models.cost import count_macs, count_parameters

__all__ = [
    'Comparison',
    'compare',
    'config_paths',
    'configs_folder',
    'count',
    'published_results',
    'read_config',
]

_PACKAGE = Path(__file__).parents[1]

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


def published_results() -> list[dict[str, str]]:
    """The rows of results.csv, every value as printed."""
    with (_PACKAGE / 'weights' / 'results.csv').open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def configs_folder() -> Path:
    """Where the configs are: beside the package in a checkout, inside it in a wheel.

    Raises FileNotFoundError if they are in neither place.
    """
    for folder in (_PACKAGE.parent / 'configs', _PACKAGE / '.mim' / 'configs'):
        if (folder / '_base_').is_dir():
            return folder
    raise FileNotFoundError(f'no configs beside or inside {_PACKAGE}; install the package or work in its checkout')


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
def read_config(path: str) -> Config:
    """The config at `path` below the folder of configs, with its custom imports done."""
    config = Config.fromfile(configs_folder() / path)
    import_modules_from_strings(**config.custom_imports)
    return config


def count(path: str, size: tuple[int, int]) -> tuple[int, int]:
    """Parameters, and MACs of convolutions and linear layers for one RGB image, of the config at `path`.

    Detectors with RoIs are counted with 512 of them. The 1x1 convolutions of HRFPN and of the segmentation head are
    counted at the finest resolution, as published; this package applies them to every stream at its own, with fewer.
    """
    config = read_config(path)
    model = copy.deepcopy(config.model)
    if config.default_scope == 'mmpretrain':
        model.data_preprocessor = config.data_preprocessor
    key = (config.default_scope, repr(model), size)
    if key not in _COUNTED:
        _COUNTED[key] = _count(config.default_scope, model, size)
    return _COUNTED[key]


_COUNTED: dict[tuple[str, str, tuple[int, int]], tuple[int, int]] = {}
"""By library, model and input size, which many configs share."""


def _count(scope: str, config: Any, size: tuple[int, int]) -> tuple[int, int]:
    with DefaultScope.overwrite_default_scope(scope), torch.device('meta'):
        model = MODELS.build(config).eval()
        with count_macs(model) as cost:
            _forward(model, torch.empty(1, 3, *size))
    # The published figures leave out the products of OCR's attention.
    return count_parameters(model), cost.layers + cost.saved


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
