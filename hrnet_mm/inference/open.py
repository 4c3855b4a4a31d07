"""Opening of a network by name, from a checkpoint in any layout, or from a config of any library."""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

from ..errors import UserError
from ..factory import create_model, fill_network, infer_arch, infer_network, list_models, random_parts
from ..models.archs import ARCHS, get_arch
from ..models.dense import DenseNetwork
from ..models.hrnet import HRNet
from ..models.network import READOUTS, HRNetModel
from ..registry import class_of, scope_of
from ..weights import ModelSpec
from ..weights.convert import Conversion
from ..weights.deeplabcut import CONFIG, is_snapshot
from ..weights.io import CheckpointError
from ..weights.load import Checkpoint, converted, fill, fill_backbone, part, read_source
from ..weights.zoo import IMAGENET_MEAN, IMAGENET_STD, WEIGHTS

__all__ = ['LIBRARIES', 'OpenedNetwork', 'Preprocessing', 'open_network']

LIBRARIES = ('mmdet', 'mmpose', 'mmpretrain', 'mmseg')

_SIZES = {'hrnet': (224, 224), 'hrnetv1': (256, 192), 'hrnetv2': (512, 1024), 'hrnetv2p': (800, 1216)}
"""Customary height and width in pixels for the task of each readout."""


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of the images that a network was trained on.

    Attributes:
        mean: Subtracted from RGB images with values of 0 to 255.
        std: The divisor after the subtraction.
        size: The customary height and width in pixels; None if the test pipeline of a config sets it.
    """

    mean: Sequence[float] = IMAGENET_MEAN
    std: Sequence[float] = IMAGENET_STD
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class OpenedNetwork:
    """A network in evaluation mode, and its origin.

    Attributes:
        network: HRNetModel for a network's name and for a checkpoint without a config, HRNet for an architecture's
            name, and the library's model for a config.
        name: The name, such as 'hrnetv1_w32', or the config's path.
        report: A one-line report on the weights.
        preprocessing: The preprocessing of the images.
        config: The config, or the part of it that a checkpoint holds.
        checkpoint: The checkpoint; None for random weights.
        conversion: The conversion of the weights, for a network of this package.
        metadata: The data set's metadata, such as names of classes or keypoints, in the library's form.
        spec: The model specification in the checkpoint.
        random: Which of neck and head are random although there is a checkpoint.
    """

    network: Any
    name: str
    report: str
    preprocessing: Preprocessing
    config: Config | None = None
    checkpoint: Checkpoint | None = None
    conversion: Conversion | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    spec: ModelSpec | None = None
    random: Sequence[str] = ()

    def require_filled(self) -> None:
        """Check that the checkpoint fills the whole network.

        Raises:
            CheckpointError: The neck or the head is random.
        """
        if self.random and self.checkpoint is not None:
            raise CheckpointError(
                f'{self.checkpoint.path} does not fill the {" and ".join(self.random)} of {self.name}, which would be '
                'random; give a checkpoint of the whole network with as many classes, or the backbone alone (w32)'
            )

    @property
    def in_channels(self) -> int:
        """The channels of the input."""
        body = self.network if isinstance(self.network, HRNet) else self.network.backbone
        return next(int(weight.shape[1]) for weight in body.parameters() if weight.ndim == 4)

    @property
    def files(self) -> list[Path]:
        """The files of the config and the checkpoint."""
        config = getattr(self.config, 'filename', None)
        checkpoint = self.checkpoint.path if self.checkpoint is not None else None
        return [Path(file) for file in (config, checkpoint) if file is not None]

    def export_metadata(self, size: Sequence[int]) -> dict[str, Any]:
        """Return what an exported file says on the network, as JSON values.

        Args:
            size: Height and width of the exported network's input.

        Returns:
            The model specification for this size; without one, what is known of its fields.
        """
        if self.spec is not None:
            return replace(self.spec, input_size=(int(size[0]), int(size[1]))).to_json()
        known: dict[str, Any] = {'input_size': list(size)}
        has_weight = self.checkpoint is not None and self.checkpoint.weight is not None
        if self.config is not None or has_weight:  # otherwise ImageNet's, a mere custom
            known |= {'mean': list(self.preprocessing.mean), 'std': list(self.preprocessing.std)}
            known['channel_order'] = 'RGB' if self.config is None or _makes_rgb(self.config) else 'BGR'
        names = self.metadata.get('keypoint_id2name') or {}
        known |= {'classes': list(self.metadata.get('classes') or ()), 'keypoints': [names[i] for i in sorted(names)]}
        known['skeleton'] = [[int(end) for end in link] for link in self.metadata.get('skeleton_links') or ()]
        return {name: value for name, value in known.items() if value}

    def as_tensors(self) -> nn.Module:
        """Return the network as a module on tensors; of a library's model, the backbone, neck and dense head."""
        if self.config is None:
            network: nn.Module = self.network
            return network
        return DenseNetwork(self.network).eval()


