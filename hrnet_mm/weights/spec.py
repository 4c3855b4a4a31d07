"""Model specification: what inference needs besides the weights, as plain values beside them in their file.

A `.pth` file has it under the key `hrnet_mm`, a `.safetensors` file as JSON in its header. It holds numbers and texts
only. A file may have any author, so every value is checked before it is used.
"""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..images import Bands
from .io import CheckpointError

__all__ = ['ModelSpec']

VERSION = 1

_MOST_NAMES = 1 << 16
_LONGEST_NAME = 1000
_LONGEST_SIDE = 1 << 14
_MOST_BANDS = 1000
_TYPES = ('uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'float16', 'float32', 'float64')
_MOST = 1e300  # every finite number that is of use

_RESIZE = {
    'box_padding': (0.1, 10.0),
    'box_margin': (0.0, 1000.0),
    'scale_factor': (1e-3, 16.0),
    'pad_to_multiple': (1, 1024),
    'shorter_side': (1.0, float(_LONGEST_SIDE)),
}
"""The numbers of each way to resize, least and most."""

_REFINEMENT = {
    'upsampling': (1, 2),
    'offset_std': (1e-3, 1e3),
    'radius': (1e-3, float(_LONGEST_SIDE)),
    'missing_weight': (0.0, 1.0),
}
"""The numbers of a refinement, least and most."""


@dataclass(frozen=True)
class ModelSpec:
    """Specification of a trained network.

    Attributes:
        task: A name of `hrnet_mm.tasks.TASKS`.
        network: The name of readout and architecture, such as 'hrnetv1_w32'.
        input_size: Height and width of the input in pixels; those of the training's crops where the network takes any.
        mean: Subtracted from each channel.
        std: The divisor of each channel after the subtraction.
        resize: How an image becomes an input. `box_padding`: the box, enlarged by this factor and to the shape of the
            input, is resized to it. `box_margin`: the box with so many pixels on each side, enlarged to that shape and
            rounded to pixels, is. `scale_factor`: the whole image is resized by it. `pad_to_multiple`: the whole image
            is padded to sides that this number divides. `shorter_side`: the image is resized until its shorter side
            has this many pixels, and the center is cut out. Empty: the whole image is resized to the input.
        channel_order: 'RGB' or 'BGR', of the input, `mean` and `std`.
        value_range: The least and the greatest value of a pixel before the normalization; of bands, a pair of those in
            the training part for each channel.
        bands: The numbers, from 1, of the bands of a file that are the channels, in this order. Empty: pictures of 8
            bits, as R, G, B.
        file_bands: The number of bands of a file.
        pixel_type: NumPy's name of the type of a value in a file; `mean`, `std` and `value_range` are in its unit.
        classes: Names of the classes; for keypoints, of the kind of object.
        keypoints: Names of the keypoints.
        skeleton: Pairs of keypoints, counted from 0, that are joined by lines.
        flip_pairs: Pairs of keypoints that change places in a mirror image; without any, images are not mirrored.
        sigmas: The OKS sigma of each keypoint.
        refinement: Of DeepLabCut's head, which has two maps of offsets for each heatmap: `upsampling` of the maps, 1 or
            2; `offset_std`, the pixels of an offset of 1; `radius` and `missing_weight` of the targets. Empty for other
            heads.
        masks: Whether a detector returns masks too.
        calibration: Numbers, or lists of numbers, by name; None if nothing was calibrated.
    """

    task: str
    network: str
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: Mapping[str, float]
    channel_order: str = 'RGB'
    value_range: tuple[float, float] | tuple[tuple[float, float], ...] = (0.0, 255.0)
    bands: tuple[int, ...] = ()
    file_bands: int = 0
    pixel_type: str = 'uint8'
    classes: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    flip_pairs: tuple[tuple[int, int], ...] = ()
    sigmas: tuple[float, ...] = ()
    refinement: Mapping[str, float] = field(default_factory=dict)
    masks: bool = False
    calibration: Mapping[str, Any] | None = None

    @property
    def arch(self) -> str:
        """The name of the architecture."""
        return self.network.partition('_')[2]

    @property
    def in_channels(self) -> int:
        """The channels of the input."""
        return len(self.mean)

    @property
    def reads(self) -> Bands | None:
        """What is read of a file; None for pictures of 8 bits."""
        return Bands(self.bands, self.file_bands, self.pixel_type) if self.bands else None

    @property
    def takes_any_size(self) -> bool:
        """Whether the network reads whole images of any size."""
        return bool({'scale_factor', 'pad_to_multiple'} & set(self.resize))

    def resized_by(self, way: str) -> float:
        """Return the number of a way to resize.

        Raises:
            CheckpointError: The images are resized in another way.
        """
        if way not in self.resize:
            raise CheckpointError(
                f'the model specification has the resize {dict(self.resize)}; the task {self.task} expects {way}'
            )
        return self.resize[way]

    def to_json(self) -> dict[str, Any]:
        """Return the version and the fields as JSON values; optional fields only where they hold a value."""
        values = json.loads(json.dumps(asdict(self)))
        return {'version': VERSION} | {name: one for name, one in values.items() if one or name in _REQUIRED}

    @classmethod
    def from_json(cls, values: Any, path: str | os.PathLike[str] = 'the checkpoint') -> 'ModelSpec':
        """Check JSON values of any origin.

        Args:
            values: What `to_json` returns.
            path: The file's name in error messages.

        Raises:
            CheckpointError: A field is missing, unknown, of another type or out of range, or the version is newer.

        Examples:
            >>> spec = ModelSpec('pose', 'hrnetv1_w32', (256, 192), (0,) * 3, (1,) * 3, {'box_padding': 1.25})
            >>> ModelSpec.from_json(spec.to_json() | {'input_size': [-1]})
            Traceback (most recent call last):
            hrnet_mm.weights.io.CheckpointError: the checkpoint: the model specification has the input_size [-1]; ...
        """

        def fail(reason: str) -> CheckpointError:
            return CheckpointError(
                f'{path}: the model specification {reason}: give a config that you trust, and the file as its weights'
            )

        if not isinstance(values, Mapping):
            raise fail(f'is a {type(values).__name__}; expected a table of fields')
        version = values.get('version')
        if type(version) is not int or version < 1:
            raise fail(f'has the version {_shown(version)}; expected a whole number from 1')
        if version > VERSION:
            raise CheckpointError(
                f'{path}: the model specification has the version {_shown(version)}, and this hrnet_mm reads up to '
                f'{VERSION}; install a newer hrnet_mm'
            )
        known = {one.name for one in fields(cls)}
        if unknown := [name for name in values if name not in known and name != 'version']:
            raise fail(f'has the unknown field {_shown(unknown[0])}; expected {", ".join(sorted(known))}')
        if missing := [name for name in _REQUIRED if name not in values]:
            raise fail(f'lacks the field {missing[0]}; expected {", ".join(_REQUIRED)}')
        checked = {}
        for name, (is_valid, expected) in _FIELDS.items():
            if name in values:
                if not is_valid(values[name]):
                    raise fail(f'has the {name} {_shown(values[name])}; expected {expected}')
                checked[name] = _frozen(values[name])
        spec = cls(**checked)
        count = len(spec.keypoints)
        for name in ('skeleton', 'flip_pairs'):
            if any(end >= count for pair in getattr(spec, name) for end in pair):
                raise fail(f'has the {name} {_shown(values[name])}; expected numbers below {count}, of the keypoints')
        channels = len(spec.bands) or len(spec.channel_order)
        if len(spec.sigmas) not in (0, count) or not len(spec.mean) == len(spec.std) == channels:
            raise fail(
                f'has {count} keypoints, {len(spec.sigmas)} sigmas, {channels} channels, {len(spec.mean)} means and '
                f'{len(spec.std)} stds; expected a sigma for each keypoint, and a mean and a std for each channel'
            )
        ranges = spec.value_range if spec.bands else ()
        are_pairs = len(ranges) == channels and all(isinstance(pair, tuple) for pair in ranges)
        if spec.bands and (max(spec.bands) > spec.file_bands or not are_pairs):
            raise fail(
                f'has the bands {list(spec.bands)} of {spec.file_bands} with the value_range '
                f'{_shown(values.get("value_range"))}; expected bands of the file, and two numbers for each'
            )
        if not spec.bands and spec.value_range != (0, 255):
            raise fail(f'has the value_range {_shown(values["value_range"])} without bands; expected 0 and 255')
        return spec


_Check = Callable[[Any], bool]


def _number(least: float, most: float) -> _Check:
    return lambda value: type(value) in (int, float) and least <= value <= most  # false for NaN


def _whole(least: int, most: int) -> _Check:
    return lambda value: type(value) is int and least <= value <= most


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME


def _several(is_valid: _Check, least: int = 0, most: int = _MOST_NAMES) -> _Check:
    return lambda value: isinstance(value, list | tuple) and least <= len(value) <= most and all(map(is_valid, value))


def _names(value: Any) -> bool:
    return _several(_text)(value) and len(set(value)) == len(value)


def _resize(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= 1
        and all(way in _RESIZE and _number(*_RESIZE[way])(number) for way, number in value.items())
    )


def _refinement(value: Any) -> bool:
    return isinstance(value, Mapping) and (
        not value
        or (
            value.keys() == _REFINEMENT.keys()
            and all(_number(*_REFINEMENT[name])(number) for name, number in value.items())
            and value['upsampling'] in (1, 2)
        )
    )


def _calibration(value: Any) -> bool:
    number = _number(-_MOST, _MOST)
    entry = _several(number)
    return value is None or (
        isinstance(value, Mapping) and all(_text(name) and (number(one) or entry(one)) for name, one in value.items())
    )


def _bands(value: Any) -> bool:
    return _several(_whole(1, _MOST_BANDS), 0, _MOST_BANDS)(value) and len(set(value)) == len(value)


def _ranges(value: Any) -> bool:
    pair = _several(_number(-_MOST, _MOST), 2, 2)
    return pair(value) or _several(pair, 1, _MOST_BANDS)(value)


_PAIRS = _several(_several(_whole(0, _MOST_NAMES), 2, 2))
_CHANNELS = _several(_number(-1e12, 1e12), 1, _MOST_BANDS)

_FIELDS: Mapping[str, tuple[_Check, str]] = {
    'task': (_text, 'the name of a task'),
    'network': (_text, 'the name of a network'),
    'input_size': (
        _several(_whole(1, _LONGEST_SIDE), 2, 2),
        f'two whole numbers from 1 to {_LONGEST_SIDE}',
    ),
    'mean': (_CHANNELS, 'a number for each channel'),
    'std': (_several(_number(1e-12, 1e12), 1, _MOST_BANDS), 'a number above 0 for each channel'),
    'resize': (_resize, 'none or one of ' + ', '.join(f'{way} ({a:g} to {b:g})' for way, (a, b) in _RESIZE.items())),
    'channel_order': (lambda value: value in ('RGB', 'BGR'), 'RGB or BGR'),
    'value_range': (_ranges, 'two numbers, or two for each band'),
    'bands': (_bands, f'different whole numbers from 1 to {_MOST_BANDS}'),
    'file_bands': (_whole(0, _MOST_BANDS), f'a whole number up to {_MOST_BANDS}'),
    'pixel_type': (lambda value: value in _TYPES, f'one of {", ".join(_TYPES)}'),
    'classes': (_names, 'different names'),
    'keypoints': (_names, 'different names'),
    'skeleton': (_PAIRS, 'pairs of whole numbers'),
    'flip_pairs': (_PAIRS, 'pairs of whole numbers'),
    'sigmas': (_several(_number(1e-6, 1e3)), 'numbers above 0'),
    'refinement': (
        _refinement,
        'the numbers ' + ', '.join(f'{n} ({a:g} to {b:g})' for n, (a, b) in _REFINEMENT.items()),
    ),
    'masks': (lambda value: isinstance(value, bool), 'true or false'),
    'calibration': (_calibration, 'numbers, or lists of numbers, by name'),
}
_REQUIRED = ('task', 'network', 'input_size', 'mean', 'std', 'resize')


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _shown(value: Any) -> str:
    try:
        text = str(value) if isinstance(value, str) else json.dumps(value, default=str)
    except (ValueError, RecursionError):  # a number of 5,000 digits, a list in a list in ...
        text = f'a {type(value).__name__}'
    text = ' '.join(text.split())
    return text if len(text) <= 60 else f'{text[:57]}...'
