"""The largest image that is decoded at once."""

from ..errors import UserError

__all__ = ['check_size']

_MOST_SIDE, _MOST_PIXELS = 1 << 20, 1 << 30  # OpenCV's limits
_MOST_BYTES = 1 << 32


def check_size(width: int, height: int, bands: int, bytes_each: int) -> None:
    """Check that decoded pixels fit into memory; the head of a file of some bytes can ask for any size.

    Raises:
        UserError: They do not.
    """
    if min(width, height, bands) < 1:
        raise UserError(f'it has {width} x {height} pixels of {bands} bands; expected one or more')
    size = width * height * bands * bytes_each
    if max(width, height) > _MOST_SIDE or width * height > _MOST_PIXELS or size > _MOST_BYTES:
        raise UserError(
            f'its head says {width} x {height} pixels, {size / 2**30:.1f} GB when decoded, which is too large: at most '
            f'{_MOST_BYTES >> 30} GB and 2^30 pixels are decoded; cut it into tiles'
        )
