"""Published HRNet weights as typed entries: architecture, training, preprocessing, metric and URL.

URLs and metrics are those of the OpenMMLab model zoos' metafiles (mmpretrain 1.2.0, mmseg 1.2.2, mmpose 1.3.2). The
eight hexadecimal digits in a file's name are the first of its SHA-256. The entries are transcribed; none of the files
has been downloaded and tested.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import UserError, did_you_mean

__all__ = [
    'IMAGENET_MEAN',
    'IMAGENET_STD',
    'WEIGHTS',
    'Weight',
    'expected_normalization',
    'find_weight',
    'get_weight',
]

IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet's pixels (RGB, 0 to 255)."""

_IMAGENET_FILES = re.compile(r'hrnet(v2)?_w\d+(_small)?(_v[12])?(-[0-9a-f]{8})?(\.\w+)*')
"""Names of backbones trained on ImageNet, of Microsoft, mmpose and timm."""

_OPENMMLAB = 'https://download.openmmlab.com/'
_POSE = 'mmpose/v1/body_2d_keypoint/topdown_heatmap/coco/td-hm_hrnet-'
_SEG = 'mmsegmentation/v0.5/hrnet/'


@dataclass(frozen=True)
class Weight:
    """One published file of weights.

    Attributes:
        arch: The architecture.
        readout: 'C', 'V1', 'V2' or 'backbone' (no head).
        url: The file's URL.
        sha256: Its SHA-256, or the first digits.
        metric: Metrics as published by `source`.
        input_size: Height and width of the input in pixels.
        fuse_upsample: The interpolation in exchange units during training.
        align_corners: Its `align_corners`.
        mean: Subtracted from RGB images with values of 0 to 255.
        std: The divisor after the subtraction.
        license: The license, an SPDX identifier.
        source: The model zoo that published the file.
        num_classes: The number of classes or keypoints; 0 for a backbone.
    """

    arch: str
    readout: str
    url: str
    sha256: str
    metric: Mapping[str, float]
    input_size: tuple[int, int]
    fuse_upsample: str = 'nearest'
    align_corners: bool = False
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    license: str = 'Apache-2.0'
    source: str = ''
    num_classes: int = field(default=0)

    def require(self, name: str, arch: object, fuse_upsample: str, align_corners: bool, whole: bool) -> None:
        """Check that a network agrees with these weights.

        The wrong interpolation changes the outputs of a whole network by 4 to 12 %. It is accepted for a backbone that
        is trained with a new head: the official segmentation networks start from weights trained with 'nearest'
        (HRNet-Semantic-Segmentation issue 115).

        Args:
            name: The name of the weights in error messages.
            arch: The network's architecture.
            fuse_upsample: The network's interpolation.
            align_corners: Its `align_corners`.
            whole: Whether the head is loaded as well.

        Raises:
            UserError: The network contradicts the weights.
        """
        if arch != self.arch:
            raise UserError(f'weights {name!r} are of arch {self.arch!r}, and the network is {arch!r}; use the same')
        given, made = (fuse_upsample, align_corners), (self.fuse_upsample, self.align_corners)
        if whole and given != made:
            raise UserError(
                f'weights {name!r} were trained with fuse_upsample={made[0]!r}, align_corners={made[1]}, and the '
                f'network has {given[0]!r}, {given[1]}, which would change the outputs; build it like the weights'
            )


def _imagenet(arch: str, file: str, top1: float) -> Weight:
    path = f'mmclassification/v0/hrnet/hrnet-{file}.pth'
    return Weight(
        arch, 'C', _OPENMMLAB + path, path[-12:-4], {'top-1': top1}, (224, 224), source='mmpretrain', num_classes=1000
    )


def _body(arch: str, file: str) -> Weight:
    url = f'{_OPENMMLAB}pretrain/third_party/hrnetv2_{file}.pth'
    return Weight(arch, 'backbone', url, url[-12:-4], {}, (224, 224), source='mmengine hub, msra')


def _cityscapes(arch: str, file: str, miou: float) -> Weight:
    url = f'{_OPENMMLAB}{_SEG}fcn_{file.split("_2020")[0]}/fcn_{file}.pth'
    return Weight(
        arch,
        'V2',
        url,
        url[-12:-4],
        {'mIoU': miou},
        (512, 1024),
        fuse_upsample='bilinear',
        source='mmseg',
        num_classes=19,
    )


def _coco(arch: str, file: str, ap: float, size: tuple[int, int]) -> Weight:
    url = f'{_OPENMMLAB}{_POSE}{file}.pth'
    return Weight(arch, 'V1', url, url[-21:-13], {'AP': ap}, size, source='mmpose', num_classes=17)


