"""The data set converters on small generated files: their output, and no change for bad input."""

import json
import runpy
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

TOOLS = Path(__file__).parents[2] / 'tools' / 'prepare'
NAMES = ('aflw', 'lip', 'pascal_context', 'posetrack17')


@pytest.fixture
def prepare(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)

    def run(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, arguments)])
        runpy.run_path(str(TOOLS / f'{name}.py'), run_name='__main__')

    return run


def fails(capsys, call, *arguments):
    """The one sentence that the call ends with."""
    with pytest.raises(SystemExit) as info:
        call(*arguments)
    message = str(info.value)
    assert message.endswith('.')
    assert '\n' not in message
    return message


@pytest.mark.parametrize('name', NAMES)
def test_help_shows_an_example_and_files_are_short(prepare, capsys, name):
    with pytest.raises(SystemExit, match='0'):
        prepare(name, '--help')
    assert f'python tools/prepare/{name}.py' in capsys.readouterr().out
    assert len((TOOLS / f'{name}.py').read_text().splitlines()) <= 100


def image(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size).save(path)


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob('*') if path.is_file())


def lip_archives(folder, label=None):
    """Two archives as the data set offers them, the second with its doubled folder."""
    image(folder / 'picture.jpg')
    Image.fromarray(np.array([[0, 14], [19, 255]], np.uint8) if label is None else label).save(folder / 'label.png')
    with ZipFile(folder / 'images.zip', 'w') as images, ZipFile(folder / 'labels.zip', 'w') as labels:
        for split in ('train', 'val'):
            for name in ('1_2', '3_4')[: 2 if split == 'train' else 1]:
                images.write(folder / 'picture.jpg', f'TrainVal_images/{split}_images/{name}.jpg')
                path = f'TrainVal_parsing_annotations/TrainVal_parsing_annotations/{split}_segmentations/{name}.png'
                labels.write(folder / 'label.png', path)
        images.writestr('__MACOSX/TrainVal_images/train_images/._1_2.jpg', b'')
    return folder / 'images.zip', folder / 'labels.zip'


def test_lip(prepare, tmp_path, capsys):
    out = tmp_path / 'data' / 'LIP'
    prepare('lip', *lip_archives(tmp_path), '--out', out)
    assert tree(out) == [
        *('train_images/1_2.jpg', 'train_images/3_4.jpg', 'train_segmentations/1_2.png', 'train_segmentations/3_4.png'),
        *('val_images/1_2.jpg', 'val_segmentations/1_2.png'),
    ]
    assert capsys.readouterr().out == 'train: 2 images with their labels\nval: 1 images with their labels\n'


def test_lip_refuses_what_is_not_lip_and_leaves_nothing(prepare, tmp_path, capsys):
    out = tmp_path / 'LIP'
    images, labels = lip_archives(tmp_path)
    assert 'holds no train_images/*.jpg' in fails(capsys, prepare, 'lip', labels, labels, '--out', out)
    assert 'cannot read the archives' in fails(capsys, prepare, 'lip', tmp_path / 'picture.jpg', labels, '--out', out)
    assert 'cannot read the archives' in fails(capsys, prepare, 'lip', tmp_path / 'no.zip', labels, '--out', out)
    with ZipFile(labels, 'a') as archive:
        archive.writestr('x/val_segmentations/9_9.png', b'')
    assert '1 of the val images or labels have no partner, 9_9' in fails(
        capsys, prepare, 'lip', images, labels, '--out', out
    )
    _, labels = lip_archives(tmp_path, np.full((2, 2), 20, np.uint8))
    assert 'not a label of 20 classes: it has shape (2, 2), maximum 20' in fails(
        capsys, prepare, 'lip', images, labels, '--out', out
    )
    assert [path for path in tmp_path.iterdir() if 'LIP' in path.name] == []
    out.mkdir()
    (out / 'mine.txt').write_text('kept')
    assert 'LIP exists already' in fails(capsys, prepare, 'lip', *lip_archives(tmp_path), '--out', out)
    assert tree(out) == ['mine.txt']


@pytest.fixture
def voc(tmp_path):
    """VOC2010 with one training and two validation images, and the .mat files of all but one."""
    main = tmp_path / 'VOC2010' / 'ImageSets' / 'Main'
    main.mkdir(parents=True)
    (main / 'train.txt').write_text('2008_000002\n')
    (main / 'val.txt').write_text('2008_000008\n2008_000007\n2008_000009\n')
    mats = tmp_path / 'trainval'
    mats.mkdir()
    for name in ('2008_000002', '2008_000007', '2008_000008'):
        # unlabeled, aeroplane, accordion (none of the 59), sofa, wood, the last of all
        savemat(mats / f'{name}.mat', {'LabelMap': np.array([[0, 2, 1], [368, 458, 459]], np.uint16)})
    return mats, tmp_path / 'VOC2010'


