"""Adaptation of a task's config to a folder's images and annotations, and to another network."""

import json
from pathlib import Path
from typing import Any

from ..datasets import Folder
from ..tasks import ARCH, TASKS
from ..weights import ModelSpec
from ..weights.zoo import IMAGENET_MEAN, IMAGENET_STD

__all__ = ['adapt']


def adapt(
    config: Any, name: str, folder: Folder, work_dir: Path, arch: str | None, pretrained: str | None
) -> ModelSpec:
    """Change a task's config to a folder.

    Args:
        config: The config.
        name: The task.
        folder: The folder, read for the task.
        work_dir: The folder for annotations and drawn labels.
        arch: The architecture in place of the config's.
        pretrained: A checkpoint of the backbone: a path, an address or a published name.

    Returns:
        The specification of the model.

    Raises:
        UserError: The architecture is unknown.
    """
    task = TASKS[name]
    spec = ModelSpec(
        task=name,
        network=f'{task.readout}_{arch or ARCH}',
        **_channels(folder, pretrained is not None),
        **task.measure(folder),
    )
    task.apply(config, spec)
    config.train_dataloader.batch_size = task.batch_size
    if pretrained is not None:
        config.model.backbone.init_cfg = {'type': 'Pretrained', 'checkpoint': pretrained}
    for loader, part, content in (
        (config.train_dataloader, 'train', folder.train),
        (config.test_dataloader, 'val', folder.val),
    ):
        file = work_dir.resolve() / f'{part}.json'
        file.write_text(json.dumps(content))
        loader.dataset.update(ann_file=str(file), data_root=str(folder.path.resolve()))
    task.use_folder(config, folder, work_dir)
    return spec


def _channels(folder: Folder, is_pretrained: bool) -> dict[str, Any]:
    """What a model specification says of the channels; pretrained networks have seen pictures alone."""
    if folder.bands is None:
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if is_pretrained else (folder.mean, folder.std)
        return {'mean': mean, 'std': std}
    return {
        'mean': folder.mean,
        'std': folder.std,
        'value_range': folder.value_range,
        'bands': folder.bands.numbers,
        'file_bands': folder.bands.count,
        'pixel_type': folder.bands.dtype,
    }
