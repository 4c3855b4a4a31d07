"""The tasks of `hrnet-mm demo` and `hrnet-mm train TASK`, a file each."""

from . import classification, faces, instances, pose, segmentation
from .base import Metric, Task

__all__ = ['TASKS', 'Metric', 'Task']

TASKS = {
    'pose': pose.TASK,
    'faces': faces.TASK,
    'instances': instances.TASK,
    'segmentation': segmentation.TASK,
    'classification': classification.TASK,
}
