"""Training on a folder of one's own: each layout is read, what is wrong in it is said, and the whole path runs."""

import csv
import io
import json
import multiprocessing
import operator
import re
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from own_folders import (
    PARTS,
    draw_animals,
    edit,
    write_animals_coco,
    write_animals_deeplabcut,
    write_classes,
    write_regions,
    write_semantic,
)
from rich.console import Console

from hrnet_mm.cli import main
from hrnet_mm.datasets import read_folder
from hrnet_mm.datasets.points import mirrored
from hrnet_mm.tasks import TASKS, config_path, fitting_tasks
from hrnet_mm.tasks.regions import measure_regions
from hrnet_mm.training import runs
from hrnet_mm.training.adapt import adapt
from hrnet_mm.training.job import Failure, Job
from hrnet_mm.training.runs import _follow
from hrnet_mm.training.worker import train_and_test

ROOT = Path(__file__).parents[2]


def adapted(path, task, work_dir, arch=None, pretrained=None):
    work_dir.mkdir()
    config = Config.fromfile(config_path(task))
    adapt(config, task, read_folder(path, TASKS[task].annotations), work_dir, arch, pretrained)
    return config


def results(work_dir):
    rows = json.loads((work_dir / 'results.json').read_text())['rows']
    for task in {row['task'] for row in rows}:
        pictures = [cv2.imread(str(file)) for file in (work_dir / task).glob('predictions*.png')]
        assert pictures
        assert min(picture.std() for picture in pictures) > 10
    return {(row['task'], row['metric']): row for row in rows}


@pytest.fixture
def _in_this_process(monkeypatch):
    """Trains without a process for each job, whose imports take longer than the training."""

    def run(job, console):
        job.work_dir.mkdir(parents=True)
        return train_and_test(job, lambda progress: None)

    monkeypatch.setattr(runs, '_run', run)


@pytest.mark.slow
@pytest.mark.usefixtures('_quick_processes')
def test_pose_is_learned_from_deeplabcut_files(tmp_path, capsys):
    folder = write_animals_deeplabcut(tmp_path / 'mine', 60)
    argv = ['train', 'pose', '--data', str(folder), '--arch', 'test-w8', '--epochs', '16']
    assert main([*argv, '--work-dir', str(tmp_path / 'out')]) == 0
    row = results(tmp_path / 'out')['pose', 'PCK']
    assert row['iterations'] == 48  # 16 epochs of 48 images in batches of 16
    assert row['value'] > row['baseline'] + 30
    assert '20% of the images (12 of 60), drawn with seed 0, are taken for it' in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures('_in_this_process')
def test_faces_are_trained_from_boxless_points(tmp_path):
    folder = write_animals_coco(tmp_path / 'mine')
    argv = ['demo', 'faces', '--data', str(folder), '--iterations', '3', '--work-dir', str(tmp_path / 'out')]
    assert main(argv) == 0
    assert results(tmp_path / 'out')['faces', 'NME']['is_error']


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.usefixtures('_in_this_process')
def test_boxes_are_trained(tmp_path):
    folder = write_regions(tmp_path / 'mine', with_masks=False)
    assert main(['demo', '--data', str(folder), '--minutes', '0.03', '--work-dir', str(tmp_path / 'out')]) == 0
    assert list(results(tmp_path / 'out')) == [('instances', 'box AP50'), ('instances', 'box AP')]


@pytest.mark.slow
def test_masks_are_trained(tmp_path, monkeypatch, capfd):
    """In a new Python, whose threads sleep while they wait for one another, as libgomp prints where it is loaded."""
    monkeypatch.setenv('OMP_DISPLAY_ENV', 'VERBOSE')
    for name in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT'):  # main() sets them, here or before in this process
        monkeypatch.delenv(name, raising=False)
    folder = write_regions(tmp_path / 'mine')
    argv = ['demo', 'segmentation', '--data', str(folder), '--iterations', '4', '--work-dir', str(tmp_path / 'out')]
    assert main(argv) == 0
    assert list(results(tmp_path / 'out')) == [('segmentation', 'mIoU')]
    printed = capfd.readouterr().err + (tmp_path / 'out' / 'segmentation' / 'log.txt').read_text()
    if sys.platform == 'linux':
        assert set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", printed)) == {'1000'}  # of 300,000