def open_network(
    what: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    device: str = 'cpu',
    *,
    num_classes: int | None = None,
    use_config: bool = True,
    raw: bool = False,
) -> OpenedNetwork:
    """Open a network and read each of its files once.

    If a checkpoint holds a model specification, as all do that this package trains for a task, the network is the
    library's model for it. If it holds its config, the network is the config's model. Otherwise it is this package's
    network, inferred from the checkpoint's keys. A name or a config without a checkpoint has random weights.

    Args:
        what: A name that `hrnet-mm list` shows, such as 'hrnetv1_w32', or 'w32' for the backbone alone; a checkpoint (a
            path, a URL, or a name of published weights); or a config (a path ending in .py, or 'mmpose::...').
        checkpoint: The weights, if `what` is a name or a config.
        config: The config, if `what` is a checkpoint that does not hold it.
        device: The device, such as 'cuda'.
        num_classes: Classes, keypoints or landmarks of a named network. Default: the checkpoint's number.
        use_config: Whether to use a model specification or a config that the checkpoint holds.
        raw: Whether to load the raw weights where a moving average of them stands beside.

    Returns:
        The network, in evaluation mode, and its origin.

    Raises:
        UserError: There is no such network or file, or the parts do not fit together.

    Examples:
        >>> opened = open_network('hrnetv1_w32', num_classes=17)
        >>> opened.preprocessing.size
        (256, 192)
        >>> opened.report
        'hrnetv1_w32 with random weights'
    """
    name = os.fspath(what)
    if config is not None:
        if _is_config(name) or checkpoint is not None:
            raise UserError(f'{name} is opened with the config {config}; expected one checkpoint and one config')
        name, checkpoint = os.fspath(config), name
    parsed = None if Path(name).is_file() else _parse(name)
    if num_classes is not None and parsed is None:
        raise UserError(f'num_classes is given for {name}, and only a network by name takes it; leave it out')
    if _is_config(name):
        from ..engine import read_config

        opened = _of_config(read_config(name), name, None if checkpoint is None else read_source(checkpoint, raw))
    elif parsed is not None:
        weights = None if checkpoint is None else read_source(checkpoint, raw)
        opened = _of_name(name, parsed[0], weights, num_classes)
    elif checkpoint is not None:
        raise UserError(f'two checkpoints are given: {name} and {checkpoint}; expected a name or a config for one')
    elif name in WEIGHTS or '://' in name or Path(name).suffix or Path(name).exists():
        opened = _of_checkpoint(name, read_source(name, raw), use_config)
    else:
        near = difflib.get_close_matches(name, [*list_models(), *ARCHS], n=1, cutoff=0.5)
        hint = f'; did you mean {near[0]!r}?' if near else '.'
        raise UserError(f'{name} is neither a file nor a network{hint} hrnet-mm list shows the names')
    opened.network.to(device).eval()
    return opened


