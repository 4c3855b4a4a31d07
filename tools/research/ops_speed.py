"""Measures mmcv's operators in Python against the compiled ones, at the sizes of R-CNN detectors at 800 x 1216.

python tools/research/ops_speed.py [--repeats 7]

It needs a compiled mmcv. Compiled and Python runs alternate on one thread, and times are CPU times, so that a busy
machine changes the ratio little. A row of tools/research/results/ops.csv is one pass of one operator; operators that
mmcv compiles for GPUs only have no compiled time.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import mmcv.ops
import torch
from torch import Tensor

from hrnet_mm.fast.machine import machine
from hrnet_mm.ops.extension import create_module
from hrnet_mm.weights.tables import replace_rows

RESULTS = Path(__file__).parent / 'results' / 'ops.csv'
# An operator at a size: its name, the size, the module of mmcv.ops, the call, the tensors that need gradients.
Case = tuple[str, str, str, Callable[..., object], list[Tensor]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--repeats', type=int, default=7, help='measured runs of each kind')
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    compiled, python = sys.modules['mmcv._ext'], create_module()
    rows: list[dict[str, object]] = []
    for name, size, module, call, leaves in cases():
        has_compiled = not name.endswith('*')
        extensions = {'python': python, **({'compiled': compiled} if has_compiled else {})}
        times: dict[tuple[str, str], list[float]] = {}
        for repeat in range(repeats + 1):
            for kind, extension in extensions.items():
                for stage, seconds in measure(sys.modules[f'mmcv.ops.{module}'], extension, call, leaves).items():
                    if repeat:  # the first run warms up
                        times.setdefault((stage, kind), []).append(1000 * seconds)
        for stage in ('forward', 'backward') if leaves else ('forward',):
            medians = {kind: statistics.median(times[stage, kind]) for kind in extensions}
            row = {
                'operator': name.rstrip('*'),
                'size': size,
                'pass': stage,
                'python_ms': f'{medians["python"]:.1f}',
                'compiled_ms': f'{medians["compiled"]:.1f}' if has_compiled else '',
                'python/compiled': f'{medians["python"] / medians["compiled"]:.2f}' if has_compiled else '',
                'repeats': repeats,
                'threads': 1,
                'torchvision': version('torchvision'),
                'mmcv': version('mmcv'),
                **machine(),
            }
            rows.append(row)
            print(*list(row.values())[:6], flush=True)
        replace_rows(RESULTS, rows, 'operator')  # after each operator, because all of them take long


def measure(
    module: ModuleType, extension: ModuleType, call: Callable[..., object], leaves: list[Tensor]
) -> dict[str, float]:
    """CPU seconds of the forward and the backward pass."""
    module.ext_module = extension
    start = time.process_time()
    output = call(*leaves)
    middle = time.process_time()
    if not leaves:
        return {'forward': middle - start}
    grad = torch.ones_like(output)
    begin = time.process_time()
    torch.autograd.grad(output, leaves, grad)
    return {'forward': middle - start, 'backward': time.process_time() - begin}


def cases() -> Iterator[Case]:
    """Star: mmcv compiles it for GPUs only."""
    ops = mmcv.ops
    proposals, scores = boxes(4741), torch.rand(4741)  # five levels of an RPN, 1000 each at most
    levels = torch.arange(4741) // 1000
    detections, classes = boxes(2000), torch.randint(0, 80, (2000,))
    yield 'nms', '4741 proposals', 'nms', lambda: ops.batched_nms(proposals, scores, levels, nms(0.7)), []
    yield 'nms', '2000 detections', 'nms', lambda: ops.batched_nms(detections, scores[:2000], classes, nms(0.5)), []
    yield 'nms', '4741 proposals, offset 1', 'nms', lambda: ops.nms(proposals, scores, 0.7, 1), []
    yield 'softnms', '2000 detections', 'nms', lambda: ops.soft_nms(detections, scores[:2000], 0.5, min_score=0.05), []
    dets = torch.cat([detections, scores[:2000, None]], 1)
    yield 'nms_match', '2000 detections', 'nms', lambda: ops.nms_match(dets, 0.5), []
    yield 'bbox_overlaps', '50 x 20000', 'bbox', lambda: ops.bbox_overlaps(boxes(50), boxes(20000)), []

    fine = torch.randn(1, 256, 200, 304, requires_grad=True)
    rois = torch.cat([torch.zeros(512, 1), boxes(512)], 1)
    for name, mode in (('roi_align, mean', 'avg'), ('roi_align, maximum', 'max')):
        yield name, '512 x 7 x 7 x 256', 'roi_align', lambda x, m=mode: ops.roi_align(x, rois, 7, 0.25, 0, m), [fine]
    yield (
        'roi_align, mean',
        '128 x 14 x 14 x 256',
        'roi_align',
        lambda x: ops.roi_align(x, rois[:128], 14, 0.25, 0),
        [fine],
    )
    yield 'roi_pool*', '512 x 7 x 7 x 256', 'roi_pool', lambda x: ops.roi_pool(x, rois, 7, 0.25), [fine]
    offset = torch.randn(512, 2, 7, 7, requires_grad=True)
    pool = ops.deform_roi_pool
    yield (
        'deform_roi_pool*',
        '512 x 7 x 7 x 256',
        'deform_roi_pool',
        lambda x, o: pool(x, rois, o, 7, 0.25),
        [fine, offset],
    )
    yield 'prroi_pool*', '512 x 7 x 7 x 256', 'prroi_pool', lambda x: ops.prroi_pool(x, rois, (7, 7), 0.25), [fine]

    for channels, height, width in ((128, 100, 152), (256, 50, 76), (512, 25, 38)):  # ResNet-50's stages 3 to 5
        x = torch.randn(1, channels, height, width, requires_grad=True)
        weight = torch.randn(channels, channels, 3, 3, requires_grad=True)
        shift = torch.randn(1, 18, height, width, requires_grad=True)
        mask = torch.rand(1, 9, height, width, requires_grad=True)
        size = f'{channels} x {height} x {width}, 3 x 3'
        yield 'deform_conv', size, 'deform_conv', lambda *leaves: ops.deform_conv2d(*leaves, 1, 1), [x, shift, weight]
        yield (
            *('modulated_deform_conv', size, 'modulated_deform_conv'),
            lambda x, o, m, w: ops.modulated_deform_conv2d(x, o, m, w, None, 1, 1),
            [x, shift, mask, weight],
        )

    coarse = torch.randn(1, 256, 100, 152, requires_grad=True)
    kernels = torch.rand(1, 25, 200, 304, requires_grad=True)
    yield 'carafe*', '256 x 100 x 152, 5 x 5', 'carafe', lambda *leaves: ops.carafe(*leaves, 5, 1, 2), [coarse, kernels]
    window = torch.randn(1, 59 * 59, 30, 30, requires_grad=True)
    yield 'psamask', '59 x 59 x 30 x 30', 'psa_mask', ops.PSAMask('collect', (59, 59)), [window]
    logits, labels = torch.randn(20000, 80, requires_grad=True), torch.randint(0, 81, (20000,))
    yield 'sigmoid_focal_loss*', '20000 x 80', 'focal_loss', lambda x: ops.sigmoid_focal_loss(x, labels), [logits]
    yield 'softmax_focal_loss*', '20000 x 80', 'focal_loss', lambda x: ops.softmax_focal_loss(x, labels % 80), [logits]


def boxes(count: int) -> Tensor:
    """Boxes `(count, 4)` in an image of 800 x 1216, most of them small."""
    center = torch.rand(count, 2) * torch.tensor([1216, 800])
    extent = 8 + 200 * torch.rand(count, 2) ** 3
    return torch.cat([center - extent / 2, center + extent / 2], 1)


def nms(threshold: float) -> dict:
    return {'type': 'nms', 'iou_threshold': threshold}


if __name__ == '__main__':
    torch.manual_seed(0)
    main()
