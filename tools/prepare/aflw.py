"""Write mmpose's annotations of AFLW, full and frontal, from the revised 19 landmarks of Zhu et al. (CVPR 2016).

AFLWinfo_release.mat comes from the website of that paper, the images (flickr/0, 2 and 3) from AFLW's. The output is
OUT/face_landmarks_aflw_{train,test,test_frontal}.json: 20,000 faces, 4,386, and those 1,314 of them that show all
landmarks. Errors are divided by `box_size`, the side of AFLW's (square) face box. Example:

    python tools/prepare/aflw.py AFLWinfo_release.mat --images data/aflw/images --out data/aflw/annotations
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from _prepare import image_size, new, read_mat

from hrnet_mm.data.coco import write_coco

NUM_LANDMARKS = 19


def read(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return names, landmarks `(N, 19, 2)`, boxes `(N, 4)` (left, right, top, bottom), visibility, order `(N,)`."""
    info = read_mat(path)
    try:
        names = [str(name[0][0]) for name in info['nameList']]
        points = info['data'].reshape(len(names), 2, NUM_LANDMARKS).transpose(0, 2, 1)  # all x, then all y
        frontal = info['mask_new'].reshape(len(names), NUM_LANDMARKS).all(axis=1)
        return names, points, info['bbox'].reshape(len(names), 4), frontal, info['ra'].ravel() - 1
    except (ValueError, KeyError, IndexError) as error:
        sys.exit(f'{path} is not AFLWinfo_release.mat: {type(error).__name__} {error}.')


def annotation(face: int, points: np.ndarray, box: np.ndarray) -> dict[str, Any]:
    left, right, top, bottom = (float(side) for side in box)
    side = max(right - left, bottom - top)
    return {
        'id': face,
        'image_id': face,
        'category_id': 1,
        'iscrowd': 0,
        'keypoints': np.column_stack([points, np.ones(NUM_LANDMARKS)]).ravel().tolist(),
        'num_keypoints': NUM_LANDMARKS,
        'bbox': [left, top, right - left, bottom - top],
        'area': (right - left) * (bottom - top),
        'center': [(left + right) / 2, (top + bottom) / 2],
        'scale': side / 200,
        'box_size': side,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('mat', type=Path, help='AFLWinfo_release.mat')
    parser.add_argument('--images', type=Path, default=Path('data/aflw/images'), help='holds 0/, 2/ and 3/')
    parser.add_argument('--out', type=Path, default=Path('data/aflw/annotations'))
    parser.add_argument('--num-train', type=int, default=20000, help='faces for training (default: 20000, published)')
    args = parser.parse_args()
    names, points, boxes, frontal, order = read(args.mat)
    test = order[args.num_train :]
    splits = {'train': order[: args.num_train], 'test': test, 'test_frontal': test[frontal[test]]}
    with new(*(args.out / f'face_landmarks_aflw_{split}.json' for split in splits)) as files:
        for file, (split, faces) in zip(files, splits.items(), strict=True):
            chosen = [int(face) for face in faces]
            images = [{'id': i, 'file_name': names[i], **image_size(args.images / names[i])} for i in chosen]
            category = {'name': 'face', 'supercategory': 'person', 'keypoints': [], 'skeleton': []}
            write_coco(file, images, [annotation(i, points[i], boxes[i]) for i in chosen], category)
            print(f'{split}: {len(chosen)} faces')


if __name__ == '__main__':
    main()
