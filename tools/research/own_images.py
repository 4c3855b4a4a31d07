"""Trains `hrnet-mm train --data` and its peers for equal minutes on equal labeled images, all from random weights.

Each method gets the same folder: so many images of the training part, a fifth of them for its own validation. Another
part of the set, which no method sees, is predicted with the trained weights and measured by the same code. A row of
results/own_images.csv is a metric of a training; a training that has rows is not made again. The sets are those of
docs/learn.md, below data/learn or the folder in HRNET_MM_DATA.

Methods are hrnet_mm, ultralytics (YOLO11n, for boxes, masks and keypoints) and torchvision (DeepLabV3 with MobileNetV3,
for segmentation). --peers is the interpreter of an environment that has ultralytics:

    uv venv /tmp/peers && uv pip install --python /tmp/peers/bin/python ultralytics torch==2.11.0 torchvision==0.26.0
    python tools/research/own_images.py --peers /tmp/peers/bin/python --minutes 1 2 5
    python tools/research/own_images.py openfield nuclei --minutes 5 --images 10 25 50 100
"""

import argparse
import contextlib
import io
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from hrnet_mm.datasets.convert import convert
from hrnet_mm.fast.machine import machine
from hrnet_mm.weights.tables import append_rows, read_rows

RESULTS = Path(__file__).parent / 'results' / 'own_images.csv'
PEERS = Path(__file__).parent / '_peers.py'
_VALIDATION = 0.2
_PCK = 0.05  # of the image's width

Answers = Mapping[str, Mapping[str, Any]]
"""The predictions by the name of the image's file, in the form of predictions.jsonl."""


@dataclass(frozen=True)
class Set:
    """A set of labeled images.

    Attributes:
        task: The task.
        folder: The folder below the data's.
        held_out: The annotation file of the part that is predicted.
        measure: From the held-out part and the answers, the metrics, the first of which is the one to compare.
        peers: The methods beside hrnet_mm.
        size: The side of the images that ultralytics takes, in pixels: the longer one, in its steps of 32.
        is_cropped: Whether all methods get the labeled boxes, cut out, for images. Whole, the faces are aligned so well
            that the mean face is nearly right.
    """

    task: str
    folder: str
    held_out: str
    measure: Callable[[Mapping[str, Any], Answers, Path], dict[str, float]]
    peers: tuple[str, ...]
    size: int
    is_cropped: bool = False


def point_errors(truth: Mapping[str, Any], answers: Answers, folder: Path) -> dict[str, float]:
    """The mean distance in pixels, over the labeled points of all images, and the share that is near."""
    distances, widths = [], []
    for name, width, true in labeled_points(truth):
        found = answers[name]['poses']
        points = np.array(found[0]['keypoints'] if found else np.full((len(true), 2), np.inf))
        seen = true[:, 2] > 0
        distances.append(np.linalg.norm(points[seen] - true[seen, :2], axis=1))
        widths.append(np.full(seen.sum(), width))
    errors, limit = np.concatenate(distances), _PCK * np.concatenate(widths)
    diagonal = max(math.hypot(image['width'], image['height']) for image in truth['images'])
    return {
        'mean error, px': float(np.minimum(errors, diagonal).mean()),  # of an image without an answer: its diagonal
        'PCK': 100 * float((errors < limit).mean()),
    }


def face_errors(truth: Mapping[str, Any], answers: Answers, folder: Path) -> dict[str, float]:
    """NME in percent of the distance of the pupils, which are points 0 and 1; 100 for an image without an answer."""
    errors = []
    for name, _, true in labeled_points(truth):
        found = answers[name]['poses']
        if not found:
            errors.append(1.0)
            continue
        distance = np.linalg.norm(np.array(found[0]['keypoints']) - true[:, :2], axis=1).mean()
        errors.append(min(1.0, float(distance / np.linalg.norm(true[0, :2] - true[1, :2]))))
    return {'NME': 100 * float(np.mean(errors))}


def labeled_points(truth: Mapping[str, Any]) -> list[tuple[str, float, Any]]:
    """Name and width of each image, and its points `(K, 3)`; there is one object in each."""
    images = {image['id']: image for image in truth['images']}
    return [
        (images[one['image_id']]['file_name'], images[one['image_id']]['width'], np.reshape(one['keypoints'], (-1, 3)))
        for one in truth['annotations']
    ]


