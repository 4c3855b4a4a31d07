"""Normalization of a config's images, compared with what the weights were trained with and with possible values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from mmengine.model import BaseDataPreprocessor
from mmengine.registry import MODELS, DefaultScope

from ..annotations import Finding
from ..registry import class_of, scope_of, type_name
from ..weights.zoo import IMAGENET_MEAN, expected_normalization, find_weight
from .files import innermost_datasets
from .labels import setting
from .types import has_registries

__all__ = ['normalization_findings']

_DETECTRON = ((122.7717, 115.9465, 102.9801), (1.0, 1.0, 1.0))
"""Mean and standard deviation (R, G, B) of the published FCOS detectors, trained from weights of ImageNet."""

_LOADING = ('LoadImage', 'LoadImageFromFile')
"""Steps that read an image in B, G, R with values from 0 to 255."""

_MOST_RATIO = 8
"""By how much the standard deviations of channels may differ; those of photographs are nearly equal."""

_CLOSE = 1.5
"""Gray levels within which a mean counts as the published one."""


def normalization_findings(config: Mapping[str, Any], training: bool) -> list[Finding]:
    """Check mean, standard deviation and order of channels of a config's data_preprocessor.

    Statistics of the user's own images are never judged, as far as images of 0 to 255 can have them.

    Args:
        config: The config.
        training: Whether it is for training; otherwise for a test.

    Returns:
        Mistakes, where the result would be wrong for certain, and warnings.
    """
    scope = scope_of(config) or 'mmengine'
    if not has_registries(scope):
        return []
    with DefaultScope.overwrite_default_scope(scope):
        return list(_findings(config, training))


def _findings(config: Mapping[str, Any], training: bool) -> Iterator[Finding]:
    model = config.get('model') or {}
    where, preprocessor = 'model.data_preprocessor', model.get('data_preprocessor')
    if preprocessor is None:
        where, preprocessor = 'data_preprocessor', config.get('data_preprocessor') or {}
    owner = class_of(preprocessor, MODELS)
    if isinstance(owner, type) and not issubclass(owner, BaseDataPreprocessor):
        yield Finding('error', f'{where}: {type_name(preprocessor)} is no data_preprocessor; give one of the library')
        return
    mean, std = (_numbers(setting(preprocessor, owner, name)) for name in ('mean', 'std'))
    for name, values in (('mean', mean), ('std', std)):
        if values is None and preprocessor.get(name) is not None:
            yield Finding('error', f'{where}.{name}: {preprocessor[name]!r}; expected a number for each channel')
            return
    if (mean is None) != (std is None):
        yield Finding(
            'error', f'{where}: {"mean" if mean is None else "std"} is missing; give mean and std, or neither'
        )
        return
    if mean is not None and std is not None:
        channels = (model.get('backbone') or {}).get('in_channels', 3)
        for name, values in (('mean', mean), ('std', std)):
            if len(values) not in (1, channels):
                yield Finding('error', f'{where}.{name}: {len(values)} values for images of {channels} channels')
        if any(value <= 0 for value in std):
            yield Finding('error', f'{where}.std: {list(std)}; expected numbers above 0')
            return
        if max(std) > _MOST_RATIO * min(std):
            yield Finding(
                'warning',
                f'{where}.std: {list(std)} differ more than {_MOST_RATIO} times; see whether a digit is wrong',
            )
    steps = list(_steps(config, 'train_dataloader' if training else 'test_dataloader'))
    is_plain = bool(steps) and type_name(steps[0]) in _LOADING and not any(map(_converts, steps))
    if is_plain and mean is not None and std is not None and max(mean) <= 1 and max(std) < 1:
        yield Finding(
            'error',
            f'{where}: mean {list(mean)} and std {list(std)} are for values from 0 to 1, but images have values from 0 '
            'to 255; multiply both by 255',
        )
        return
    swaps = any(preprocessor.get(name) for name in ('bgr_to_rgb', 'rgb_to_bgr', 'to_rgb'))
    for source in _sources(config, training):
        expected = expected_normalization(source)
        if expected is not None and is_plain:
            exact = not training and (weight := find_weight(source)) is not None and weight.readout != 'backbone'
            yield from _compared(where, (mean, std), swaps, source, expected, exact)


def _compared(
    where: str,
    given: tuple[Sequence[float] | None, Sequence[float] | None],
    swaps: bool,
    source: str,
    expected: tuple[Sequence[float], Sequence[float]],
    exact: bool,
) -> Iterator[Finding]:
    """Compare mean and standard deviation with those of weights; `exact` where these are not trained further."""
    level: Literal['error', 'warning'] = 'error' if exact else 'warning'
    needs = f'{source} was trained with mean {list(expected[0])} and std {list(expected[1])} of R, G, B'
    mean, std = given
    if mean is None or std is None:
        yield Finding(level, f'{where}: mean and std are missing, but {needs}; add both')
        return
    mean, std = (tuple(values) if len(values) > 1 else (values[0],) * 3 for values in (mean, std))
    order, other = ('R, G, B', 'B, G, R') if swaps else ('B, G, R', 'R, G, B')
    in_rgb = (mean, std) if swaps else (mean[::-1], std[::-1])
    if _is_close(mean[::-1] if swaps else mean, IMAGENET_MEAN) and not _is_close(in_rgb[0], IMAGENET_MEAN):
        name = 'to_rgb' if where == 'data_preprocessor' else 'bgr_to_rgb'
        yield Finding(
            level,
            f'{where}: mean {list(mean)} is in the order {other}, but images are in {order}; set {name}={not swaps}, '
            'or turn mean and std around',
        )
    elif exact and not (swaps and _is_close(in_rgb[0], expected[0]) and _is_close(in_rgb[1], expected[1])):
        yield Finding(
            level, f'{where}: mean {list(mean)} and std {list(std)} of {order}, but {needs}; use the same in this order'
        )
    elif not (_are_statistics(*in_rgb) or all(map(_is_close, in_rgb, _DETECTRON))):
        yield Finding(
            level, f'{where}: images of 0 to 255 cannot have mean {list(mean)} and std {list(std)}, and {needs}'
        )


def _numbers(values: Any) -> tuple[float, ...] | None:
    if not isinstance(values, list | tuple) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    ):
        return None
    return tuple(values) or None


def _is_close(values: Sequence[float], others: Sequence[float]) -> bool:
    return len(values) == len(others) and all(
        abs(value - other) < _CLOSE for value, other in zip(values, others, strict=True)
    )


def _are_statistics(mean: Sequence[float], std: Sequence[float]) -> bool:
    return all(0 < value < 255 for value in mean) and all(1 < value <= 128 for value in std)


def _steps(config: Mapping[str, Any], loader: str) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of the first data set's pipeline."""
    dataset = (config.get(loader) or {}).get('dataset')
    for one in list(innermost_datasets(dataset))[:1] if dataset else ():
        yield from (step for step in one.get('pipeline') or () if isinstance(step, Mapping))


def _converts(step: Mapping[str, Any]) -> bool:
    """Whether a step may change the scale of values or the order of channels."""
    kind = step.get('type')
    ours = isinstance(kind, str) and '/' not in kind
    return (
        not ours
        or any(word in type_name(step) for word in ('Normalize', 'ToPIL', 'ToTensor', 'Rescale', 'RGB', 'Color'))
        or step.get('channel_order', 'bgr') != 'bgr'
        or step.get('to_rgb') is not None
    )


def _sources(config: Mapping[str, Any], training: bool) -> Iterator[str]:
    """Yield the names of the weights that a run begins with."""
    model = config.get('model') or {}
    found = [config.get('load_from')]
    for part in (model, model.get('backbone') or {}) if training else ():
        inits = part.get('init_cfg') or ()
        found.append(part.get('pretrained'))
        found += [init.get('checkpoint') for init in ([inits] if isinstance(inits, Mapping) else inits)]
    yield from dict.fromkeys(source for source in found if isinstance(source, str))
