"""Says in one sentence which data set a config lacks, where it looks for it, and how to get it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ['missing_data']

_SOURCES = {
    # By the folder below data/ that the configs name.
    'coco': 'COCO 2017: images and annotations from https://cocodataset.org',
    'cityscapes': 'Cityscapes: leftImg8bit and gtFine from https://www.cityscapes-dataset.com (registration)',
    'VOCdevkit': 'PASCAL-Context: VOC 2010 of host.robots.ox.ac.uk/pascal, labels by tools/prepare_pascal_context.py',
    'ade': 'ADE20K: ADEChallengeData2016 from http://sceneparsing.csail.mit.edu',
    'coco_stuff10k': 'COCO-Stuff 10k: https://github.com/nightrome/cocostuff10k',
    'coco_stuff164k': 'COCO-Stuff 164k: https://github.com/nightrome/cocostuff',
    'LIP': 'LIP: two archives from https://sysu-hcp.net/lip, unpacked by tools/prepare_lip.py',
    'imagenet': 'ImageNet-1k: ILSVRC2012 from https://image-net.org (registration)',
    'mpii': 'MPII: images from http://human-pose.mpi-inf.mpg.de, annotations in the form of mmpose',
    'aic': 'AI Challenger key-points: images, and annotations in the form of mmpose',
    'posetrack17': 'PoseTrack 2017: https://posetrack.net (registration), annotations by tools/prepare_posetrack17.py',
    'posetrack18': 'PoseTrack 2018: https://posetrack.net (registration), annotations in the form of mmpose',
    'crowdpose': 'CrowdPose: https://github.com/jeffffffli/CrowdPose, annotations in the form of mmpose',
    'wflw': 'WFLW: images from https://wywu.github.io/projects/LAB/WFLW.html, annotations in the form of mmpose',
    '300w': '300W: images from https://ibug.doc.ic.ac.uk/resources/300-W, annotations in the form of mmpose',
    'cofw': 'COFW: https://data.caltech.edu/records/bc0bf-nc666, annotations in the form of mmpose',
    'aflw': 'AFLW: images from https://www.tugraz.at (registration), annotations by tools/prepare_aflw.py',
}


def missing_data(dataloader: Mapping[str, Any]) -> str | None:
    """The sentence for the first path of the dataloader's data sets that does not exist, or None if all do."""
    for dataset in _datasets(dataloader['dataset']):
        for path in _paths(dataset):
            if not path.exists():
                known = next((text for name, text in _SOURCES.items() if name in path.parts), None)
                source = f'; get {known}' if known else ''
                return f'{dataset["type"]} looks for {path}, which does not exist{source}'
    return None


def _datasets(dataset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The data sets inside one that combines, repeats or wraps others, or itself."""
    inner = dataset.get('datasets', [dataset['dataset']] if 'dataset' in dataset else [])
    if not inner:
        yield dataset
    for part in inner:
        yield from _datasets(part)


def _paths(dataset: Mapping[str, Any]) -> Iterator[Path]:
    """The folder, the annotation file and the image folders that it names, as the libraries join them."""
    root = Path(dataset.get('data_root') or '')
    if dataset.get('data_root'):
        yield root
    prefix = dataset.get('data_prefix') or {}
    names = [dataset.get('ann_file'), *(prefix.values() if isinstance(prefix, Mapping) else [prefix])]
    yield from (root / name for name in names if isinstance(name, str) and name and '://' not in name)
