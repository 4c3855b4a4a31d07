"""One picture in every form that a file can have, and files that are damaged or absurd."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from hrnet_mm.errors import UserError
from hrnet_mm.images import Bands, Header, ImageError, read_bands, read_color, read_headers, read_picture, upright

RGB = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8), (0, 0), 2)
GRAY = RGB[..., 0]
PERMUTED = np.dstack([RGB[..., 1], 255 - GRAY, RGB[..., 2], RGB[..., 0]])
"""Four bands, of which 4, 1 and 3 are R, G and B."""

INVERSE = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The orientation that undoes another."""


def save(file, pixels, mode=None, **options):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, **options)
    return file


def save_turned(file, pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return save(file, np.ascontiguousarray(upright(pixels, INVERSE[orientation])), exif=exif, lossless=True)


def save_tiff(file, pixels, **options):
    tifffile.imwrite(file, pixels, **{'photometric': 'minisblack', **options})
    return file


def header_of(file):
    (header,) = read_headers([file])
    return header


@pytest.mark.parametrize('suffix', ['png', 'webp'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_every_orientation_is_the_same_picture(tmp_path, orientation, suffix):
    file = save_turned(tmp_path / f'a.{suffix}', RGB, orientation)
    header = header_of(file)
    assert (header.width, header.height, header.orientation) == (60, 40, orientation)
    np.testing.assert_array_equal(read_color(file)[..., ::-1], RGB)
    np.testing.assert_array_equal(read_bands(file), RGB)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_16_bits_and_bands_are_turned_alike(tmp_path, orientation):
    pixels = upright(RGB, INVERSE[orientation]).astype(np.uint16) * 257
    file = tmp_path / 'a.tif'
    tifffile.imwrite(file, pixels, photometric='rgb', extratags=[(274, 3, 1, orientation, True)])
    assert (header_of(file).width, header_of(file).height) == (60, 40)
    np.testing.assert_array_equal(read_bands(file), RGB * np.float32(257))


@pytest.mark.parametrize(
    ('name', 'mode', 'options'),
    [('a.bmp', None, {}), ('a.tif', None, {}), ('b.tif', None, {'compression': 'tiff_lzw'}), ('c.tif', 'CMYK', {})],
)
def test_colors_of_8_bits_are_equal(tmp_path, name, mode, options):
    file = save(tmp_path / name, RGB, mode, **options)
    np.testing.assert_array_equal(read_color(file)[..., ::-1], RGB)
    assert header_of(file).is_picture


def test_gray_palette_opacity_and_bits(tmp_path):
    gray = np.dstack([GRAY] * 3)
    np.testing.assert_array_equal(read_color(save(tmp_path / 'gray.png', GRAY)), gray)
    few = RGB // 64 * 64
    palette = Image.fromarray(few).quantize(64)
    palette.save(tmp_path / 'palette.png')
    np.testing.assert_array_equal(read_color(tmp_path / 'palette.png')[..., ::-1], np.asarray(palette.convert('RGB')))
    rgba = save(tmp_path / 'rgba.png', np.dstack([RGB, 255 - GRAY]))
    np.testing.assert_array_equal(read_color(rgba)[..., ::-1], RGB)
    np.testing.assert_array_equal(read_bands(rgba)[..., 3], 255 - GRAY)
    assert header_of(rgba).has_alpha
    np.testing.assert_array_equal(read_color(save(tmp_path / 'bits.png', GRAY > 99))[..., 0], (GRAY > 99) * 255)


def test_16_bits_keep_their_scale(tmp_path):
    cv2.imwrite(str(tmp_path / 'rgb.png'), RGB[..., ::-1].astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / 'gray.png'), GRAY.astype(np.uint16) * 16)  # 12 bits
    np.testing.assert_array_equal(read_bands(tmp_path / 'rgb.png') / 257, RGB)
    np.testing.assert_array_equal(read_bands(tmp_path / 'gray.png')[..., 0], GRAY * np.float32(16))
    with pytest.raises(ImageError, match='has 1 band of uint16, and the network reads pictures of 8 bits'):
        read_color(tmp_path / 'gray.png')


@pytest.mark.parametrize('planes', ['contig', 'separate'])
def test_chosen_bands_are_the_picture(tmp_path, planes):
    stored = PERMUTED if planes == 'contig' else np.moveaxis(PERMUTED, 2, 0)
    file = save_tiff(tmp_path / 'a.tif', np.ascontiguousarray(stored), planarconfig=planes, compression='zlib')
    header = header_of(file)
    assert (str(header), header.is_picture) == ('4 bands of uint8', False)
    bands = Bands.choose(header, (4, 1, 3))
    np.testing.assert_array_equal(bands.read(file), read_color(save(tmp_path / 'a.png', RGB)))
    np.testing.assert_array_equal(read_picture(file, bands), RGB[..., ::-1])
    np.testing.assert_array_equal(Bands.choose(header, (2,)).read(file)[..., 0], 255 - GRAY)
    with pytest.raises(ImageError, match=r'has 4 bands of uint8, and the network reads pictures of 8 bits'):
        read_color(file)


def test_channels_on_pages_are_bands_and_other_pages_are_refused(tmp_path):
    stack = np.random.default_rng(0).integers(0, 4096, (3, 20, 30)).astype(np.uint16)
    channels = tmp_path / 'channels.tif'
    tifffile.imwrite(channels, stack, imagej=True, metadata={'axes': 'CYX'})
    np.testing.assert_array_equal(read_bands(channels), np.moveaxis(stack, 0, 2))
    for name, options in (('slices.tif', {'metadata': {'axes': 'ZYX'}}), ('pages.tif', {'metadata': None})):
        file = save_tiff(tmp_path / name, stack, **options)
        assert header_of(file).startswith('it has 3 pages; expected one image in a file')
        with pytest.raises(ImageError, match='3 pages'):
            read_color(file)
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    frames[0].save(tmp_path / 'moving.png', save_all=True, append_images=frames[1:])
    assert 'it holds 2 images' in header_of(tmp_path / 'moving.png')


def test_a_smaller_copy_is_no_page(tmp_path):
    with tifffile.TiffWriter(tmp_path / 'a.tif') as writer:
        writer.write(RGB, photometric='rgb', metadata=None)
        writer.write(RGB[::2, ::2], photometric='rgb', subfiletype=1, metadata=None)
    np.testing.assert_array_equal(read_color(tmp_path / 'a.tif')[..., ::-1], RGB)


def test_values_that_are_no_numbers_are_named(tmp_path):
    pixels = np.ones((20, 30, 2), np.float32)
    pixels[3, 4, 1] = np.nan
    with pytest.raises(ImageError, match='1 of its values are not finite, the first in band 2 at row 4, column 5'):
        read_bands(save_tiff(tmp_path / 'a.tif', pixels, planarconfig='contig'))


def png_head(width, height):
    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    head = chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))
    return b'\x89PNG\r\n\x1a\n' + head + chunk(b'IDAT', zlib.compress(b'\0' * 1000)) + chunk(b'IEND', b'')


