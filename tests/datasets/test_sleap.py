"""Labels of SLEAP, NWB and DeepLabCut's .h5, where the extra `labels` is installed, and a sentence where it is not."""

import re
import sys

import cv2
import label_formats
import numpy as np
import pytest
from label_formats import HEIGHT, POINTS, TRAIN, VAL, WIDTH, content, pictures, points_of

from hrnet_mm.datasets import read_folder
from hrnet_mm.datasets.convert import convert

# sleap-io warns of its own older parts, and of those of pynwb.
pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning', 'ignore::UserWarning', 'ignore::ResourceWarning')


def labels_of(sleap_io, video):
    edges, symmetries = [('left_ear', 'tail')], [('left_ear', 'right_ear')]
    skeleton = sleap_io.Skeleton(list(POINTS), edges=edges, symmetries=symmetries)
    frames = []
    for i, name in enumerate(TRAIN + VAL):
        places = np.array([point[:2] for point in points_of(name)])
        instance = sleap_io.Instance.from_numpy(places, skeleton=skeleton)
        frames.append(sleap_io.LabeledFrame(video=video, frame_idx=i, instances=[instance]))
    return sleap_io.Labels(frames)


def without_names(folder):
    return [[{**one, 'name': ''} for one in part] for _, part in content(folder)[2]]


def test_sleap_is_equal_to_the_digit(tmp_path):
    sleap_io = pytest.importorskip('sleap_io')
    (tmp_path / 'coco').mkdir()
    label_formats.animal_coco(tmp_path / 'coco', 'whole')
    pictures(tmp_path / 'mine' / 'images', TRAIN + VAL)
    files = [str(tmp_path / 'mine' / 'images' / f'{name}.png') for name in TRAIN + VAL]
    labels_of(sleap_io, sleap_io.Video.from_filename(files)).save(str(tmp_path / 'mine' / 'labels.slp'))
    mine, coco = (read_folder(tmp_path / name, 'keypoints') for name in ('mine', 'coco'))
    assert mine.about == 'SLEAP keypoints, 1 class (animal), 5 train / 1 val'
    assert mine.points.names == tuple(POINTS)
    assert (mine.points.links, mine.points.flips) == (((0, 2),), (1, 0, 2))
    assert without_names(mine) == without_names(coco)


@pytest.mark.parametrize('suffix', ['slp', 'pkg.slp', 'nwb'])
def test_frames_of_videos_become_images(tmp_path, suffix):
    sleap_io = pytest.importorskip('sleap_io')
    (tmp_path / 'mine').mkdir()
    video = tmp_path / 'video.avi'
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*'MJPG'), 10, (WIDTH, HEIGHT))
    for name in TRAIN + VAL:
        writer.write(label_formats.picture(name))
    writer.release()
    labels = labels_of(sleap_io, sleap_io.load_video(str(video)))
    file = tmp_path / 'mine' / f'labels.{suffix}'
    if suffix == 'nwb':
        sleap_io.save_nwb(labels, str(file))
    else:
        labels.save(str(file), embed='user' if suffix == 'pkg.slp' else False)
    message = re.escape(f'images; write them with: hrnet-mm labels convert {tmp_path / "mine"} OUT --to coco')
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path / 'mine', 'keypoints')
    convert(tmp_path / 'mine', tmp_path / 'out', 'coco')
    read = read_folder(tmp_path / 'out', 'keypoints')
    assert len(read.train['images']) + len(read.val['images']) == 6
    for part in (read.train, read.val):
        for one in part['annotations']:
            image = next(image for image in part['images'] if image['id'] == one['image_id'])
            index = int(re.findall(r'\d+', image['file_name'])[-1])
            assert one['keypoints'] == [v for point in points_of((TRAIN + VAL)[index]) for v in point]
            pixels = cv2.imread(str(tmp_path / 'out' / image['file_name'])).astype(int)
            assert abs(pixels - label_formats.picture((TRAIN + VAL)[index])).mean() < 30  # JPEG


@pytest.mark.parametrize('in_cells', [False, True])
def test_deeplabcut_h5_is_equal_to_the_digit(tmp_path, in_cells):
    h5py = pytest.importorskip('h5py')
    for name in ('table', 'mine'):
        (tmp_path / name).mkdir()
        label_formats.animal_deeplabcut(tmp_path / name)
    write_h5(h5py, tmp_path / 'mine' / 'labeled-data' / 'video' / 'CollectedData_me.h5', in_cells)
    # Beside a .csv, which people edit, it is not read.
    assert read_folder(tmp_path / 'mine', 'keypoints').train == read_folder(tmp_path / 'table', 'keypoints').train
    (tmp_path / 'mine' / 'labeled-data' / 'video' / 'CollectedData_me.csv').unlink()
    mine, table = (read_folder(tmp_path / name, 'keypoints') for name in ('mine', 'table'))
    assert content(mine) == content(table)


def write_h5(h5py, file, in_cells):
    """The arrays that pandas 2.3 writes in its fixed layout, without pandas' reader of them."""
    names = [[name for name in POINTS for _ in 'xy'], ['x', 'y'] * len(POINTS)]
    paths = [('labeled-data', 'video', f'{name}.png') for name in TRAIN + VAL]
    with h5py.File(file, 'w') as opened:
        table = opened.create_group('df_with_missing')

        def write(axis, levels, titles):
            table.attrs[f'{axis}_nlevels'] = len(levels)
            for i, (texts, title) in enumerate(zip(levels, titles, strict=True)):
                known = sorted(set(texts))
                table[f'{axis}_level{i}'] = np.array(known, 'S')
                table[f'{axis}_level{i}'].attrs['name'] = np.bytes_(title)
                table[f'{axis}_label{i}'] = np.array([known.index(text) for text in texts], np.int8)

        for axis in ('axis0', 'block0_items'):
            write(axis, [['me'] * 2 * len(POINTS), *names], ['scorer', 'bodyparts', 'coords'])
        if in_cells:
            write('axis1', list(zip(*paths, strict=True)), ['', '', ''])
        else:
            table['axis1'] = np.array(['/'.join(path) for path in paths], 'S')
        table['block0_values'] = np.array([np.ravel([point[:2] for point in points_of(n)]) for n in TRAIN + VAL])


@pytest.mark.parametrize(
    ('name', 'library'), [('labels.slp', 'sleap-io'), ('labels.nwb', 'sleap-io'), ('CollectedData_me.h5', 'h5py')]
)
def test_a_missing_library_is_named_with_its_command(tmp_path, name, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library.replace('-', '_'), None)
    (tmp_path / name).write_bytes(b'')
    message = rf"{re.escape(name)} needs {library}, which is not installed: pip install 'hrnet_mm\[labels\]'"
    with pytest.raises(ValueError, match=message):
        read_folder(tmp_path, 'keypoints')


@pytest.mark.parametrize('name', ['labels.slp', 'labels.nwb', 'CollectedData_me.h5'])
def test_a_damaged_file_is_named(tmp_path, name):
    pytest.importorskip('h5py' if name.endswith('h5') else 'sleap_io')
    (tmp_path / name).write_bytes(b'\x89HDF\r\n\x1a\n' + bytes(range(256)))
    with pytest.raises(ValueError, match=re.escape(name)) as caught:
        read_folder(tmp_path, 'keypoints')
    assert '\n' not in str(caught.value)