def _is_config(name: str) -> bool:
    return name.endswith('.py') or '::' in name


def _parse(name: str) -> tuple[str, str] | None:
    """Return the readout and the architecture of a name; '' for the backbone alone, None for no such name."""
    readout, _, arch = name.partition('_')
    if readout not in READOUTS:
        readout, arch = '', name
    try:
        get_arch(arch.replace('_', '-'))
    except UserError:
        return None
    return readout, arch


def _of_name(name: str, readout: str, checkpoint: Checkpoint | None, num_classes: int | None) -> OpenedNetwork:
    conversion, settings = None, dict[str, Any]()
    if checkpoint is not None:
        conversion = converted(checkpoint)
        inferred = infer_network(conversion.state_dict)
        its_readout = inferred.name.partition('_')[0]
        settings['in_channels'] = inferred.in_channels
        if readout:
            settings['pyramid_channels'] = inferred.pyramid_channels
        if num_classes is None and its_readout == readout:
            num_classes = inferred.num_classes
        if not readout and its_readout == 'hrnetv2':
            settings['fuse_upsample'] = 'bilinear'  # as the weights were trained
    if readout:
        model = create_model(name, num_classes=num_classes, **settings)
    elif not num_classes:
        model = create_model(f'hrnet_{name}', features_only=True, **settings)
    else:
        heads = ', '.join(f'{readout}_{name}' for readout in READOUTS if readout != 'hrnetv2p')
        raise UserError(f'{name} is a backbone without a head; with {num_classes} classes give one of {heads}')
    report = f'{name} with random weights'
    if checkpoint is not None and conversion is not None:
        if isinstance(model, HRNetModel):
            report = fill_network(model, str(checkpoint.path), conversion, checkpoint.weight)
        else:
            report = fill_backbone(model, conversion, checkpoint.path)
    preprocessing = _preprocessing(readout or 'hrnet', checkpoint)
    random = random_parts(model, conversion) if conversion is not None and isinstance(model, HRNetModel) else []
    return OpenedNetwork(model, name, report, preprocessing, None, checkpoint, conversion, random=random)


def _preprocessing(readout: str, checkpoint: Checkpoint | None) -> Preprocessing:
    if checkpoint is None or checkpoint.weight is None:
        return Preprocessing(size=_SIZES[readout])
    return Preprocessing(checkpoint.weight.mean, checkpoint.weight.std, checkpoint.weight.input_size)


def _of_checkpoint(name: str, checkpoint: Checkpoint, use_config: bool) -> OpenedNetwork:
    if use_config and (spec := checkpoint.spec) is not None:
        return _of_spec(spec, name, checkpoint)
    if use_config and is_snapshot(checkpoint.content):
        raise CheckpointError(
            f'{name} is a snapshot of DeepLabCut, whose {CONFIG} has the body parts and is not beside it; copy it '
            'there, or give the name of the backbone (w32) and the file as its weights'
        )
    if use_config and checkpoint.holds_config:
        from .stored_config import stored_config

        config = stored_config(checkpoint.content)
        assert config is not None
        return _of_config(config, name, checkpoint)
    try:
        conversion = converted(checkpoint)
        if unknown := conversion.unknown:
            raise CheckpointError(
                f'{name}: the backbone has a known layout, and {len(unknown)} other keys have none, such as '
                f'{unknown[0]}; rename the keys, or give the name of the backbone (w32) and the file as its weights'
            )
        inferred = infer_network(conversion.state_dict)
    except CheckpointError as error:
        if not use_config:
            raise
        raise CheckpointError(f'{error}; {name} holds no config, so give its config, and the file as weights') from None
    model = HRNetModel(*inferred)
    report = fill_network(model, name, conversion, checkpoint.weight, whole=True)
    preprocessing = _preprocessing(model.readout, checkpoint)
    meta = checkpoint.meta.get('dataset_meta') or {}
    return OpenedNetwork(model, model.name, report, preprocessing, None, checkpoint, conversion, meta, checkpoint.spec)


