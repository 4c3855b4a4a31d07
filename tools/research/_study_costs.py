"""Costs of the study's networks, and widths that make them equal."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from _study_claims import Comparison, Network, Scale, define_networks
from _study_data import TASKS
from _study_networks import PUBLISHED
from mmengine.config import ConfigDict
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm.models.cost import count_macs, count_parameters

TOLERANCE = 0.05  # of multiply-adds
HEAD_TOLERANCE = 0.10  # of the head's share of them


@dataclass(frozen=True)
class Cost:
    """Multiply-adds of one image in the whole network and in its body, and parameters."""

    macs: int
    body: int
    parameters: int

    @property
    def head(self) -> float:
        """The share of the multiply-adds that are not the body's."""
        return 1 - self.body / self.macs


@dataclass(frozen=True)
class Sized:
    """A network with its width and its cost."""

    network: Network
    width: int
    cost: Cost


def count(task: str, config: Any, size: tuple[int, int]) -> Cost:
    """Count the cost of a model's config, without RoI heads, which are the same in every detector."""
    config = copy.deepcopy(ConfigDict(config))
    config.backbone.pop('init_cfg', None)  # pretrained weights, which are not needed here
    with DefaultScope.overwrite_default_scope(TASKS[task].scope):
        model = MODELS.build(config).eval().to('meta')
        image = torch.zeros(1, TASKS[task].channels, *size, device='meta')
        with count_macs(model.backbone) as body:
            model.backbone(image)
        with count_macs(model) as whole:
            if TASKS[task].scope == 'mmdet':
                model.rpn_head(model.extract_feat(image))
            else:
                model(image, None, mode='tensor')
    return Cost(whole.layers + whole.products, body.layers + body.products, count_parameters(model))


def size_network(network: Network, width: int) -> Sized:
    return Sized(network, width, count(network.task, network.build(width), (network.size, network.size)))


@lru_cache
def published_head(network: Network) -> float:
    """The head's share of the multiply-adds of the published network that a network stands for."""
    one = network.published
    model = get_config(one.name).model if one.name else network.build(one.width, depth=PUBLISHED)
    return count(network.task, model, one.size).head


def equalise(comparison: Comparison, networks: Mapping[str, Network], width: int) -> dict[str, Sized]:
    """The networks of a comparison, the first `width` wide, the others as wide as gives them the same multiply-adds.

    Raises:
        ValueError: One does not come within `TOLERANCE`, or its head's share is not within `HEAD_TOLERANCE` of the
            published network's.
    """

    def macs(one: Sized) -> int:
        return one.cost.body if comparison.bodies else one.cost.macs

    first, *others = comparison.networks
    sized = {first: size_network(networks[first], width)}
    target = macs(sized[first])
    for name in others:
        tried: dict[int, Sized] = {}
        guess = width
        while guess not in tried:  # multiply-adds grow with the width's square, but for the first layer
            tried[guess] = size_network(networks[name], guess)
            guess = max(1, round(guess * math.sqrt(target / macs(tried[guess]))))
        near = {guess - 1, guess + 1} - tried.keys() - {0}
        tried |= {one: size_network(networks[name], one) for one in near}
        sized[name] = min(tried.values(), key=lambda one: abs(macs(one) - target))
        if abs(macs(sized[name]) - target) > TOLERANCE * target:
            raise ValueError(
                f'{name} has {macs(sized[name]) / 1e6:.1f} M multiply-adds at width {sized[name].width}, '
                f'{first} {target / 1e6:.1f} M: more than {TOLERANCE:.0%} apart; change its depth'
            )
    for name, one in sized.items():
        if not comparison.bodies and abs(one.cost.head - published_head(one.network)) > HEAD_TOLERANCE:
            raise ValueError(
                f'the head of {name} has {one.cost.head:.0%} of the multiply-adds, that of '
                f'{one.network.published.text} {published_head(one.network):.0%}: more than {HEAD_TOLERANCE:.0%} apart'
            )
    return sized


def size_all(scale: Scale, comparisons: Mapping[str, Comparison]) -> dict[str, Sized]:
    """The networks of all comparisons; one that is in several has the same width in each."""
    networks, sized = define_networks(scale), {}
    for comparison in comparisons.values():
        if comparison.networks:
            first = comparison.networks[0]
            sized |= equalise(comparison, networks, scale.widths.get(first) or scale.widths[networks[first].task])
    return sized