@pytest.mark.slow
@pytest.mark.usefixtures('_quick_processes')
def test_classes_are_learned(tmp_path):
    folder = write_classes(tmp_path / 'mine')
    argv = ['train', 'classification', '--data', str(folder), '--arch', 'test-w8', '--epochs', '60']
    assert main([*argv, '--work-dir', str(tmp_path / 'out')]) == 0
    row = results(tmp_path / 'out')['classification', 'top-1']
    assert row['baseline'] == pytest.approx(66.67, abs=0.01)  # 2 of 10 dark ones, 1 of 5 light ones
    assert row['value'] == 100


def test_regions_are_measured(tmp_path):
    folder = read_folder(write_regions(tmp_path / 'mine'), 'boxes')
    assert folder.classes == ('square', 'disc')  # in the order of the ids
    assert (folder.has_masks, folder.has_semantic) == (True, False)
    assert folder.median_side == pytest.approx(20, abs=1)
    factor = measure_regions(folder)['resize']['scale_factor']
    assert 256 / factor == pytest.approx(107, abs=6)  # 20 pixels become 48 as 107 become 256
    red, green, blue = folder.mean
    assert red > green
    assert blue > green
    assert {image['file_name'] for image in folder.val['images']} == {'images/4.png', 'images/5.png'}
    assert folder.val['annotations'][0]['area'] == pytest.approx(400, abs=50)


@pytest.mark.parametrize(
    ('train', 'val', 'place'),
    [
        ('annotations/instances_train2017.json', 'annotations/instances_val2017.json', '{part}2017'),
        ('train/_annotations.coco.json', 'valid/_annotations.coco.json', '{part}'),
    ],
)
def test_other_places_of_coco_files_are_known(tmp_path, train, val, place):
    folder = write_regions(tmp_path / 'mine')
    for part, name, indices in (('train', train, range(4)), ('val', val, range(4, 6))):
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        (folder / f'{part}.json').rename(file)
        images = folder / ('valid' if file.parent.name == 'valid' else place.format(part=part))
        images.mkdir(exist_ok=True)
        for index in indices:
            (folder / 'images' / f'{index}.png').rename(images / f'{index}.png')
        # Beside it lie files of other tasks.
        if file.parent.name == 'annotations':
            for other in ('captions', 'person_keypoints'):
                shutil.copy(file, file.with_name(f'{other}_{part}2017.json'))
    read = read_folder(folder, 'boxes')
    assert (len(read.train['images']), len(read.val['images'])) == (4, 2)
    assert (folder / read.val['images'][0]['file_name']).is_file()


def test_points_without_boxes_get_some(tmp_path):
    folder = read_folder(write_animals_coco(tmp_path / 'mine', skeleton=[[1, 3], [2, 3]]), 'keypoints')
    assert folder.points.names == PARTS
    assert folder.points.links == ((0, 2), (1, 2))
    assert (len(folder.train['images']), len(folder.val['images'])) == (8, 2)
    for one in folder.train['annotations']:
        x, y, width, height = one['bbox']
        points = np.array(one['keypoints']).reshape(-1, 3)
        points = points[points[:, 2] > 0]
        assert one['num_keypoints'] == len(points)
        longest = np.ptp(points[:, :2], axis=0).max()
        np.testing.assert_allclose(points[:, :2].min(0) - [x, y], max(longest / 4, 8))
        np.testing.assert_allclose([x + width, y + height] - points[:, :2].max(0), max(longest / 4, 8))


