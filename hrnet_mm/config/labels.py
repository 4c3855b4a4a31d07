"""Classes and keypoints of a config's data sets, compared with those of its heads."""

import importlib.util
import inspect
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import DATASETS, MODELS

from ..annotations import listed
from ..registry import class_of, type_name
from .files import innermost_datasets

__all__ = ['check_labels', 'class_names', 'keypoint_names', 'numbers_of_classes', 'setting']

_HEADS = {
    # Parts of a model whose num_classes are those of the data; in mmdet also within its roi_head.
    'mmdet': ('bbox_head', 'mask_head'),
    'mmpretrain': ('head',),
    'mmseg': ('decode_head', 'auxiliary_head'),
}


class _Labels(NamedTuple):
    """What a data set calls its labels; None where that is not known before it is read."""

    where: str
    names: tuple[str, ...] | None


def check_labels(config: Mapping[str, Any], scope: str, training: bool, problems: list[str]) -> None:
    """Compare the heads' numbers of classes or keypoints with the data sets, and these with one another.

    Args:
        config: The config.
        scope: Its library.
        training: Whether it is for training, with the validation; otherwise for a test.
        problems: Takes a sentence for each difference.
    """
    loaders = ('train_dataloader', 'val_dataloader') if training else ('test_dataloader',)
    if scope == 'mmpose':
        _check_keypoints(config, loaders, problems)
        return
    known = {name: list(_labels(name, config)) for name in {*loaders, 'train_dataloader'}}
    numbers = [*numbers_of_classes(config, scope)]
    for loader in loaders:
        for labels in known[loader]:
            for where, number in numbers:
                if labels.names is not None and number != len(labels.names):
                    problems.append(f'{where}: {number}, but {labels.where} has {len(labels.names)} classes')
            _compare_names(known['train_dataloader'], labels, problems)
    if scope == 'mmseg':
        for name in loaders:
            _check_zero_label(name, config, problems)


def _compare_names(others: list[_Labels], labels: _Labels, problems: list[str]) -> None:
    """Report labels whose numbers mean other classes than those of the first training set."""
    first = next((one for one in others if one.names is not None), None)
    if first is None or first.names is None or labels.names is None or labels.names == first.names:
        return
    if len(first.names) == len(labels.names):
        i = next(i for i, (mine, its) in enumerate(zip(labels.names, first.names, strict=True)) if mine != its)
        problems.append(
            f'{labels.where}: class {i} is {labels.names[i]!r}, but in {first.where} it is {first.names[i]!r}; give '
            'both the same classes in the same order'
        )
    else:
        problems.append(
            f'{labels.where} has {len(labels.names)} classes, {listed(labels.names)}, but {first.where} has '
            f'{len(first.names)}, {listed(first.names)}; give both the same'
        )


def _labels(loader: str, config: Mapping[str, Any]) -> Iterator[_Labels]:
    dataset = (config.get(loader) or {}).get('dataset')
    for one in innermost_datasets(dataset) if dataset else ():
        owner = class_of(one, DATASETS)
        if isinstance(owner, type) and 'thing_classes' not in (getattr(owner, 'METAINFO', None) or {}):
            yield _Labels(f'{loader}.dataset ({type_name(one)})', class_names(one, owner))


def class_names(dataset: Mapping[str, Any], owner: Any) -> tuple[str, ...] | None:
    """Return the names of a data set's classes.

    Args:
        dataset: Its settings.
        owner: Its class.

    Returns:
        The names; None where neither the config nor the class has them.
    """
    metainfo = dataset.get('metainfo') or {}
    names = metainfo.get('classes', dataset.get('classes', (getattr(owner, 'METAINFO', None) or {}).get('classes')))
    if isinstance(names, str):  # a file with a name on each line
        if not Path(names).is_file():
            return None
        names = [name for name in Path(names).read_text().split('\n') if name]
    return tuple(map(str, names)) if isinstance(names, list | tuple) and names else None


def keypoint_names(dataset: Mapping[str, Any], owner: Any) -> tuple[str, ...] | None:
    """Return the names of the keypoints in mmpose's metainfo.

    Args:
        dataset: The settings of a data set.
        owner: Its class.

    Returns:
        The names in their order; None where they are not known before it is built.
    """
    if 'subset' in dataset:  # DeepFashion's class chooses its own
        return None
    metainfo = dataset.get('metainfo') or getattr(owner, 'METAINFO', None) or {}
    if 'from_file' in metainfo:
        file = _metainfo_file(str(metainfo['from_file']))
        return None if file is None else _names_in(str(file))
    return _names_of(metainfo)


def _metainfo_file(name: str) -> Path | None:
    """The file, which mmpose also looks for below its own configs."""
    file, library = Path(name), importlib.util.find_spec('mmpose')
    if not file.is_file() and library is not None and library.origin is not None:
        file = Path(library.origin).parent / '.mim' / 'configs' / '_base_' / 'datasets' / file.name
    return file if file.is_file() else None


