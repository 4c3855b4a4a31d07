"""Georeference of GeoTIFF images: the tags that a mask keeps, and objects in map coordinates as GeoJSON."""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..annotations import run_lengths
from ..datasets.masks import outlines
from ..errors import UserError
from ..weights.io import written_aside

__all__ = [
    'DAMAGED',
    'NODATA',
    'GeoReference',
    'georeference_of',
    'is_tiff',
    'read_georeference',
    'tiff_library',
    'write_geojson',
]

Array = npt.NDArray[Any]

DAMAGED = (OSError, ValueError, IndexError, struct.error)
"""What tifffile raises for files that are no TIFF; its own error is a ValueError."""

_SCALE, _TIEPOINTS, _TRANSFORMATION, _KEYS, _DOUBLES, _TEXTS = 33550, 33922, 34264, 34735, 34736, 34737
NODATA = 42113
"""The tag of the value of pixels without data."""
_COPIED = (_SCALE, _TIEPOINTS, _TRANSFORMATION, _KEYS, _DOUBLES, _TEXTS)
_RASTER_TYPE, _GEOGRAPHIC, _PROJECTED = 1025, 2048, 3072  # keys within the directory
_PIXEL_IS_POINT = 2
_OWN_CRS = 32767  # a coordinate reference system without a number


@dataclass(frozen=True)
class GeoReference:
    """The place of an image on the earth.

    Attributes:
        tags: The tags of the TIFF file that a mask keeps: code, type, count and value of each.
        crs: The coordinate reference system, such as 'EPSG:32633'; None if it has no number.
        matrix: The affine transform `(2, 3)` from x and y in pixels to the map, where (0, 0) is the outer corner of the
            first pixel; None if only several ground control points are known.
        nodata: The value of pixels without data.
    """

    tags: Sequence[tuple[int, int, int, Any]] = ()
    crs: str | None = None
    matrix: Array | None = None
    nodata: float | None = None

    def to_map(self, points: Array) -> Array:
        """Return points `(n, 2)` in pixels as map coordinates `(n, 2)`.

        Examples:
            >>> GeoReference(matrix=np.array([[0.5, 0, 300], [0, -0.5, 900]])).to_map(np.array([[0, 0], [2, 4]]))
            array([[300., 900.],
                   [301., 898.]])
        """
        assert self.matrix is not None
        there: Array = np.asarray(points, float) @ self.matrix[:, :2].T + self.matrix[:, 2]
        return there


def is_tiff(path: Path) -> bool:
    """Whether a file's name is that of a TIFF."""
    return path.suffix.lower() in ('.tif', '.tiff')


def tiff_library() -> Any:
    """Return the module tifffile.

    Raises:
        UserError: It is not installed.
    """
    try:
        import tifffile
    except ModuleNotFoundError as error:
        raise UserError("TIFF files are read and written by tifffile: pip install 'hrnet_mm[tiff]'") from error
    return tifffile


def read_georeference(path: Path) -> GeoReference | None:
    """Return the georeference of an image; None if it has none, or is no TIFF that can be read."""
    if not is_tiff(path):
        return None
    try:
        with tiff_library().TiffFile(path) as file:
            return georeference_of(file.pages[0])
    except DAMAGED:
        return None


def georeference_of(page: Any) -> GeoReference | None:
    """Return the georeference of a page.

    Args:
        page: A `TiffPage` of tifffile.

    Returns:
        The georeference; None if the page has neither a place nor a value of pixels without data.
    """
    tags = page.tags
    copied = [(code, int(tags[code].dtype), tags[code].count, tags[code].value) for code in _COPIED if code in tags]
    nodata = _number(tags.valueof(NODATA))
    if not copied and nodata is None:
        return None
    directory = tags.valueof(_KEYS) or ()
    # A location of 0 says that the last of the four numbers is the value itself.
    keys = {directory[i]: directory[i + 3] for i in range(4, len(directory) - 3, 4) if directory[i + 1] == 0}
    code = keys.get(_PROJECTED, keys.get(_GEOGRAPHIC, _OWN_CRS))
    matrix = _matrix(*(tags.valueof(one) for one in (_SCALE, _TIEPOINTS, _TRANSFORMATION)))
    if matrix is not None and keys.get(_RASTER_TYPE) == _PIXEL_IS_POINT:
        matrix[:, 2] -= matrix[:, :2] @ [0.5, 0.5]  # the place is that of the center of the first pixel
    return GeoReference(copied, f'EPSG:{code}' if code not in (0, _OWN_CRS) else None, matrix, nodata)


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _matrix(scale: Any, tiepoints: Any, transformation: Any) -> Array | None:
    if transformation is not None and len(transformation) == 16:
        return np.array(transformation, float).reshape(4, 4)[:2, [0, 1, 3]]
    if scale is None or tiepoints is None or len(tiepoints) < 6:
        return None
    column, row, _, x, y, _ = tiepoints[:6]
    return np.array([[scale[0], 0, x - column * scale[0]], [0, -scale[1], y + row * scale[1]]], float)


