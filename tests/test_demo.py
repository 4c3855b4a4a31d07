import csv
import json
import operator
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from hrnet_mm.cli import main
from hrnet_mm.data import prepare_digits, prepare_faces, prepare_nuclei, prepare_people
from hrnet_mm.demo import command, pictures
from hrnet_mm.demo.folder import adapt_detector, adapt_segmentor, read_folder
from hrnet_mm.demo.grid import write_grid
from hrnet_mm.demo.job import Measure
from hrnet_mm.demo.worker import use_holdout

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs' / 'demo'


@pytest.fixture
def demo_folder(tmp_path, monkeypatch):
    """An empty current folder with the demonstration data."""
    data = ROOT / 'data' / 'demo'
    try:
        for prepare in (prepare_people, prepare_faces, prepare_nuclei, prepare_digits):
            prepare(data)
    except RuntimeError as error:
        pytest.skip(str(error))
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'demo').symlink_to(data)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_folder(folder, with_masks=True):
    """A COCO-format folder of six images, each with a red square and a blue disc of random place."""
    (folder / 'images').mkdir(parents=True)
    random = np.random.default_rng(0)
    categories = [{'id': 7, 'name': 'disc'}, {'id': 3, 'name': 'square'}]
    for split, indices in (('train', range(4)), ('val', range(4, 6))):
        images, annotations = [], []
        for index in indices:
            image = random.integers(0, 60, (64, 80, 3), dtype=np.uint8)
            for category, x in ((3, int(random.integers(2, 18))), (7, int(random.integers(42, 58)))):
                y, mask = int(random.integers(2, 40)), np.zeros((64, 80), np.uint8)
                if category == 3:
                    mask[y : y + 20, x : x + 20] = 1
                else:
                    cv2.circle(mask, (x + 10, y + 10), 10, 1, -1)
                image[mask > 0] = (0, 0, 255) if category == 3 else (255, 0, 0)
                outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
                annotations.append(
                    {
                        'id': len(annotations) + 1,
                        'image_id': index,
                        'category_id': category,
                        'iscrowd': 0,
                        'bbox': list(cv2.boundingRect(outlines[0])),
                        'area': int(mask.sum()),
                        'segmentation': [outlines[0].ravel().tolist()] if with_masks else [],
                    }
                )
            cv2.imwrite(str(folder / 'images' / f'{index}.png'), image)
            images.append({'id': index, 'file_name': f'{index}.png', 'width': 80, 'height': 64})
        coco = {'images': images, 'annotations': annotations, 'categories': categories}
        (folder / f'{split}.json').write_text(json.dumps(coco))
    return folder


def check_outputs(work_dir, expected):
    """`expected`: for each task its metrics."""
    rows = json.loads((work_dir / 'results.json').read_text())['rows']
    with (work_dir / 'results.csv').open() as file:
        assert [(row['task'], row['metric']) for row in csv.DictReader(file)] == [
            (row['task'], row['metric']) for row in rows
        ]
    found = {}
    for row in rows:
        assert 0 <= row['value'] <= (1000 if row['is_error'] else 100)
        assert 0 <= row['baseline'] <= 100
        assert row['seconds'] > row['train_seconds'] > 0
        found.setdefault(row['task'], []).append(row['metric'])
    assert found == expected
    for task in expected:
        pictures = [cv2.imread(str(file)) for file in (work_dir / task).glob('predictions*.png')]
        assert pictures
        assert min(picture.std() for picture in pictures) > 10
    return rows


