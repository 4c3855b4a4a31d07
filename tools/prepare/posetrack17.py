"""Convert PoseTrack 2017's annotations to the COCO format in which mmpose reads those of 2018.

The script reads the JSON files of one split, one for each sequence (`annolist`), and the sizes of their images. It
writes annotations/posetrack17_SPLIT.json for training, and a file for each sequence in annotations/SPLIT for mmpose's
PoseTrack18Metric. A box encloses all keypoints of a person, enlarged by 15 % (Sun et al., CVPR 2019, section 4.3).
Keypoints: 2 visible, 1 hidden, 0 absent; ears were not annotated. Example:

    python tools/prepare/posetrack17.py data/posetrack17 --split val
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from _prepare import image_size, new

from hrnet_mm.data.coco import write_coco
from hrnet_mm.tracking.posetrack import JOINTS, PERSON

PARTS = ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
# In the order of their numbers in 2017.
NUMBERED = [f'{side}_{part}' for side, parts in (('right', PARTS[:2:-1]), ('left', PARTS[3:])) for part in parts]
NUMBERED += [f'{side}_{part}' for side, parts in (('right', PARTS[2::-1]), ('left', PARTS[:3])) for part in parts]
NUMBERED += ['head_bottom', 'nose', 'head_top']
ENLARGEMENT = 1.15


def person(rect: dict[str, Any]) -> dict[str, Any] | None:
    """Return the annotation of one person; None if it has no points."""
    points = [p for group in rect.get('annopoints') or [] for p in group.get('point', [])]
    if not points:
        return None
    keypoints = np.zeros((len(JOINTS), 3))
    for point in points:
        visible = point.get('is_visible') or [0]
        row = JOINTS.index(NUMBERED[point['id'][0]])
        keypoints[row] = point['x'][0], point['y'][0], 2 if int(visible[0]) else 1
    xy = keypoints[keypoints[:, 2] > 0, :2]
    low, high = xy.min(axis=0), xy.max(axis=0)
    size = (high - low) * ENLARGEMENT
    x1, y1, x2, y2 = (rect[side][0] for side in ('x1', 'y1', 'x2', 'y2'))
    return {
        'category_id': 1,
        'track_id': rect['track_id'][0],
        'keypoints': keypoints.ravel().tolist(),
        'num_keypoints': len(xy),
        'bbox': [*((low + high - size) / 2).tolist(), *size.tolist()],
        'bbox_head': [x1, y1, x2 - x1, y2 - y1],
        'area': float(size.prod()),
        'iscrowd': 0,
        'scores': [],
    }


def sequence(file: Path, root: Path, first_id: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the images and annotations of one file."""
    images, annotations = [], []
    try:
        frames = json.loads(file.read_text())['annolist']
        for image_id, frame in enumerate(frames, first_id):
            name = frame['image'][0]['name']
            people = [found for rect in frame.get('annorect') or [] if (found := person(rect))]
            regions = [region['point'] for region in frame.get('ignore_regions') or []]
            ignored = {f'ignore_regions_{c}': [[p[c][0] for p in points] for points in regions] for c in 'xy'}
            info = {'id': image_id, 'frame_id': image_id, 'vid_id': file.stem, 'nframes': len(frames)}
            images.append({**info, **ignored, 'file_name': name, 'is_labeled': bool(people), **image_size(root / name)})
            annotations += [{**p, 'image_id': image_id, 'id': image_id * 100 + i} for i, p in enumerate(people)]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        sys.exit(f'{file} is not an annotation of PoseTrack 2017: {type(error).__name__} {error}.')
    return images, annotations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('root', type=Path, help='the folder that holds images/, and is written to')
    parser.add_argument('--split', default='train', choices=['train', 'val', 'test'], help='default: train')
    parser.add_argument('--json', type=Path, help='folder of JSON files (ROOT/posetrack_data/annotations/SPLIT)')
    args = parser.parse_args()
    folder = args.json or args.root / 'posetrack_data' / 'annotations' / args.split
    files = sorted(folder.glob('*.json'))
    if not files:
        sys.exit(f'{folder} holds no .json files; PoseTrack 2017 has one for each sequence of a split.')
    images, annotations = [], []
    out = args.root / 'annotations'
    with new(out / f'posetrack17_{args.split}.json', out / args.split) as (merged, parts):
        parts.mkdir()
        for file in files:
            some_images, some_annotations = sequence(file, args.root, len(images) + 1)
            write_coco(parts / file.name, some_images, some_annotations, PERSON)
            images += some_images
            annotations += some_annotations
        write_coco(merged, images, annotations, PERSON)
    print(f'{args.split}: {len(files)} sequences, {len(images)} images, {len(annotations)} people')


if __name__ == '__main__':
    main()
