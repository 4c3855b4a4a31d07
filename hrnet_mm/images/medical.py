"""Slices of DICOM and NIfTI, by the extra `medical`."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from .limits import check_size

__all__ = ['is_medical', 'read_medical', 'read_size']

_NIFTI = ('.nii', '.nii.gz')


def is_medical(file: Path) -> bool:
    """Whether a file is DICOM or NIfTI, by its name or by the mark of DICOM."""
    name = file.name.lower()
    if name.endswith(('.dcm', '.dicom', *_NIFTI)):
        return True
    if file.suffix:
        return False
    with file.open('rb') as opened:
        return opened.read(132)[128:] == b'DICM'


def read_size(file: Path) -> tuple[int, int, int, int, str]:
    """Width, height, the orientation 1, the number of bands and the type of a value.

    Raises:
        UserError: It is damaged, a volume, or the extra is not installed.
    """
    if file.name.lower().endswith(_NIFTI):
        height, width = _nifti(file).shape[:2]
        check_size(width, height, 1, 4)
        return width, height, 1, 1, 'float32'
    data = _dicom(file, pixels=False)
    bands = int(data.get('SamplesPerPixel', 1))
    check_size(int(data.Columns), int(data.Rows), bands, 4)
    return int(data.Columns), int(data.Rows), 1, bands, 'uint8' if bands == 3 else 'float32'


def read_medical(file: Path) -> npt.NDArray[Any]:
    """Read the pixels `(H, W, bands)`: physical values (Hounsfield units of CT), rows from above.

    Raises:
        UserError: It is damaged, a volume, or the extra is not installed.
    """
    if file.name.lower().endswith(_NIFTI):
        image = _nifti(file)
        try:
            values = np.asarray(image.dataobj, np.float32)
        except Exception as error:  # a damaged file raises any exception
            raise UserError(f'it is damaged ({error})') from error
        return np.reshape(values, (*image.shape[:2], 1))
    data = _dicom(file, pixels=True)
    try:
        stored = data.pixel_array
    except Exception as error:
        raise UserError(f'its pixels cannot be decoded ({error})') from error
    if stored.ndim == 3:
        return np.asarray(stored, np.uint8)
    from pydicom.pixels import apply_rescale

    values = np.asarray(apply_rescale(stored, data), np.float32)
    if data.PhotometricInterpretation == 'MONOCHROME1':  # the least value is white
        ends = np.asarray(apply_rescale(np.array([0, (1 << int(data.BitsStored)) - 1]), data), np.float32)
        values = ends.sum() - values
    return values[..., None]


def _dicom(file: Path, pixels: bool) -> Any:
    try:
        import pydicom
    except ImportError as error:
        raise UserError("DICOM is read by pydicom: pip install 'hrnet_mm[medical]'") from error
    try:
        data = pydicom.dcmread(file, stop_before_pixels=not pixels)
        frames = int(data.get('NumberOfFrames', 1) or 1)
        kind = str(data.PhotometricInterpretation)
        _ = data.Rows, data.Columns
    except Exception as error:  # a damaged file raises any exception
        raise UserError(f'it is no DICOM image ({error})') from error
    if frames > 1:
        raise UserError(f'it holds {frames} frames; expected one slice in a file, so save each as a file of its own')
    if kind == 'PALETTE COLOR':
        raise UserError('its photometric interpretation is PALETTE COLOR; expected gray or RGB, so convert it')
    return data


def _nifti(file: Path) -> Any:
    try:
        import nibabel
    except ImportError as error:
        raise UserError("NIfTI is read by nibabel: pip install 'hrnet_mm[medical]'") from error
    try:
        image = nibabel.load(file)
        shape = image.shape
    except Exception as error:  # a damaged file raises any exception
        raise UserError(f'it is no NIfTI image ({error})') from error
    if len(shape) < 2 or any(side > 1 for side in shape[2:]):
        raise UserError(
            f'it is a volume of {" x ".join(map(str, shape))}; expected one slice in a file, so save each as a file of '
            'its own'
        )
    return image
