"""Poses of people, HRNetV1."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data import prepare_people
from ..datasets import Folder
from .base import Metric, Task
from .keypoints import (
    assess_keypoints,
    configure_keypoints,
    configure_refinement,
    draw_keypoints,
    keypoints_of_sample,
    measure_keypoints,
    measure_mean_points,
    pair_of_keypoints,
    use_keypoints,
)

if TYPE_CHECKING:
    from ..weights import ModelSpec

__all__ = ['TASK']

_METRICS = {  # by the evaluator's type
    'CocoMetric': (Metric('OKS AP', 'coco/AP', 100),),
    'PCKAccuracy': (Metric('PCK', 'PCK', 100),),
}


def _configure(config: Any, spec: 'ModelSpec') -> None:
    (configure_refinement if spec.refinement else configure_keypoints)(config, spec)


def _use_folder(config: Any, folder: Folder, work_dir: Path) -> None:
    use_keypoints(config, work_dir)
    config.test_evaluator = {'type': 'PCKAccuracy', 'thr': 0.05}


def _use_arch(model: Any, arch: str, channels: Sequence[int]) -> None:
    model.head.in_channels = channels[0]


def _baseline(runner: Any, key: str) -> tuple[float, str]:
    return measure_mean_points(runner, key), 'mean pose in the box'


TASK = Task(
    title='pose, HRNetV1',
    about=('human pose, top-down on HRNetV1', '1,500 images of rendered people -> 300 others'),
    config='td-hm_hrnetv1_people.py',
    readout='hrnetv1',
    batch_size=16,
    libraries=('mmpose', 'pycocotools'),
    annotations='keypoints',
    prepare=prepare_people,
    targets={'OKS AP': 10.0},
    metrics=lambda evaluator: _METRICS[evaluator.type],
    measure=measure_keypoints,
    configure=_configure,
    use_folder=_use_folder,
    use_arch=_use_arch,
    baseline=_baseline,
    draw=draw_keypoints,
    assess=assess_keypoints,
    pair=pair_of_keypoints,
    labels=keypoints_of_sample,
)
