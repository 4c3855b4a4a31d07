"""`hrnet-mm predict VIDEO`: a table for each library, the drawn video, frames that are damaged or missing."""

import csv
import json

import cv2
import numpy as np
import pytest

from hrnet_mm.cli import main
from hrnet_mm.inference.videos import COLUMNS, rows_of
from hrnet_mm.tracking.video import Video, is_video, read_frames

RATE, FRAMES = 8.0, 6


def write_video(path, code='mp4v', count=FRAMES, side=64):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), RATE, (side, side))
    assert writer.isOpened()
    for index in range(count):
        image = np.random.default_rng(index).integers(0, 60, (side, side, 3)).astype(np.uint8)
        image[16:36, 4 + 6 * index : 24 + 6 * index] = 220
        writer.write(image)
    writer.release()
    return path


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / 'moving.mp4')


def run(*arguments):
    return main(['predict', *map(str, arguments)])


def table_of(file):
    with file.open(newline='') as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize('library', list(COLUMNS))
def test_every_frame_of_a_video(library, checkpoint, video, tmp_path, capsys):
    out = tmp_path / 'out'
    assert run(checkpoint(library), '--data', video, '--out', out, '--batch-size', 4, '--score', 0) == 0
    assert f'{video}: {FRAMES} frames: {out / "moving.csv"}, ' in capsys.readouterr().out
    lines = [json.loads(line) for line in (out / 'moving.jsonl').read_text().splitlines()]
    assert [(one['frame'], one['time']) for one in lines] == [(i, i / RATE) for i in range(FRAMES)]
    table = table_of(out / 'moving.csv')
    assert tuple(table[0]) == ('frame', 'time', *COLUMNS[library])
    assert sorted({(int(row['frame']), float(row['time'])) for row in table}) == [(i, i / RATE) for i in range(FRAMES)]
    rows = [row for row in table if row['frame'] == '3']
    if library == 'mmdet':
        assert [float(row['score']) for row in rows] == lines[3]['scores']
        assert [[float(row[side]) for side in ('x1', 'y1', 'x2', 'y2')] for row in rows] == lines[3]['boxes']
        assert {row['class'] for row in rows} == {'person'}
    elif library == 'mmpose':
        (pose,) = lines[3]['poses']
        assert [[float(row['x']), float(row['y'])] for row in rows] == pose['keypoints']
        assert [row['keypoint'] for row in rows] == lines[3]['names']
    elif library == 'mmseg':
        assert {row['class']: float(row['share']) for row in rows} == lines[3]['shares']
        assert cv2.imread(lines[3]['segments'], cv2.IMREAD_UNCHANGED).shape == (64, 64)
    else:
        assert [(int(row['rank']), row['class']) for row in rows] == list(enumerate(lines[3]['labels'], 1))
    drawn = Video(out / 'pictures' / 'moving.mp4')
    assert (drawn.rate, drawn.length) == (RATE, FRAMES)
    factor = {'mmpose': 8, 'mmpretrain': 3.5}.get(library, 1)  # enlarged, to see joints and text
    assert all(abs(frame.image.shape[0] - 64 * factor) <= 1 for frame in drawn)


def test_frames_are_predicted_as_images(checkpoint, tmp_path):
    """A lossless video and its frames as images."""
    video, folder = write_video(tmp_path / 'moving.avi', 'FFV1'), tmp_path / 'frames'
    folder.mkdir()
    for name, image in read_frames(video):
        cv2.imwrite(str(folder / f'{name[-10:-4]}.png'), image)
    model = checkpoint('mmdet')
    assert run(model, '--data', video, '--out', tmp_path / 'a', '--no-pictures') == 0
    assert run(model, '--data', folder, '--out', tmp_path / 'b', '--no-pictures') == 0
    assert not (tmp_path / 'a' / 'pictures').exists()
    frames, images = (
        [json.loads(line) for line in file.read_text().splitlines()]
        for file in (tmp_path / 'a' / 'moving.jsonl', tmp_path / 'b' / 'predictions.jsonl')
    )
    assert [one['boxes'] for one in frames] == [one['boxes'] for one in images]

    # The boxes of a detector on a video, for a pose model.
    boxes = ('--boxes', tmp_path / 'a' / 'moving.jsonl', '--score', 0, '--no-pictures')
    assert run(checkpoint('mmpose'), '--data', video, '--out', tmp_path / 'c', *boxes) == 0
    assert len(table_of(tmp_path / 'c' / 'moving.csv')) == FRAMES * 5 * 17


def test_several_videos(checkpoint, video, tmp_path, capsys):
    other = write_video(tmp_path / 'other.webm', 'VP80', 3)
    model = checkpoint('mmpretrain')
    assert run(model, '--data', video, other, '--out', tmp_path / 'out', '--no-pictures') == 0
    assert [len(table_of(tmp_path / 'out' / f'{name}.csv')) for name in ('moving', 'other')] == [2 * FRAMES, 2 * 3]
    assert '--data' not in capsys.readouterr().err