def test_pascal_context(prepare, voc):
    from mmseg.datasets import PascalContextDataset

    prepare('pascal_context', *voc)
    out = voc[1]
    assert tree(out / 'SegmentationClassContext') == ['2008_000002.png', '2008_000007.png', '2008_000008.png']
    assert (out / 'ImageSets/SegmentationContext/train.txt').read_text() == '2008_000002\n'
    assert (out / 'ImageSets/SegmentationContext/val.txt').read_text() == '2008_000007\n2008_000008\n'
    label = np.array(Image.open(out / 'SegmentationClassContext/2008_000002.png'))
    classes = PascalContextDataset.METAINFO['classes']
    names = [[classes[i] for i in row] for row in label]
    assert names == [['background', 'aeroplane', 'background'], ['sofa', 'wood', 'background']]
    assert label.dtype == np.uint8


def test_pascal_context_refuses_other_files(prepare, voc, tmp_path, capsys):
    mats, folder = voc
    before = tree(folder)
    savemat(mats / '2008_000008.mat', {'LabelMap': np.array([[460]], np.uint16)})
    assert 'not a label of 459 classes: it has shape (1, 1), maximum 460' in fails(
        capsys, prepare, 'pascal_context', mats, folder
    )
    (mats / '2008_000008.mat').write_bytes(b'no')
    assert 'cannot read the MATLAB file' in fails(capsys, prepare, 'pascal_context', mats, folder)
    assert 'train.txt is missing; give the folder VOC2010' in fails(capsys, prepare, 'pascal_context', mats, mats)
    assert 'give the unpacked folder trainval' in fails(capsys, prepare, 'pascal_context', folder, folder)
    assert tree(folder) == before


def rect(points, track=0):
    annopoints = [{'point': [{'id': [i], 'x': [x], 'y': [y], 'is_visible': [v]} for i, x, y, v in points]}]
    head = {'x1': [1], 'y1': [2], 'x2': [5], 'y2': [8]}
    return {**head, 'track_id': [track], 'annopoints': annopoints if points else []}


def posetrack(root, frames, split='val', name='000342_mpii'):
    folder = root / 'posetrack_data' / 'annotations' / split
    folder.mkdir(parents=True, exist_ok=True)
    annolist = []
    for number, people in enumerate(frames, 1):
        file = f'images/bonn_5sec/{name}/{number:08d}.jpg'
        image(root / file, (40, 30))
        annolist.append({'image': [{'name': file}], 'imgnum': [number], 'annorect': people})
    annolist[0]['ignore_regions'] = [{'point': [{'x': [1], 'y': [2]}, {'x': [3], 'y': [4]}]}]
    (folder / f'{name}.json').write_text(json.dumps({'annolist': annolist}))


@pytest.mark.slow
def test_posetrack17(prepare, tmp_path):
    from mmpose.datasets import PoseTrack18Dataset

    # Joints 0, 5, 12 and 13: right ankle, left ankle, head bottom, nose; a second person has no points.
    people = [rect([(0, 10, 28, 1), (5, 20, 26, 0), (12, 14, 8, 1), (13, 15, 4, 1)], track=3), rect([])]
    posetrack(tmp_path, [people, []])
    posetrack(tmp_path, [[rect([(14, 5, 5, 1), (13, 7, 9, 1)])]], name='000343_mpii')
    prepare('posetrack17', tmp_path, '--split', 'val')
    out = tmp_path / 'annotations'
    assert tree(out) == ['posetrack17_val.json', 'val/000342_mpii.json', 'val/000343_mpii.json']
    content = json.loads((out / 'posetrack17_val.json').read_text())
    assert [i['id'] for i in content['images']] == [1, 2, 3]
    assert content['images'][0]['ignore_regions_x'] == [[1, 3]]
    assert content['images'][0]['is_labeled']
    assert not content['images'][1]['is_labeled']
    first, second = content['annotations']
    assert first['keypoints'][:6] == [15, 4, 2, 14, 8, 2]  # nose and head bottom
    assert first['keypoints'][-6:] == [20, 26, 1, 10, 28, 2]  # ankles, the left one hidden
    assert first['num_keypoints'] == 4
    assert first['bbox'] == pytest.approx([15 - 5.75, 16 - 13.8, 11.5, 27.6])  # 10 x 24, enlarged by 15 %
    assert first['bbox_head'] == [1, 2, 4, 6]
    assert (first['track_id'], first['image_id'], second['image_id']) == (3, 1, 3)
    part = json.loads((out / 'val' / '000343_mpii.json').read_text())
    assert [i['id'] for i in part['images']] == [3]

    data = PoseTrack18Dataset(ann_file=str(out / 'posetrack17_val.json'), data_prefix={'img': str(tmp_path)})
    assert len(data) == 2
    assert data[0]['keypoints'][0, 0].tolist() == [15, 4]
    assert Path(data[0]['img_path']).is_file()