@cache
def _names_in(file: str) -> tuple[str, ...] | None:
    return _names_of(Config.fromfile(file).get('dataset_info') or {})


def _names_of(metainfo: Mapping[str, Any]) -> tuple[str, ...] | None:
    points = sorted((metainfo.get('keypoint_info') or {}).values(), key=lambda point: point['id'])
    return tuple(point['name'] for point in points) or None


def setting(settings: Mapping[str, Any], owner: Any, name: str) -> Any:
    """Return an argument of a class in a config, or its default.

    Args:
        settings: The config dict.
        owner: The class.
        name: The argument.

    Returns:
        The value; None if the argument is neither given nor has a default.
    """
    if name in settings:
        return settings[name]
    for base in owner.__mro__ if isinstance(owner, type) else ():
        parameter = inspect.signature(base).parameters.get(name) if '__init__' in vars(base) else None
        if parameter is not None:
            return None if parameter.default is parameter.empty else parameter.default
    return None


def numbers_of_classes(config: Mapping[str, Any], scope: str) -> Iterator[tuple[str, int]]:
    """Yield the numbers of classes that the parts of a config's model are for, with their places.

    Args:
        config: The config.
        scope: Its library.
    """
    model = config.get('model') or {}
    parts = [('model', model)]
    if scope == 'mmdet':
        parts += _each('model.roi_head', model.get('roi_head'))
    for outer, part in parts:
        for name in _HEADS.get(scope, ()):
            for where, head in _each(f'{outer}.{name}', part.get(name)):
                number = setting(head, class_of(head, MODELS), 'num_classes')
                # A head for masks of any class has no use for the number.
                if isinstance(number, int) and not head.get('class_agnostic'):
                    yield f'{where}.num_classes', number
    if scope == 'mmpretrain':
        for where, part in (
            ('model.data_preprocessor', model.get('data_preprocessor')),
            ('data_preprocessor', config.get('data_preprocessor')),
        ):
            if isinstance(number := (part or {}).get('num_classes'), int):
                yield f'{where}.num_classes', number


def _each(where: str, parts: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if isinstance(parts, Mapping):
        return [(where, parts)]
    return [(f'{where}[{i}]', part) for i, part in enumerate(parts or ()) if isinstance(part, Mapping)]


def _check_zero_label(loader: str, config: Mapping[str, Any], problems: list[str]) -> None:
    """Compare what a data set and its pipeline do with the label 0, which mmseg asserts when it reads an image."""
    dataset = (config.get(loader) or {}).get('dataset')
    for one in innermost_datasets(dataset) if dataset else ():
        reduces = setting(one, class_of(one, DATASETS), 'reduce_zero_label')
        for step in one.get('pipeline') or ():
            given = step.get('reduce_zero_label') if isinstance(step, Mapping) else None
            if isinstance(reduces, bool) and given is not None and given != reduces:
                problems.append(
                    f'{loader}.dataset.pipeline: {type_name(step)} has reduce_zero_label={given}, but '
                    f'{type_name(one)} has {reduces}; set it in the data set alone'
                )


def _check_keypoints(config: Mapping[str, Any], loaders: tuple[str, ...], problems: list[str]) -> None:
    model = config.get('model') or {}
    head = model.get('head') or {}
    codec = head.get('decoder') or {}
    name = next((key for key in ('out_channels', 'num_keypoints', 'num_joints') if isinstance(head.get(key), int)), '')
    if not name or isinstance(codec, list) or 'output_keypoint_indices' in (model.get('test_cfg') or {}):
        return
    # A heatmap and two maps of offsets for each keypoint.
    times = 3 if name == 'out_channels' and codec.get('heatmap_type') == 'combined' else 1
    for loader in loaders:
        dataset = (config.get(loader) or {}).get('dataset')
        for where, names in _keypoints(f'{loader}.dataset', dataset):
            if head[name] != times * len(names):
                why = f', which need {times * len(names)}' if times > 1 else ''
                problems.append(f'model.head.{name}: {head[name]}, but {where} has {len(names)} keypoints{why}')


def _keypoints(where: str, dataset: Any) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what data sets give to the network, if their own keypoints are not converted."""
    if not isinstance(dataset, Mapping):
        return
    owner = class_of(dataset, DATASETS)
    steps = [step for step in dataset.get('pipeline') or () if isinstance(step, Mapping)]
    if any(type_name(step) == 'KeypointConverter' for step in steps):
        return
    if 'dataset' in dataset or ('datasets' in dataset and 'metainfo' not in dataset):
        for inner in [dataset.get('dataset'), *(dataset.get('datasets') or ())]:
            yield from _keypoints(where, inner)
    elif (names := keypoint_names(dataset, owner)) is not None:
        yield f'{where} ({type_name(dataset)})', names