@pytest.mark.parametrize('in_cells', [False, True])
@pytest.mark.parametrize('start', ['', 'labeled-data', 'labeled-data/video'])
def test_deeplabcut_files_of_one_animal(tmp_path, in_cells, start):
    """The image's name is one cell or, in newer files, three; the folder is the project or a part of it."""
    write_animals_deeplabcut(tmp_path / 'mine', in_cells=in_cells)
    folder = read_folder(tmp_path / 'mine' / start, 'keypoints')
    found = {
        Path(image['file_name']).name: image['id'] for part in (folder.train, folder.val) for image in part['images']
    }
    assert len(found) == 10
    annotations = {one['image_id']: one for part in (folder.train, folder.val) for one in part['annotations']}
    for index, (_, points) in enumerate(draw_animals(10)):
        one = annotations[found[f'img{index}.png']]
        labeled = 2 if index == 0 else 3
        assert one['bbox'] == [0, 0, 60, 60]
        assert one['keypoints'][2::3] == [2, 2, 2 * (labeled == 3)]
        places = np.array(one['keypoints']).reshape(-1, 3)[:labeled, :2]
        np.testing.assert_allclose(places, points[0, :labeled], atol=1e-6)
        assert (folder.path / folder.train['images'][0]['file_name']).is_file()


def test_labels_are_the_same_in_both_forms(tmp_path):
    """A set of drawn animals as COCO has it, with the frames for boxes, and as a table of DeepLabCut."""
    write_animals_coco(tmp_path / 'coco', boxes=True)
    write_animals_deeplabcut(tmp_path / 'table')
    coco, table = (read_folder(tmp_path / form, 'keypoints') for form in ('coco', 'table'))
    assert coco.points.names == table.points.names == PARTS
    found = []
    for folder in (coco, table):
        parts = (folder.train, folder.val)
        indices = {
            image['id']: int(re.findall(r'\d+', image['file_name'])[-1]) for part in parts for image in part['images']
        }
        found.append({indices[one['image_id']]: one for part in parts for one in part['annotations']})
    assert found[0].keys() == found[1].keys() == set(range(10))
    for index, one in found[0].items():
        assert one['bbox'] == found[1][index]['bbox']
        np.testing.assert_allclose(one['keypoints'], found[1][index]['keypoints'])


def test_deeplabcut_files_of_several_animals(tmp_path):
    folder = read_folder(
        write_animals_deeplabcut(tmp_path / 'mine', animals=('one', 'two'), in_cells=True), 'keypoints'
    )
    annotations = [one for part in (folder.train, folder.val) for one in part['annotations']]
    assert len(annotations) == 20
    left = sorted(one['bbox'][0] for one in annotations)
    assert left[9] < 50 < left[10]  # boxes are around each animal's points


def test_deeplabcut_points_of_nobody_are_left_out(tmp_path):
    """Body parts of which a project with several animals has one for all are another kind of object."""
    file = tmp_path / 'CollectedData_me.csv'
    rows = [[f'{i}.png', 1, 2, 3, 4, 5, 6] for i in range(5)]
    header = [
        ['scorer', *['me'] * 6],
        ['individuals', 'a', 'a', 'b', 'b', 'single', 'single'],
        ['bodyparts', 'nose', 'nose', 'nose', 'nose', 'corner', 'corner'],
        ['coords', *'xyxyxy'],
    ]
    with file.open('w', newline='') as opened:
        csv.writer(opened).writerows([*header, *rows])
    for i in range(5):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.zeros((20, 20, 3), np.uint8))
    folder = read_folder(tmp_path, 'keypoints')
    assert folder.points.names == ('nose',)
    assert {tuple(one['keypoints']) for one in folder.train['annotations']} == {(1, 2, 2), (3, 4, 2)}


def test_classes_are_split_each_in_its_share(tmp_path):
    folder = read_folder(write_classes(tmp_path / 'mine'), 'classes')
    assert folder.classes == ('dark', 'light')
    assert [image['category_id'] for image in folder.val['images']] == [0, 0, 1]
    again = read_folder(tmp_path / 'mine', 'classes')
    assert again.val == folder.val
    assert 'validation part: 20% of the images (3 of 15), drawn with seed 0' in folder.split


def test_classes_of_two_parts(tmp_path):
    write_classes(tmp_path / 'mine' / 'train')
    write_classes(tmp_path / 'mine' / 'val')
    folder = read_folder(tmp_path / 'mine', 'classes')
    assert (len(folder.train['images']), len(folder.val['images'])) == (15, 15)
    assert folder.split.endswith('15 images are for training, 15 for it')


