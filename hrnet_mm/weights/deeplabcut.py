"""Snapshots of DeepLabCut 3: their model specification, read from the configuration beside them.

A snapshot `train/snapshot-*.pt` has the weights as `model`; `train/pytorch_config.yaml` names the body parts. Supported
is HRNet with heatmaps and location refinement, for one animal in the image or in a box (DeepLabCut's methods `bu` and
`td`).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .io import CheckpointError
from .spec import ModelSpec
from .zoo import IMAGENET_MEAN, IMAGENET_STD

__all__ = ['CONFIG', 'is_snapshot', 'spec_beside']

CONFIG = 'pytorch_config.yaml'
"""The name of DeepLabCut's configuration."""

_SUPPORTED = (
    "hrnet_mm opens DeepLabCut's hrnet_w18, hrnet_w32 and hrnet_w48 with heatmaps and location refinement, for one "
    'animal in the image (without PAF) or top-down in boxes'
)
_HEAD = 'model.heads.bodypart'
_PREDICTOR = f'{_HEAD}.predictor'
_SIDE = 448  # pixels of DeepLabCut's crops for training
_EXPECTED: Mapping[str, tuple[Any, ...]] = {
    'method': ('bu', 'td'),
    'model.backbone.type': ('HRNet',),
    'model.backbone.interpolate_branches': (False, None),
    'model.backbone.increased_channel_count': (False, None),
    f'{_HEAD}.type': ('HeatmapHead',),
    f'{_PREDICTOR}.type': ('HeatmapPredictor',),
    f'{_PREDICTOR}.apply_sigmoid': (False,),
    f'{_PREDICTOR}.clip_scores': (True,),
    f'{_PREDICTOR}.location_refinement': (True,),
    'data.colormode': ('RGB', None),
    'data.inference.normalize_images': (True,),
    'data.inference.resize': (False, None),
    'data.inference.longest_max_size': (None,),
    'data.inference.top_down_crop.crop_with_context': (True, None),
}
"""The values of the configuration that the arithmetic here is for; None for an absent one."""


def is_snapshot(content: Any) -> bool:
    """Return whether the content of a file is a snapshot of DeepLabCut 3."""
    model = content.get('model') if isinstance(content, Mapping) else None
    return isinstance(model, Mapping) and any(str(name).startswith('heads.bodypart.') for name in model)


def spec_beside(path: str | os.PathLike[str]) -> ModelSpec | None:
    """Read the model specification of a snapshot from the configuration beside it.

    Args:
        path: The snapshot.

    Returns:
        The specification; None if there is no configuration.

    Raises:
        CheckpointError: The configuration is damaged, or of a network with another head or backbone.
    """
    file = Path(path).with_name(CONFIG)
    if not file.is_file():
        return None
    config = _read(file)
    for key, allowed in _EXPECTED.items():
        if (value := _at(config, key)) not in allowed:
            raise CheckpointError(f'{file} has the {key} {value!r}; {_SUPPORTED}')
    if heads := [name for name in _at(config, 'model.heads') if name != 'bodypart']:
        raise CheckpointError(f'{file} has the head {heads[0]}; {_SUPPORTED}')
    if not isinstance(convs := _at(config, f'{_HEAD}.heatmap_config.strides'), list) or convs not in ([], [2]):
        raise CheckpointError(f'{file} has the {_HEAD}.heatmap_config.strides {convs!r}; {_SUPPORTED}')
    top_down = config['method'] == 'td'
    generator = f'{_HEAD}.target_generator'
    masked = bool(_at(config, f'{generator}.gradient_masking'))
    part, side = ('inference.top_down_crop', 256) if top_down else ('train.crop_sampling', _SIDE)
    values = {
        'version': 1,
        'task': 'pose',
        'network': f'hrnetv1_{_arch(_at(config, "model.backbone.model_name"))}',
        'input_size': [_at(config, f'data.{part}.{name}') or side for name in ('height', 'width')],
        'mean': list(IMAGENET_MEAN),
        'std': list(IMAGENET_STD),
        'resize': _resize(config, file, top_down),
        'classes': ['animal'],
        'keypoints': _at(config, 'metadata.bodyparts'),
        'refinement': {
            'upsampling': 2 if convs else 1,
            'offset_std': _at(config, f'{_PREDICTOR}.locref_std'),
            'radius': _at(config, f'{generator}.pos_dist_thresh') or 17,
            'missing_weight': (_at(config, f'{generator}.background_weight') or 0) if masked else 1,
        },
    }
    return ModelSpec.from_json(values, file)


def _read(file: Path) -> Mapping[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(file.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise CheckpointError(f'{file} cannot be read ({" ".join(str(error).split())[:200]}); copy it anew') from error
    if not isinstance(config, Mapping) or not isinstance(_at(config, 'model.heads'), Mapping):
        raise CheckpointError(f'{file} has no model.heads; expected the configuration of DeepLabCut 3')
    return config


def _at(config: Any, key: str) -> Any:
    """Return a value by the names on the way to it; None if there is none."""
    for name in key.split('.'):
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _arch(name: Any) -> str:
    """Return the architecture of a name of timm's, such as hrnet_w18_small_v2.ms_in1k."""
    return str(name).partition('.')[0].removeprefix('hrnet_').removesuffix('_ssld').replace('_', '-')


def _resize(config: Mapping[str, Any], file: Path, top_down: bool) -> dict[str, Any]:
    if top_down:
        margin = _at(config, 'data.inference.top_down_crop.margin')
        return {'box_margin': 0 if margin is None else margin}
    padding = _at(config, 'data.inference.auto_padding')
    if not isinstance(padding, Mapping):
        raise CheckpointError(f'{file} has the data.inference.auto_padding {padding!r}; expected divisors, such as 32')
    divisors = {padding.get(f'pad_{side}_divisor') for side in ('height', 'width')}
    if len(divisors) != 1 or padding.get('border_mode', 'reflect_101') != 'reflect_101':
        raise CheckpointError(
            f'{file} has the data.inference.auto_padding {dict(padding)}; expected one divisor and mirrored borders'
        )
    return {'pad_to_multiple': divisors.pop()}
