"""A training step and a prediction of Mask R-CNN on both kinds of operators.

Run by test_detector.py with the compiled extension, the folder of mmdet's configs and the file of the results, in a
process where mmcv.ops has the operators in Python.
"""

import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import mmdet.models  # noqa: F401 - registers them
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

compiled_file, configs, out = sys.argv[1:]
in_python = sys.modules['mmcv._ext']
loader = importlib.machinery.ExtensionFileLoader('mmcv._ext', compiled_file)
compiled = importlib.util.module_from_spec(importlib.util.spec_from_loader('mmcv._ext', loader))
loader.exec_module(compiled)
used = [
    module for name, module in sys.modules.items() if name.startswith('mmcv.ops.') and hasattr(module, 'ext_module')
]
assert used
assert all(module.ext_module is in_python for module in used)


def sample() -> DetDataSample:
    boxes = torch.tensor([[10.0, 12, 70, 80], [50.0, 30, 120, 90], [5.0, 60, 40, 95]])
    masks = torch.zeros(3, 96, 128)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = 1
    truth = InstanceData(bboxes=boxes, labels=torch.tensor([1, 5, 1]), masks=BitmapMasks(masks.numpy(), 96, 128))
    shape = {'img_shape': (96, 128), 'ori_shape': (96, 128), 'pad_shape': (96, 128), 'scale_factor': (1.0, 1.0)}
    return DetDataSample(gt_instances=truth, metainfo=shape)


def run(extension: ModuleType) -> dict[str, Any]:
    for module in used:
        module.ext_module = extension
    config = Config.fromfile(Path(configs) / 'mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py').model
    config.backbone.update(depth=18, init_cfg=None)
    config.neck.in_channels = [64, 128, 256, 512]
    config.test_cfg.rcnn.score_thr = 0.0
    config.test_cfg.rcnn.max_per_img = 10
    config.test_cfg.rcnn.mask_thr_binary = -1  # masks as probabilities, in 256 steps
    torch.manual_seed(0)
    model = MODELS.build(config)
    image = torch.rand(1, 3, 96, 128) * 2 - 1

    def losses() -> dict[str, torch.Tensor]:
        torch.manual_seed(1)  # the samplers draw boxes
        model.train()
        found = model.loss(image, [sample()])
        return {f'{name} {i}': loss for name, value in found.items() for i, loss in enumerate(as_list(value))}

    def total(found: dict[str, torch.Tensor]) -> torch.Tensor:
        return sum(value for name, value in found.items() if 'loss' in name)

    first = losses()
    optimizer = torch.optim.SGD(model.parameters(), 0.02)
    total(first).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 35)
    optimizer.step()
    with torch.no_grad():
        second = total(losses())
        model.eval()
        (result,) = model.predict(image, [sample()])
    instances = result.pred_instances
    return {
        'losses': {name: float(value) for name, value in summed(first).items()},
        'after a step': float(second),
        'labels': instances.labels.tolist(),
        'boxes': instances.bboxes.flatten().tolist(),
        'masks': float(instances.masks.float().mean()),
    }


def as_list(value: torch.Tensor | list[torch.Tensor]) -> list[torch.Tensor]:
    return value if isinstance(value, list) else [value]


def summed(found: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = {name.rsplit(' ', 1)[0] for name in found}
    return {name: sum(value for key, value in found.items() if key.rsplit(' ', 1)[0] == name) for name in sorted(names)}


with DefaultScope.overwrite_default_scope('mmdet'):
    results = {'python': run(in_python), 'compiled': run(compiled)}
Path(out).write_text(json.dumps(results))