@pytest.mark.parametrize(
    ('write', 'tasks'),
    [
        (write_regions, ['instances', 'segmentation']),
        (lambda folder: write_regions(folder, with_masks=False), ['instances']),
        (write_animals_coco, ['pose']),
        (write_animals_deeplabcut, ['pose']),
        (write_classes, ['classification']),
    ],
)
def test_labels_say_which_tasks_fit(tmp_path, write, tasks):
    assert fitting_tasks(write(tmp_path / 'mine')) == tasks


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['snout', 'leftear', 'rightear'], {'snout': 'snout', 'leftear': 'rightear', 'rightear': 'leftear'}),
        (['Left Eye', 'Right Eye'], {'Left Eye': 'Right Eye', 'Right Eye': 'Left Eye'}),
        (['l_hip', 'r_hip'], {'l_hip': 'r_hip', 'r_hip': 'l_hip'}),
        (['ear.L', 'ear.R'], {'ear.L': 'ear.R', 'ear.R': 'ear.L'}),
        (['earL', 'earR', 'tailRoot'], {'earL': 'earR', 'earR': 'earL', 'tailRoot': 'tailRoot'}),
        (['LPaw1', 'RPaw1'], {'LPaw1': 'RPaw1', 'RPaw1': 'LPaw1'}),
        (['nose', 'tail'], None),
        (['leftear', 'nose'], None),  # mirrored, the other ear would be taken for the left one
    ],
)
def test_sides_are_found_in_names(names, expected):
    assert mirrored(names) == expected


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.parametrize('task', TASKS)
def test_any_network_takes_the_demonstrations_place(tmp_path, task):
    write = {'classification': write_classes, 'pose': write_animals_coco, 'faces': write_animals_coco}
    folder = write.get(task, write_regions)(tmp_path / 'mine')
    config = adapted(folder, task, tmp_path / 'out', arch='test-w8', pretrained='weights.pth')
    assert config.model.backbone.init_cfg == {'type': 'Pretrained', 'checkpoint': 'weights.pth'}
    init_default_scope(config.default_scope)
    preprocessor = config.get('data_preprocessor')
    model = dict(config.model) if preprocessor is None else {**config.model, 'data_preprocessor': preprocessor}
    net = MODELS.build(model)
    assert net.data_preprocessor.mean.ravel().tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert net.backbone.stage2[0].branches[0][0].conv1.out_channels == 8


@pytest.mark.parametrize('task', ['pose', 'faces'])
def test_only_sided_points_are_mirrored(tmp_path, task):
    config = adapted(write_animals_coco(tmp_path / 'sided'), task, tmp_path / 'a')
    assert config.model.test_cfg.flip_test
    info = Config.fromfile(config.train_dataloader.dataset.metainfo.from_file).dataset_info.keypoint_info
    assert [info[i].swap for i in range(3)] == ['right_ear', 'left_ear', '']
    config = adapted(write_animals_coco(tmp_path / 'other', keypoints=['a', 'b', 'c']), task, tmp_path / 'b')
    assert not config.model.test_cfg.flip_test
    assert 'RandomFlip' not in [step.type for step in config.train_dataloader.dataset.pipeline]


def test_input_has_the_shape_of_the_boxes(tmp_path):
    folder = write_animals_deeplabcut(tmp_path / 'mine', animals=('one', 'two'))
    table = folder / 'labeled-data' / 'video' / 'CollectedData_me.csv'
    one = table.read_text().splitlines()
    # Only the first animal, in images twice as wide as high.
    table.write_text('\n'.join(','.join(line.split(',')[:7]) for i, line in enumerate(one) if i != 1) + '\n')
    config = adapted(folder, 'pose', tmp_path / 'out')
    steps = {step.type: step for step in config.test_dataloader.dataset.pipeline}
    assert steps['TopdownAffine'].input_size == (224, 112)
    assert config.model.head.decoder.heatmap_size == (56, 28)
    assert steps['GetBBoxCenterScale'].padding == 1


