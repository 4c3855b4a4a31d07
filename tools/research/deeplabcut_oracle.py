"""Networks of DeepLabCut 3 in this package: the largest differences of their maps and poses from DeepLabCut's own.

DeepLabCut needs an environment of its own, because it pins other releases:

    uv venv --python 3.11 dlc && uv pip install --python dlc/bin/python deeplabcut==3.0.2 --pre
    dlc/bin/python tools/research/deeplabcut_oracle.py write FOLDER
    python tools/research/deeplabcut_oracle.py compare FOLDER --out tools/research/results/deeplabcut.csv

`write` builds DeepLabCut's networks from its own configurations with random weights (batch norms have the statistics of
random images), saves each as its training does, and stores what they return for images whose sides 32 does not divide.
Images stand at the top left of the padded ones; DeepLabCut's default is a random place, for inference too. `compare`
opens the snapshots.
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

NETWORKS = ('hrnet_w18', 'hrnet_w32', 'hrnet_w48')
SIZES = ((203, 331), (410, 546))  # height, width
BOXES = ((20.0, 30.0, 180.0, 120.0), (-15.5, 90.25, 60.0, 210.0))  # x1, y1, x2, y2; the second is cut by the border
PARTS = ('snout', 'leftear', 'rightear', 'tailbase')


def main() -> None:
    """Write DeepLabCut's outputs, or compare with them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('step', choices=('write', 'compare'))
    parser.add_argument('folder', type=Path)
    parser.add_argument('--networks', nargs='+', choices=NETWORKS, default=NETWORKS)
    parser.add_argument('--out', type=Path, help='the table of differences')
    args = parser.parse_args()
    torch.manual_seed(0)
    cases = [(network, top_down) for network in args.networks for top_down in (False, True)]
    if args.step == 'write':
        _write_images(args.folder)
        for network, top_down in cases:
            print(_write(args.folder, network, top_down), flush=True)
        return
    rows = [row for case in cases for row in _compare(args.folder, *case)]
    for row in rows:
        print(*row.values())
    if args.out is not None:
        with args.out.open('w', newline='') as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator='\n')
            writer.writeheader()
            writer.writerows(rows)


def _images(folder: Path) -> list[Path]:
    return [folder / f'image_{height}x{width}.png' for height, width in SIZES]


def _train_folder(folder: Path, network: str, top_down: bool) -> Path:
    return folder / f'{network}_{"td" if top_down else "bu"}' / 'train'


def _write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for path, size in zip(_images(folder), SIZES, strict=True):
        noise = cv2.GaussianBlur(random.normal(0, 1, (*size, 3)), (0, 0), 4)
        cv2.imwrite(str(path), (noise * 500 + 128).clip(0, 255).astype(np.uint8))


