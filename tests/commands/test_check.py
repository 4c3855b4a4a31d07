"""`hrnet-mm check` reports mistakes and warnings of folders and configs, and exits with 1 for mistakes alone."""

import json
import shutil
import time

import cv2
import numpy as np
import pytest
from own_folders import edit, write_animals_coco, write_classes, write_regions
from rich.console import Console

from hrnet_mm.annotations import Report
from hrnet_mm.cli import main
from hrnet_mm.datasets import check_folder
from hrnet_mm.training.hooks import percent
from hrnet_mm.training.job import Measure
from hrnet_mm.training.own import own_jobs
from hrnet_mm.training.runs import _rows, _table

DISC = "the class 'disc' is labeled in the validation part only: it is never learned"


def one_class(coco):
    coco['annotations'] = [one for one in coco['annotations'] if one['category_id'] == 3]


def test_a_good_folder(tmp_path, capsys):
    folder = write_regions(tmp_path / 'mine')
    assert main(['check', str(folder)]) == 0
    about = 'COCO masks, 2 classes (square, disc), 4 train / 2 val'
    split = f'{about}; {folder} has a validation part: 4 images are for training, 2 for it'
    assert capsys.readouterr().out.splitlines() == [
        f'instances: {split}',
        f'segmentation: {split}',
        f'{folder}: 0 errors, 0 warnings',
    ]


def test_warnings_alone_are_no_failure(tmp_path, capsys):
    folder = write_regions(tmp_path / 'mine')
    edit('train', one_class)(folder)
    assert main(['check', str(folder)]) == 0
    out = capsys.readouterr().out
    assert out.count(DISC) == 1  # although two tasks were checked
    assert out.endswith(f'{folder}: 0 errors, 1 warning\n')


def test_every_mistake_is_reported(tmp_path, capsys):
    folder = write_regions(tmp_path / 'mine')
    edit('train', lambda coco: [image.update(width=9) for image in coco['images']])(folder)
    edit('val', lambda coco: coco['annotations'][0].update(bbox=None))(folder)
    assert main(['check', str(folder), '--json']) == 1
    report = json.loads(capsys.readouterr().out)
    assert report['tasks'] == ['instances', 'segmentation']
    assert [error.partition(': ')[2].partition(' ')[0] for error in report['errors']] == ['image', 'annotation']
    assert report['errors'][0].endswith('(3 others are like it)')
    assert report['warnings'] == []