@pytest.mark.slow
def test_demo_trains_tests_and_draws_each_task(demo_folder, capsys):
    """Four iterations train nothing, so every target is missed, which the exit code and the last lines say."""
    assert main(['demo', '--iterations', '4']) == 1
    out = capsys.readouterr().out
    expected = {
        'pose': ['OKS AP'],
        'faces': ['NME'],
        'instances': ['box AP50', 'box AP', 'mask AP50', 'mask AP'],
        'segmentation': ['mIoU'],
        'classification': ['top-1'],
    }
    rows = check_outputs(demo_folder / 'work_dirs' / 'demo', expected)
    assert {row['iterations'] for row in rows} == {4}
    baselines = {row['task']: row['baseline'] for row in rows}
    # People stand in many poses, faces differ less; and what the right quarter's background (82.9 %) and a tenth of the
    # digits give without looking.
    assert baselines.pop('pose') < 5
    assert 10 < baselines.pop('faces') < 30
    assert baselines == {'instances': 0.0, 'segmentation': pytest.approx(41.5, abs=0.1), 'classification': 10.0}
    assert {row['task'] for row in rows if row['is_error']} == {'faces'}
    grid = cv2.imread(str(demo_folder / 'work_dirs' / 'demo' / 'five_tasks.png'))
    assert grid.shape[1] > 2 * grid.shape[0] > 600
    for words in (
        'pose: testing',
        'faces: drawing',
        'instances: training',
        'segmentation: testing',
        'classification: drawing',
        'missed',
        'results.csv',
    ):
        assert words in out


@pytest.mark.slow
def test_demo_on_boxes_of_ones_own(tmp_path):
    folder = write_folder(tmp_path / 'mine', with_masks=False)
    assert main(['demo', '--data', str(folder), '--minutes', '0.03', '--work-dir', str(tmp_path / 'out')]) == 0
    check_outputs(tmp_path / 'out', {'instances': ['box AP50', 'box AP']})


@pytest.mark.slow
def test_demo_on_masks_of_ones_own(tmp_path):
    folder = write_folder(tmp_path / 'mine')
    argv = ['demo', 'segmentation', '--data', str(folder), '--iterations', '4', '--work-dir', str(tmp_path / 'out')]
    assert main(argv) == 0
    check_outputs(tmp_path / 'out', {'segmentation': ['mIoU']})


def read_config(name):
    return Config.fromfile(CONFIGS / name, import_custom_modules=False)


def test_folder_is_measured(tmp_path):
    folder = read_folder(write_folder(tmp_path / 'mine'))
    assert folder.classes == ('square', 'disc')  # in the order of the ids
    assert (folder.has_masks, folder.has_semantic) == (True, False)
    assert folder.median_side == pytest.approx(20, abs=1)
    assert folder.crop == pytest.approx(107, abs=6)  # 20 pixels become 48 as 107 become 256
    red, green, blue = folder.mean
    assert red > green
    assert blue > green


@pytest.mark.parametrize('name', sorted(file.name for file in CONFIGS.glob('*.py')))
def test_holdout_reads_no_test_file(name):
    config = read_config(name)
    use_holdout(config)
    names = [Path(part.ann_file).stem for part in (config.train_dataloader.dataset, config.test_dataloader.dataset)]
    assert names == ['fit', 'val']
    assert Path(config.test_evaluator.get('ann_file', 'val.txt')).stem == 'val'


def test_masks_keep_the_detector_a_mask_rcnn(tmp_path):
    folder = read_folder(write_folder(tmp_path / 'mine'))
    config = read_config('mask-rcnn_hrnetv2p_nuclei.py')
    adapt_detector(config, folder)
    assert (config.model.type, config.model.roi_head.mask_head.num_classes) == ('MaskRCNN', 2)
    assert config.test_dataloader.dataset.metainfo.classes == ('square', 'disc')
    assert config.test_evaluator.ann_file == str(folder.path / 'val.json')


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_masks_become_labels(tmp_path):
    folder = read_folder(write_folder(tmp_path / 'mine'))
    config = read_config('fcn_hrnetv2_nuclei.py')
    adapt_segmentor(config, folder, tmp_path)
    assert (tmp_path / 'val.txt').read_text() == '4\n5\n'
    assert config.model.decode_head.num_classes == 3
    image = cv2.imread(str(folder.path / 'images' / '4.png'))
    label = cv2.imread(str(tmp_path / 'labels' / '4.png'), cv2.IMREAD_UNCHANGED)
    # A polygon goes through its outer pixels, of which about half count as inside.
    for value, channel in ((1, 2), (2, 0)):
        assert ((label == value) != (image[..., channel] == 255)).sum() < 60


