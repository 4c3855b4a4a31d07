"""Check of the last step of pipelines, which packs what the network and the metrics read of an image."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from mmengine.registry import MODELS, DefaultScope

from ..registry import class_of, scope_of, type_name
from .files import innermost_datasets
from .readers import base_of, steps_of
from .types import has_registries

__all__ = ['packing_problems']


def packing_problems(config: Mapping[str, Any]) -> list[str]:
    """Return packing that is not last, and `meta_keys` without what is read of an image.

    Args:
        config: The config, whose structure is right.

    Returns:
        One sentence for each, beginning with the place.
    """
    scope = scope_of(config) or 'mmengine'
    if not has_registries(scope):
        return []
    problems = []
    with DefaultScope.overwrite_default_scope(scope):
        for part in ('train', 'val', 'test'):
            dataset = (config.get(f'{part}_dataloader') or {}).get('dataset')
            for one in innermost_datasets(dataset) if dataset else ():
                where, steps = f'{part}_dataloader.dataset.pipeline', steps_of(one)
                names = [type_name(step) for step in steps]
                for name, after in pairwise(names):
                    if name.startswith('Pack'):
                        problems.append(
                            f'{where}: {name} is followed by {after}; it must be last, as it leaves to the network '
                            'what it does not pack'
                        )
                if not steps or 'meta_keys' not in steps[-1]:
                    continue
                given = steps[-1]['meta_keys']
                if not isinstance(given, list | tuple) or not all(isinstance(key, str) for key in given):
                    problems.append(f'{where}: meta_keys of {names[-1]} are {given!r:.60}; expected a list of names')
                elif missing := [key for key in _read(config, part, names[-1]) if key not in given]:
                    problems.append(
                        f'{where}: meta_keys of {names[-1]} lack {", ".join(map(repr, missing))}, which the network or '
                        'the metric reads of each image; add them'
                    )
    return list(dict.fromkeys(problems))


def _read(config: Mapping[str, Any], part: str, packing: str) -> Iterator[str]:
    """Yield the keys of an image's metadata that are read, by the step that packs it."""
    model, is_training = config.get('model') or {}, part == 'train'
    evaluator = config.get(f'{part}_evaluator')
    evaluators = evaluator if isinstance(evaluator, list | tuple) else [evaluator or {}]
    is_coco = any(type_name(one) == 'CocoMetric' for one in evaluators if isinstance(one, Mapping))
    if packing == 'PackDetInputs':
        head = class_of(model.get('bbox_head') or {}, MODELS)
        yield from ['img_shape'] if is_training else ['img_shape', 'ori_shape', *(['img_id'] if is_coco else [])]
        # These two cut a part out of each image, whose place they pack instead.
        if not is_training and not any(base_of(head, f'mmdet.{name}') for name in ('CenterNetHead', 'CornerHead')):
            yield 'scale_factor'
    elif packing == 'PackSegInputs' and not is_training:
        yield from ['ori_shape', 'img_shape']
    elif packing == 'PackPoseInputs' and not is_training:
        owner = class_of(model, MODELS)
        if any(base_of(owner, f'mmpose.{name}PoseEstimator') for name in ('Topdown', 'Bottomup')):
            yield from ['input_size', 'input_center', 'input_scale']
            yield from ['flip_indices'] if (model.get('test_cfg') or {}).get('flip_test') else []
        yield from ['id', 'img_id'] if is_coco else []
