"""One real fluorescence microscopy image with 125 labeled nuclei, cut into a training and a test part."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from .coco import describe_instance, write_coco
from .fetch import WheelFile, prepared_once, read_members

_FILES = tuple(
    WheelFile('stardist', '0.9.2', f'stardist/data/images/{name}', sha256)
    for name, sha256 in (
        ('img2d.tif', 'f9ccc1571b92c861ff87e28463068b43f61bd47357ed0503f711e5cd1eb97750'),
        ('mask2d.tif', '59ad5e820b7982ca9d13e946fa6e7f64e2714899e00a2ae6c69aa79aad53d46f'),
    )
)

# First and last column (exclusive) of each part of the 512 x 512 image. Results are reported for `train` -> `test`;
# recipes are chosen on `fit` -> `val`, which together are the training part.
SPLITS = {'train': (0, 384), 'test': (384, 512), 'fit': (0, 288), 'val': (288, 384)}

_RECORD = {
    'format': 1,
    'source': 'stardist 0.9.2 (BSD-3-Clause), stardist/data/images/img2d.tif and mask2d.tif',
    'sha256': [file.sha256 for file in _FILES],
    'columns': SPLITS,
}


def prepare_nuclei(root: Path) -> Path:
    """Write the nuclei to `root`/nuclei, unless they are there.

    For each part P in `SPLITS`: images/P.png (8 bit gray), labels/P.png (0 background, 1 nucleus), P.json (COCO
    instances) and P.txt (the list of images for semantic segmentation). A nucleus that crosses a line is cut at it.

    Returns:
        The folder.

    Raises:
        FetchError: The package that holds the image cannot be downloaded.
    """
    folder = root / 'nuclei'
    with prepared_once(folder, _RECORD) as new:
        if new is not None:
            image, instances = (_decode(content) for content in read_members(_FILES, root / 'wheels'))
            _write(new, image, instances)
    return folder


def _decode(content: bytes) -> npt.NDArray[np.uint8]:
    # 16 bits are stored, but the brightest pixel is 235 and there are 125 labels: 8 bits lose nothing.
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return np.asarray(pixels, dtype=np.uint8)


def _write(folder: Path, image: npt.NDArray[np.uint8], instances: npt.NDArray[np.uint8]) -> None:
    (folder / 'images').mkdir()
    (folder / 'labels').mkdir()
    for split, (first, last) in SPLITS.items():
        part, labels = image[:, first:last], instances[:, first:last]
        cv2.imwrite(str(folder / 'images' / f'{split}.png'), part)
        cv2.imwrite(str(folder / 'labels' / f'{split}.png'), (labels > 0).astype(np.uint8))
        height, width = labels.shape
        images = [{'id': 1, 'file_name': f'{split}.png', 'width': width, 'height': height}]
        annotations = [describe_instance(labels == label, int(label), 1) for label in np.unique(labels[labels > 0])]
        write_coco(folder / f'{split}.json', images, annotations, {'name': 'nucleus'})
        (folder / f'{split}.txt').write_text(f'{split}\n')