def test_masks_keep_the_detector_a_mask_rcnn(tmp_path):
    config = adapted(write_regions(tmp_path / 'mine'), 'instances', tmp_path / 'out')
    assert (config.model.type, config.model.roi_head.mask_head.num_classes) == ('MaskRCNN', 2)
    assert config.test_dataloader.dataset.metainfo.classes == ('square', 'disc')
    assert Path(config.test_evaluator.ann_file) == tmp_path / 'out' / 'val.json'


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_masks_become_labels(tmp_path):
    config = adapted(write_regions(tmp_path / 'mine'), 'segmentation', tmp_path / 'out')
    assert config.model.decode_head.num_classes == 3
    images = json.loads(Path(config.test_dataloader.dataset.ann_file).read_text())['images']
    assert [image['file_name'] for image in images] == ['images/4.png', 'images/5.png']
    image = cv2.imread(str(tmp_path / 'mine' / 'images' / '4.png'))
    label = cv2.imread(images[0]['seg_file_name'], cv2.IMREAD_UNCHANGED)
    # A polygon goes through its outer pixels, of which about half count as inside.
    for value, channel in ((1, 2), (2, 0)):
        assert ((label == value) != (image[..., channel] == 255)).sum() < 60


def test_labels_of_ones_own_are_used(tmp_path):
    folder = write_semantic(write_regions(tmp_path / 'mine', with_masks=False))
    assert fitting_tasks(folder) == ['instances', 'segmentation']
    config = adapted(folder, 'segmentation', tmp_path / 'out')
    images = json.loads(Path(config.train_dataloader.dataset.ann_file).read_text())['images']
    assert images[0]['seg_file_name'] == str(folder / 'semantic' / '0.png')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda folder: (folder / 'train.json').unlink(),
            r'train\.json does not exist, but .*val\.json does; COCO has the lists',
        ),
        (lambda folder: (folder / 'images/2.png').unlink(), r'2\.png does not exist, but train\.json lists it'),
        (lambda folder: (folder / 'train.json').write_text('{'), r'train\.json is not JSON'),
        (lambda folder: (folder / 'train.json').write_text('[]'), r'train\.json: "images" is missing or empty'),
        (edit('val', lambda coco: coco['annotations'].clear()), r'val\.json: "annotations" is missing or empty'),
        (edit('val', lambda coco: coco['categories'].pop()), 'annotation 1 has category_id'),
        (edit('val', lambda coco: coco['categories'][0].update(name='ball')), 'list different categories'),
        (edit('train', lambda coco: coco['categories'][0].pop('name')), 'an entry of "categories" has no "id" or no'),
        (edit('train', lambda coco: coco['annotations'][0].pop('bbox')), r'annotation 1 has no "bbox" of \[x, y'),
        (edit('train', lambda coco: coco['annotations'][0].update(image_id=99)), 'has image_id 99, which the file'),
        (edit('train', lambda coco: coco['images'][0].update(file_name='4.png')), r'4\.png is in both parts'),
        (lambda folder: (folder / 'images' / '0.png').write_bytes(b'no image'), 'is not an image that can be read'),
        (lambda folder: write_semantic(folder, 9), r'0\.png holds the label 9, but there are 2 classes'),
        (lambda folder: (folder / 'semantic').mkdir(), r'0\.png is not a gray image of 80 x 64 pixels; semantic/ must'),
        (lambda folder: (folder / 'train2.json').write_text('{}'), r'train\.json, train2\.json could all be the anno'),
    ],
)
def test_broken_regions_are_described_in_one_sentence(tmp_path, capsys, change, message):
    change(write_regions(tmp_path / 'mine'))
    assert main(['demo', 'segmentation', '--data', str(tmp_path / 'mine')]) == 2
    error = capsys.readouterr().err
    assert error.startswith('hrnet-mm demo: ')
    assert error.count('\n') == 1
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path / 'mine', 'regions')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda coco: coco['categories'][0].pop('keypoints'),
            'no category has "keypoints"; expected the list of their names',
        ),
        (
            lambda coco: coco['categories'][0].update(skeleton=[[0, 1]]),
            '"skeleton" must hold pairs of numbers from 1 to 3',
        ),
        (
            lambda coco: coco['annotations'][3]['keypoints'].pop(),
            'annotation 4 has 8 values in "keypoints"; 3 keypoints',
        ),
        (lambda coco: [one.pop('keypoints') for one in coco['annotations']], 'no annotation has labeled "keypoints"'),
        (
            lambda coco: coco.update(images=coco['images'][:4], annotations=coco['annotations'][:4]),
            '4 images are too few',
        ),
        (
            lambda coco: coco['categories'].append({'id': 2, 'name': 'bird', 'keypoints': ['beak']}),
            'categories have different "keypoints"',
        ),
    ],
)
def test_broken_points_are_described(tmp_path, change, message):
    edit('annotations', change)(write_animals_coco(tmp_path / 'mine'))
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path / 'mine', 'keypoints')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            lambda text: text.replace('coords', 'places'),
            r'lines 1 to 4 are not a header of DeepLabCut; expected',
        ),
        (lambda text: text.replace('img3', 'img33'), r'line 7: labeled-data/video/img33\.png does not exist in'),
        (lambda text: text.rsplit(',', 2)[0] + ',here,\n', r'line 13: tail needs two numbers or nothing, got'),
        (lambda text: text.rsplit(',', 1)[0] + '\n', r'line 13: tail needs two numbers or nothing, got'),
        (lambda text: text.replace(',x,y', ',a,b'), 'the line that begins with coords has no x'),
        (lambda text: '\n'.join(text.splitlines()[:3]), 'no body part is labeled in any image'),
    ],
)
def test_broken_tables_are_described(tmp_path, change, message):
    file = write_animals_deeplabcut(tmp_path / 'mine') / 'labeled-data' / 'video' / 'CollectedData_me.csv'
    file.write_text(change(file.read_text()))
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path / 'mine', 'keypoints')


