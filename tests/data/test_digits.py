import gzip
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from hrnet_mm.data import digits
from hrnet_mm.data.fetch import FetchError, read_members

ROOT = Path(__file__).parents[2] / 'data' / 'demo'


@pytest.fixture(scope='module')
def folder():
    try:
        return digits.prepare_digits(ROOT)
    except FetchError as error:
        pytest.skip(str(error))


def read(folder, split):
    return dict(line.split() for line in (folder / f'{split}.txt').read_text().splitlines())


def test_parts_are_stratified_and_disjoint(folder):
    train, test, fit, val = (read(folder, split) for split in ('train', 'test', 'fit', 'val'))
    for part, count in ((train, 400), (test, 100), (fit, 300), (val, 100)):
        assert Counter(part.values()) == {str(digit): count for digit in range(10)}
    assert not train.keys() & test.keys()
    assert not fit.keys() & val.keys()
    assert fit | val == train


def test_images_are_the_rows_of_the_file(folder):
    (content,) = read_members((digits._FILE,), ROOT / 'wheels')
    rows = np.loadtxt(gzip.decompress(content).decode().splitlines(), delimiter=',', dtype=np.uint8)
    listed = read(folder, 'train') | read(folder, 'test')
    images = {name: cv2.imread(str(folder / 'images' / name), cv2.IMREAD_UNCHANGED) for name in sorted(listed)}
    found = np.array([[*image.ravel(), int(listed[name])] for name, image in images.items()], np.uint8)
    np.testing.assert_array_equal(found, rows[np.argsort(rows[:, -1], kind='stable')])