def _features(prediction: Mapping[str, Any], geo: GeoReference) -> Iterator[dict[str, Any]]:
    """Yield the objects of a prediction as features of GeoJSON, with their coordinates on the map.

    An object with a mask is a polygon along the edges of its pixels, one without a mask is its box, and a keypoint is a
    point.

    Args:
        prediction: The prediction, as `Predictor.to_json` returns it.
        geo: The georeference of the image, with a matrix.
    """
    masks = prediction.get('masks')
    for index, box in enumerate(prediction.get('boxes', ())):
        x1, y1, x2, y2 = box
        rings = [[x1, y1, x2, y1, x2, y2, x1, y2]] if masks is None else _outlines(masks[index])
        told = {'object': index, 'class': prediction['labels'][index], 'score': prediction['scores'][index]}
        if rings:  # a mask may be empty
            yield _feature('MultiPolygon', [[_ring(ring, geo)] for ring in rings], told)
    names = prediction.get('names') or ()
    for index, pose in enumerate(prediction.get('poses', ())):
        places = geo.to_map(np.array(pose['keypoints']).reshape(-1, 2) + 0.5)  # 0 is the center of the first pixel
        for number, (place, score) in enumerate(zip(places.tolist(), pose['scores'], strict=True)):
            name = names[number] if number < len(names) else number
            yield _feature('Point', place, {'object': index, 'keypoint': name, 'score': score})


def write_geojson(file: Path, prediction: Mapping[str, Any], geo: GeoReference) -> bool:
    """Write the objects of a prediction as a GeoJSON file, in the coordinates of the image's map.

    The member `crs` names the reference system, as GDAL writes it; RFC 7946 knows longitude and latitude only.

    Args:
        file: The file.
        prediction: The prediction, as `Predictor.to_json` returns it.
        geo: The georeference of the image.

    Returns:
        Whether the file was written: not for predictions without objects, such as classes of pixels, and not for an
        image without a place. Where the reference system has no number, programs would take the coordinates for
        longitude and latitude; a line says so, and there is no file.
    """
    if geo.matrix is None or not {'boxes', 'poses'} & prediction.keys():
        return False
    if geo.crs is None:
        print(f'{file}: not written, because the coordinate reference system of the image has no EPSG number')
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    name = f'urn:ogc:def:crs:EPSG::{geo.crs.removeprefix("EPSG:")}'
    head = {'type': 'FeatureCollection', 'crs': {'type': 'name', 'properties': {'name': name}}}
    with written_aside(file) as aside, aside.open('w') as stream:
        stream.write(json.dumps(head)[:-1] + ', "features": [')
        for index, feature in enumerate(_features(prediction, geo)):
            stream.write((',\n' if index else '\n') + json.dumps(feature))
        stream.write('\n]}\n')
    return True


def _feature(kind: str, coordinates: Any, properties: Mapping[str, Any]) -> dict[str, Any]:
    geometry = {'type': kind, 'coordinates': coordinates}
    return {'type': 'Feature', 'properties': dict(properties), 'geometry': geometry}


def _ring(outline: Sequence[float], geo: GeoReference) -> list[list[float]]:
    """The closed ring of a polygon, counterclockwise on the map."""
    points = geo.to_map(np.array(outline).reshape(-1, 2))
    x, y = points.T
    if x @ np.roll(y, -1) < y @ np.roll(x, -1):
        points = points[::-1]
    corners: list[list[float]] = points.tolist()
    return [*corners, corners[0]]


def _outlines(mask: Mapping[str, Any]) -> list[list[float]]:
    """The polygons of a mask's run lengths; only the columns with pixels are unpacked."""
    height = mask['size'][0]
    ends = np.cumsum(run_lengths(mask))
    if len(ends) < 2:
        return []
    left, right = int(ends[0]) // height, -(-int(ends[1::2][-1]) // height)
    starts, stops = (np.clip(ends[i : len(ends) // 2 * 2 : 2] - left * height, 0, None) for i in (0, 1))
    flat = np.zeros((right - left) * height + 1, np.int8)
    flat[starts] += 1
    flat[stops] -= 1
    columns = np.cumsum(flat[:-1], dtype=np.int8).reshape(-1, height).T
    shift = np.array([left, 0])
    return [(np.array(ring).reshape(-1, 2) + shift).ravel().tolist() for ring in outlines(columns)]