def _write(folder: Path, network: str, top_down: bool) -> Path:
    from deeplabcut.pose_estimation_pytorch.config import PoseConfig
    from deeplabcut.pose_estimation_pytorch.data.postprocessor import RescaleAndOffset
    from deeplabcut.pose_estimation_pytorch.data.preprocessor import (
        build_bottom_up_preprocessor,
        build_top_down_preprocessor,
    )
    from deeplabcut.pose_estimation_pytorch.data.transforms import build_transforms
    from deeplabcut.pose_estimation_pytorch.models import PoseModel
    from deeplabcut.pose_estimation_pytorch.runners.snapshots import TorchSnapshotManager

    train = _train_folder(folder, network, top_down)
    train.mkdir(parents=True, exist_ok=True)
    project = _project(folder, top_down)
    built = PoseConfig.build(
        project, train / 'pytorch_config.yaml', net_type=network, top_down=top_down, detector_type=None, save=True
    )
    config: Any = built.to_dict()
    model = PoseModel.build(config['model'])
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches
    with torch.no_grad():
        for module in model.modules():
            module.training = True
        model(torch.randn(4, 3, 128, 128))
    model.eval()
    manager = TorchSnapshotManager('snapshot', train, 'test.mAP', True)
    metadata = {'epoch': 1, 'metrics': {'test.mAP': np.float64(1.0)}, 'losses': {'train.total_loss': 0.5}}
    manager.update(1, {'model': model.state_dict(), 'metadata': metadata}, last=True)

    inference = dict(config['data']['inference'])
    if inference.get('auto_padding'):
        inference['auto_padding'] = {**inference['auto_padding'], 'position': 'top_left'}
    transform = build_transforms(inference)
    outputs: dict[str, Any] = {}
    for path in _images(folder):
        context: dict[str, Any] = {}
        if top_down:
            context['bboxes'] = np.array([[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in BOXES])
            crop = inference['top_down_crop']
            read = build_top_down_preprocessor(
                'RGB', transform, (crop['width'], crop['height']), crop.get('margin') or 0
            )
            mode = RescaleAndOffset.Mode.KEYPOINT_TD
        else:
            read, mode = build_bottom_up_preprocessor('RGB', transform), RescaleAndOffset.Mode.KEYPOINT
        inputs, context = read(path, context)
        with torch.no_grad():
            maps = model(inputs)
            poses = model.get_predictions(maps)['bodypart']['poses']
        placed, _ = RescaleAndOffset(['poses'], mode)({'poses': poses[:, 0].numpy()}, context)
        outputs[path.name] = {
            'inputs': inputs,
            'heatmaps': maps['bodypart']['heatmap'],
            'offsets': maps['bodypart']['locref'],
            'poses': torch.from_numpy(np.asarray(placed['poses'])),
        }
    torch.save(outputs, train / 'outputs.pth')
    return train


def _project(folder: Path, top_down: bool) -> dict[str, Any]:
    project: dict[str, Any] = {
        'Task': 'oracle', 'scorer': 'nobody', 'date': 'Jan1', 'project_path': str(folder), 'identity': False,
        'multianimalproject': top_down, 'TrainingFraction': [0.95], 'engine': 'pytorch',
    }  # fmt: skip
    if top_down:
        parts = {'individuals': ['one', 'two'], 'multianimalbodyparts': list(PARTS), 'uniquebodyparts': []}
        return {**project, **parts, 'bodyparts': 'MULTI!'}
    return {**project, 'bodyparts': list(PARTS)}


def _compare(folder: Path, network: str, top_down: bool) -> list[dict[str, Any]]:
    from mmengine.dataset import pseudo_collate

    from hrnet_mm.inference import Predictor, open_network

    train = _train_folder(folder, network, top_down)
    (snapshot,) = train.glob('snapshot-*.pt')
    opened = open_network(snapshot)
    predictor = Predictor(opened)
    stored = torch.load(train / 'outputs.pth', weights_only=True)
    rows = []
    for path in _images(folder):
        theirs = stored[path.name]
        inputs = predictor.prepare(path, BOXES if top_down else None)
        with torch.inference_mode():
            heatmaps, offsets = opened.as_tensors()(theirs['inputs'])
            read = opened.network.data_preprocessor(pseudo_collate(inputs))['inputs']
        found = [one.pred_instances for one in predictor.predict(inputs)]
        poses = torch.stack(
            [
                torch.cat([torch.as_tensor(one.keypoints[0]), torch.as_tensor(one.keypoint_scores[0])[:, None]], 1)
                for one in found
            ]
        )
        differences = {
            'input': read - theirs['inputs'],
            'heatmaps': heatmaps - theirs['heatmaps'],
            'offsets': offsets - theirs['offsets'],
            'pixels': (poses - theirs['poses'])[..., :2],
            'likelihood': (poses - theirs['poses'])[..., 2],
        }
        largest = {f'largest_{name}': f'{float(theirs[name].abs().max()):.4g}' for name in ('heatmaps', 'offsets')}
        rows.append(
            {'network': network, 'method': 'td' if top_down else 'bu', 'image': path.stem.removeprefix('image_')}
            | {name: f'{float(one.abs().max()):.2g}' for name, one in differences.items()}
            | largest
            | {'torch': torch.__version__}
        )
    return rows


if __name__ == '__main__':
    main()
