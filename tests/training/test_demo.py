import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from hrnet_mm.cli import main
from hrnet_mm.data import prepare_digits, prepare_faces, prepare_nuclei, prepare_people
from hrnet_mm.data.fetch import FetchError
from hrnet_mm.inference import Predictor, open_network
from hrnet_mm.tasks import TASKS, pictures
from hrnet_mm.training.grid import write_grid
from hrnet_mm.training.job import Measure
from hrnet_mm.training.worker import use_holdout

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs' / 'demo'


@pytest.fixture
def demo_folder(tmp_path, monkeypatch):
    """An empty current folder with the demonstration data, for tests 40 people, 40 faces and 10 of each digit."""
    data = ROOT / 'data' / 'demo'
    try:
        for prepare in (prepare_people, prepare_faces, prepare_nuclei, prepare_digits):
            prepare(data)
    except FetchError as error:
        pytest.skip(str(error))
    here = tmp_path / 'data' / 'demo'
    here.mkdir(parents=True)
    (here / 'nuclei').symlink_to(data / 'nuclei')
    for task, name in (('pose', 'people'), ('faces', 'faces'), ('classification', 'digits')):
        (here / name).mkdir()
        for file in (data / name).iterdir():
            (here / name / file.name).symlink_to(file)
        test = here / name / ('test.txt' if name == 'digits' else 'test.json')
        text = test.read_text()
        test.unlink()
        test.write_text(''.join(text.splitlines(True)[::10]) if name == 'digits' else first_images(text))
        monkeypatch.setitem(TASKS, task, replace(TASKS[task], prepare=lambda root, name=name: root / name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def first_images(text):
    content = json.loads(text)
    content['images'] = content['images'][:40]
    kept = {image['id'] for image in content['images']}
    content['annotations'] = [one for one in content['annotations'] if one['image_id'] in kept]
    return json.dumps(content)


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
@pytest.mark.usefixtures('_quick_processes')
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
    for task, image in {'pose': 'people/images/test_00000.jpg', 'segmentation': 'nuclei/images/test.png'}.items():
        folder = demo_folder / 'work_dirs' / 'demo' / task
        predictor = Predictor(open_network(folder / 'weights.pth'))  # without a config
        assert len(predictor.predict(predictor.prepare(Path('data/demo', image)))) == 1
        assert cv2.imread(str(folder / 'curves.png')).std() > 10
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


def read_config(name):
    return Config.fromfile(CONFIGS / name, import_custom_modules=False)


@pytest.mark.parametrize('name', sorted(file.name for file in CONFIGS.glob('*.py')))
def test_holdout_reads_no_test_file(name):
    config = read_config(name)
    use_holdout(config)
    names = [Path(part.ann_file).stem for part in (config.train_dataloader.dataset, config.test_dataloader.dataset)]
    assert names == ['fit', 'val']
    assert Path(config.test_evaluator.get('ann_file', 'val.txt')).stem == 'val'


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['instance'], "unknown task 'instance'; did you mean 'instances'?"),
        (['--iterations', '0'], '--iterations must be more than 0, got 0'),
        (['--minutes', '3'], '--minutes needs --data DIR'),
        (['--data', 'nowhere', '--holdout'], '--holdout is for the demonstration data'),
    ],
)
def test_bad_arguments(capsys, argv, message):
    assert main(['demo', *argv]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('value', 'target', 'is_error', 'missed'),
    [(84, 85, False, True), (85, 85, False, False), (9, 8, True, True), (7, 8, True, False), (7, None, True, False)],
)
def test_errors_are_missed_above_their_target(value, target, is_error, missed):
    assert Measure('metric', value, 0.0, 'nothing', target, is_error).is_missed is missed
    assert Measure('metric', float('nan'), 0.0, 'nothing', target, is_error).is_missed is (target is not None)


def test_points_are_drawn_at_their_places(tmp_path):
    """A point of the first pixel is drawn at the center of its enlarged pixel; one below the score is not drawn."""
    image = np.zeros((100, 100, 3), np.uint8)
    truth = np.array([[(20.0, 30.0, 2.0), (70.5, 60.0, 1.0), (50.0, 90.0, 0.0)]])
    found = truth.copy()
    found[..., 2] = 0.9, 0.1, 0.9
    pair = pictures.draw_points(tmp_path / 'points.png', image, truth, found, [])
    for panel, expected in zip(pair, ([(20.0, 30.0), (70.5, 60.0)], [(20.0, 30.0), (50.0, 90.0)]), strict=True):
        factor = panel.shape[0] // 100
        _, _, _, centers = cv2.connectedComponentsWithStats((panel.max(-1) > 100).astype(np.uint8))
        places = (centers[1:] + 0.5) / factor - 0.5
        np.testing.assert_allclose(sorted(places.tolist()), sorted(expected), atol=0.1)
    assert cv2.imread(str(tmp_path / 'points.png')).std() > 5


@pytest.mark.slow
def test_images_with_most_labeled_points_are_drawn_and_faces_have_lines(tmp_path):
    """The last image may have more instances in the next batch, and is left out."""
    random = np.random.default_rng(0)
    samples = []
    for name, labeled in zip('abcdef', (2, 98, 50, 98, 97, 98), strict=True):
        file = tmp_path / f'{name}.png'
        cv2.imwrite(str(file), np.full((100, 100, 3), 128, np.uint8))
        points = random.uniform(10, 90, (1, 98, 2))
        samples.append(
            SimpleNamespace(
                img_path=str(file),
                gt_instances=SimpleNamespace(keypoints=points, keypoints_visible=(np.arange(98) < labeled)[None]),
                pred_instances=SimpleNamespace(keypoints=points, keypoint_scores=np.full((1, 98), 0.9)),
            )
        )
    inked = []
    for count in (98, 97):  # only WFLW's points are joined where the data set names no lines
        files, tile = TASKS['faces'].draw(tmp_path, samples, {'skeleton_links': [], 'num_keypoints': count})
        assert [file.name for file in files] == [f'predictions_{name}.png' for name in 'bdec']
        pictures.write_tile(tmp_path / 'tile.png', *tile)
        inked.append((cv2.imread(str(tmp_path / 'tile.png')) != 128).any(-1).mean())
    assert inked[0] > 1.5 * inked[1] > 0


def test_grid_has_truth_above_prediction(tmp_path):
    truth, found = (np.full((60, 40, 3), color, np.uint8) for color in ((255, 0, 0), (0, 0, 255)))
    tiles = {}
    for name in ('one', 'two'):
        tiles[name] = tmp_path / f'{name}.png'
        pictures.write_tile(tiles[name], truth, found)
    assert cv2.imread(str(tiles['one'])).shape == (480, 960, 3)
    write_grid(tmp_path / 'new' / 'grid.png', tiles)
    grid = cv2.imread(str(tmp_path / 'new' / 'grid.png'))
    for color, upper, lower in ((2, True, False), (0, False, True)):
        is_there = (grid[..., color] > 240) & (grid.min(-1) < 15)
        half = len(grid) // 2
        assert [is_there[:half].mean() > 0.5, is_there[half:].mean() > 0.5] == [upper, lower]
