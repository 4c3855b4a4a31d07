"""Dense part of a library's model: backbone, neck and dense head, from images to maps and scores."""

from typing import Any

from torch import Tensor, nn

__all__ = ['Body', 'DenseNetwork', 'MapsAsInputs', 'dense_head']

_HEADS = ('decode_head', 'head', 'bbox_head', 'rpn_head')
"""Names of heads that read whole maps: mmseg's; mmpose's and mmpretrain's; mmdet's two."""


def dense_head(model: Any) -> nn.Module | None:
    """Return the head of a library's model that reads whole maps.

    Args:
        model: The library's model.

    Returns:
        The head; of a two-stage detector, that of the region proposals; None if the model has none.
    """
    return next((getattr(model, name) for name in _HEADS if getattr(model, name, None) is not None), None)


class Body(nn.Module):
    """Backbone and neck of a library's model as one module, with the model's own parameters.

    Args:
        model: The library's model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.backbone, self.neck = model.backbone, getattr(model, 'neck', None)

    def maps(self, x: Tensor) -> Any:
        """Map `(N, C, H, W)` to the maps of the neck, or of the backbone if there is no neck."""
        maps = self.backbone(x)
        return maps if self.neck is None else self.neck(maps)

    def forward(self, x: Tensor) -> Any:
        """Map `(N, C, H, W)` to the maps."""
        return self.maps(x)


class DenseNetwork(Body):
    """Backbone, neck and dense head of a library's model, without preprocessing and postprocessing.

    It maps normalized images `(N, C, H, W)` to the outputs of the head's `forward`: scores, not yet boxes or keypoints.

    Args:
        model: The library's model.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.head = dense_head(model)

    def forward(self, x: Tensor) -> Any:
        """Map `(N, C, H, W)` to the head's outputs, or to the maps if there is no head."""
        return self.read(self.maps(x))

    def read(self, maps: Any) -> Any:
        """Return the head's outputs for the maps; of a cascade of heads, those of the last."""
        if self.head is None:
            return maps
        first, *others = self.head if isinstance(self.head, nn.ModuleList) else [self.head]
        out = first(maps)
        for head in others:  # each reads the outputs of the previous one
            out = head(maps, out)
        return out


class MapsAsInputs(nn.Module):
    """A neck or head whose maps are separate inputs, as engines pass them.

    Args:
        part: The neck or head.
    """

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, *maps: Tensor) -> Any:
        """Map `(N, C_i, H_i, W_i)` to the outputs of the neck or head."""
        return self.part(maps)
