"""`hrnet-mm suggest` against random choice: handwritten digits, labeled in two rounds.

For each seed, a network learns some labeled digits. Then as many of a pool are labeled again, by its suggestions or at
random, and a new network learns all of them and is tested on 1,000 other digits. Writes to results/suggest.csv. Needs
the data of `hrnet-mm demo classification` in data/demo. Example:

    python tools/research/suggest_study.py --seeds 5
"""

import argparse
import random
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hrnet_mm.data import prepare_digits
from hrnet_mm.datasets import read_folder
from hrnet_mm.inference.suggest import suggest_images
from hrnet_mm.tasks import config_path
from hrnet_mm.training.job import Job, Own
from hrnet_mm.training.worker import train_and_test
from hrnet_mm.weights.tables import append_rows

RESULTS = Path(__file__).parent / 'results' / 'suggest.csv'
ARCH = 'test-w8'  # the narrowest network: a training takes half a minute
STEPS = 80
CALIBRATION = 200
COLUMNS = ('seed', 'steps', 'labels', 'chosen by', 'top-1')
Digit = tuple[str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=range(5), help='default: 0 1 2 3 4')
    parser.add_argument('--first', type=int, default=100, help='labels of the first round (default: %(default)s)')
    parser.add_argument('--more', type=int, default=100, help='labels of the second round (default: %(default)s)')
    parser.add_argument('--pool', type=int, default=800, help='images to choose from (default: %(default)s)')
    parser.add_argument('--out', type=Path, default=RESULTS, help='default: %(default)s')
    args = parser.parse_args()
    warnings.filterwarnings('ignore')  # the libraries warn of their own age wherever they are imported
    for seed in args.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(seed, args.first, args.more, args.pool, Path(folder))
        append_rows(args.out, rows, COLUMNS)
        print(*rows, sep='\n', flush=True)


def measure(seed: int, first: int, more: int, size: int, folder: Path) -> list[dict[str, Any]]:
    """Train on the first labels and on those of both choices."""
    source = prepare_digits(Path('data', 'demo'))
    digits, others = (read_digits(source / f'{name}.txt') for name in ('train', 'test'))
    random.Random(seed).shuffle(digits)  # noqa: S311
    labeled, pool = digits[:first], digits[first : first + size]
    images = folder / 'pool'
    images.mkdir()
    for name, _ in pool:
        shutil.copy(source / 'images' / name, images / name)

    def learn(chosen: Sequence[Digit], by: str, measured: Sequence[Digit]) -> tuple[Path, float]:
        data = folder / by
        for part, some in (('train', chosen), ('val', measured)):
            for name, label in some:
                place = data / part / label / name
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source / 'images' / name, place)
        own = Own(read_folder(data, 'classes'), epochs=1, arch=ARCH)
        work = folder / f'{by}_work'
        work.mkdir()
        job = Job('classification', config_path('classification'), work, seed, iterations=STEPS, own=own)
        result = train_and_test(job, lambda progress: None)
        return result.weights, round(result.measures[0].value, 1)

    # Calibrated on digits that are in no other part, and never on those of the test.
    weights, _ = learn(labeled, 'first', digits[first + size :][:CALIBRATION])
    suggested, _, _ = suggest_images([images], weights, more, folder / 'first' / 'train', batch_size=32)
    names = {one.image.name for one in suggested}
    choices = {'suggest': [one for one in pool if one[0] in names], 'random': pool[: len(names)]}
    return [
        {
            **{'seed': seed, 'steps': STEPS, 'labels': first + len(chosen), 'chosen by': by},
            'top-1': learn([*labeled, *chosen], by, others)[1],
        }
        for by, chosen in choices.items()
    ]


def read_digits(file: Path) -> list[Digit]:
    return [(name, label) for name, label in map(str.split, file.read_text().splitlines())]


if __name__ == '__main__':
    main()
