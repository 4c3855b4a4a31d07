"""`hrnet-mm track` with tiny networks on a short video: its output, pictures, metrics and refusals."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from hrnet_mm.cli import main
from hrnet_mm.inference.tracking import DetectorNetwork, PoseNetwork
from hrnet_mm.tracking import read_video

BOX = [100, 40, 60, 120]  # x, y, width, height


def save_network(library, config, file, sure):
    """Save the network of a config with random weights, whose outputs `sure` makes confident."""
    config = Config.fromfile(config)
    with DefaultScope.overwrite_default_scope(library):
        torch.manual_seed(0)
        state = MODELS.build(config.model).state_dict()
    state[sure] += 5.0
    torch.save({'state_dict': state, 'meta': {}}, file)
    return file


@pytest.fixture
def pose(tiny_config, tmp_path):
    config = tiny_config('mmpose')
    return [
        str(config),
        '--weights',
        str(save_network('mmpose', config, tmp_path / 'pose.pth', 'head.final_layer.bias')),
    ]


@pytest.fixture
def video(tmp_path):
    """Four images of a pattern that moves by 4 pixels, with the boxes of one person; the third lacks its box."""
    folder = tmp_path / '000001_moving'
    folder.mkdir()
    pattern = cv2.resize(np.random.default_rng(0).integers(0, 255, (25, 32, 3)).astype(np.uint8), (320, 200))
    boxes = []
    for frame in range(4):
        cv2.imwrite(str(folder / f'{frame:06d}.png'), np.roll(pattern, 4 * frame, axis=1))
        boxes.append({'image_id': 10000010000 + frame, 'score': 0.9, 'bbox': [BOX[0] + 4 * frame, *BOX[1:]]})
    del boxes[2]
    (tmp_path / 'boxes.json').write_text(json.dumps(boxes))
    return folder


def test_a_folder_and_the_video_drawn_of_it(pose, video, tmp_path, capsys):
    options = [*pose, '--boxes', str(tmp_path / 'boxes.json'), '--out', str(tmp_path / 'out')]
    assert main(['track', '--data', str(video), *options, '--no-propagation']) == 0
    assert '4 frames, 1 persons' in capsys.readouterr().out
    results = tmp_path / 'out' / '000001_moving.json'
    frames = read_video(results)
    assert [frame.name for frame in frames] == [str(file) for file in sorted(video.iterdir())]
    assert [frame.ids.tolist() for frame in frames] == [[0], [0], [], [0]]
    first = frames[0].points[0]
    assert np.all((first > [BOX[0] - 60, 0]) & (first < [BOX[0] + 120, 200]))

    # What was found is the truth of the next run, with heads as large as the image.
    truth = json.loads(results.read_text())
    for person in truth['annotations']:
        person['bbox_head'] = [0, 0, 320, 200]
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    more = ['--no-propagation', '--flow', 'none', '--frames', '--truth', str(tmp_path / 'truth.json')]
    assert main(['track', '--data', str(video), *options, *more]) == 0
    rows = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()}
    assert (rows['AP'], rows['MOTA']) == ('100.0', '100.0')
    pictures = sorted((tmp_path / 'out' / '000001_moving').iterdir())
    assert len(pictures) == 4
    assert np.any(cv2.imread(str(pictures[0])) != cv2.imread(str(video / '000000.png')))

    # The video that was drawn.
    (tmp_path / 'boxes.json').write_text(json.dumps([{'image_id': 10000010001, 'bbox': BOX}]))
    assert main(['track', '--data', str(tmp_path / 'out' / '000001_moving.mp4'), *options, '--least-frames', '1']) == 0
    frames = read_video(results)
    assert [frame.name for frame in frames] == [f'000001_moving/{index:06d}.jpg' for index in range(4)]
    assert [len(frame.ids) for frame in frames[:2]] == [0, 1]


def test_a_network_is_what_its_config_and_weights_say(pose, tiny_config, tmp_path):
    network = PoseNetwork(pose[0], pose[2])
    assert network.names[:2] == ['nose', 'left_eye']
    boxes = np.array([[10.0, 10, 60, 90], [100, 20, 150, 120]])
    keypoints, scores = network(np.zeros((200, 320, 3), np.uint8), boxes)
    assert keypoints.shape == (2, 17, 2)
    assert scores.min() == scores.max() == 1  # heatmaps above 1 are cut

    config = tiny_config('mmdet')
    weights = save_network('mmdet', config, tmp_path / 'detector.pth', 'bbox_head.conv_cls.bias')
    detector = DetectorNetwork(config, weights)
    boxes, scores = detector(np.zeros((100, 200, 3), np.uint8))
    assert boxes.shape == (len(scores), 4)
    assert 0 < len(scores) <= 5
    assert scores.min() > 0.3
    assert np.all((boxes >= 0) & (boxes <= [200, 100, 200, 100]))
    with pytest.raises(ValueError, match=r'does not fit the network: .* missing'):
        PoseNetwork(pose[0], weights)
    with pytest.raises(ValueError, match='is not a trained model of mmpose'):
        PoseNetwork(config, weights)


@pytest.mark.parametrize(
    ('content', 'reason'),
    [('{', 'JSONDecodeError'), ('[{"bbox": [1, 2, 3, 4]}]', 'KeyError'), ('[3]', 'TypeError'), (None, 'FileNotFound')],
)
def test_bad_boxes_are_refused(pose, video, tmp_path, content, reason, capsys):
    file = tmp_path / 'bad.json'
    if content is not None:
        file.write_text(content)
    assert main(['track', *pose, '--data', str(video), '--boxes', str(file)]) == 2
    assert f'{file} is not a list of image_id, bbox and score ({reason}' in capsys.readouterr().err


def test_boxes_of_other_images_are_refused(pose, video, tmp_path, capsys):
    (tmp_path / 'others.json').write_text(json.dumps([{'image_id': 7, 'bbox': BOX}]))
    options = ['--boxes', str(tmp_path / 'others.json'), '--out', str(tmp_path / 'out')]
    assert main(['track', *pose, '--data', str(video), *options]) == 2
    assert 'has no boxes for the 4 frames, whose image_id are 10000010000 to 10000010003;' in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_no_images_are_refused(pose, tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    assert main(['track', *pose, '--data', str(tmp_path / 'empty'), '--boxes', 'x.json']) == 2
    assert 'holds no images' in capsys.readouterr().err
    assert main(['track', *pose, '--data', str(tmp_path / 'no.mp4'), '--boxes', 'x.json']) == 2
    assert 'no.mp4 holds no images' in capsys.readouterr().err
