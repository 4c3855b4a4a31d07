"""Maps of the backbone as timm's `features_only=True` returns them, for code that was written for timm."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from ..errors import UserError
from .archs import STEM_CHANNELS

__all__ = ['FeatureInfo', 'Features']

_STEM_STRIDE = 2


class FeatureInfo:
    """Description of the maps of a network, with the methods of timm's class of this name.

    Map 0 is that of the first convolution, at half the resolution; maps 1, 2, ... are the network's outputs.

    Args:
        channels: The channels of maps 1, 2, ...
        strides: Their strides in pixels.
        module: The name of the module that computes them.
        out_indices: The maps that are returned; negative numbers count from the end. Default: all but map 0.

    Raises:
        UserError: A number is not that of a map.

    Examples:
        >>> info = FeatureInfo([18, 36, 72, 144], [4, 8, 16, 32], 'stage4', (1, -1))
        >>> info.channels(), info.reduction(), info.channels(0)
        ([18, 144], [4, 32], 64)
    """

    def __init__(
        self, channels: Sequence[int], strides: Sequence[int], module: str, out_indices: Sequence[int] | None = None
    ) -> None:
        names = ['relu', *[module] * len(channels)]
        maps = zip([STEM_CHANNELS, *channels], [_STEM_STRIDE, *strides], names, strict=True)
        self.info = [
            {'num_chs': count, 'reduction': stride, 'module': name, 'index': i}
            for i, (count, stride, name) in enumerate(maps)
        ]
        given = range(1, len(self.info)) if out_indices is None else out_indices
        if wrong := [i for i in given if not -len(self.info) <= i < len(self.info)]:
            raise UserError(f'out_indices has {wrong[0]}; the maps have the numbers 0 to {len(self.info) - 1}')
        self.out_indices = tuple(i % len(self.info) for i in given)

    def get(self, key: str, idx: int | Sequence[int] | None = None) -> Any:
        """Return an entry of one map, of some maps, or of all that are returned.

        Args:
            key: 'num_chs', 'reduction', 'module' or 'index'.
            idx: The number of a map, or numbers. Default: `out_indices`.
        """
        if isinstance(idx, int):
            return self.info[idx][key]
        return [self.info[i][key] for i in (self.out_indices if idx is None else idx)]

    def get_dicts(self, keys: Sequence[str] | None = None, idx: int | Sequence[int] | None = None) -> Any:
        """Return entries, all by default, of one map, of some maps, or of all that are returned; see `get`."""
        if isinstance(idx, int):
            return {key: self.info[idx][key] for key in keys or self.info[idx]}
        return [self.get_dicts(keys, i) for i in (self.out_indices if idx is None else idx)]

    def channels(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the channels of one map, of some maps, or of all that are returned."""
        return self.get('num_chs', idx)

    def reduction(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the stride in pixels of one map, of some maps, or of all that are returned."""
        return self.get('reduction', idx)

    def module_name(self, idx: int | Sequence[int] | None = None) -> Any:
        """Return the name of the module that computes one map, some maps, or all that are returned."""
        return self.get('module', idx)

    def __len__(self) -> int:
        return len(self.info)

    def __getitem__(self, item: int) -> dict[str, Any]:
        return self.info[item]


class Features(nn.Module):
    """Backbone that returns a list of chosen maps, as timm's `features_only=True` does.

    Args:
        backbone: An `HRNet` or `HRNetV1`.
        out_indices: The numbers of maps: 0 for `(N, 64, H/2, W/2)` after the first convolution, 1 to 4 for the
            branches, finest first.

    Attributes:
        feature_info: The description of the maps.

    Raises:
        UserError: A number is not that of a map.

    Examples:
        >>> import torch
        >>> from hrnet_mm.models import HRNet
        >>> features = Features(HRNet('test-w8'), (0, 1, 4))
        >>> [tuple(x.shape) for x in features(torch.zeros(1, 3, 64, 64))]
        [(1, 64, 32, 32), (1, 8, 16, 16), (1, 64, 2, 2)]
    """

    def __init__(self, backbone: Any, out_indices: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.feature_info = FeatureInfo(backbone.out_channels, backbone.strides, 'backbone.stage4', out_indices)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the maps.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            A map for each of `feature_info.out_indices`.
        """
        half = self.backbone.forward_first(x)
        maps = (half, *self.backbone.forward_rest(half))
        return [maps[i] for i in self.feature_info.out_indices]