def test_heads_of_any_size_are_refused(tmp_path):
    (tmp_path / 'a.png').write_bytes(png_head(10**6, 10**6))
    (tmp_path / 'b.png').write_bytes(png_head(40000, 40000))
    tiff = bytearray(save_tiff(tmp_path / 'c.tif', np.zeros((20, 30), np.uint16)).read_bytes())
    with tifffile.TiffFile(tmp_path / 'c.tif') as opened:
        tags = opened.pages[0].tags
        for name in ('ImageWidth', 'ImageLength'):
            at = tags[name].valueoffset
            tiff[at - 8 : at - 4 + 8] = tiff[at - 8 : at - 8] + struct.pack('<HHII', tags[name].code, 4, 1, 10**6)
    (tmp_path / 'c.tif').write_bytes(bytes(tiff))
    for name in ('a.png', 'b.png', 'c.tif'):
        header = header_of(tmp_path / name)
        assert isinstance(header, str), header
        assert 'when decoded' in header, header
        with pytest.raises(ImageError, match='when decoded'):
            read_color(tmp_path / name)


@pytest.mark.parametrize('name', ['a.png', 'a.jpg', 'a.webp', 'a.bmp', 'a.tif', 'bands.tif', 'packed.tif'])
@pytest.mark.parametrize('share', [0.0, 0.02, 0.5, 0.95])
def test_files_that_are_cut_off_give_a_sentence(tmp_path, name, share, capfd):
    file = tmp_path / name
    if name in ('bands.tif', 'packed.tif'):
        save_tiff(file, PERMUTED, planarconfig='contig', compression='zlib' if name == 'packed.tif' else None)
    else:
        save(file, RGB)
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ImageError):
        read_bands(file)


