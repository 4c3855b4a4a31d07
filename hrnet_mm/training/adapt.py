"""Adaptation of a task's config to a folder's images and annotations, and to another network."""

import json
from pathlib import Path
from typing import Any

from ..datasets import Folder
from ..models.archs import get_arch
from ..tasks import TASKS

__all__ = ['adapt']

_IMAGENET = {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375]}


def adapt(config: Any, name: str, folder: Folder, work_dir: Path, arch: str | None, pretrained: str | None) -> None:
    """Change a task's config to a folder.

    Args:
        config: The config.
        name: The task.
        folder: The folder, read for the task.
        work_dir: The folder for annotations and drawn labels.
        arch: The architecture in place of the config's.
        pretrained: A checkpoint of the backbone: a path, an address or a published name.

    Raises:
        UserError: The architecture is unknown.
    """
    task = TASKS[name]
    for loader, part, content in (
        (config.train_dataloader, 'train', folder.train),
        (config.test_dataloader, 'val', folder.val),
    ):
        file = work_dir.resolve() / f'{part}.json'
        file.write_text(json.dumps(content))
        loader.dataset.update(ann_file=str(file), data_root=str(folder.path.resolve()))
    task.adapt(config, folder, work_dir)
    if arch is not None:
        config.model.backbone.arch = arch
        task.use_arch(config.model, arch, get_arch(arch).out_channels)
    preprocessor = config.get('data_preprocessor') or config.model.data_preprocessor
    preprocessor.update(mean=list(folder.mean), std=list(folder.std))
    if pretrained is not None:
        config.model.backbone.init_cfg = {'type': 'Pretrained', 'checkpoint': pretrained}
        preprocessor.update(_IMAGENET)
    preprocessor[task.swap_channels] = True