def write_semantic(folder, value=1):
    (folder / 'semantic').mkdir()
    for index in range(6):
        cv2.imwrite(str(folder / 'semantic' / f'{index}.png'), np.full((64, 80), value, np.uint8))


def test_labels_of_ones_own_are_used(tmp_path):
    write_semantic(write_folder(tmp_path / 'mine', with_masks=False))
    folder = read_folder(tmp_path / 'mine')
    assert (folder.has_masks, folder.has_semantic) == (False, True)
    config = read_config('fcn_hrnetv2_nuclei.py')
    adapt_segmentor(config, folder, tmp_path)
    assert config.train_dataloader.dataset.data_prefix.seg_map_path == str(folder.path / 'semantic')


def remove(*names):
    def change(folder):
        for name in names:
            (folder / name).unlink()

    return change


def edit(split, function):
    def change(folder):
        file = folder / f'{split}.json'
        coco = json.loads(file.read_text())
        function(coco)
        file.write_text(json.dumps(coco))

    return change


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (remove('val.json'), r'val\.json: no such file; the folder must hold images/, train\.json and val\.json'),
        (remove('images/2.png'), r'2\.png: no such image, but train\.json lists it'),
        (
            lambda folder: (folder / 'images').rename(folder / 'pictures'),
            'images: no such folder; the folder must hold',
        ),
        (lambda folder: (folder / 'train.json').write_text('{'), r'train\.json: not JSON'),
        (lambda folder: (folder / 'train.json').write_text('[]'), r'train\.json: "images" is missing or empty'),
        (edit('val', lambda coco: coco['annotations'].clear()), r'val\.json: "annotations" is missing or empty'),
        (edit('val', lambda coco: coco['categories'].pop()), 'annotation 1 has category_id'),
        (edit('val', lambda coco: coco['categories'][0].update(name='ball')), 'list different categories'),
        (edit('train', lambda coco: coco['annotations'][0].pop('bbox')), r'annotation 1 has no "bbox" of \[x, y'),
        (edit('train', lambda coco: coco['annotations'][0].update(image_id=99)), 'has image_id 99, which the file'),
        (
            edit('train', lambda coco: coco['images'][0].update(file_name='4.png')),
            r'4\.png is in train\.json and',
        ),
        (lambda folder: (folder / 'images' / '0.png').write_bytes(b'no image'), 'not an image that OpenCV can read'),
        (lambda folder: write_semantic(folder, 9), r'0\.png: holds the label 9, but there are 2 classes'),
        (lambda folder: (folder / 'semantic').mkdir(), r'0\.png: not a grey image of 80 x 64 pixels; semantic/ must'),
    ],
)
def test_broken_folder_is_described_in_one_sentence(tmp_path, capsys, change, message):
    change(write_folder(tmp_path / 'mine'))
    assert main(['demo', '--data', str(tmp_path / 'mine')]) == 2
    error = capsys.readouterr().err
    assert error.startswith('hrnet-mm demo: ')
    assert error.count('\n') == 1
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path / 'mine')


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['instance'], "unknown task 'instance'; did you mean 'instances'?"),
        (['--iterations', '0'], '--iterations must be more than 0, got 0'),
        (['--minutes', '3'], '--minutes needs --data DIR'),
        (['--data', 'MINE', '--holdout'], '--holdout is for the demonstration data'),
        (['classification', '--data', 'MINE'], 'has no labels for classification; possible: instances, segmentation'),
        (['--data', 'nowhere'], 'nowhere: no such folder; the folder must hold'),
    ],
)
def test_bad_arguments(tmp_path, capsys, argv, message):
    folder = str(write_folder(tmp_path / 'mine'))
    assert main(['demo', *(folder if one == 'MINE' else one for one in argv)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('value', 'target', 'is_error', 'missed'),
    [(84, 85, False, True), (85, 85, False, False), (9, 8, True, True), (7, 8, True, False), (7, None, True, False)],
)
def test_errors_are_missed_above_their_target(value, target, is_error, missed):
    assert Measure('metric', value, 0.0, 'nothing', target, is_error).is_missed is missed
    assert Measure('metric', float('nan'), 0.0, 'nothing', target, is_error).is_missed is (target is not None)


def test_points_are_drawn_at_their_places(tmp_path):
    """A point of the first pixel lies at the middle of what that pixel becomes; one below the score is left out."""
    image = np.zeros((100, 100, 3), np.uint8)
    truth = np.array([[(20.0, 30.0, 2.0), (70.5, 60.0, 1.0), (50.0, 90.0, 0.0)]])
    found = truth.copy()
    found[..., 2] = 0.9, 0.1, 0.9
    pair = pictures.draw_points(tmp_path / 'points.png', image, truth, found, [])
    for panel, expected in zip(pair, ([(20.0, 30.0), (70.5, 60.0)], [(20.0, 30.0), (50.0, 90.0)]), strict=True):
        factor = panel.shape[0] // 100
        _, _, _, centres = cv2.connectedComponentsWithStats((panel.max(-1) > 100).astype(np.uint8))
        places = (centres[1:] + 0.5) / factor - 0.5
        np.testing.assert_allclose(sorted(places.tolist()), sorted(expected), atol=0.1)
    assert cv2.imread(str(tmp_path / 'points.png')).std() > 5


def test_grid_has_truth_above_prediction(tmp_path):
    truth, found = (np.full((60, 40, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    tiles = {}
    for name in ('one', 'two'):
        tiles[name] = tmp_path / f'{name}.png'
        pictures.write_tile(tiles[name], truth, found)
    assert cv2.imread(str(tiles['one'])).shape == (480, 960, 3)
    write_grid(tmp_path / 'new' / 'grid.png', tiles)
    grid = cv2.imread(str(tmp_path / 'new' / 'grid.png'))
    for colour, upper, lower in ((2, True, False), (0, False, True)):
        is_there = (grid[..., colour] > 240) & (grid.min(-1) < 15)
        half = len(grid) // 2
        assert [is_there[:half].mean() > 0.5, is_there[half:].mean() > 0.5] == [upper, lower]


def test_training_that_dies_is_told(tmp_path, capsys, monkeypatch):
    # The new process adds a job to a connection, which ends it before it can say a word.
    monkeypatch.setattr(command, '_enter', operator.add)
    argv = ['demo', 'instances', '--data', str(write_folder(tmp_path / 'mine')), '--work-dir', str(tmp_path / 'out')]
    assert main(argv) == 2
    assert 'instances: training ended with exit code 1; see ' in capsys.readouterr().err


def test_missing_library_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(command._NEEDED, 'instances', ('no_such_library',))
    assert main(['demo', 'instances', '--data', str(write_folder(tmp_path / 'mine'))]) == 2
    assert 'instances needs no_such_library, which is not installed; in a checkout, bash' in capsys.readouterr().err


def test_failed_training_names_the_log(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, '_config', lambda task: tmp_path / 'no_config.py')
    argv = ['demo', 'instances', '--data', str(write_folder(tmp_path / 'mine')), '--work-dir', str(tmp_path / 'out')]
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert 'instances: FileNotFoundError' in error
    assert f'see {tmp_path / "out" / "instances" / "log.txt"}' in error
    assert 'Traceback' in (tmp_path / 'out' / 'instances' / 'log.txt').read_text()
