"""Measures prediction by windows: seams, memory and time.

    python tools/research/large_images.py seams [--weights work_dirs/demo/segmentation/weights.pth]
    python tools/research/large_images.py memory [--side 20000]

`seams`: the share of pixels whose class differs between two tilings, and between a tiling and the whole image, by the
overlap of the windows. The networks have random weights and the batch norm statistics of the image, or are the trained
one of `hrnet-mm demo segmentation` on its own microscopy image, which is mirrored to 768 pixels.

`memory`: `hrnet-mm predict` in a process of its own on a GeoTIFF of four bands with random pixels and a network of four
bands with random weights; the greatest resident memory and the seconds. The files are written into a folder for
temporary files (TMPDIR) and need 2 GB there.

Rows of tools/research/results/large_images.csv.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage
import tifffile
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from torch.nn import functional as F

import hrnet_mm
from hrnet_mm.fast.machine import machine
from hrnet_mm.inference import Predictor, open_network
from hrnet_mm.inference.large import scores_of
from hrnet_mm.inference.windows import OVERLAP, WINDOW, segment, spans
from hrnet_mm.weights.tables import replace_rows

RESULTS = Path(__file__).parent / 'results' / 'large_images.csv'
COLUMNS = ('run', 'what', 'network', 'image', 'overlap', 'windows', 'differ', 'differ_whole', 'max_rss_mb', 'seconds')
OVERLAPS = (0, 32, 64, 96, 128, 192, 256)
CORES = (256, 384)  # of the two tilings
SIDE = 768
CONFIG = """
default_scope = 'mmseg'
custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', mean=[128.0] * 4, std=[74.0] * 4, test_cfg=dict(size_divisor=1)),
    backbone=dict(type='HRNet', arch='{arch}', in_channels=4),
    decode_head=dict(
        type='FCNHead', in_channels={channels}, in_index=[0, 1, 2, 3], input_transform='resize_concat',
        channels={total}, kernel_size=1, num_convs=1, concat_input=False, dropout_ratio=0, num_classes=6,
        norm_cfg=dict(type='BN'), align_corners=False,
    ),
    test_cfg=dict(mode='whole'),
)
test_dataloader = dict(
    dataset=dict(
        type='BaseSegDataset', metainfo=dict(classes=list('abcdef')),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')],
    )
)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('what', choices=('seams', 'memory'))
    parser.add_argument('--weights', type=Path, help='trained weights of `hrnet-mm demo segmentation`')
    parser.add_argument('--arch', nargs='+', help='architectures with random weights')
    parser.add_argument('--side', type=int, default=20000, help='of the image in pixels (default: 20000)')
    parser.add_argument('--overlap', type=int, default=OVERLAP, help='of the windows; less of it is quicker')
    parser.add_argument('--csv', type=Path, default=RESULTS, help='results file')
    args = parser.parse_args()
    for row in seams(args) if args.what == 'seams' else memory(args):
        row = {**dict.fromkeys(COLUMNS, ''), **row, 'date': time.strftime('%Y-%m-%d'), **machine()}
        print(*(row[name] for name in COLUMNS if row[name] != ''), flush=True)
        replace_rows(args.csv, [row], 'run')