@pytest.mark.parametrize('broken', [False, True])
def test_one_task_alone(tmp_path, capsys, broken):
    folder = write_animals_coco(tmp_path / 'mine', boxes=True)
    if broken:
        edit('annotations', lambda coco: coco['annotations'][0]['keypoints'].pop())(folder)
    assert main(['check', str(folder), '--task', 'instances']) == 0
    assert main(['check', str(folder)]) == int(broken)


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['{}', '--task', 'poses'], "--task: unknown task 'poses'; did you mean 'pose'?"),
        (['{}', '--cfg-options', 'a=1'], '--cfg-options needs a config'),
        (['{}/none.py'], 'none.py: no such config file'),
        (['{}/none.py', '--task', 'pose'], '--task needs a folder'),
        (['{}/none'], 'none is not a config; expected a path ending in'),
    ],
)
def test_bad_arguments(tmp_path, capsys, argv, message):
    assert main(['check', *(one.format(tmp_path) for one in argv)]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_of_nothing_is_a_mistake(tmp_path, capsys):
    assert main(['check', str(tmp_path)]) == 1
    assert 'fits no annotation format: saw no files; supported: coco, coco-panoptic, yolo,' in capsys.readouterr().out


@pytest.mark.parametrize('library', ['mmdet', 'mmpose', 'mmseg', 'mmpretrain'])
def test_a_good_config(tiny_config, capsys, library):
    assert main(['check', str(tiny_config(library))]) == 0
    assert capsys.readouterr().out.endswith(': 0 errors, 0 warnings\n')


def test_a_config_has_its_own_mistakes_and_those_of_its_data(tiny_data, tiny_config, monkeypatch, tmp_path, capsys):
    path = tiny_config('mmdet')
    shutil.copytree(tiny_data, tmp_path / 'data')
    monkeypatch.setenv('TINY_DATA', str(tmp_path / 'data'))
    edit('annotations', lambda coco: coco['annotations'][0].update(id=0))(tmp_path / 'data')
    options = ['model.neck.out_channels=9', 'train_dataloader.batch_sise=3']
    assert main(['check', str(path), '--json', '--cfg-options', *options]) == 1
    errors = '\n'.join(json.loads(capsys.readouterr().out)['errors'])
    for words in (
        'train_dataloader.batch_sise: no such key',
        'model.bbox_head.in_channels: 8, but',
        'has the id 0, which',
    ):
        assert words in errors


def test_training_says_the_same_words(tmp_path, capsys):
    folder = write_regions(tmp_path / 'mine')
    edit('train', one_class)(folder)
    console = Console(width=500)
    own_jobs(folder, ['instances'], tmp_path / 'out', 0, 1, {}, console)
    trained = capsys.readouterr().out
    main(['check', str(folder), '--task', 'instances'])
    (warning,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('warning: ')]
    assert f'instances: {warning}' in trained.splitlines()


def test_what_was_not_measured_has_no_number():
    from hrnet_mm.tasks import TASKS, Metric
    from hrnet_mm.training.job import Result

    metric = Metric('box AP', 'coco/bbox_mAP', 100)
    assert TASKS['instances'].metrics
    value = percent({'coco/bbox_mAP': -1.0}, metric)
    assert percent({'coco/bbox_mAP': 0.5}, metric) == 50
    assert percent({}, metric) == 0  # mmdet gives no value where nothing was found
    measure = Measure('box AP', value, 0.0, 'nothing found', 10.0)
    assert measure.is_missed
    rows = _rows({'instances': (Result((measure,), (), None, None, 1, 1.0), 1.0)})
    assert rows[0]['value'] is None
    console = Console(width=80, record=True)
    console.print(_table(rows))
    assert 'not measured' in console.export_text()


@pytest.mark.slow
def test_ten_thousand_images_are_checked_in_time(tmp_path):
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'one.jpg'), np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8))
    data = (tmp_path / 'one.jpg').read_bytes()
    images, annotations = [], []
    for i in range(10_000):
        (tmp_path / 'images' / f'{i}.jpg').write_bytes(data + b'%d' % i)  # no copies of one another
        images.append({'id': i, 'file_name': f'{i}.jpg', 'width': 640, 'height': 480})
        for k in range(7):
            x, y = 10 + 60 * k, 20 + 40 * k
            outline = [v for j in range(20) for v in (x + 2.5 * j, y + 32 * (j % 19 > 0))]
            one = {'id': len(annotations) + 1, 'image_id': i, 'category_id': 1, 'bbox': [x, y, 48, 32]}
            annotations.append({**one, 'segmentation': [outline], 'area': 900, 'iscrowd': 0})
    content = {'images': images, 'annotations': annotations, 'categories': [{'id': 1, 'name': 'thing'}]}
    (tmp_path / 'train.json').write_text(json.dumps(content))
    start = time.monotonic()
    report = Report()
    assert check_folder(tmp_path, 'boxes', report) is not None
    assert time.monotonic() - start < 30
    assert report.findings == []


def test_folders_of_classes(tmp_path, capsys):
    folder = write_classes(tmp_path / 'mine')
    (folder / '.ipynb_checkpoints').mkdir()
    assert main(['check', str(folder)]) == 0
    assert 'classification: ' in capsys.readouterr().out


def test_a_mistake_is_found_in_the_same_words_everywhere(tmp_path, tiny_data, tiny_config, monkeypatch, capsys):
    def of_no_category(coco):
        coco['annotations'][0]['category_id'] = 99

    folder = write_regions(tmp_path / 'mine')
    edit('train', of_no_category)(folder)
    assert main(['check', str(folder)]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith('error: '))
    sentence = line.removeprefix(f'error: {folder / "train.json"}: ')
    assert sentence == 'annotation 1 has category_id 99, which the file does not list; correct it'
    for command in (['train', 'instances'], ['train', 'segmentation'], ['demo']):
        assert main([*command, '--data', str(folder), '--work-dir', str(tmp_path / 'out')]) == 2
        assert sentence in capsys.readouterr().err
    path = str(tiny_config('mmdet'))
    shutil.copytree(tiny_data, tmp_path / 'data')
    monkeypatch.setenv('TINY_DATA', str(tmp_path / 'data'))
    edit('annotations', of_no_category)(tmp_path / 'data')
    assert main(['check', path]) == 1
    assert sentence in capsys.readouterr().out
    (tmp_path / 'a.pth').write_bytes(b'')
    for command in (['train', path], ['test', path, '--weights', str(tmp_path / 'a.pth')]):
        assert main([*command, '--work-dir', str(tmp_path / 'out')]) == 2
        assert sentence in capsys.readouterr().err
