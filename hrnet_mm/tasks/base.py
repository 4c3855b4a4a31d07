"""The description of a task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..datasets import Annotations, Folder
from ..models.archs import get_arch
from .pictures import Pair

if TYPE_CHECKING:
    from ..weights import ModelSpec

__all__ = ['ARCH', 'CROP', 'SHOWN_IMAGES', 'Metric', 'Task', 'steps']

_PADDING = 1.25  # of mmpose's GetBBoxCenterScale

SHOWN_IMAGES = 4

ARCH = 'w18-small-v1'
"""The architecture that is trained on a folder unless another one is given."""

CROP = 256
"""The side in pixels of the crops on which networks of whole images are trained."""


@dataclass(frozen=True)
class Metric:
    """A row of the table of results.

    Attributes:
        name: Its name in the table.
        key: The key in the library's metrics.
        factor: The factor to percent.
        is_error: Whether less is better.
    """

    name: str
    key: str
    factor: float = 1
    is_error: bool = False


@dataclass(frozen=True)
class Task:
    """A task that `hrnet-mm demo` and `hrnet-mm train TASK` train, test and draw.

    Attributes:
        title: The title of its column in the picture of all tasks.
        about: The network and the demonstration's data, for its row in docs/demonstration.md.
        config: The file below configs/demo.
        readout: The first part of its networks' names.
        batch_size: The images of a training step on a folder.
        libraries: The packages that must be installed.
        annotations: The kind of annotations that a folder must have.
        prepare: Writes the demonstration's data below a folder, and returns the folder of the data.
        targets: The values that the demonstration's metrics must reach, in percent.
        metrics: The rows of the table for the config's test evaluator, the most important one first.
        measure: The fields of a model specification that a folder, read for the task, decides.
        configure: Changes a config's model, pipelines and names to a model specification.
        use_folder: Changes a config's data sets and metrics to a folder; files go to the work directory.
        use_arch: Changes a model, but not its backbone, to an architecture of these channels.
        baseline: From a runner and the first metric's key, the value of a trivial prediction, in percent, and its name.
        draw: Draws predictions into the work directory; returns the files, and ground truth and prediction as a pair.
        assess: From a predicted sample and the data set's metadata, its error, 0 to 1, and what it adds to the table of
            errors: truth by prediction `(N, N)`, the last for what is not found or not there where classes are not all;
            of keypoints, the sum of the errors as shares of the box's longer side, and their number, `(K, 2)`.
        pair: Ground truth and prediction of a sample as a pair.
        labels: From what the pipeline made of a training sample, its labels in COCO's words, for the sheet of samples.
        shown_images: The number of images that are kept to be drawn; None for all.
        swap_channels: The preprocessor's argument that makes R, G, B of B, G, R.
    """

    title: str
    about: tuple[str, str]
    config: str
    readout: str
    batch_size: int
    libraries: tuple[str, ...]
    annotations: Annotations
    prepare: Callable[[Path], Path]
    targets: Mapping[str, float]
    metrics: Callable[[Any], tuple[Metric, ...]]
    measure: Callable[[Folder], Mapping[str, Any]]
    configure: Callable[[Any, 'ModelSpec'], None]
    use_folder: Callable[[Any, Folder, Path], None]
    use_arch: Callable[[Any, str, Sequence[int]], None]
    baseline: Callable[[Any, str], tuple[float, str]]
    draw: Callable[[Path, Sequence[Any], Mapping[str, Any]], tuple[list[Path], Pair]]
    assess: Callable[[Any, Mapping[str, Any]], tuple[float, npt.NDArray[np.float64]]]
    pair: Callable[[Any, Mapping[str, Any]], Pair]
    labels: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    shown_images: int | None = SHOWN_IMAGES
    swap_channels: str = 'bgr_to_rgb'

    def apply(self, config: Any, spec: 'ModelSpec') -> None:
        """Change the task's config to a model specification, but not its data.

        Raises:
            UserError: The specification is of another network, or lacks what the task needs.
        """
        from ..weights import CheckpointError

        readout, _, arch = spec.network.partition('_')
        if readout != self.readout:
            raise CheckpointError(
                f'the model specification has the network {spec.network}; '
                f'the task {spec.task} expects {self.readout}_ARCH'
            )
        labels = 'keypoints' if self.annotations == 'keypoints' else 'classes'
        if not getattr(spec, labels):
            raise CheckpointError(f'the model specification has no {labels}, which the task {spec.task} needs')
        channels = get_arch(arch).out_channels
        config.model.backbone.arch = arch
        self.use_arch(config.model, arch, channels)
        preprocessor = _preprocessor(config)
        preprocessor.update(mean=list(spec.mean), std=list(spec.std))
        preprocessor[self.swap_channels] = spec.channel_order == 'RGB' and spec.in_channels == 3
        if spec.in_channels not in (1, 3):  # mmengine's preprocessor takes no other numbers of means
            owner = preprocessor.get('type', 'ClsDataPreprocessor')
            preprocessor.update(type='hrnet_mm.normalize_bands', preprocessor=owner)
        config.model.backbone.in_channels = spec.in_channels
        self.configure(config, spec)
        for loader in (config.train_dataloader, config.test_dataloader):
            loader.dataset.pipeline = [_reader(spec), *loader.dataset.pipeline[1:]]

    def describe(self, name: str, config: Any, metainfo: Mapping[str, Any]) -> 'ModelSpec':
        """Return the model specification of a network that a config of this task trains.

        Args:
            name: The task's name.
            config: The config.
            metainfo: The metadata of its data set, in the library's form.
        """
        from ..weights import ModelSpec

        preprocessor = _preprocessor(config)
        names = metainfo.get('keypoint_id2name') or {}
        return ModelSpec(
            task=name,
            network=f'{self.readout}_{config.model.backbone.arch}',
            mean=tuple(map(float, preprocessor.mean)),
            std=tuple(map(float, preprocessor.std)),
            channel_order='RGB' if preprocessor.get(self.swap_channels) else 'BGR',
            classes=tuple(metainfo.get('classes') or ()),
            keypoints=tuple(names[i] for i in sorted(names)),
            skeleton=tuple((int(start), int(end)) for start, end in metainfo.get('skeleton_links') or ()),
            flip_pairs=_pairs(metainfo) if config.model.get('test_cfg', {}).get('flip_test') else (),
            sigmas=tuple(map(float, metainfo.get('sigmas', ()))),
            masks='mask_head' in config.model.get('roi_head', {}),
            **_resize(config.test_dataloader.dataset.pipeline),
        )


def _reader(spec: 'ModelSpec') -> dict[str, Any]:
    """The first step of a pipeline."""
    return {'type': 'hrnet_mm.LoadImageBands', **(asdict(spec.reads) if spec.reads else {})}


def _preprocessor(config: Any) -> Any:
    return config.get('data_preprocessor') or config.model.data_preprocessor


def _pairs(metainfo: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    swapped = enumerate(map(int, metainfo.get('flip_indices') or ()))
    return tuple((index, other) for index, other in swapped if index < other)


def _resize(pipeline: Sequence[Any]) -> dict[str, Any]:
    """Return `input_size` and `resize` of a model specification, as the steps of a test pipeline have them."""
    of = {step.type: step for step in pipeline}
    if 'TopdownAffine' in of:
        width, height = of['TopdownAffine'].input_size
        return {
            'input_size': (height, width),
            'resize': {'box_padding': float(of['GetBBoxCenterScale'].get('padding', _PADDING))},
        }
    if 'CenterCrop' in of:
        side, edge = of['CenterCrop'].crop_size, of['ResizeEdge'].scale
        return {'input_size': (side, side), 'resize': {'shorter_side': edge}}
    if 'scale_factor' in of['Resize']:
        return {'input_size': (CROP, CROP), 'resize': {'scale_factor': float(of['Resize'].scale_factor)}}
    return {'input_size': (of['Resize'].scale, of['Resize'].scale), 'resize': {}}


def steps(loader: Any, kind: str) -> list[Any]:
    """The steps of a type in a dataloader's pipeline."""
    return [step for step in loader.dataset.pipeline if step.type == kind]