def _of_spec(spec: ModelSpec, name: str, checkpoint: Checkpoint) -> OpenedNetwork:
    from ..tasks import config_of

    its_arch = infer_arch(part(checkpoint.specified(), 'backbone'))
    try:
        # Before anything is built: an architecture may be as large as the author of the file wants.
        if get_arch(spec.arch) != its_arch:
            raise CheckpointError(
                f'the model specification has the network {spec.network}, but the weights are of another architecture: '
                'give a config that you trust, and the file as its weights'
            )
        config = config_of(spec)
    except UserError as error:
        raise CheckpointError(f'{checkpoint.path}: {error}') from None
    opened = _of_config(config, name, checkpoint, has_names=True)
    return replace(opened, preprocessing=replace(opened.preprocessing, size=spec.input_size), spec=spec)


def _of_config(config: Config, name: str, checkpoint: Checkpoint | None, has_names: bool = False) -> OpenedNetwork:
    """Build the model; its labels are called as in the checkpoint's metadata, unless the config `has_names`."""
    from mmengine.registry import MODELS, DefaultScope

    scope = scope_of(config)
    if scope not in LIBRARIES:
        raise UserError(f'the config {name} has the default_scope {scope!r}; allowed: {", ".join(LIBRARIES)}')
    settings = dict(config.model)
    preprocessor = config.get('data_preprocessor', config.get('preprocess_cfg'))
    if preprocessor is not None:
        settings.setdefault('data_preprocessor', preprocessor)
    with DefaultScope.overwrite_default_scope(scope):
        model: Any = MODELS.build(settings)
    report, metadata = f'{name} with random weights', None
    if checkpoint is not None:
        tensors = checkpoint.specified() if has_names else checkpoint.state_dict()
        count = fill(model, tensors, str(checkpoint.path))
        choice = f', {checkpoint.choice}' if checkpoint.choice else ''
        report = f'{count} keys loaded from {checkpoint.path}{choice}'
        metadata = None if has_names else checkpoint.meta.get('dataset_meta')
    if not metadata and config.get('test_dataloader') is not None:
        metadata = _meta_of(data_set(config), scope)
    norm = {key: buffer.flatten().tolist() for key, buffer in model.data_preprocessor.named_buffers()}
    preprocessing = Preprocessing(norm.get('mean', [0.0]), norm.get('std', [1.0]))
    return OpenedNetwork(model, name, report, preprocessing, config, checkpoint, None, dict(metadata or {}))


def _makes_rgb(config: Config) -> bool:
    """Whether the preprocessor of a model turns images, which OpenCV reads as B, G, R, to R, G, B."""
    settings = config.get('data_preprocessor') or config.get('preprocess_cfg') or config.model.get('data_preprocessor')
    return any((settings or {}).get(name) for name in ('bgr_to_rgb', 'to_rgb'))


def data_set(config: Config) -> Any:
    """Return the settings of the test data set that has the pipeline; of several, the first."""
    dataset = config.test_dataloader.dataset
    while inner := dataset.get('dataset') or (not dataset.get('pipeline') and dataset.get('datasets')):
        dataset = inner[0] if isinstance(inner, list | tuple) else inner
    return dataset


def _meta_of(dataset: Mapping[str, Any], scope: str) -> dict[str, Any]:
    from mmengine.registry import DATASETS

    owner = class_of({'_scope_': scope, **dataset}, DATASETS)
    meta = {**getattr(owner, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    if dataset.get('classes') is not None:
        meta['classes'] = dataset['classes']
    if scope == 'mmpose':
        from mmpose.datasets.datasets.utils import parse_pose_metainfo

        # Whose data sets use their own only without one in the config.
        meta = parse_pose_metainfo(dict(dataset.get('metainfo') or meta))
    return meta