def seams(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    if args.weights is not None:
        predictor = Predictor(open_network(args.weights))
        assert predictor.factor is not None
        cells = cv2.imread(str(Path('data/demo/nuclei/images/test.png')))
        yield from compare('trained', cells, mirrored(cells), scores_of(predictor), predictor.factor)
    for arch in args.arch or () if args.weights else args.arch or ('w18-small-v1', 'w18'):
        torch.manual_seed(0)
        image = mirrored(cv2.imread(str(Path(skimage.__file__).parent / 'data' / 'coffee.png')))
        yield from compare(arch, 'coffee', image, random_network(arch, image), 1.0)


def mirrored(image: np.ndarray) -> np.ndarray:
    """An image of SIDE pixels: the given one and its mirror images beside and below one another."""
    height, width = image.shape[:2]
    return np.pad(image, [(0, max(SIDE - height, 0)), (0, max(SIDE - width, 0)), (0, 0)], 'symmetric')[:SIDE, :SIDE]


def random_network(arch: str, image: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    model = hrnet_mm.create_model(f'hrnetv2_{arch}', num_classes=6).train()

    def inputs(pixels: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float()[None].sub(128).div(74)

    with torch.no_grad():
        for _ in range(20):  # the statistics of batch norm follow the image
            y, x = np.random.default_rng().integers(0, SIDE - 256, 2)
            model(inputs(image[y : y + 256, x : x + 256]))
    model.eval()

    def network(pixels: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            scores = F.interpolate(model(inputs(pixels)), pixels.shape[:2], mode='bilinear')
        return scores[0].numpy()

    return network


def compare(
    name: str, about: Any, image: np.ndarray, network: Callable[[np.ndarray], np.ndarray], factor: float
) -> Iterator[dict[str, Any]]:
    def labels(window: int, overlap: int) -> np.ndarray:
        read = lambda rows, columns: image[rows, columns]  # noqa: E731
        return np.concatenate(list(segment(read, network, image.shape[:2], factor, window, overlap)))

    whole = labels(1 << 14, 0)
    for overlap in OVERLAPS:
        first, second = (labels(core + 2 * overlap, overlap) for core in CORES)
        yield {
            'run': f'seams {name} {overlap}',
            'what': 'seams',
            'network': name,
            'image': f'{SIDE}x{SIDE}',
            'overlap': overlap,
            'differ': f'{np.mean(first != second):.6f}',
            'differ_whole': f'{np.mean(first != whole):.6f}',
        }


def memory(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for arch in args.arch or ('w18-small-v1',):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_image(folder / 'large.tif', args.side)
            write_network(folder / 'network.pth', arch)
            command = [sys.executable, '-m', 'hrnet_mm.cli', 'predict', str(folder / 'network.pth'), '--data']
            command += [str(folder / 'large.tif'), '--out', str(folder / 'out'), '--overlap', str(args.overlap)]
            start = time.monotonic()
            subprocess.run(command, check=True)  # noqa: S603
            seconds = time.monotonic() - start
            line = json.loads((folder / 'out' / 'predictions.jsonl').read_text())
            with tifffile.TiffFile(line['segments']) as mask:
                assert mask.pages[0].shape == (args.side, args.side)
        yield {
            'run': f'memory {arch} {args.side} {args.overlap}',
            'what': 'memory',
            'network': arch,
            'image': f'{args.side}x{args.side}x4',
            'overlap': args.overlap,
            'windows': len(spans(args.side, WINDOW, args.overlap)) ** 2,
            'max_rss_mb': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10,
            'seconds': f'{seconds:.0f}',
        }


def write_image(file: Path, side: int) -> None:
    """A GeoTIFF of random pixels without compression, written by rows."""
    tags = [
        (33550, 'd', 3, (0.5, 0.5, 0.0), True),
        (33922, 'd', 6, (0.0, 0.0, 0.0, 300000.0, 4000000.0, 0.0), True),
        (34735, 'H', 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633), True),
    ]
    rng = np.random.default_rng(0)
    tiles = (rng.integers(0, 256, (256, 256, 4), np.uint8) for _ in range((-(-side // 256)) ** 2))
    with tifffile.TiffWriter(file, bigtiff=True) as writer:
        writer.write(
            tiles,
            shape=(side, side, 4),
            dtype=np.uint8,
            tile=(256, 256),
            photometric='minisblack',
            planarconfig='contig',
            extratags=tags,
            metadata=None,
        )


def write_network(file: Path, arch: str) -> None:
    channels = hrnet_mm.create_model(f'hrnet_{arch}', features_only=True).out_channels
    config = Config.fromstring(CONFIG.format(arch=arch, channels=list(channels), total=sum(channels)), '.py')
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    torch.save({'state_dict': model.state_dict(), 'meta': {'cfg': config.pretty_text}}, file)


if __name__ == '__main__':
    main()
