"""Every HRNet config that the installed libraries ship, unmodified, with this package's classes in place of theirs."""

import copy
import importlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pprint import pformat
from typing import Any

import pytest
import torch
from mmengine import Config
from mmengine.registry import DefaultScope, Registry
from torch import Tensor, nn
from upstream import COUNTS, configs_root, upstream_paths

from hrnet_mm.engine import quick_reading

LIBRARIES = {
    'mmdet': {'HRNet': 'models.backbones.hrnet', 'HRFPN': 'models.necks.hrfpn'},
    'mmseg': {'HRNet': 'models.backbones.hrnet'},
    'mmpose': {'HRNet': 'models.backbones.hrnet', 'PoseDataPreprocessor': 'models.data_preprocessors'},
    'mmpretrain': {'HRNet': 'models.backbones.hrnet', 'HRFuseScales': 'models.necks.hr_fuse'},
}
TOLERANCE = 1e-10  # relative to the largest output, in float64


@cache
def zoo(library: str) -> dict[str, dict]:
    """The model part of each HRNet config, by path below the library's configs."""
    with quick_reading():
        return {path: Config.fromfile(configs_root(library) / path).model for path in upstream_paths(library)}


def registry(library: str) -> Registry:
    return importlib.import_module(f'{library}.registry').MODELS


@contextmanager
def classes_of(library: str, whose: str) -> Iterator[Registry]:
    """The library's registry with `upstream`'s HRNet classes in it, or with those of the `drop_in`."""
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    models = registry(library)
    ours = {name: models.get(name) for name in LIBRARIES[library]}
    if whose == 'upstream':
        for name, module in LIBRARIES[library].items():
            theirs = getattr(importlib.import_module(f'{library}.{module}'), name)
            models.register_module(name=name, module=theirs, force=True)
    try:
        with DefaultScope.overwrite_default_scope(library):
            yield models
    finally:
        for name, module in ours.items():
            models.register_module(name=name, module=module, force=True)


def build(library: str, whose: str, *cfgs: dict) -> list[nn.Module]:
    with classes_of(library, whose) as models:
        return [models.build(copy.deepcopy(cfg)) for cfg in cfgs]


def shapes(module: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in module.state_dict().items()}


def without_weights(cfg: Any) -> Any:
    """A copy of a model's settings that names no files of weights, which no building reads."""
    if isinstance(cfg, Mapping):
        return {key: without_weights(value) for key, value in cfg.items() if key not in ('init_cfg', 'pretrained')}
    return [without_weights(value) for value in cfg] if isinstance(cfg, list) else cfg


@pytest.mark.parametrize('library', LIBRARIES)
def test_zoo_is_complete(library: str) -> None:
    assert len(zoo(library)) == COUNTS[library]


@pytest.mark.slow
@pytest.mark.parametrize('library', LIBRARIES)
def test_whole_models_build_with_upstreams_keys(library: str) -> None:
    equal, built = [], set()
    for path, cfg in zoo(library).items():
        equal.append(path)
        if (text := pformat(without_weights(cfg))) in built:  # many differ in their schedules or data sets alone
            continue
        built.add(text)
        with torch.device('meta'):
            (theirs,), (ours,) = build(library, 'upstream', cfg), build(library, 'drop_in', cfg)
        assert any(type(m).__module__.startswith('hrnet_mm') for m in ours.modules()), path
        assert not any(type(m).__module__.startswith('hrnet_mm') for m in theirs.modules()), path
        assert shapes(ours) == shapes(theirs), path
    print(f"{library}: {len(equal)} of {len(zoo(library))} configs build with exactly upstream's keys and shapes")


def distinct_bodies(library: str) -> list[list[dict]]:
    """The backbones and HRNet necks of the zoo without repetition; weights files are left out."""
    seen = {}
    for cfg in zoo(library).values():
        backbone = {k: v for k, v in cfg.backbone.items() if k not in ('init_cfg', 'pretrained')}
        necks = cfg.get('neck') or []
        necks = [n for n in (necks if isinstance(necks, list) else [necks]) if n['type'] in LIBRARIES[library]]
        seen[json.dumps([backbone, necks])] = [backbone, *necks]
    return list(seen.values())


def run(modules: list[nn.Module], x: Tensor) -> list[Tensor]:
    for module in modules:
        x = module(x)
    return list(x)


@pytest.mark.slow
@pytest.mark.parametrize('library', LIBRARIES)
def test_outputs_equal_upstreams(library: str) -> None:
    bodies = distinct_bodies(library)
    worst = 0.0
    for cfgs in bodies:
        # SyncBN computes what BN computes, but only on a GPU.
        cfgs = [{**c, 'norm_cfg': {'type': 'BN'}} if 'norm_cfg' in c else c for c in cfgs]
        torch.manual_seed(0)
        theirs = build(library, 'upstream', *cfgs)
        with torch.device('meta'):  # without random weights, as those of the others come in their place
            ours = build(library, 'drop_in', *cfgs)
        x = torch.randn(2, 3, 64, 96, dtype=torch.float64)
        for module in theirs:
            module.double()
            for m in module.modules():  # also under norm_eval: statistics of real activations keep numbers sane
                m.training = True
                if isinstance(m, nn.BatchNorm2d):
                    m.momentum = 1.0
        run(theirs, x)
        for their, our in zip(theirs, ours, strict=True):
            our.double().to_empty(device='cpu').load_state_dict(their.state_dict(), strict=True)
            their.eval(), our.eval()
        with torch.no_grad():
            for a, b in zip(run(ours, x), run(theirs, x), strict=True):
                assert a.shape == b.shape
                assert b.isfinite().all()
                assert b.std() > 0
                worst = max(worst, float((a - b).abs().max() / b.abs().max()))
    print(f'{library}: {len(bodies)} distinct bodies, largest relative difference {worst:.1e}')
    assert worst <= TOLERANCE
