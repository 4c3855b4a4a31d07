"""Conversion of HRNet weights between the layouts of the official repositories, timm and OpenMMLab."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from .io import CheckpointError
from .key_maps import LAYOUTS, Layout, Rules

__all__ = ['Conversion', 'convert', 'detect']

_GROUPS = {
    '{backbone}': r'(?P<backbone>(?:conv[12]|bn[12]|layer1|transition[123]|stage[234])\..+)',
    '{*}': r'(?P<rest>.+)',
    '{i}': r'(?P<i>\d+)',
}


@dataclass
class Conversion:
    """Converted weights, with a record of the changes.

    Attributes:
        state_dict: The tensors by their names in the target layout.
        source: The layout of the input.
        target: The layout of `state_dict`.
        used: The number of input keys in use.
        given: The number of input keys.
        dropped: The number of dropped keys by reason.
        changes: Numerical changes, such as folded biases.
        unknown: The names of dropped keys that may be of a neck or head, where only the backbone has a known layout.
    """

    state_dict: dict[str, Tensor]
    source: str
    target: str
    used: int
    given: int
    dropped: dict[str, int] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Return one line for a log."""
        parts = [f'{self.source} to {self.target}: {self.used} of {self.given} keys used']
        parts += [f'{n} dropped ({why})' for why, n in self.dropped.items()]
        return ', '.join(parts + self.changes)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r'(\{.*?\})', template)
    return re.compile(''.join(_GROUPS.get(part, re.escape(part)) for part in parts))


def _rename(name: str, rules: Iterable[tuple[str, str]]) -> str | None:
    for old, new in rules:
        if match := _pattern(old).fullmatch(name):
            for group, value in match.groupdict().items():
                new = new.replace('{*}' if group == 'rest' else f'{{{group}}}', value)
            return new
    return None


def _without_prefix(layout: Layout, names: Iterable[str]) -> dict[str, str]:
    """Map each name to its form in the rules, without the prefix of a training wrapper."""
    return {n: n.removeprefix(layout.prefix) for n in names}


def _fits(layout: Layout, names: list[str]) -> bool:
    bare = list(_without_prefix(layout, names).values())
    tracked = any(n.endswith('.num_batches_tracked') for n in bare)
    return (
        any(_pattern(layout.needs).fullmatch(n) for n in bare)
        and not (layout.inplace_abn and tracked)
        and layout.frozen in (None, any(n.endswith(_EPS) for n in bare))
        and not any(ours and _partner(ours, layout.unbiased) for ours in (_rename(n, layout.rules) for n in bare))
        and not (layout.prefix and not layout.inplace_abn and not tracked)
        and all(_rename(n, (*layout.rules, *layout.dropped)) is not None for n in bare)
    )


def detect(state_dict: Mapping[str, Tensor]) -> str:
    """Return the layout of a state dict, determined by its keys.

    Args:
        state_dict: The weights.

    Returns:
        A key of `weights.key_maps.LAYOUTS`.

    Raises:
        CheckpointError: No layout fits, or several fit and would give different weights.

    Examples:
        >>> from hrnet_mm import create_model
        >>> detect(create_model('hrnetv1_test-w8', num_classes=17).state_dict())
        'hrnet_mm'
    """
    names = list(state_dict)
    found = [name for name, layout in LAYOUTS.items() if not name.startswith('timm') and _fits(layout, names)]
    results = {name: _plan(LAYOUTS[name], names) for name in found}
    distinct = [name for i, name in enumerate(found) if results[name] not in [results[other] for other in found[:i]]]
    if len(distinct) == 1:
        return distinct[0]
    if distinct:
        choices = '; '.join(f'{name} ({LAYOUTS[name].about})' for name in distinct)
        raise CheckpointError(f'the {len(names)} keys fit several layouts: {choices}. Give one of them as the source')
    body = sum('stage4.' in n for n in names)
    raise CheckpointError(
        f'the {len(names)} keys, {body} of them of an HRNet stage 4, fit no known layout; the first are '
        f'{", ".join(names[:3])}. Known: {", ".join(LAYOUTS)}'
    )


def _plan(layout: Layout, names: list[str]) -> tuple[object, ...]:
    """Return the effect of reading these names in this layout, to compare two layouts."""
    renamed = {n: _rename(bare, layout.rules) for n, bare in _without_prefix(layout, names).items()}
    folded = sorted(n for n in renamed.values() if n and _partner(n, layout.biased + layout.folded))
    background = layout.background_first and any(n and _CLASS_LAYERS.match(n) for n in renamed.values())
    return renamed, folded, layout.inplace_abn, background


