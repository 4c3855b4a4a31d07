"""Annotations in PoseTrack's form: three videos, each with one annotated frame, as its validation part has them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hrnet_mm.tracking.posetrack import EVALUATED, JOINTS

PERSONS = {'000342_mpii_test': 1, '003418_mpii_test': 4, '012834_mpii_test': 9}
"""By video."""
STAR = 100 + 90 * np.array([[np.cos(a), np.sin(a)] for a in np.arange(5) * 0.8 * np.pi])
"""A region `(5, 2)` whose border crosses itself, as drawn ones do, over the first person's place."""


def write_sample(folder: Path) -> Path:
    """Write `val/VIDEO.json` for each video and `posetrack18_val.json` of all; some joints are hidden or not labelled.

    Returns the folder of the videos.
    """
    (folder / 'val').mkdir(parents=True)
    contents = {video: _video(video, count) for video, count in PERSONS.items()}
    for video, content in contents.items():
        (folder / 'val' / f'{video}.json').write_text(json.dumps(content))
    merged = {
        **next(iter(contents.values())),
        'images': [one for content in contents.values() for one in content['images']],
        'annotations': [one for content in contents.values() for one in content['annotations']],
    }
    (folder / 'posetrack18_val.json').write_text(json.dumps(merged))
    return folder / 'val'


def _video(name: str, count: int) -> dict[str, Any]:
    image_id = 10**10 + int(name.split('_')[0]) * 10**4
    regions = [STAR, [(400, 0), (430, 0), (430, 180), (415, 90), (400, 180)]]
    image = {
        'id': image_id,
        'frame_id': image_id,
        'vid_id': name.split('_')[0],
        'file_name': f'images/val/{name}/000000.jpg',
        'nframes': 100,
        'is_labeled': True,
        'width': 200 * count,
        'height': 200,
        'ignore_regions_x': [[float(x) for x, _ in region] for region in regions],
        'ignore_regions_y': [[float(y) for _, y in region] for region in regions],
    }
    random = np.random.default_rng(count)
    annotations = []
    for track in range(count):
        points = random.uniform(10, 190, (len(JOINTS), 2)).round(2)
        points[JOINTS.index('nose')] = 185, 15  # outside the regions
        points[:, 0] += 200 * track
        labelled = np.array([joint in EVALUATED for joint in JOINTS]) & (random.random(len(JOINTS)) < 0.8)
        keypoints = np.where(labelled[:, None], np.column_stack([points, np.ones(len(JOINTS))]), 0)
        annotations.append(
            {
                'id': 100 * image_id + track,
                'image_id': image_id,
                'category_id': 1,
                'track_id': track,
                'iscrowd': False,
                'area': 180 * 180,
                'bbox': [200 * track + 10, 10, 180, 180],
                'bbox_head': [200 * track + 90, 10, 20, 24],
                'keypoints': keypoints.ravel().tolist(),
                'num_keypoints': int(labelled.sum()),
                'scores': [],
            }
        )
    category = {'id': 1, 'name': 'person', 'keypoints': JOINTS}
    return {'images': [image], 'annotations': annotations, 'categories': [category]}
