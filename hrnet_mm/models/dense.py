"""The dense part of a library's model: backbone, neck and dense head, from images to maps and scores."""

from typing import Any

from torch import Tensor, nn

__all__ = ['Body', 'DenseNetwork', 'MapsAsInputs', 'dense_head']

_HEADS = ('decode_head', 'head', 'bbox_head', 'rpn_head')
"""The names of a head that reads whole maps: mmseg's; mmpose's and mmpretrain's; mmdet's two."""


def dense_head(model: Any) -> nn.Module | None:
    """The head of a library's model that reads whole maps; of a two-stage detector, that of the region proposals."""
    return next((getattr(model, name) for name in _HEADS if getattr(model, name, None) is not None), None)


class Body(nn.Module):
    """Backbone and neck of a library's model as one module; parameters are the model's own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone, self.neck = model.backbone, getattr(model, 'neck', None)

    def maps(self, x: Tensor) -> Any:
        """`(N, C, H, W)` to the maps of the neck, or without one of the backbone."""
        maps = self.backbone(x)
        return maps if self.neck is None else self.neck(maps)

    def forward(self, x: Tensor) -> Any:
        """`(N, C, H, W)` to the maps."""
        return self.maps(x)


class DenseNetwork(Body):
    """Backbone, neck and dense head of a library's model, without what precedes and follows them.

    It takes normalized images `(N, C, H, W)` and gives what the head's `forward` gives: scores, not yet boxes or
    points.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.head = dense_head(model)

    def forward(self, x: Tensor) -> Any:
        """`(N, C, H, W)` to the head's outputs, or without a head to the maps."""
        return self.read(self.maps(x))

    def read(self, maps: Any) -> Any:
        """The head's outputs for the maps; of a cascade of heads, those of the last."""
        if self.head is None:
            return maps
        first, *others = self.head if isinstance(self.head, nn.ModuleList) else [self.head]
        out = first(maps)
        for head in others:  # each reads what the one before gave
            out = head(maps, out)
        return out


class MapsAsInputs(nn.Module):
    """A neck or head whose maps are separate inputs, as engines pass them."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, *maps: Tensor) -> Any:
        """Maps `(N, C_i, H_i, W_i)` to what the part gives."""
        return self.part(maps)