def test_posetrack17_numbers_joints_as_its_evaluation_does(prepare):
    joints = runpy.run_path(str(TOOLS / 'posetrack17.py'))['NUMBERED']
    assert joints == [
        *('right_ankle', 'right_knee', 'right_hip', 'left_hip', 'left_knee', 'left_ankle'),
        *('right_wrist', 'right_elbow', 'right_shoulder', 'left_shoulder', 'left_elbow', 'left_wrist'),
        *('head_bottom', 'nose', 'head_top'),
    ]


def test_posetrack17_refuses_other_files(prepare, tmp_path, capsys):
    assert 'holds no .json files' in fails(capsys, prepare, 'posetrack17', tmp_path)
    posetrack(tmp_path, [[rect([(15, 0, 0, 1)])]])
    assert 'is not an annotation of PoseTrack 2017: IndexError' in fails(
        capsys, prepare, 'posetrack17', tmp_path, '--split', 'val'
    )
    posetrack(tmp_path, [[]])
    (missing,) = tmp_path.rglob('*.jpg')
    missing.unlink()
    assert 'cannot read the image' in fails(capsys, prepare, 'posetrack17', tmp_path, '--split', 'val')
    (file,) = tmp_path.rglob('*.json')
    file.write_text('{"images": []}')
    assert "KeyError 'annolist'" in fails(capsys, prepare, 'posetrack17', tmp_path, '--split', 'val')
    assert not list((tmp_path / 'annotations').iterdir())


@pytest.fixture
def aflw(tmp_path):
    """Four faces: the order is 3, 1, 4, 2; the fourth hides a landmark."""
    names = np.empty((4, 1), object)
    for i in range(4):
        names[i, 0] = f'{i % 2}/image{i}.jpg'
        image(tmp_path / 'images' / f'{i % 2}/image{i}.jpg', (50, 40 + i))
    mask = np.ones((4, 19))
    mask[3, 7] = 0
    info = {
        'nameList': names,
        'data': np.arange(4 * 38, dtype=float).reshape(4, 38),
        'bbox': np.array([[10, 30, 5, 25]] * 4),
        'mask_new': mask,
        'ra': np.array([[3, 1, 4, 2]]),
    }
    savemat(tmp_path / 'info.mat', info)
    return [tmp_path / 'info.mat', '--images', tmp_path / 'images', '--out', tmp_path / 'annotations', '--num-train', 2]


@pytest.mark.slow
def test_aflw(prepare, aflw, tmp_path):
    from mmpose.datasets import AFLWDataset

    prepare('aflw', *aflw)
    content = {
        split: json.loads((tmp_path / 'annotations' / f'face_landmarks_aflw_{split}.json').read_text())
        for split in ('train', 'test', 'test_frontal')
    }
    ids = {split: [a['id'] for a in c['annotations']] for split, c in content.items()}
    assert ids == {'train': [2, 0], 'test': [3, 1], 'test_frontal': [1]}
    (face,) = content['test_frontal']['annotations']
    assert face['keypoints'][:6] == [38, 57, 1, 39, 58, 1]  # x of face 1 begin at 38, y at 57
    assert (face['bbox'], face['center'], face['scale'], face['box_size']) == ([10, 5, 20, 20], [20, 15], 0.1, 20)
    assert content['test_frontal']['images'] == [{'id': 1, 'file_name': '1/image1.jpg', 'width': 50, 'height': 41}]

    file = tmp_path / 'annotations' / 'face_landmarks_aflw_test.json'
    data = AFLWDataset(ann_file=str(file), data_prefix={'img': str(tmp_path / 'images')}, test_mode=True)
    assert len(data) == 2
    assert data[1]['box_size'] == 20
    assert data[1]['bbox'].tolist() == [[10, 5, 30, 25]]


def test_aflw_refuses_other_files(prepare, aflw, tmp_path, capsys):
    (tmp_path / 'images/1/image1.jpg').write_bytes(b'no image')
    assert 'cannot read the image' in fails(capsys, prepare, 'aflw', *aflw)
    savemat(aflw[0], {'nameList': np.array([['a']], object)})
    assert 'is not AFLWinfo_release.mat' in fails(capsys, prepare, 'aflw', *aflw)
    assert 'cannot read the MATLAB file' in fails(capsys, prepare, 'aflw', tmp_path / 'no.mat', *aflw[1:])
    assert not list((tmp_path / 'annotations').iterdir())


def test_what_an_earlier_run_left_half_done_is_replaced(prepare, aflw, tmp_path):
    left = tmp_path / 'annotations' / '.face_landmarks_aflw_train.json.partial'
    left.parent.mkdir()
    left.write_text('half')
    prepare('aflw', *aflw)
    assert not left.exists()
    assert len(tree(tmp_path / 'annotations')) == 3
