"""Keypoints of faces, HRNetV2."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data import prepare_faces
from ..datasets import Folder
from .base import Metric, Task
from .keypoints import (
    assess_keypoints,
    configure_keypoints,
    draw_keypoints,
    keypoints_of_sample,
    measure_keypoints,
    measure_mean_points,
    pair_of_keypoints,
    use_keypoints,
)

__all__ = ['TASK']


def _use_folder(config: Any, folder: Folder, work_dir: Path) -> None:
    use_keypoints(config, work_dir)
    config.test_evaluator = {'type': 'NME', 'norm_mode': 'use_norm_item', 'norm_item': 'bbox_size'}


def _use_arch(model: Any, arch: str, channels: Sequence[int]) -> None:
    model.head.update(in_channels=sum(channels), conv_out_channels=(sum(channels),))


def _baseline(runner: Any, key: str) -> tuple[float, str]:
    return measure_mean_points(runner, key), 'mean face in the box'


TASK = Task(
    title='faces, HRNetV2',
    about=('98 face landmarks, HRNetV2', '1,500 rendered faces -> 300 others'),
    config='td-hm_hrnetv2_faces.py',
    readout='hrnetv2',
    batch_size=16,
    libraries=('mmpose', 'pycocotools'),
    annotations='keypoints',
    prepare=prepare_faces,
    targets={'NME': 5.0},
    metrics=lambda evaluator: (Metric('NME', 'NME', 100, is_error=True),),
    measure=measure_keypoints,
    configure=configure_keypoints,
    use_folder=_use_folder,
    use_arch=_use_arch,
    baseline=_baseline,
    draw=draw_keypoints,
    assess=assess_keypoints,
    pair=pair_of_keypoints,
    labels=keypoints_of_sample,
)