@pytest.mark.parametrize(
    ('write', 'annotations', 'message'),
    [
        (
            lambda folder: folder.mkdir(),
            'keypoints',
            'mine fits no annotation format: saw no files; supported for keypoints: coco, yolo, cvat, labelme,',
        ),
        (lambda folder: folder.mkdir(), 'boxes', 'saw no files; supported for boxes: coco, '),
        (lambda folder: folder.mkdir(), 'classes', 'saw no files; supported for classes: cvat, label-studio, folders'),
        (lambda folder: write_classes(folder, [('a', 9)]), 'classes', r'images of one class only \(a\)'),
        (lambda folder: write_classes(folder, [('a', 9), ('b', 4)]), 'classes', '4 images are too few'),
        (lambda folder: write_regions(folder, False), 'regions', 'regions need a "segmentation" for every'),
        (lambda folder: None, 'keypoints', 'mine is not a folder; supported for keypoints: coco'),
        (lambda folder: None, 'keypoint', "unknown annotations 'keypoint'; did you mean 'keypoints'"),
    ],
)
def test_what_the_annotations_need_is_said(tmp_path, write, annotations, message):
    write(tmp_path / 'mine')
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path / 'mine', annotations)


def test_folder_of_no_known_layout(tmp_path, capsys):
    assert main(['demo', '--data', str(tmp_path)]) == 2
    assert 'fits no annotation format: saw no files; supported: coco' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        ([], 'neither a config nor --data DIR, a folder of labeled images, is given; give one'),
        (['pose'], 'pose is a task and needs --data DIR'),
        (['poses', '--data', 'DIR'], "--data needs a task instead of a config, got 'poses'; did you mean 'pose'?"),
        (['pose', '--data', 'DIR', '--epochs', '3', '--minutes', '1'], '--epochs and --minutes both say how long'),
        (['pose', '--data', 'DIR', '--epochs', '0'], '--epochs must be more than 0, got 0'),
        (['pose', '--data', 'DIR', '--arch', 'v18'], "unknown arch 'v18'"),
        (['pose', '--data', 'DIR', '--amp'], '--amp needs a config and has no effect on a task'),
        (['pose', '--data', 'DIR', '--launcher', 'pytorch'], '--launcher needs a config'),
    ],
)
def test_bad_arguments(capsys, argv, message):
    assert main(['train', *argv]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('task', 'write', 'message'),
    [
        ('segmentation', write_classes, 'is labeled for classification, not for segmentation: '),
        ('pose', write_regions, 'is labeled for instances and for segmentation, not for pose: '),
        ('instances', write_animals_coco, 'is labeled for pose and for faces, not for instances: '),
        (None, write_regions, 'is labeled for instances and for segmentation: name one of them, as in hrnet-mm train'),
    ],
)
def test_another_task_is_named_where_the_labels_are_for_it(tmp_path, capsys, task, write, message):
    write(tmp_path / 'mine')
    assert main(['train', *([task] if task else []), '--data', str(tmp_path / 'mine')]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


@pytest.mark.parametrize(
    ('write', 'sentence', 'labels'),
    [
        (
            write_animals_deeplabcut,
            'mine is labeled for pose, which is trained; faces would fit too',
            'pose: 3 keypoints, with the points for training + validation: left_ear 8 + 2, right_ear 8 + 2, tail 7 + 2',
        ),
        (
            write_classes,
            'mine is labeled for classification, which is trained',
            'classification: 2 classes, with the images for training + validation: dark 8 + 2, light 4 + 1',
        ),
        (
            lambda folder: write_regions(folder, with_masks=False),
            'mine is labeled for instances, which is trained',
            'instances: 2 classes, with the objects for training + validation: square 4 + 2, disc 4 + 2',
        ),
    ],
)
def test_the_labels_choose_the_task_and_are_counted(tmp_path, capsys, monkeypatch, write, sentence, labels):
    monkeypatch.setattr('hrnet_mm.training.own.run_jobs', lambda *_: None)
    write(tmp_path / 'mine')
    assert main(['train', '--data', str(tmp_path / 'mine')]) == 0
    first, _, third, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith(sentence)
    assert third == labels


def test_training_that_dies_is_told(tmp_path, monkeypatch):
    # The new process adds a job to a connection, which ends it before it can say a word.
    monkeypatch.setattr(runs, '_enter', operator.add)
    argv = ['demo', 'instances', '--data', str(write_regions(tmp_path / 'mine')), '--work-dir', str(tmp_path / 'out')]
    with pytest.raises(RuntimeError, match='instances: training ended with exit code 1; see '):
        main(argv)


def test_interrupted_tasks_say_what_is_kept_and_how_to_go_on(tmp_path, capsys, monkeypatch):
    def run(job, console):
        if job.task != 'instances':
            raise KeyboardInterrupt

    monkeypatch.setattr(runs, '_run', run)
    folder, out = str(write_regions(tmp_path / 'mine')), str(tmp_path / 'out')
    options = ['--data', folder, '--work-dir', out]
    assert main(['demo', 'segmentation', 'instances', *options]) == 130
    assert capsys.readouterr().err == (
        f'hrnet-mm demo: interrupted; instances done and kept in {out}; '
        f'continue with: hrnet-mm demo segmentation {shlex.join(options)}\n'
    )
    assert main(['train', 'segmentation', *options]) == 130
    assert capsys.readouterr().err == (
        f'hrnet-mm train: interrupted; {out} holds no trained task yet; '
        f'continue with: hrnet-mm train segmentation {shlex.join(options)} --resume\n'
    )


def test_missing_library_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(TASKS, 'instances', replace(TASKS['instances'], libraries=('no_such_library',)))
    assert main(['demo', 'instances', '--data', str(write_regions(tmp_path / 'mine'))]) == 2
    assert 'instances needs no_such_library, which is not installed; in a checkout, bash' in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures('_quick_processes')
def test_weights_that_cannot_be_read_are_a_sentence(tmp_path, capsys):
    folder = write_regions(tmp_path / 'mine')
    (tmp_path / 'no.pth').write_bytes(b'nothing of torch')
    argv = ['train', 'instances', '--data', str(folder), '--weights', str(tmp_path / 'no.pth')]
    assert main([*argv, '--work-dir', str(tmp_path / 'out')]) == 2
    assert f'hrnet-mm train: {tmp_path}/no.pth is not a checkpoint' in capsys.readouterr().err


def test_failed_training_names_the_log(tmp_path):
    receiver, sender = multiprocessing.Pipe(duplex=False)
    sender.send(Failure('KeyError: 1', is_users=False))
    job = Job('pose', tmp_path / 'config.py', tmp_path, 0)
    with pytest.raises(RuntimeError, match=f'pose: KeyError: 1; see {tmp_path}/log.txt'):
        _follow(job, receiver, Console(file=io.StringIO()))
