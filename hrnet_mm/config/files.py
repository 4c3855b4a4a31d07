"""Data sets and checkpoints that a config names and that do not exist, with their sources."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..registry import type_name

__all__ = ['innermost_datasets', 'missing_files']

_SOURCES = {
    # By the folder below data/ in the configs.
    'coco': 'COCO 2017: images and annotations from https://cocodataset.org',
    'cityscapes': 'Cityscapes: leftImg8bit and gtFine from https://www.cityscapes-dataset.com (registration)',
    'VOCdevkit': 'PASCAL-Context: VOC 2010 of host.robots.ox.ac.uk/pascal, labels by tools/prepare/pascal_context.py',
    'ade': 'ADE20K: ADEChallengeData2016 from http://sceneparsing.csail.mit.edu',
    'coco_stuff10k': 'COCO-Stuff 10k: https://github.com/nightrome/cocostuff10k',
    'coco_stuff164k': 'COCO-Stuff 164k: https://github.com/nightrome/cocostuff',
    'LIP': 'LIP: two archives from https://sysu-hcp.net/lip, unpacked by tools/prepare/lip.py',
    'imagenet': 'ImageNet-1k: ILSVRC2012 from https://image-net.org (registration)',
    'mpii': 'MPII: images from http://human-pose.mpi-inf.mpg.de, annotations in the form of mmpose',
    'aic': 'AI Challenger keypoints: images, and annotations in the form of mmpose',
    'posetrack17': 'PoseTrack 2017: https://posetrack.net (registration), annotations by tools/prepare/posetrack17.py',
    'posetrack18': 'PoseTrack 2018: https://posetrack.net (registration), annotations in the form of mmpose',
    'crowdpose': 'CrowdPose: https://github.com/jeffffffli/CrowdPose, annotations in the form of mmpose',
    'wflw': 'WFLW: images from https://wywu.github.io/projects/LAB/WFLW.html, annotations in the form of mmpose',
    '300w': '300W: images from https://ibug.doc.ic.ac.uk/resources/300-W, annotations in the form of mmpose',
    'cofw': 'COFW: https://data.caltech.edu/records/bc0bf-nc666, annotations in the form of mmpose',
    'aflw': 'AFLW: images from https://www.tugraz.at (registration), annotations by tools/prepare/aflw.py',
    'learn': 'the sets of docs/learn.md, or set HRNET_MM_DATA to the folder that holds them',
}


def missing_files(config: Mapping[str, Any], dataloaders: Sequence[str]) -> list[str]:
    """Return the data sets, evaluators and checkpoints of a config that do not exist.

    URLs, and data behind a `backend_args`, are not checked.

    Args:
        config: The config.
        dataloaders: The loaders in use, such as 'train_dataloader'; only training reads the model's own checkpoints.

    Returns:
        One sentence for each, with the first missing file of a data set and where to get it.
    """
    sentences = []
    others = {'load_from': config.get('load_from')}
    if 'train_dataloader' in dataloaders:
        others['model'] = config.get('model')
    for name in dataloaders:
        loader = config.get(name) or {}
        for dataset in innermost_datasets(loader['dataset']) if 'dataset' in loader else ():
            path = next((path for path in _paths(dataset) if not path.exists()), None)
            if path is not None and not dataset.get('backend_args'):
                known = next((text for name, text in _SOURCES.items() if name in path.parts), None)
                source = f'; get {known}' if known else ''
                sentences.append(f'{type_name(dataset)} looks for {path}, which does not exist{source}')
        evaluator = name.replace('dataloader', 'evaluator')
        others[evaluator] = config.get(evaluator)
    for where, path in _strings('', others):
        if not path.exists():
            sentences.append(f'{where}: {path} does not exist')
    return list(dict.fromkeys(sentences))


def _strings(where: str, part: Any) -> Iterator[tuple[str, Path]]:
    """Yield the local paths at any depth, with their places in the config.

    Paths of data sets are left out, also in evaluators: they are relative to a `data_root`.
    """
    if isinstance(part, Mapping) and 'data_root' not in part:
        for key, value in part.items():
            place = f'{where}.{key}' if where else str(key)
            if key in ('ann_file', 'checkpoint', 'load_from', 'pretrained') and isinstance(value, str):
                if value and '://' not in value:
                    yield place, Path(value)
            else:
                yield from _strings(place, value)
    elif isinstance(part, list | tuple):
        for i, value in enumerate(part):
            yield from _strings(f'{where}[{i}]', value)


def innermost_datasets(dataset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the data sets inside one that combines, repeats or wraps others, or the data set itself.

    Args:
        dataset: The `dataset` of a data loader's settings.
    """
    inner = dataset.get('datasets', [dataset['dataset']] if 'dataset' in dataset else [])
    if not inner:
        yield dataset
    for part in inner:
        yield from innermost_datasets(part)


def _paths(dataset: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the folder, the annotation file and the image folders of a data set, joined as in the libraries."""
    root = Path(dataset.get('data_root') or '')
    if dataset.get('data_root'):
        yield root
    prefix = dataset.get('data_prefix') or {}
    names = [dataset.get('ann_file'), *(prefix.values() if isinstance(prefix, Mapping) else [prefix])]
    yield from (root / name for name in names if isinstance(name, str) and name and '://' not in name)
    if dataset.get('bbox_file'):
        yield Path(dataset['bbox_file'])