def average_precisions(truth: Mapping[str, Any], answers: Answers, folder: Path) -> dict[str, float]:
    """COCO's AP of boxes, and of masks if the objects have some, in percent."""
    ids = {category['name']: category['id'] for category in truth['categories']}
    has_masks = all(one.get('segmentation') for one in truth['annotations'])
    results: dict[str, list[dict[str, Any]]] = {'bbox': [], 'segm': []}
    for image in truth['images']:
        found = answers[image['file_name']]
        for i, (x1, y1, x2, y2) in enumerate(found['boxes']):
            entry = {'image_id': image['id'], 'category_id': ids[found['labels'][i]], 'score': found['scores'][i]}
            results['bbox'].append({**entry, 'bbox': [x1, y1, x2 - x1, y2 - y1]})
            if has_masks:
                results['segm'].append({**entry, 'segmentation': found['masks'][i]})
    measured = {}
    for kind, name in (('segm', 'mask'), ('bbox', 'box')) if has_masks else (('bbox', 'box'),):
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO()
            coco.dataset = json.loads(json.dumps(truth))
            coco.createIndex()
            if results[kind]:
                evaluation = COCOeval(coco, coco.loadRes(results[kind]), kind)
                evaluation.params.maxDets = [1, 10, 300]
                evaluation.evaluate()
                evaluation.accumulate()
                precision = evaluation.eval['precision'][:, :, :, 0, -1]
        for metric, part in ((f'{name} AP', slice(None)), (f'{name} AP50', 0)):
            values = precision[part] if results[kind] else np.zeros(1)
            measured[metric] = 100 * float(values[values > -1].mean())
    return measured


def region_overlap(truth: Mapping[str, Any], answers: Answers, folder: Path) -> dict[str, float]:
    """The mean IoU over the classes and the background, in percent."""
    count = len(truth['categories']) + 1
    table = np.zeros((count, count))
    for image in truth['images']:
        true, found = (
            cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            for file in (
                folder / 'semantic' / Path(image['file_name']).with_suffix('.png').name,
                Path(answers[image['file_name']]['segments']),
            )
        )
        table += np.bincount(count * true.ravel().astype(int) + found.ravel(), minlength=count**2).reshape(count, -1)
    both = np.diag(table)
    return {'mIoU': 100 * float((both / (table.sum(0) + table.sum(1) - both)).mean())}


SETS = {
    'openfield': Set('pose', 'pose_mouse/openfield', 'val', point_errors, ('ultralytics',), 640),
    'frl189': Set('faces', 'faces_frl189', 'val', face_errors, ('ultralytics',), 640, True),
    'nuclei': Set('segmentation', 'nuclei_dsb2018', 'val', region_overlap, ('torchvision',), 320),
    'instances': Set('instances', 'nuclei_dsb2018', 'val', average_precisions, ('ultralytics',), 320),
    'bccd': Set('instances', 'bccd', 'test', average_precisions, ('ultralytics',), 640),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='SET', help=f'any of {", ".join(SETS)} (default: all)')
    parser.add_argument('--methods', nargs='+', default=['hrnet_mm', 'ultralytics', 'torchvision'], help='default: all')
    parser.add_argument('--minutes', nargs='+', type=float, default=[5.0], help='default: 5')
    parser.add_argument('--images', nargs='+', type=int, default=[0], help='labeled images (default: 0, all there are)')
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], help='default: 0')
    parser.add_argument('--pretrained', help='a file of weights of the backbone, for hrnet_mm (default: random)')
    parser.add_argument('--peers', default=sys.executable, help='the interpreter of the peers (default: this one)')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs', 'own_images'), help='default: %(default)s')
    parser.add_argument('--csv', type=Path, default=RESULTS, help='default: %(default)s')
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in SETS]:
        parser.error(f'unknown set {unknown[0]!r}; allowed: {", ".join(SETS)}')
    for seed in args.seeds:
        for images in args.images:
            for minutes in args.minutes:
                for name in args.names or SETS:
                    for method in ('hrnet_mm', *SETS[name].peers):
                        if method in args.methods:
                            run(name, method, minutes, images, seed, args)