def convert(
    state_dict: Mapping[str, Tensor], to: str = 'hrnet_mm', source: str | None = None, backbone_only: bool = False
) -> Conversion:
    """Convert weights from one layout to another.

    Args:
        state_dict: The weights.
        to: The layout to convert to, a key of `weights.key_maps.LAYOUTS`.
        source: The layout of `state_dict`. Default: detected from its keys.
        backbone_only: Whether necks and heads are left out.

    Returns:
        The converted weights, with a record of the changes.

    Raises:
        CheckpointError: A layout is unknown; or a key is neither used exactly once nor known to be unnecessary; or it
            has no place in `to`.

    Examples:
        >>> from hrnet_mm import create_model
        >>> weights = create_model('hrnetv1_test-w8', num_classes=17).state_dict()
        >>> print(convert(weights, to='official-pose'))
        hrnet_mm to official-pose: 236 of 236 keys used
    """
    for name in (to, source or to):
        if name not in LAYOUTS:
            near = difflib.get_close_matches(name, LAYOUTS, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise CheckpointError(f'unknown layout {name!r}{hint} Known: {", ".join(LAYOUTS)}')
    source = source or detect(state_dict)
    result = Conversion({}, source, to, 0, len(state_dict))
    _read(LAYOUTS[source], state_dict, result)
    if backbone_only:
        heads = [n for n in result.state_dict if not n.startswith('backbone.')]
        result.used -= len(heads)
        if heads:
            result.dropped['heads, as requested'] = len(heads)
        for name in heads:
            del result.state_dict[name]
    _write(LAYOUTS[to], to, result)
    return result


def _read(layout: Layout, given: Mapping[str, Tensor], result: Conversion) -> None:
    state, unknown = result.state_dict, []
    for name, bare in _without_prefix(layout, given).items():
        if ours := _rename(bare, layout.rules):
            if ours in state:
                raise CheckpointError(f'two keys of the checkpoint map to {ours}; remove one, the second is {name}')
            state[ours] = given[name]
        elif why := next((why for template, why in layout.dropped if _pattern(template).fullmatch(bare)), None):
            result.dropped[why] = result.dropped.get(why, 0) + 1
        else:
            unknown.append(name)
    epsilons = {name.removesuffix(_EPS): state.pop(name) for name in [n for n in state if n.endswith(_EPS)]}
    result.used = len(state)
    if unknown:
        shown = ', '.join(f'{n}{_near(n, [old for old, _ in layout.rules])}' for n in unknown[:3])
        raise CheckpointError(
            f'{len(unknown)} of {len(given)} keys are not of the layout {result.source} ({layout.about}): {shown}; '
            'leave the source out to detect the layout'
        )
    if epsilons:
        result.dropped["batch norms' eps, which this package has as 1e-5"] = len(epsilons)
        other = {norm: eps for norm, eps in epsilons.items() if not torch.equal(eps, torch.full_like(eps, 1e-5))}
        for norm, eps in other.items():
            variance = f'{norm}.running_var'
            if variance not in state:
                raise CheckpointError(f'{norm}.eps is given without {variance}; save the checkpoint whole')
            exact = state[variance].double() + eps.double() - 1e-5
            state[variance] = exact.to(state[variance].dtype)
        if other:
            result.changes.append(f'{len(other)} values of eps other than 1e-5 added to the variances')
    if layout.inplace_abn:
        scales = [n for n in state if n.endswith('.weight') and f'{n[:-6]}running_var' in state]
        for name in scales:
            state[name] = state[name].abs() + 1e-5
        result.changes.append(f'{len(scales)} InPlace-ABN scales changed to |weight| + 1e-5')
    pairs = layout.biased + layout.folded
    if folded := [n for n in state if _partner(n, pairs)]:
        for name in folded:
            mean = f'{_partner(name, pairs)}.running_mean'
            if mean not in state:
                raise CheckpointError(f'{name} cannot be folded, because the checkpoint lacks {mean}; save it whole')
            bias = state.pop(name)
            state[mean] = (state[mean].double() - bias.double()).to(state[mean].dtype)
        result.changes.append(f'{len(folded)} biases folded into the norms after them')
    if layout.background_first:
        _move_background(state, first_to_last=True)
    if added := [n for n in state if n.endswith('.running_var') and f'{n[:-11]}num_batches_tracked' not in state]:
        for name in added:
            state[f'{name[:-11]}num_batches_tracked'] = torch.zeros((), dtype=torch.long)
        result.changes.append(f'{len(added)} batch counters added')


def _write(layout: Layout, to: str, result: Conversion) -> None:
    state = result.state_dict
    if layout.frozen:
        for name in [n for n in state if n.endswith('.running_var')]:
            state[name.removesuffix('running_var') + 'eps'] = torch.full_like(state[name], 1e-5)
    if layout.untracked:
        for name in [n for n in state if n.endswith('.num_batches_tracked')]:
            del state[name]
    if layout.background_first:
        _move_background(state, first_to_last=False)
    added = 0
    for conv in layout.kept:
        for name in [n for n in state if _pattern(f'{conv}.weight').fullmatch(n)]:
            ours = f'{name.removesuffix("weight")}bias'
            if ours not in state:
                state[ours] = torch.zeros_like(state[name][:, 0, 0, 0])
                added += 1
    for conv, norm in layout.biased:
        for name in [n for n in state if _pattern(f'{norm}.running_mean').fullmatch(n)]:
            bias = _rename(name, [(f'{norm}.running_mean', f'{conv}.bias')])
            state[str(bias)] = torch.zeros_like(state[name])
            added += 1
    if added:
        variant = f'; {to}-ssld has none' if f'{to}-ssld' in LAYOUTS else ''
        result.changes.append(f'{added} zero biases added{variant}')
    if layout.inplace_abn:
        for name in [n for n in state if n.endswith('.weight') and f'{n[:-6]}running_var' in state]:
            state[name] = _abn_scale(name, state[name])
    back = [(ours, theirs) for theirs, ours in layout.rules]
    renamed = {name: _rename(name, back) for name in state}
    if homeless := [name for name, new in renamed.items() if new is None]:
        raise CheckpointError(
            f'{to} ({layout.about}) has no place for {len(homeless)} of {len(state)} keys, such as {homeless[0]}; '
            'convert the backbone alone (backbone_only), or choose a layout of the same task'
        )
    result.state_dict = {layout.prefix + str(renamed[name]): value for name, value in state.items()}


def _partner(name: str, biased: Rules) -> str | None:
    """Return the norm after the convolution that this bias belongs to, if the layout has such a bias."""
    return _rename(name, [(f'{conv}.bias', norm) for conv, norm in biased])


def _near(name: str, templates: list[str]) -> str:
    match = difflib.get_close_matches(name, templates, n=1, cutoff=0.4)
    return f' (nearest: {match[0]})' if match else ''


def _abn_scale(name: str, scale: Tensor) -> Tensor:
    """Return the weight w for which |w| + 1e-5 rounds to exactly `scale`."""
    near = (scale.double() - 1e-5).to(scale.dtype)
    for step in (None, torch.inf, -torch.inf):
        tried = near if step is None else torch.nextafter(near, torch.full_like(near, step))
        near = torch.where((near.abs() + 1e-5 != scale) & (tried.abs() + 1e-5 == scale), tried, near)
    if not torch.equal(near.abs() + 1e-5, scale):
        raise CheckpointError(f'{name} has scales below 1e-5, which InPlace-ABN cannot store; choose another layout')
    return near


_EPS = '.eps'

_CLASS_LAYERS = re.compile(
    r'roi_head\.(?P<head>bbox_head|mask_head)(?P<stage>\.\d+)?\.(?P<layer>fc_cls|fc_reg|conv_logits)\.'
)


def _move_background(state: dict[str, Tensor], first_to_last: bool) -> None:
    """Move class 0 to the end of fc_cls and out of fc_reg and conv_logits, as in OpenMMLab, or back.

    Layers shared by all classes (four box rows, one mask) stay, as does a cascade's box layer, which is always shared.
    """
    move: dict[str, Callable[[Tensor], Tensor]]
    if first_to_last:
        move = {
            'fc_cls': lambda t: t.roll(-1, 0),
            'fc_reg': lambda t: t[4:] if len(t) > 4 else t,
            'conv_logits': lambda t: t[1:] if len(t) > 1 else t,
        }
    else:
        move = {
            'fc_cls': lambda t: t.roll(1, 0),
            'fc_reg': lambda t: torch.cat([torch.zeros_like(t[:4]), t]),
            'conv_logits': lambda t: torch.cat([torch.zeros_like(t[:1]), t]),
        }
    for name, value in state.items():
        if (match := _CLASS_LAYERS.match(name)) and not (
            match['stage'] and match['layer'] == 'fc_reg' and len(value) == 4
        ):
            state[name] = move[match['layer']](value)
