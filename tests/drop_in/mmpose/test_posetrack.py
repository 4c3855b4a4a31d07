"""PoseTrack's measures as a metric of mmpose: a case worked out by hand, and a sample in PoseTrack's form."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS, METRICS
from mmpose.utils import register_all_modules
from posetrack_sample import write_sample

import hrnet_mm.drop_in.mmpose.official  # noqa: F401  # registers what is built here by name
from hrnet_mm.tracking.posetrack import JOINTS

ROOT = Path(__file__).parents[3]
META = {'from_file': 'configs/_base_/datasets/posetrack18.py'}

FIGURE = np.random.default_rng(0).uniform(0, 50, (len(JOINTS), 2))
PLACES = {'one': 100, 'other': 300}  # of two persons who stand still
IMAGES = [10000010000 + number for number in range(4)]


@pytest.fixture
def ann_file(tmp_path):
    """Four frames of a video with two persons whose joints are right within 5 pixels."""
    head = [0, 0, 6 / 0.6, 8 / 0.6]  # 0.6 of its diagonal is 10 pixels
    annotations = [
        {
            'id': 10 * image + track,
            'image_id': image,
            'category_id': 1,
            'track_id': track,
            'iscrowd': 0,
            'area': 2500,
            'bbox': [x, 0, 50, 50],
            'bbox_head': head,
            'keypoints': np.column_stack([FIGURE + np.array((x, 0)), np.ones(17)]).ravel().tolist(),
            'num_keypoints': 17,
        }
        for image in IMAGES
        for track, x in enumerate(PLACES.values())
    ]
    images = [{'id': image, 'file_name': f'{image}.jpg', 'width': 600, 'height': 60} for image in IMAGES]
    content = json.dumps(
        {
            'images': images,
            'annotations': annotations,
            'categories': [{'id': 1, 'name': 'person', 'keypoints': JOINTS}],
        }
    )
    (tmp_path / 'val').mkdir()
    for file in (tmp_path / 'posetrack18_val.json', tmp_path / 'val' / '000001_test.json'):
        file.write_text(content)
    return tmp_path / 'posetrack18_val.json'


def person(number, image, x, score):
    """What a network finds of a person at `x`, each joint with this score."""
    found = {
        'keypoints': (FIGURE + np.array((x, 0)))[None],
        'keypoint_scores': np.full((1, 17), score),
        'bboxes': np.array([[x, 0, x + 50, 50]], float),
    }
    truth = {'bbox_scores': np.ones(1), 'bbox_scales': np.full((1, 2), 50.0)}
    return {'id': number, 'img_id': image, 'pred_instances': found, 'gt_instances': truth}


def evaluate(metric, samples):
    metric.dataset_meta = parse_pose_metainfo(META)
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(len(samples))


def test_two_persons_by_hand(ann_file, tmp_path):
    """Of 8 poses one is 100 pixels off, and surest; somebody who is not there is found, unsurely."""
    found = [(image, x, 0.8) for image in IMAGES for x in PLACES.values()]
    found[3] = (IMAGES[1], 400, 0.95)
    found.append((IMAGES[0], 500, 0.3))
    samples = [person(number, *one) for number, one in enumerate(found)]
    metric = METRICS.build(
        {'type': 'PoseTrackMetric', 'ann_file': str(ann_file), 'outfile_prefix': str(tmp_path / 'found' / 'x')}
    )
    scores = evaluate(metric, samples)
    # By score: wrong, then 7 right of 8, then the one who is not there. The highest precision at each recall is 7/8.
    assert scores['posetrack18/Total AP'] == pytest.approx(100 * 7 / 8 * 7 / 8)
    # poseval leaves out the last frame: of 6 persons one is missed, where another is found, and nobody is switched.
    # Joints of score 0.3 do not count.
    assert scores['posetrack18/Total MOTA'] == pytest.approx(100 * (1 - 2 / 6))
    assert len(scores) == 16
    written = json.loads((tmp_path / 'found' / '000001_test.json').read_text())
    tracks = {}
    for one in written['annotations']:
        tracks.setdefault(one['track_id'], []).append(one['bbox'][0])
    assert sorted(tracks.values()) == [[100] * 4, [300] * 3, [400], [500]]


def test_nobody_found(ann_file):
    samples = [person(0, IMAGES[0], 100, 0.8)]
    scores = evaluate(METRICS.build({'type': 'PoseTrackMetric', 'ann_file': str(ann_file)}), samples)
    assert scores['posetrack18/Total AP'] == pytest.approx(100 / 8)
    # Two frames with nothing found have, in poseval, one object, one miss and one false positive each.
    assert scores['posetrack18/Total MOTA'] == pytest.approx(100 * (1 - (1 + 2 * 2) / 4))


def test_videos_must_be_beside_the_annotations(ann_file):
    (ann_file.parent / 'val' / '000001_test.json').unlink()
    with pytest.raises(ValueError, match=r'val holds no \.json files; .* one for each video'):
        METRICS.build({'type': 'PoseTrackMetric', 'ann_file': str(ann_file)})


@pytest.mark.parametrize('name', sorted(file.name for file in (ROOT / 'configs' / 'pose').glob('*posetrack18*')))
def test_shipped_configs_measure_a_sample(name, tmp_path):
    """The annotated poses, given as found, are all right."""
    register_all_modules()
    config = Config.fromfile(ROOT / 'configs' / 'pose' / name)
    write_sample(tmp_path)
    ann_file = str(tmp_path / 'posetrack18_val.json')
    dataset = DATASETS.build(
        {**config.val_dataloader.dataset, 'data_root': str(tmp_path), 'ann_file': ann_file, 'bbox_file': None}
    )
    assert config.test_evaluator == config.val_evaluator
    metric = METRICS.build({**config.val_evaluator, 'ann_file': ann_file})
    metric.dataset_meta = dataset.metainfo
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        found = {
            'keypoints': info['keypoints'],
            'keypoint_scores': info['keypoints_visible'].astype(float),
            'bboxes': info['bbox'],
        }
        truth = {'bbox_scores': info['bbox_score'], 'bbox_scales': info['bbox'][:, 2:] - info['bbox'][:, :2]}
        sample = {'id': info['id'], 'img_id': info['img_id'], 'pred_instances': found, 'gt_instances': truth}
        metric.process({}, [sample])
    scores = metric.evaluate(len(dataset))
    assert config.default_hooks.checkpoint.save_best in scores
    assert [scores[f'posetrack18/{part} AP'] for part in ('Head', 'Wri', 'Ankl', 'Total')] == pytest.approx([100] * 4)
    # Each video has one annotated frame, the last, which poseval does not count.
    assert math.isnan(scores['posetrack18/Total MOTA'])