def test_a_video_that_is_cut_off(checkpoint, tmp_path, capsys):
    video = write_video(tmp_path / 'cut.avi', 'MJPG', 20)
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2])
    assert run(checkpoint('mmpretrain'), '--data', video, '--out', tmp_path / 'out') == 1
    printed = capsys.readouterr()
    kept = len((tmp_path / 'out' / 'cut.jsonl').read_text().splitlines())
    assert 5 < kept < 20
    assert f'{video}: {kept} of 20 frames could be read; the file is cut off or damaged' in printed.err
    assert len(list(Video(tmp_path / 'out' / 'pictures' / 'cut.mp4'))) == kept


def test_frames_that_cannot_be_decoded_are_told(checkpoint, video, tmp_path, capsys, monkeypatch):
    """OpenCV rarely says so: its decoders conceal damage."""
    frames = Video.__iter__

    def damaged(self):
        yield from (frame._replace(image=None) if frame.number in (0, 3) else frame for frame in frames(self))

    monkeypatch.setattr(Video, '__iter__', damaged)
    assert run(checkpoint('mmdet'), '--data', video, '--out', tmp_path / 'out') == 1
    assert '2 of 6 frames cannot be decoded, the first is frame 0' in capsys.readouterr().err
    lines = [json.loads(line) for line in (tmp_path / 'out' / 'moving.jsonl').read_text().splitlines()]
    assert [one.get('error') for one in lines] == [
        'the frame cannot be decoded' if i in (0, 3) else None for i in range(6)
    ]
    assert {row['frame'] for row in table_of(tmp_path / 'out' / 'moving.csv')} == {'1', '2', '4', '5'}
    monkeypatch.setattr(Video, '__iter__', frames)
    assert len(list(Video(tmp_path / 'out' / 'pictures' / 'moving.mp4'))) == 5  # none before the first
    monkeypatch.setattr(Video, '__iter__', damaged)
    with pytest.raises(ValueError, match=r'frame 0 of .* is damaged'):
        next(read_frames(video))


def test_ctrl_c_keeps_the_frames_so_far(checkpoint, video, tmp_path, capsys, monkeypatch):
    frames = Video.__iter__

    def interrupted(self):
        for frame in frames(self):
            if frame.number == 4:
                raise KeyboardInterrupt
            yield frame

    monkeypatch.setattr(Video, '__iter__', interrupted)
    assert run(checkpoint('mmpretrain'), '--data', video, '--out', tmp_path / 'out') == 130
    assert '4 frames of' in capsys.readouterr().err
    assert len((tmp_path / 'out' / 'moving.jsonl').read_text().splitlines()) == 4
    monkeypatch.setattr(Video, '__iter__', frames)
    assert len(list(Video(tmp_path / 'out' / 'pictures' / 'moving.mp4'))) == 4


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{model}', '--data', 'gone.mp4'], 'gone.mp4 holds no images, because there is no such file'),
        (['{model}', '--data', '{text}'], 'text.mp4 holds no images; expected a video that OpenCV reads'),
        (['{model}', '--data', '{video}', '{image}'], 'moving.mp4 is a video, and others are not'),
        (['{model}', '--data', '{video}', '--workers', '2'], '--overlap are for images; leave them out'),
        (['{model}', '--data', '{video}', '--format', 'deeplabcut'], '--format deeplabcut is for images'),
        (['{model}', '--data', '{video}', '{video}'], 'two videos are called moving'),
        (['{model}', '--data', '{video}', '--boxes', 'b.jsonl'], '--boxes is for top-down pose models'),
        (['{model}', '--data', '{folder}'], 'it holds videos, which are given by name, such as'),
    ],
)
def test_mistakes_end_in_one_sentence(arguments, message, checkpoint, video, tmp_path, capsys):
    (tmp_path / 'text.mp4').write_text('not a video')
    (tmp_path / 'videos').mkdir()
    write_video(tmp_path / 'videos' / 'a.mp4')
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((9, 9, 3), np.uint8))
    places = {'model': checkpoint('mmpretrain'), 'video': video, 'text': tmp_path / 'text.mp4'}
    places |= {'image': tmp_path / 'a.png', 'folder': tmp_path / 'videos'}
    assert run(*(argument.format(**places) for argument in arguments), '--out', tmp_path / 'out') == 2
    assert message in capsys.readouterr().err


def test_the_video_is_not_overwritten_by_the_drawn_one(checkpoint, video, tmp_path, capsys):
    (tmp_path / 'out' / 'pictures').mkdir(parents=True)
    video = video.rename(tmp_path / 'out' / 'pictures' / 'moving.mp4')
    assert run(checkpoint('mmpretrain'), '--data', video, '--out', tmp_path / 'out') == 2
    assert 'would be overwritten' in capsys.readouterr().err
    assert len(list(Video(video))) == FRAMES


def test_names_of_videos(tmp_path):
    (tmp_path / 'folder.mp4').mkdir()
    assert [is_video(tmp_path / name) for name in ('a.MP4', 'a.webm', 'a.png', 'folder.mp4')] == [
        True,
        True,
        False,
        False,
    ]


def test_rows_without_names_of_keypoints():
    pose = {'poses': [{'keypoints': [[1, 2]], 'scores': [0.5]}], 'names': []}
    assert list(rows_of(pose)) == [(0, 0, 1, 2, 0.5)]
