"""Times every command that computes, alone and beside one and two busy processes.

python tools/research/beside_busy.py [COMMAND ...] [--repeats 1] [--settings chosen]

A machine with a browser open, a runner of tests and a shared node are busy machines. Threads that spin while they wait
take the processor from the thread they wait for, so each command is also run with the default of libgomp. Seconds are
those of the whole command, the median of the repeats; the three loads and the two settings alternate. The rows go to
tools/research/results/beside_busy.csv.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from hrnet_mm.fast.machine import machine
from hrnet_mm.weights.tables import replace_rows

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'tools' / 'research' / 'results' / 'beside_busy.csv'
FRAMES = 60
BUSY = 'import os; parent = os.getppid()\nwhile os.getppid() == parent: pass'  # ends with this program
POSE, REGIONS = 'configs/demo/td-hm_hrnetv1_people.py', 'configs/demo/fcn_hrnetv2_nuclei.py'
TRAIN = ['train', REGIONS, '--work-dir', '{out}', '--cfg-options', 'train_cfg.max_iters={iterations}']
COMMANDS = {
    'demo': ['demo', 'pose', '--iterations', '40', '--work-dir', '{out}'],
    'train': [word.format(out='{out}', iterations=30) for word in TRAIN],
    'train (torchrun, 2 processes)': [
        *['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', '-m', 'hrnet_mm.cli'],
        *[word.format(out='{out}', iterations=15) for word in TRAIN],
        *['--launcher', 'pytorch'],
    ],
    'test': ['test', POSE, '--weights', '{pose}', '--work-dir', '{out}'],
    'predict': ['predict', '{segmentation}', '--data', '{images}', '--out', '{out}', '--no-pictures'],
    'track': ['track', '{pose}', '--boxes', '{boxes}', '--data', '{video}', '--out', '{out}'],
    'export': ['export', 'hrnetv1_w32', '--out', '{out}.onnx'],
    'benchmark': ['benchmark', 'hrnetv1_w32', '--out', '{out}.csv'],
}
# libgomp's own values; naming one of the two variables is how a user keeps the commands from setting them.
SETTINGS = {'chosen': {}, 'default': {'GOMP_SPINCOUNT': '300000'}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('commands', nargs='*', default=list(COMMANDS), metavar='COMMAND', help=', '.join(COMMANDS))
    parser.add_argument('--repeats', type=int, default=1, help='runs of each command')
    parser.add_argument(
        '--settings', nargs='+', default=list(SETTINGS), choices=SETTINGS, help='of the waiting threads'
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = prepare(Path(folder))
        for command in args.commands:
            seconds = defaultdict(list)
            for _ in range(args.repeats):
                for busy in (0, 1, 2):
                    for setting in args.settings:
                        seconds[busy, setting].append(timed(command, setting, busy, files))
                        print(command, busy, setting, f'{seconds[busy, setting][-1]:.1f} s', flush=True)
            rows = [
                {'command': command, 'setting': setting, 'busy': busy, 'seconds': f'{statistics.median(values):.1f}'}
                | {'repeats': args.repeats}
                | machine()
                for (busy, setting), values in seconds.items()
            ]
            replace_rows(RESULTS, rows, 'command')


def prepare(folder: Path) -> dict[str, Path]:
    """Train two networks briefly and return the files that the commands read."""
    run(['demo', 'pose', 'segmentation', '--iterations', '40', '--work-dir', str(folder / 'demo')], 'chosen')
    images = sorted((ROOT / 'data' / 'demo' / 'people' / 'images').glob('*'))[:FRAMES]
    for name in ('images', 'video'):
        (folder / name).mkdir()
        for index, image in enumerate(images):
            shutil.copy(image, folder / name / f'{index:04}{image.suffix}')
    boxes = [
        {'image_id': index, 'category_id': 1, 'bbox': [20 * place, 10, 60, 120], 'score': 0.9}
        for index in range(len(images))
        for place in range(4)
    ]
    (folder / 'boxes.json').write_text(json.dumps(boxes), encoding='utf-8')
    trained = {task: folder / 'demo' / task / 'weights.pth' for task in ('pose', 'segmentation')}
    return {**trained, 'images': folder / 'images', 'video': folder / 'video', 'boxes': folder / 'boxes.json'}


def timed(command: str, setting: str, busy: int, files: dict[str, Path]) -> float:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        words = [word.format(out=Path(folder) / 'out', **files) for word in COMMANDS[command]]
        for _ in range(busy):
            process = subprocess.Popen([sys.executable, '-c', BUSY])  # noqa: S603
            stack.callback(process.kill)
        started = time.perf_counter()
        run(words, setting)
        return time.perf_counter() - started


def run(words: list[str], setting: str) -> None:
    """Run a command of hrnet-mm, or a module of Python."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(('OMP_', 'GOMP_'))}
    command = words if words[0] == '-m' else ['-m', 'hrnet_mm.cli', *words]
    environment = {**inherited, **SETTINGS[setting]}
    arguments = [sys.executable, *command]
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True)  # noqa: S603
    missed = words[0] == 'demo' and done.returncode == 1  # a short demonstration misses its targets
    if done.returncode and not missed:
        sys.exit(f'{" ".join(words)}: {done.stderr[-2000:]}')


if __name__ == '__main__':
    main()
