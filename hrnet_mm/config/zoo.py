"""Shipped configs, their published results, and the cost of their networks."""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.utils import import_modules_from_strings
from torch import Tensor, nn
from torch.nn import functional as F

from ..models.cost import count_macs, count_parameters
from ..models.dense import DenseNetwork
from ..weights.tables import read_rows
from .place import configs_folder

__all__ = [
    'Comparison',
    'compare',
    'config_paths',
    'count',
    'published_results',
    'read_config',
]

_PACKAGE = Path(__file__).parents[1]

_NUM_ROIS = 512
"""The number of RoIs in the published MACs of region-based detectors."""

_INPUTS = {
    # Input sizes (height, width) by the first of these that a config's path contains; otherwise the path has the size.
    '/detection/fcos': (800, 1312),
    '/detection/centernet': (511, 511),
    '/detection/': (800, 1216),
    'cityscapes': (1024, 2048),
    'in1k': (224, 224),
}


@dataclass(frozen=True)
class Comparison:
    """A published figure and its recount.

    Attributes:
        row: The row of results.csv.
        kind: 'parameters' (millions) or 'MACs' (2**30).
        published: The figure as printed.
        counted: The recount.
        status: 'equal', 'explained' (the row has a note) or 'different'.
    """

    row: Mapping[str, str]
    kind: str
    published: str
    counted: float
    status: str


def published_results() -> list[dict[str, str]]:
    """Return the rows of results.csv, with every value as printed."""
    return read_rows(_PACKAGE / 'weights' / 'results.csv')


def config_paths() -> list[str]:
    """Return the zoo's configs as paths below the folder of configs, except those of short trainings."""
    folder = configs_folder()
    paths = [path.relative_to(folder) for path in sorted(folder.glob('*/*.py'))]
    return [path.as_posix() for path in paths if path.parts[0] not in ('_base_', 'demo', 'learn')]


def compare(row: Mapping[str, str]) -> Iterator[Comparison]:
    """Yield the published parameters and MACs of a row with the recount of its config, rounded as printed.

    Args:
        row: A row of results.csv.
    """
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
    """Return a shipped config, after its custom imports.

    Args:
        path: The config, below the folder of configs.
    """
    config = Config.fromfile(configs_folder() / path)
    import_modules_from_strings(**config.custom_imports)
    return config


def count(path: str, size: tuple[int, int]) -> tuple[int, int]:
    """Return the parameters of a config's network, and its MACs for one RGB image.

    The MACs are those of convolutions and linear layers; detectors with RoIs are counted with 512 of them. As in the
    published figures, the 1x1 convolutions of HRFPN and of the segmentation head are counted at the finest resolution;
    this package applies them to each branch at its own, with fewer MACs.

    Args:
        path: The config, below the folder of configs.
        size: Height and width of the image in pixels.
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
        for part in model.modules():
            if type(part).__name__ == 'DeformConv2d':  # the library's has no meta implementation, and as many MACs
                vars(part)['forward'] = partial(_undeformed, part)
        with count_macs(model) as cost:
            _forward(model, torch.empty(1, 3, *size))
    # The published figures omit the products of OCR's attention.
    return count_parameters(model), cost.layers + cost.saved


def _undeformed(layer: Any, x: Tensor, offset: Tensor) -> Tensor:
    return F.conv2d(x, layer.weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)


def _forward(model: Any, image: Tensor) -> None:
    """Run each module of the model once; prediction itself would need real numbers."""
    network = DenseNetwork(model)
    maps = network.maps(image)
    network.read(maps)
    if hasattr(model, 'roi_head'):
        _run_roi_head(model.roi_head, maps)


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