WEIGHTS: dict[str, Weight] = {
    'w18-imagenet': _imagenet('w18', 'w18_3rdparty_8xb32_in1k_20220120-0c10b180', 76.75),
    'w30-imagenet': _imagenet('w30', 'w30_3rdparty_8xb32_in1k_20220120-8aa3832f', 78.19),
    'w32-imagenet': _imagenet('w32', 'w32_3rdparty_8xb32_in1k_20220120-c394f1ab', 78.44),
    'w40-imagenet': _imagenet('w40', 'w40_3rdparty_8xb32_in1k_20220120-9a2dbfc5', 78.94),
    'w44-imagenet': _imagenet('w44', 'w44_3rdparty_8xb32_in1k_20220120-35d07f73', 78.88),
    'w48-imagenet': _imagenet('w48', 'w48_3rdparty_8xb32_in1k_20220120-e555ef50', 79.32),
    'w64-imagenet': _imagenet('w64', 'w64_3rdparty_8xb32_in1k_20220120-19126642', 79.46),
    'w18-imagenet-ssld': _imagenet('w18', 'w18_3rdparty_8xb32-ssld_in1k_20220120-455f69ea', 81.06),
    'w48-imagenet-ssld': _imagenet('w48', 'w48_3rdparty_8xb32-ssld_in1k_20220120-d0459c38', 83.63),
    'w18-small-v2-imagenet-body': _body('w18-small-v2', 'w18_small-b5a04e21'),
    'w18-imagenet-body': _body('w18', 'w18-00eb2006'),
    'w32-imagenet-body': _body('w32', 'w32-dc9eeb4f'),
    'w40-imagenet-body': _body('w40', 'w40-ed0b031c'),
    'w48-imagenet-body': _body('w48', 'w48-d2186c55'),
    'w18-small-v2-cityscapes': _cityscapes(
        'w18-small-v2', 'hr18s_512x1024_160k_cityscapes_20200602_190901-4a0797ea', 76.31
    ),
    'w18-cityscapes': _cityscapes('w18', 'hr18_512x1024_160k_cityscapes_20200602_190822-221e4a4f', 78.80),
    'w48-cityscapes': _cityscapes('w48', 'hr48_512x1024_160k_cityscapes_20200602_190946-59b7973e', 80.65),
    'w32-coco-pose-256x192': _coco('w32', 'w32_8xb64-210e_coco-256x192-81c58e40_20220909', 74.6, (256, 192)),
    'w32-coco-pose-384x288': _coco('w32', 'w32_8xb64-210e_coco-384x288-ca5956af_20220909', 76.0, (384, 288)),
    'w48-coco-pose-256x192': _coco('w48', 'w48_8xb32-210e_coco-256x192-0e67c616_20220913', 75.6, (256, 192)),
    'w48-coco-pose-384x288': _coco('w48', 'w48_8xb32-210e_coco-384x288-c161b7de_20220915', 76.7, (384, 288)),
}


def get_weight(name: str) -> Weight:
    """Return a published entry by name.

    Args:
        name: A key of `WEIGHTS`.

    Returns:
        The entry.

    Raises:
        UserError: The name is unknown; the message has the nearest.

    Examples:
        >>> get_weight('w32-coco-pose-256x192').metric
        {'AP': 74.6}
    """
    if name not in WEIGHTS:
        raise UserError(f'unknown weights {name!r}{did_you_mean(name, WEIGHTS)}')
    return WEIGHTS[name]


def find_weight(source: str) -> Weight | None:
    """Return the published entry behind a name.

    Args:
        source: `hrnet://NAME`, `open-mmlab://msra/NAME`, an address, or the path of a file that kept its name.

    Returns:
        The entry; None if the file is not one of `WEIGHTS`.
    """
    scheme, _, rest = source.partition('://')
    if scheme == 'hrnet':
        return WEIGHTS.get(rest)
    name = re.split(r'[/\\]', source)[-1]
    files = {weight.url.rpartition('/')[2]: weight for weight in WEIGHTS.values()}
    names = {file.rpartition('-')[0]: weight for file, weight in files.items()}
    return files.get(name) or (names.get(name) if scheme == 'open-mmlab' else None)


def expected_normalization(source: str) -> tuple[tuple[float, float, float], tuple[float, float, float]] | None:
    """Return the mean and standard deviation (R, G, B, from 0 to 255) that weights were trained with.

    Args:
        source: As for `find_weight`, or `timm://NAME`.

    Returns:
        Both; None if they are not known.

    Examples:
        >>> expected_normalization('open-mmlab://msra/hrnetv2_w32')[0]
        (123.675, 116.28, 103.53)
    """
    if (weight := find_weight(source)) is not None:
        return weight.mean, weight.std
    name = re.split(r'[/\\]', source)[-1]
    return (IMAGENET_MEAN, IMAGENET_STD) if _IMAGENET_FILES.fullmatch(name) else None
