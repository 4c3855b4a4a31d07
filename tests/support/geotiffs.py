"""GeoTIFF files as other programs write them."""

import tifffile

NORTH_UP = {33550: ('d', 3, (0.5, 0.25, 0.0)), 33922: ('d', 6, (0.0, 0.0, 0.0, 300000.0, 4000000.0, 0.0))}
"""Pixels of 0.5 x 0.25 m, and the outer corner of the first at x = 300,000, y = 4,000,000."""


def keys(crs=(3072, 32633), raster_type=1):
    """The tags of a coordinate reference system: key and EPSG code."""
    entries = [(1024, 0, 1, 1), (1025, 0, 1, raster_type), (1026, 34737, 8, 0), (*crs[:1], 0, 1, crs[1])]
    directory = [1, 1, 0, len(entries), *(value for entry in entries for value in entry)]
    return {34735: ('H', len(directory), directory), 34736: ('d', 1, (6378137.0,)), 34737: ('s', 0, 'a place|')}


def write(path, image, tags=None, nodata=None, **kwargs):
    """Write an image with the tags of a place; by default that of `NORTH_UP` in UTM zone 33 north."""
    tags = {**NORTH_UP, **keys()} if tags is None else dict(tags)
    if nodata is not None:
        tags[42113] = ('s', 0, nodata)
    extra = [(code, *tag, True) for code, tag in tags.items()]
    given = {'photometric': 'minisblack', 'metadata': None, 'extratags': extra}
    if image.ndim == 3:
        given['planarconfig'] = 'contig'
    tifffile.imwrite(path, image, **given | kwargs)
    return path
