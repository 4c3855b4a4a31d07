"""Unpack LIP (Look into Person) into the folders that mmseg and configs/segmentation read, and check every label.

TrainVal_images.zip and TrainVal_parsing_annotations.zip come from the data set's website. The output is
OUT/{train,val}_{images,segmentations}. Example:

    python tools/prepare/lip.py TrainVal_images.zip TrainVal_parsing_annotations.zip --out data/LIP
"""

import argparse
import sys
from io import BytesIO
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

import numpy as np
from _prepare import new
from PIL import Image

NUM_CLASSES = 20  # including the background; 255 is ignored


def members(archive: ZipFile, folder: str, suffix: str) -> dict[str, str]:
    """Return the files in any folder of that name, by stem; resource forks of macOS are left out."""
    names = [PurePosixPath(name) for name in archive.namelist()]
    chosen = [n for n in names if n.parent.name == folder and n.suffix == suffix and '__MACOSX' not in n.parts]
    if not chosen:
        sys.exit(f'{archive.filename} holds no {folder}/*{suffix}; give the archives that the data set offers.')
    return {n.stem: str(n) for n in chosen}


def check_label(data: bytes, name: str) -> None:
    with Image.open(BytesIO(data)) as image:
        label = np.array(image)
    if label.ndim != 2 or not np.isin(label, [*range(NUM_CLASSES), 255]).all():
        sys.exit(f'{name} is not a label of {NUM_CLASSES} classes: it has shape {label.shape}, maximum {label.max()}.')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('images', type=Path, help='TrainVal_images.zip')
    parser.add_argument('labels', type=Path, help='TrainVal_parsing_annotations.zip')
    parser.add_argument('--out', type=Path, default=Path('data/LIP'), help='the folder to write (default: data/LIP)')
    args = parser.parse_args()
    try:
        with ZipFile(args.images) as images, ZipFile(args.labels) as labels, new(args.out) as (out,):
            for split in ('train', 'val'):
                pictures = members(images, f'{split}_images', '.jpg')
                maps = members(labels, f'{split}_segmentations', '.png')
                if unpaired := sorted(pictures.keys() ^ maps.keys()):
                    sys.exit(f'{len(unpaired)} of the {split} images or labels have no partner, {unpaired[0]} first.')
                for archive, files, folder in ((images, pictures, 'images'), (labels, maps, 'segmentations')):
                    target = out / f'{split}_{folder}'
                    target.mkdir(parents=True)
                    for name in files.values():
                        data = archive.read(name)
                        if archive is labels:
                            check_label(data, name)
                        (target / PurePosixPath(name).name).write_bytes(data)
                print(f'{split}: {len(pictures)} images with their labels')
    except (BadZipFile, OSError) as error:
        sys.exit(f'cannot read the archives: {error}.')


if __name__ == '__main__':
    main()
