"""Image files as they are: heads, pixels of any number of bands and any type, and the pictures that show them."""

from .bands import Bands, order_of, read_picture
from .headers import Header, read_headers
from .pixels import IMAGE_SUFFIXES, ImageError, header_of, read_bands, read_color, upright

__all__ = [
    'IMAGE_SUFFIXES',
    'Bands',
    'Header',
    'ImageError',
    'header_of',
    'order_of',
    'read_bands',
    'read_color',
    'read_headers',
    'read_picture',
    'upright',
]
