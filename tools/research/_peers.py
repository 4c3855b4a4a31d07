"""Trains a peer on a folder for some minutes and predicts on images: python _peers.py METHOD JOB.

Runs in the peer's own environment, so it imports nothing of hrnet_mm; own_images.py writes the job.
"""

import json
import math
import os
import random
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

_LOWEST_SCORE = 0.001  # ultralytics measures AP from there on


def ultralytics(job):
    """YOLO11n with the defaults of ultralytics, which ends a training after `time` hours."""
    os.environ['YOLO_OFFLINE'] = 'true'
    import ultralytics
    from ultralytics import YOLO

    has_masks = job['task'] == 'instances' and any(
        len(line.split()) > 5
        for file in Path(job['folder'], 'labels', 'train').glob('*.txt')
        for line in file.read_text().splitlines()
    )
    kind = {'pose': '-pose', 'faces': '-pose'}.get(job['task'], '-seg' if has_masks else '')
    model = YOLO(f'yolo11n{kind}.yaml')
    start = time.monotonic()
    model.train(
        data=str(Path(job['folder'], 'data.yaml').resolve()),
        time=job['minutes'] / 60,
        imgsz=job['size'],
        seed=job['seed'],
        device='cpu',
        workers=2,
        patience=10**6,
        pretrained=False,
        plots=False,
        project=str(Path(job['out']).resolve().parent / 'ultralytics'),
        name='run',
    )
    seconds = time.monotonic() - start
    model = YOLO(str(Path(model.trainer.best)))
    answers = {}
    for file in job['images']:
        (found,) = model.predict(file, imgsz=job['size'], conf=_LOWEST_SCORE, max_det=300, device='cpu', verbose=False)
        answers[Path(file).name] = (
            {'poses': _poses(found)} if found.keypoints is not None else _objects(found, has_masks)
        )
    return {'answers': answers, 'seconds': seconds, 'version': f'ultralytics {ultralytics.__version__}'}


def _poses(found):
    """The pose of the best box."""
    if not len(found.boxes):
        return []
    best = int(found.boxes.conf.argmax())
    return [{'keypoints': found.keypoints.xy[best].tolist()}]


def _objects(found, has_masks):
    from pycocotools import mask as coco

    answer = {
        'boxes': found.boxes.xyxy.tolist(),
        'scores': found.boxes.conf.tolist(),
        'labels': [found.names[int(i)] for i in found.boxes.cls],
    }
    if has_masks:
        height, width = found.orig_shape
        answer['masks'] = []
        for i in range(len(found.boxes)):
            mask = np.zeros((height, width), np.uint8)
            outline = found.masks.xy[i]
            if len(outline) > 2:
                cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
            packed = coco.encode(np.asfortranarray(mask))
            answer['masks'].append({'size': packed['size'], 'counts': packed['counts'].decode()})
    return answer


def torchvision(job):
    """DeepLabV3 with MobileNetV3, in the recipe of torchvision's references/segmentation, scaled to small images.

    SGD with momentum, a polynomial decay, scales of 0.5 to 2, crops and flips; the rate is the reference's.
    """
    import torchvision
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large

    torch.manual_seed(job['seed'])
    rng = random.Random(job['seed'])  # noqa: S311
    folder = Path(job['folder'])
    content = json.loads((folder / 'train.json').read_text())
    pairs = [
        (
            cv2.imread(str(folder / 'images' / image['file_name'])),
            cv2.imread(str((folder / 'semantic' / image['file_name']).with_suffix('.png')), cv2.IMREAD_UNCHANGED),
        )
        for image in content['images']
    ]
    pixels = np.concatenate([image.reshape(-1, 3) for image, _ in pairs])
    mean, std = torch.tensor(pixels.mean(0)), torch.tensor(pixels.std(0))
    model = deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=len(content['categories']) + 1, aux_loss=True
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    start, total = time.monotonic(), 60 * job['minutes']
    while (passed := time.monotonic() - start) < total:
        model.train()
        for group in optimizer.param_groups:
            group['lr'] = 0.02 * (1 - passed / total) ** 0.9
        batch = [_augmented(*rng.choice(pairs), rng) for _ in range(8)]
        images = _normalized(np.stack([image for image, _ in batch]), mean, std)
        labels = torch.tensor(np.stack([label for _, label in batch])).long()
        found = model(images)
        loss = sum(
            weight * torch.nn.functional.cross_entropy(found[name], labels, ignore_index=255)
            for name, weight in (('out', 1.0), ('aux', 0.5))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    seconds = time.monotonic() - start
    model.eval()
    answers = {}
    for file in job['images']:
        with torch.inference_mode():
            labels = model(_normalized(cv2.imread(file)[None], mean, std))['out'].argmax(1)[0]
        place = Path(job['out']).parent / 'found' / f'{Path(file).stem}.png'
        place.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(place), labels.numpy().astype(np.uint8))
        answers[Path(file).name] = {'segments': str(place)}
    return {'answers': answers, 'seconds': seconds, 'version': f'torchvision {torchvision.__version__}'}


def _augmented(image, label, rng, side=256):
    factor = math.exp(rng.uniform(math.log(0.5), math.log(2)))
    image = cv2.resize(image, None, fx=factor, fy=factor)
    label = cv2.resize(label, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    height, width = (max(0, side - length) for length in image.shape[:2])
    image = cv2.copyMakeBorder(image, 0, height, 0, width, cv2.BORDER_REFLECT)
    label = cv2.copyMakeBorder(label, 0, height, 0, width, cv2.BORDER_CONSTANT, value=255)
    y, x = (rng.randint(0, length - side) for length in image.shape[:2])
    image, label = image[y : y + side, x : x + side], label[y : y + side, x : x + side]
    return (image[:, ::-1], label[:, ::-1]) if rng.random() < 0.5 else (image, label)


def _normalized(images, mean, std):
    return ((torch.tensor(np.ascontiguousarray(images)) - mean) / std).permute(0, 3, 1, 2).float().contiguous()


if __name__ == '__main__':
    method, file = sys.argv[1:]
    given = json.loads(Path(file).read_text())
    Path(given['out']).write_text(json.dumps({'ultralytics': ultralytics, 'torchvision': torchvision}[method](given)))