def test_what_is_no_image_gives_a_sentence(tmp_path):
    (tmp_path / 'a.tif').write_bytes(b'II*\0' + b'\xff' * 40)
    (tmp_path / 'b.png').write_text('text')
    save_tiff(tmp_path / 'c.tif', np.zeros((20, 30), np.complex64))
    for name in ('a.tif', 'b.png', 'c.tif', 'missing.png'):
        with pytest.raises(ImageError):
            read_bands(tmp_path / name)


@pytest.mark.parametrize(
    ('numbers', 'message'),
    [((4, 4, 2), '--bands 4,4,2 names band 4 twice'), ((9,), 'names band 9, and the images have the bands 1 to 4')],
)
def test_bands_that_are_not_there(numbers, message):
    with pytest.raises(UserError, match=message):
        Bands.choose(Header(60, 40, bands=4, is_picture=False), numbers)
    assert Bands.choose(Header(60, 40, bands=4, has_alpha=True)).numbers == (1, 2, 3)


def test_pictures_of_bands_are_stretched_by_the_training(tmp_path):
    file = save_tiff(tmp_path / 'a.tif', GRAY.astype(np.uint16) * 16)
    bands = Bands((1,), 1, 'uint16')
    mean, std = GRAY.mean() * 16, GRAY.std() * 16
    shown = read_picture(file, bands, [mean], [std])
    assert shown.shape == (40, 60, 3)
    expected = np.clip((GRAY * 16.0 - mean) / (4 * std) * 255 + 127.5, 0, 255)
    np.testing.assert_allclose(shown[..., 1], expected, atol=1)


def test_slices_of_dicom_and_nifti(tmp_path):
    nibabel = pytest.importorskip('nibabel')
    pydicom = pytest.importorskip('pydicom')
    nibabel.save(nibabel.Nifti1Image(GRAY.astype(np.float32)[..., None], np.eye(4)), tmp_path / 'a.nii.gz')
    np.testing.assert_array_equal(read_bands(tmp_path / 'a.nii.gz')[..., 0], GRAY)
    nibabel.save(nibabel.Nifti1Image(RGB.astype(np.float32), np.eye(4)), tmp_path / 'volume.nii')
    assert 'a volume of 40 x 60 x 3' in header_of(tmp_path / 'volume.nii')
    data = pydicom.Dataset()
    data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 40, 60, 1, 'MONOCHROME2'
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.RescaleSlope, data.RescaleIntercept = 2, -1024
    data.PixelData = (GRAY.astype(np.uint16) * 16).tobytes()
    data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.CTImageStorage, pydicom.uid.generate_uid()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.save_as(tmp_path / 'a.dcm', enforce_file_format=True)
    assert header_of(tmp_path / 'a.dcm') == Header(60, 40, 1, 1, 'float32', False, False)
    np.testing.assert_array_equal(read_bands(tmp_path / 'a.dcm')[..., 0], GRAY * 32.0 - 1024)
    data.PhotometricInterpretation = 'MONOCHROME1'
    data.save_as(tmp_path / 'b.dcm', enforce_file_format=True)
    np.testing.assert_array_equal(read_bands(tmp_path / 'b.dcm')[..., 0], (4095 - GRAY * 16.0) * 2 - 1024)
    (tmp_path / 'c.dcm').write_bytes((tmp_path / 'a.dcm').read_bytes()[:3000])
    with pytest.raises(ImageError):
        read_bands(tmp_path / 'c.dcm')
