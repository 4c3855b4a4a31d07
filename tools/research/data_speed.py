"""Measures the training pipelines of shipped configs, element by element, and what its faster elements change.

    python tools/research/data_speed.py [--images DIR] [--config configs/pose/...py ...] [--repeats 5]

Images are JPEGs of 640x480 and 1920x1080 made of the photographs of scikit-image and scikit-learn, with about the
bytes for each pixel that COCO's have (Cityscapes: PNG and BMP of 2048x1024), or the JPEGs of a folder. Their labels are
drawn at random: 7 objects an image. The pipelines of a config run in turn on every image, with the same random numbers,
and the tool stops if a sample differs. Times are CPU times of one thread, so that a busy machine changes the ratios
little; only the start of workers is elapsed time. simplejpeg is a candidate where it is installed.

Rows of tools/research/results/data_speed.csv, by `what`: an `element` of a pipeline and their `pipeline`, in ms for
each image; a `loader` with one worker, in ms for each image of the `training` process and of the `worker`, whose
samples are copies of finished ones; a `candidate` beside what it would replace.
"""

import argparse
import copy
import importlib.util
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import skimage
import sklearn.datasets
import torch
from mmengine.registry import DATASETS, FUNCTIONS, TRANSFORMS, DefaultScope
from torch.utils.data import DataLoader, Dataset

from hrnet_mm.engine import read_config
from hrnet_mm.fast.machine import machine
from hrnet_mm.weights.tables import replace_rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).parent / 'results' / 'data_speed.csv'
IMAGES = ('640x480 JPEG', '1920x1080 JPEG')
CITYSCAPES = ('2048x1024 PNG', '2048x1024 BMP')
SUFFIXES = {'JPEG': 'jpg', 'PNG': 'png', 'BMP': 'bmp'}
COUNT = 12  # images of a size
OBJECTS = 7  # an image of COCO has 7.3

CONFIGS = (
    'configs/pose/td-hm_hrnet-w32_8xb64-210e_coco-256x192.py',
    'configs/pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py',
    'configs/pose/higherhrnet_hrnet-w32_4xb12-300e_coco-512x512.py',
    'configs/detection/faster-rcnn_hrnetv2p-w32_1x_coco.py',
    'configs/detection/mask-rcnn_hrnetv2p-w32_1x_coco.py',
    'configs/segmentation/fcn_hr48_4xb4-160k_ade20k-512x512.py',
    'configs/segmentation/fcn_hr48_4xb3-120k_cityscapes-512x1024.py',
    'configs/classification/hrnet-w32_8xb32_in1k.py',
)
# The faster elements, and the element of a library that each comes after.
FASTER = {'hrnet_mm.ContiguousImage': 'RandomFlip', 'ToBoxedMasks': 'LoadAnnotations'}
COLUMNS = ('run', 'what', 'library', 'config', 'images', 'variant', 'name', 'ms', 'images_s', 'ratio', 'difference')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=Path, metavar='DIR', help='JPEGs instead of those that are made')
    parser.add_argument('--config', nargs='+', default=CONFIGS, help='shipped configs (default: eight)')
    parser.add_argument('--repeats', type=int, default=5, help='runs over the images (default: 5)')
    parser.add_argument('--csv', type=Path, default=RESULTS, help='results file')
    args = parser.parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for config in args.config:
            made = CITYSCAPES if 'cityscapes' in config else IMAGES
            for name in [f'{args.images.name} JPEG'] if args.images else made:
                root = write_data(Path(folder), name, args.images)
                write(args.csv, list(measure(read_config(ROOT / config), config, root, name, args.repeats)))
        write(args.csv, list(candidates(args.repeats)))
        write(args.csv, list(worker_starts(args.repeats)))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    rows = [
        {
            **dict.fromkeys(COLUMNS, ''),
            **row,
            'opencv': cv2.__version__,
            'mmcv': version('mmcv'),
            'date': time.strftime('%Y-%m-%d'),
            **machine(),
        }
        for row in rows
    ]
    for row in rows:
        print(*(row[name] for name in COLUMNS if row[name] != ''), flush=True)
    replace_rows(path, rows, 'run')


# Data


def photographs() -> list[np.ndarray]:
    folder = Path(skimage.__file__).parent / 'data'
    files = [folder / name for name in ('coffee.png', 'chelsea.png', 'motorcycle_left.png', 'rocket.jpg', 'grass.png')]
    images = [cv2.imread(str(file)) for file in files]
    return [
        *images,
        *(cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in sklearn.datasets.load_sample_images().images),
    ]


