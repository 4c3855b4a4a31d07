"""Convert PASCAL-Context's labels from 459 to 60 classes; mmseg's converter needs a package that is not on PyPI.

trainval.tar.gz (10,103 .mat files) comes from the data set's website, the images and the split from PASCAL VOC 2010.
The output is VOC2010/SegmentationClassContext/*.png (0 background, 1 to 59 classes) and
VOC2010/ImageSets/SegmentationContext/{train,val}.txt. The 59-class data set of mmseg reads the same files and ignores
the background. Example:

    python tools/prepare/pascal_context.py ~/Downloads/trainval data/VOCdevkit/VOC2010
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from _prepare import new, read_mat
from PIL import Image

# Numbers of the 59 classes among the 459, which are in alphabetical order: aeroplane, bag, bed, ... window, wood.
CLASSES = (
    *(2, 9, 18, 19, 22, 23, 25, 31, 33, 34, 44, 45, 46, 59, 65, 68, 72, 80, 85, 98),
    *(104, 105, 113, 115, 144, 158, 159, 162, 187, 189, 207, 220, 232, 258, 259, 260, 284, 295, 296, 308),
    *(324, 326, 347, 349, 354, 355, 360, 366, 368, 397, 415, 416, 420, 424, 427, 440, 445, 454, 458),
)
LABELS = np.zeros(460, np.uint8)
LABELS[list(CLASSES)] = np.arange(1, 60)


def read_label(path: Path) -> np.ndarray:
    label = read_mat(path).get('LabelMap', np.zeros(()))
    if label.ndim != 2 or label.max() >= len(LABELS):
        sys.exit(f'{path} is not a label of 459 classes: it has shape {label.shape}, maximum {label.max()}.')
    return LABELS[label]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('mats', type=Path, help='the folder of .mat files, trainval')
    parser.add_argument('voc', type=Path, help='the folder VOC2010, with JPEGImages and ImageSets/Main')
    args = parser.parse_args()
    splits = {}
    for split in ('train', 'val'):
        names = args.voc / 'ImageSets' / 'Main' / f'{split}.txt'
        if not names.is_file():
            sys.exit(f'{names} is missing; give the folder VOC2010 of PASCAL VOC 2010.')
        splits[split] = [name for name in names.read_text().split() if (args.mats / f'{name}.mat').is_file()]
        if not splits[split]:
            sys.exit(f'{args.mats} has no .mat file for the images in {names}; give the unpacked folder trainval.')
    out = (args.voc / 'SegmentationClassContext', args.voc / 'ImageSets' / 'SegmentationContext')
    with new(*out) as (labels, lists):
        labels.mkdir()
        lists.mkdir()
        for split, names in splits.items():
            for name in names:
                Image.fromarray(read_label(args.mats / f'{name}.mat')).save(labels / f'{name}.png')
            (lists / f'{split}.txt').write_text(''.join(f'{name}\n' for name in sorted(names)))
            print(f'{split}: {len(names)} labels of 60 classes')


if __name__ == '__main__':
    main()
