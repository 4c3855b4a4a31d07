"""What the tests of pose and face protocols share: shipped configs, their pieces, rates and draws."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from torch import nn

import hrnet_mm.drop_in.mmpose  # noqa: F401  # registers what the tests build by name
from hrnet_mm.config.zoo import read_config

DRAWS = 10_000


def step(config: Any, kind: str, pipeline: str = 'train') -> dict[str, Any]:
    """The only transform of this type in a config's pipeline."""
    steps = config.tta_pipeline if pipeline == 'tta' else config[f'{pipeline}_dataloader'].dataset.pipeline
    (found,) = [part for part in steps if part['type'] == kind]
    return dict(found)


def built(registry: Any, cfg: Any) -> Any:
    """What a dict of a config becomes in mmpose."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        return registry.build(dict(cfg))


def read(name: str, folder: str = 'pose') -> Any:
    return read_config(f'{folder}/{name}.py')


def optimizer_of(config: Any) -> torch.optim.Optimizer:
    """The optimizer that a config makes for a network with weights, biases and batch norm."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return build_optim_wrapper(network, dict(config.optim_wrapper)).optimizer


def rates(config: Any) -> Iterator[float]:
    """The learning rate of each epoch of a training, which no iteration changes."""
    optimizer = optimizer_of(config)
    schedulers = [PARAM_SCHEDULERS.build({**cfg, 'optimizer': optimizer}) for cfg in config.param_scheduler]
    assert all(scheduler.by_epoch for scheduler in schedulers)
    for _ in range(config.train_cfg.max_epochs):
        yield optimizer.param_groups[0]['lr']
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()


def stepped(rate: float, epochs: int, *drops: int) -> list[float]:
    """The official schedule: a tenth of the rate from each of these epochs on."""
    return [rate * 0.1 ** sum(epoch >= drop for drop in drops) for epoch in range(epochs)]


def same_distribution(drawn: Any, official: Any, tolerance: float = 0.02) -> None:
    """Check that two sets of draws have the same limits, mean, and shares in 20 intervals."""
    drawn, official = np.asarray(drawn, float), np.asarray(official, float)
    low, high = official.min(), official.max()
    width = high - low
    assert abs(drawn.min() - low) < 0.01 * width
    assert abs(drawn.max() - high) < 0.01 * width
    assert abs(drawn.mean() - official.mean()) < tolerance * width
    shares = [np.histogram(x, 20, (low - 0.01 * width, high + 0.01 * width))[0] / len(x) for x in (drawn, official)]
    assert np.abs(shares[0] - shares[1]).max() < tolerance


def draws(function: Callable[[], Any], count: int = DRAWS) -> list[Any]:
    """The results of many calls, after the seed 0."""
    np.random.seed(0)
    return [function() for _ in range(count)]
