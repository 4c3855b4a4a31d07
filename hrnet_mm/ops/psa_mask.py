"""The masks of point-wise spatial attention (PSANet): from a window around each pixel to the whole map.

Shapes: windows `(N, h_mask * w_mask, H, W)`, masks `(N, H * W, H, W)`. In a mask of type 0 (collect) the first H * W
are the places in a window and the other axes are its center; in type 1 (distribute) they are exchanged.
"""

import torch
from torch import Tensor

COLLECT = 0


def psamask_forward(
    input: Tensor,
    output: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Write the masks, 0 outside the windows."""
    # Where the place (row, column) lies in the window around the center (y, x).
    y, x, row, column = _axes(h_feature, w_feature, h_feature, w_feature, input.device)
    masks = _take(input.unflatten(1, (h_mask, w_mask)), row - y + half_h_mask, column - x + half_w_mask, y, x)
    if psa_type != COLLECT:
        masks = masks.permute(0, 3, 4, 1, 2)
    output.copy_(masks.flatten(1, 2))


def psamask_backward(
    grad_output: Tensor,
    grad_input: Tensor,
    psa_type: int,
    num_: int,
    h_feature: int,
    w_feature: int,
    h_mask: int,
    w_mask: int,
    half_h_mask: int,
    half_w_mask: int,
) -> None:
    """Write the gradient of the windows."""
    grads = grad_output.unflatten(1, (h_feature, w_feature))
    if psa_type != COLLECT:
        grads = grads.permute(0, 3, 4, 1, 2)
    y, x, row, column = _axes(h_feature, w_feature, h_mask, w_mask, grad_output.device)
    grad_input.copy_(_take(grads, row + y - half_h_mask, column + x - half_w_mask, y, x).flatten(1, 2))


def _axes(height: int, width: int, rows: int, columns: int, device: torch.device) -> tuple[Tensor, ...]:
    """Coordinates of centers and of places, which broadcast to (rows, columns, height, width)."""
    return (
        torch.arange(height, device=device)[:, None],
        torch.arange(width, device=device),
        torch.arange(rows, device=device)[:, None, None, None],
        torch.arange(columns, device=device)[:, None, None],
    )


def _take(source: Tensor, row: Tensor, column: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """`source[:, row, column, y, x]`, 0 where the row or the column does not exist."""
    height, width = source.shape[1:3]
    exists = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    taken = source[:, row.clamp(0, height - 1), column.clamp(0, width - 1), y, x]
    return torch.where(exists, taken, 0)