def mosaic(rng: np.random.Generator, size: str) -> np.ndarray:
    """Photographs side by side at their own resolution: enlarged ones would have fewer details, and decode faster."""
    width, height = map(int, size.split('x'))
    canvas = np.zeros((height, width, 3), np.uint8)
    pictures = photographs()
    for top in range(0, height, 300):
        for left in range(0, width, 400):
            part = canvas[top : top + 300, left : left + 400]
            picture = pictures[rng.integers(len(pictures))]
            y, x = (
                int(rng.integers(0, have - need + 1)) for have, need in zip(picture.shape, part.shape[:2], strict=False)
            )
            part[:] = picture[y : y + part.shape[0], x : x + part.shape[1]]
    return canvas


def write_data(folder: Path, name: str, given: Path | None) -> Path:
    """Write images and their labels for every library, unless they are there; return their folder."""
    root = folder / name.replace(' ', '_')
    if root.exists():
        return root
    rng = np.random.default_rng(0)
    for part in ('images', 'labels', 'classes/one'):
        (root / part).mkdir(parents=True)
    if given:
        for file in sorted(given.glob('*.jpg'))[: 4 * COUNT]:
            shutil.copy(file, root / 'images')
    else:
        size, kind = name.split()
        for number in range(COUNT):
            (root / 'images' / f'{number}.{SUFFIXES[kind]}').write_bytes(encoded(mosaic(rng, size), kind))
    files = sorted((root / 'images').iterdir())
    if not files:
        sys.exit(f'{given} has no .jpg files')
    images, objects = [], []
    for number, file in enumerate(files):
        height, width = cv2.imread(str(file)).shape[:2]
        images.append({'id': number, 'file_name': file.name, 'height': height, 'width': width})
        objects += [person(rng, number, len(objects) + other, width, height) for other in range(OBJECTS)]
        blocks = rng.integers(0, 19, (height // 32 + 1, width // 32 + 1)).astype(np.uint8)
        labels = cv2.resize(blocks, (width, height), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(root / 'labels' / f'{file.stem}.png'), labels)
        (root / 'classes/one' / file.name).symlink_to(file)
    categories = [{'id': 1, 'name': 'person', 'keypoints': [], 'skeleton': []}]
    coco = {'images': images, 'annotations': objects, 'categories': categories}
    (root / 'coco.json').write_text(json.dumps(coco))
    return root


def encoded(image: np.ndarray, kind: str) -> bytes:
    return cv2.imencode(f'.{SUFFIXES[kind]}', image, [cv2.IMWRITE_JPEG_QUALITY, 92] if kind == 'JPEG' else [])[
        1
    ].tobytes()


def person(rng: np.random.Generator, image: int, number: int, width: int, height: int) -> dict[str, Any]:
    """An elliptic object whose box covers 0.2 to 30 % of the image, with 17 keypoints."""
    area = width * height * np.exp(rng.uniform(np.log(0.002), np.log(0.3)))
    tall = rng.uniform(1, 2.5)
    w, h = min(np.sqrt(area / tall), width - 2), min(np.sqrt(area * tall), height - 2)
    x, y = rng.uniform(0, width - w), rng.uniform(0, height - h)
    angle = np.linspace(0, 2 * np.pi, 25)[:-1]
    outline = np.stack([x + w * (1 + np.cos(angle)) / 2, y + h * (1 + np.sin(angle)) / 2], 1)
    points = np.stack([rng.uniform(x, x + w, 17), rng.uniform(y, y + h, 17), rng.integers(1, 3, 17)], 1)
    return {
        'id': number,
        'image_id': image,
        'category_id': 1,
        'bbox': [x, y, w, h],
        'area': w * h * np.pi / 4,
        'iscrowd': 0,
        'num_keypoints': 17,
        'keypoints': points.round(1).ravel().tolist(),
        'segmentation': [outline.round(1).ravel().tolist()],
    }


def data_set(config: Any, root: Path, name: str) -> Dataset:
    """The training data set of a config with other files."""
    settings = copy.deepcopy(dict(config.train_dataloader.dataset))
    settings['data_root'] = str(root)
    if config.default_scope == 'mmseg':
        settings.update(data_prefix=dict(img_path='images', seg_map_path='labels'))
        settings.update(img_suffix=f'.{SUFFIXES[name.split()[-1]]}', seg_map_suffix='.png')
    elif config.default_scope == 'mmpretrain':
        settings.update(type='CustomDataset', ann_file='', data_prefix='classes')
        settings.pop('split', None)
    else:
        settings.update(ann_file='coco.json', data_prefix=dict(img='images/'))
        if config.default_scope == 'mmdet':
            settings.update(metainfo=dict(classes=('person',)))
    return DATASETS.build(settings)


# Pipelines


def measure(config: Any, path: str, root: Path, images: str, repeats: int) -> Iterator[dict[str, Any]]:
    """Rows of a config's pipelines, as they are and with the faster elements, and of its data loader."""
    library = config.default_scope
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    importlib.import_module(f'{library}.utils').register_all_modules(init_default_scope=False)
    row = {'run': f'{path} {images}', 'library': library, 'config': path, 'images': images}
    with DefaultScope.overwrite_default_scope(library):
        dataset = data_set(config, root, images)
        variants = pipelines(dataset)
        times = timed(dataset, variants, repeats)
    for variant, by_element in times.items():
        for name, seconds in by_element.items():
            yield {**row, 'what': 'element', 'variant': variant, 'name': name, 'ms': f'{1000 * seconds:.3f}'}
    total = {variant: sum(by_element.values()) for variant, by_element in times.items()}
    for variant, seconds in total.items():
        rates = {'ms': f'{1000 * seconds:.3f}', 'images_s': f'{1 / seconds:.1f}'}
        yield {**row, 'what': 'pipeline', 'variant': variant, **rates, 'ratio': f'{total["library"] / seconds:.2f}'}
    if images not in (IMAGES[1], CITYSCAPES[1]):  # the size of the images hardly changes that of the samples
        samples = [dataset[number % len(dataset)] for number in range(config.train_dataloader.batch_size)]
        yield from ({**row, 'what': 'loader', **rest} for rest in loaders(samples, library, repeats))


def pipelines(dataset: Any) -> dict[str, list[Any]]:
    """The library's pipeline, and one with each faster element that has an effect in it."""
    plain = list(dataset.pipeline.transforms)
    masks = any(getattr(element, 'with_mask', False) for element in plain)
    names = [type(element).__name__ for element in plain]
    variants = {'library': plain}
    for kind, place in FASTER.items():
        if place in names and (masks or kind != 'ToBoxedMasks'):
            variants[kind.rpartition('.')[2]] = inserted(plain, place, TRANSFORMS.build({'type': kind}))
    return variants


def inserted(elements: Sequence[Any], place: str, element: Any) -> list[Any]:
    index = [type(other).__name__ for other in elements].index(place) + 1
    return [*elements[:index], element, *elements[index:]]


def timed(dataset: Any, variants: dict[str, list[Any]], repeats: int) -> dict[str, dict[str, float]]:
    """Mean CPU seconds of each element, after a first run that warms up; samples of all pipelines must be equal."""
    seconds: dict[str, dict[str, list[float]]] = {variant: defaultdict(list) for variant in variants}
    for repeat in range(repeats + 1):
        for number in range(len(dataset)):
            samples = {}
            for variant, elements in variants.items():
                seed(1000 * repeat + number)
                times = {}
                start = time.process_time()
                results = dataset.get_data_info(number)
                times['annotation'] = time.process_time() - start
                for element in elements:
                    start = time.process_time()
                    results = element(results)
                    times[type(element).__name__] = time.process_time() - start
                    if results is None:
                        break
                samples[variant] = results
                if repeat and results is not None:
                    for name, value in times.items():
                        seconds[variant][name].append(value)
            for variant, sample in samples.items():
                require_equal(samples['library'], sample, variant)
    return {
        variant: {name: statistics.mean(values) for name, values in by_element.items()}
        for variant, by_element in seconds.items()
    }


def seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def require_equal(sample: Any, other: Any, variant: str) -> None:
    if (sample is None) != (other is None):
        raise AssertionError(f'{variant} leaves out another sample')
    if sample is None:
        return
    if not torch.equal(sample['inputs'], other['inputs']):
        raise AssertionError(f'{variant} gives another image')
    masks, others = (getattr(s['data_samples'].get('gt_instances'), 'masks', None) for s in (sample, other))
    if masks is not None and not np.array_equal(masks.masks, others.masks):
        raise AssertionError(f'{variant} gives other masks')


# Data loaders


class Fixed(Dataset):
    """Copies of samples, ten batches of them; the first use of a sample itself would leave it in shared memory."""

    def __init__(self, samples: list[Any]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return 10 * len(self.samples)

    def __getitem__(self, index: int) -> Any:
        return copy.deepcopy(self.samples[index % len(self.samples)])


def loaders(samples: list[Any], library: str, repeats: int) -> Iterator[dict[str, Any]]:
    """CPU time of the process that trains and of a worker for moving batches from one to the other."""
    collate = 'default_collate' if library == 'mmpretrain' else 'pseudo_collate'
    block = FUNCTIONS.get('hrnet_mm.block_collate')
    functions: dict[str, Callable] = {
        collate: FUNCTIONS.get(collate),
        'block_collate': lambda batch: block(batch, collate),
    }
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    size = len(samples)
    for _ in range(repeats):
        for name, function in functions.items():
            loader = DataLoader(Fixed(samples), size, num_workers=1, collate_fn=function, persistent_workers=True)
            for _ in loader:  # warms up
                pass
            worker = psutil.Process(loader._iterator._workers[0].pid)
            begin, start = sum(worker.cpu_times()[:2]), time.process_time()
            for _ in loader:
                pass
            times[name, 'training'].append((time.process_time() - start) / (10 * size))
            times[name, 'worker'].append((sum(worker.cpu_times()[:2]) - begin) / (10 * size))
            del loader
    for (name, process), values in times.items():
        seconds, first = statistics.median(values), statistics.median(times[collate, process])
        ratio = f'{first / seconds:.2f}' if seconds else ''
        yield {'variant': name, 'name': process, 'ms': f'{1000 * seconds:.3f}', 'ratio': ratio}


# Candidates


def candidates(repeats: int) -> Iterator[dict[str, Any]]:
    """Other ways to decode an image, with the largest difference of a pixel, measured in turn."""
    import mmcv
    import torchvision.io

    rng = np.random.default_rng(0)

    def torchvision_jpeg(content: bytes) -> np.ndarray:
        image = torchvision.io.decode_jpeg(torch.frombuffer(bytearray(content), dtype=torch.uint8), mode='RGB')
        return image.permute(1, 2, 0).numpy()[..., ::-1]

    def torchvision_png(content: bytes) -> np.ndarray:
        image = torchvision.io.decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8), mode='RGB')
        return image.permute(1, 2, 0).numpy()[..., ::-1]

    def opencv(flag: int) -> Callable[[bytes], np.ndarray]:
        return lambda content: cv2.imdecode(np.frombuffer(content, np.uint8), flag)

    def simplejpeg(content: bytes) -> np.ndarray:
        return importlib.import_module('simplejpeg').decode_jpeg(content, 'BGR')

    def pillow(content: bytes) -> np.ndarray:
        return mmcv.imfrombytes(content, backend='pillow')

    for name in (*IMAGES, CITYSCAPES[0]):
        size, kind = name.split()
        image = mosaic(rng, size)
        content = encoded(image, kind)
        ways = {'cv2, as mmcv does': opencv(cv2.IMREAD_COLOR), 'pillow': pillow}
        if kind == 'JPEG':
            ways['torchvision'] = torchvision_jpeg
            if importlib.util.find_spec('simplejpeg'):
                ways['simplejpeg'] = simplejpeg
            for factor in (2, 4):
                ways[f'cv2, reduced {factor} times'] = opencv(getattr(cv2, f'IMREAD_REDUCED_COLOR_{factor}'))
        else:
            ways['torchvision'] = torchvision_png
            bmp = encoded(image, 'BMP')
            ways['cv2, from BMP'] = lambda _, bmp=bmp: opencv(cv2.IMREAD_COLOR)(bmp)
        yield from compared(f'decode {name}', name, ways, content, repeats)


def compared(run: str, name: str, ways: dict[str, Callable], content: bytes, repeats: int) -> Iterator[dict[str, Any]]:
    seconds = defaultdict(list)
    for repeat in range(4 * repeats + 1):
        for way, function in ways.items():
            start = time.process_time()
            function(content)
            if repeat:
                seconds[way].append(time.process_time() - start)
    (first, reference), *_ = ways.items()
    for way, function in ways.items():
        image, expected = function(content), reference(content)
        same = image.shape == expected.shape
        difference = int(np.abs(image.astype(int) - expected).max()) if same else ''
        median, base = statistics.median(seconds[way]), statistics.median(seconds[first])
        rates = {'ms': f'{1000 * median:.3f}', 'ratio': f'{base / median:.2f}', 'difference': difference}
        yield {'run': run, 'what': 'candidate', 'images': name, 'name': way, **rates}


def worker_starts(repeats: int) -> Iterator[dict[str, Any]]:
    """Seconds from the end of an epoch to the first batch of the next, with two workers."""
    medians = {}
    for name, persistent in (('workers started for each epoch', False), ('persistent_workers', True)):
        loader = DataLoader(Fixed([torch.zeros(1)]), 1, num_workers=2, persistent_workers=persistent)
        seconds = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            batches = iter(loader)
            next(batches)
            seconds.append(time.perf_counter() - start)
            for _ in batches:
                pass
        medians[name] = statistics.median(seconds[1:])
    for name, median in medians.items():
        ratio = f'{next(iter(medians.values())) / median:.2f}'
        yield {'run': 'workers', 'what': 'candidate', 'name': name, 'ms': f'{1000 * median:.3f}', 'ratio': ratio}


if __name__ == '__main__':
    main()