def run(name: str, method: str, minutes: float, images: int, seed: int, args: argparse.Namespace) -> None:
    """Train, predict and measure, unless the table has the rows."""
    one = SETS[name]
    data = Path(os.environ.get('HRNET_MM_DATA', 'data/learn'), one.folder)
    if one.is_cropped:
        data = crop_set(data, one.held_out, args.work_dir / f'{name}_crops')
    content = json.loads((data / 'train.json').read_text())
    labeled = min(images or len(content['images']), len(content['images']))
    pretrained = Path(args.pretrained).name if args.pretrained and method == 'hrnet_mm' else ''
    key = {
        'set': name,
        'method': method,
        'minutes': f'{minutes:g}',
        'images': str(labeled),
        'seed': str(seed),
        'pretrained': pretrained,
    }
    if any(all(row[field] == value for field, value in key.items()) for row in read_rows(args.csv)):
        return
    work_dir = args.work_dir / '_'.join(filter(None, key.values()))
    shutil.rmtree(work_dir, ignore_errors=True)
    folder = make_folder(one, content, data, labeled, seed, work_dir / name)
    truth = json.loads((data / f'{one.held_out}.json').read_text())
    files = [str(data / 'images' / image['file_name']) for image in truth['images']]
    start = time.monotonic()
    if method == 'hrnet_mm':
        more = ['--pretrained', args.pretrained] if args.pretrained else []
        trained = work_dir / 'trained'
        length = ['--minutes', f'{minutes:g}', '--seed', str(seed)]
        command('train', one.task, '--data', str(folder), '--work-dir', str(trained), *length, *more, log=work_dir)
        seconds = time.monotonic() - start
        weights = next(trained.rglob('weights.pth'))
        found = work_dir / 'found'
        command('predict', str(weights), '--data', *files, '--out', str(found), '--no-pictures', log=work_dir)
        lines = (found / 'predictions.jsonl').read_text().splitlines()
        answers = {Path(answer['image']).name: answer for answer in map(json.loads, lines)}
        version = machine()['commit']
    else:
        job = work_dir / 'job.json'
        out = work_dir / 'answers.json'
        if method == 'ultralytics':
            convert(folder, work_dir / 'yolo', 'yolo')
            folder = work_dir / 'yolo'
        settings = {'task': one.task, 'folder': str(folder), 'minutes': minutes, 'size': one.size, 'seed': seed}
        job.write_text(json.dumps({**settings, 'images': files, 'out': str(out)}))
        logged([args.peers, str(PEERS), method, str(job)], work_dir)
        answered = json.loads(out.read_text())
        answers, seconds, version = answered['answers'], answered['seconds'], answered['version']
    metrics = one.measure(truth, answers, data)
    rows = [
        {**key, 'metric': metric, 'value': f'{value:.2f}', 'seconds': f'{seconds:.0f}', 'version': version, **machine()}
        for metric, value in metrics.items()
    ]
    append_rows(args.csv, rows, list(rows[0]))
    print(key, {metric: round(value, 2) for metric, value in metrics.items()}, f'{seconds:.0f} s', flush=True)


def crop_set(data: Path, held_out: str, folder: Path) -> Path:
    """Write a set whose images are the labeled boxes of another's, and return its folder."""
    for part in ('train', held_out):
        if (file := folder / f'{part}.json').exists():
            continue
        content = json.loads((data / f'{part}.json').read_text())
        images = {image['id']: image for image in content['images']}
        for one in content['annotations']:
            image = images[one['image_id']]
            x, y, width, height = (max(round(value), 0) for value in one['bbox'])
            pixels = cv2.imread(str(data / 'images' / image['file_name']))[y : y + height, x : x + width]
            image['height'], image['width'] = pixels.shape[:2]
            one['bbox'] = [0, 0, image['width'], image['height']]
            one['area'] = image['width'] * image['height']
            for i in range(0, len(one['keypoints']), 3):
                one['keypoints'][i] -= x
                one['keypoints'][i + 1] -= y
            (folder / 'images').mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str((folder / 'images' / image['file_name']).with_suffix('.png')), pixels)
            image['file_name'] = str(Path(image['file_name']).with_suffix('.png'))
        file.write_text(json.dumps(content))
    return folder


def make_folder(one: Set, content: Any, data: Path, count: int, seed: int, folder: Path) -> Path:
    """Write a folder of so many labeled images, of which a fifth are for validation; the rest of the set is not there.

    The box of every object with keypoints is the whole image.
    """
    has_labels = {annotation['image_id'] for annotation in content['annotations']}
    images = [image for image in content['images'] if image['id'] in has_labels or not content['annotations']]
    chosen = random.Random(seed).sample(images, min(count, len(images)))  # noqa: S311
    first = max(1, round(_VALIDATION * len(chosen)))
    for part, some in (('val', chosen[:first]), ('train', chosen[first:])):
        ids = {image['id'] for image in some}
        annotations = [entry for entry in content['annotations'] if entry['image_id'] in ids]
        for image in some:
            copies = ['images/' + image['file_name']]
            if one.task == 'segmentation':
                copies.append('semantic/' + Path(image['file_name']).with_suffix('.png').name)
            for file in copies:
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(data / file, folder / file)
        part_of = {**content, 'images': some, 'annotations': annotations}
        (folder / f'{part}.json').write_text(json.dumps(part_of))
    return folder


def command(*arguments: str, log: Path) -> None:
    logged([sys.executable, '-m', 'hrnet_mm.cli', *arguments], log)


def logged(arguments: Sequence[str], folder: Path) -> None:
    """Run a program; what it prints goes to a file."""
    with (folder / 'log.txt').open('a') as log:
        log.write(f'$ {" ".join(arguments)}\n')
        log.flush()
        subprocess.run(arguments, stdout=log, stderr=subprocess.STDOUT, check=True)  # noqa: S603


if __name__ == '__main__':
    main()
