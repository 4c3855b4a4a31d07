"""Train in the library, convert, and get the same accuracy on the same images without it; and back."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmpretrain.models.backbones import hrnet
from mmpretrain.models.necks import hr_fuse
from mmpretrain.registry import MODELS
from quick import quick_runs
from torch import Tensor
from torch.nn import functional as F

from hrnet_mm.cli import main
from hrnet_mm.data import prepare_digits
from hrnet_mm.models import HRNetModel, get_arch
from hrnet_mm.weights import convert, read_checkpoint, state_dict_of, write_checkpoint

ROOT = Path(__file__).parents[2]
MEAN, STD = 33.4, 78.5

CONFIG = """
_base_ = ['{root}/configs/demo/_base_/digits.py', '{root}/configs/demo/_base_/short.py']
default_scope = 'mmpretrain'
data_preprocessor = dict(num_classes=10, mean=[33.4] * 3, std=[78.5] * 3)
model = dict(
    type='ImageClassifier',
    backbone=dict(type='HRNet', extra={extra}),
    neck=[dict(type='HRFuseScales', in_channels={channels}), dict(type='GlobalAveragePooling')],
    head=dict(type='LinearClsHead', in_channels=2048, num_classes=10, loss=dict(type='CrossEntropyLoss'), topk=(1,)),
)
# mmpretrain's HRNet takes no size that 32 does not divide.
pipeline = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')]
train_dataloader = dict(dataset=dict(data_root='{data}', pipeline=pipeline))
test_dataloader = dict(dataset=dict(data_root='{data}', pipeline=pipeline))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=60)
default_hooks = dict(checkpoint=dict(interval=60))
"""


@pytest.fixture
def accuracy_in_mmpretrain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., float]]:
    """A function that tests a checkpoint by the library's own classes, whose names the drop-in may have taken."""
    for name, kind in {'HRNet': hrnet.HRNet, 'HRFuseScales': hr_fuse.HRFuseScales}.items():
        monkeypatch.setitem(MODELS.module_dict, name, kind)

    def accuracy(config: Path, checkpoint: Path) -> float:
        work_dir = tmp_path / f'test_{checkpoint.stem}'
        assert main(['test', str(config), '--weights', str(checkpoint), '--work-dir', str(work_dir)]) == 0
        (metrics,) = work_dir.glob('*/*.json')
        return float(json.loads(metrics.read_text())['accuracy/top1'])

    with quick_runs():
        yield accuracy
    assert MODELS.get('HRNet') is hrnet.HRNet


def digits(folder: Path, split: str) -> tuple[Tensor, Tensor]:
    rows = [line.split() for line in (folder / f'{split}.txt').read_text().splitlines()]
    read = [cv2.resize(cv2.imread(str(folder / 'images' / name)), (32, 32)) for name, _ in rows]
    pixels = torch.from_numpy(np.stack(read)).permute(0, 3, 1, 2).float()
    return (pixels - MEAN) / STD, torch.tensor([int(label) for _, label in rows])


def accuracy_here(model: HRNetModel, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        found = torch.cat([model.eval()(part).argmax(1) for part in images.split(100)])
    return 100 * float((found == labels).double().mean())


@pytest.mark.slow
def test_the_same_accuracy_there_and_here(tmp_path: Path, accuracy_in_mmpretrain: Callable[..., float]) -> None:
    folder = prepare_digits(ROOT / 'data/demo')
    arch = get_arch('test-w8')
    config = tmp_path / 'config.py'
    config.write_text(CONFIG.format(root=ROOT, extra=arch.to_extra(), channels=arch.out_channels, data=folder))
    images, labels = digits(folder, 'test')

    trained = tmp_path / 'work/iter_60.pth'
    assert main(['train', str(config), '--work-dir', str(tmp_path / 'work')]) == 0
    theirs = accuracy_in_mmpretrain(config, trained)
    assert theirs > 50  # it has learned something: chance is 10
    converted = convert(state_dict_of(read_checkpoint(trained)))
    ours = HRNetModel('hrnet_test-w8', 10)
    ours.load_state_dict(converted.state_dict, strict=True)
    assert accuracy_here(ours, images, labels) == pytest.approx(theirs, abs=1e-4)

    optimizer = torch.optim.AdamW(ours.train().parameters(), lr=1e-3)
    pixels, classes = digits(folder, 'train')
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        batch = torch.randint(len(pixels), (32,), generator=generator)
        optimizer.zero_grad()
        F.cross_entropy(ours(pixels[batch]), classes[batch]).backward()
        optimizer.step()
    back = write_checkpoint(tmp_path / 'back.pth', convert(ours.state_dict(), to='mmpretrain').state_dict)
    here = accuracy_here(ours, images, labels)
    assert here != theirs
    assert accuracy_in_mmpretrain(config, back) == pytest.approx(here, abs=1e-4)
    print(f'mmpretrain {theirs:.2f} % = here; trained on here {here:.2f} % = mmpretrain')
