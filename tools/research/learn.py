"""Trains, tests and draws the configs of configs/learn on real labeled images, for the table of docs/learn.md.

The data are below data/learn or the folder in HRNET_MM_DATA (docs/learn.md says which). Values, baselines, marks and
seconds go to tools/research/results/learn.csv (tools/make_tables.py writes the table), pictures and weights to
work_dirs/learn.

example:
  HRNET_MM_DATA=~/data python tools/research/learn.py openfield nuclei
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from hrnet_mm.config.place import configs_folder
from hrnet_mm.training.job import Job
from hrnet_mm.training.runs import run_jobs
from hrnet_mm.weights.tables import replace_rows

# Task, config, the network in words, and the marks: what a network of 0.25 million parameters reached on one thread
# elsewhere.
LEARNED = {
    'openfield': ('pose', 'td-hm_hrnetv1_openfield.py', 'HRNetV1', {'PCK': 97.8}),
    'frl189': ('faces', 'td-hm_hrnetv2_frl189.py', 'HRNetV2', {'NME': 6.7}),
    'nuclei': ('segmentation', 'fcn_hrnetv2_dsb2018.py', 'FCN on HRNetV2', {'mIoU': 75.9}),
    'instances': ('instances', 'mask-rcnn_hrnetv2p_dsb2018.py', 'Mask R-CNN on HRNetV2p', {}),
    'bccd': ('instances', 'faster-rcnn_hrnetv2p_bccd.py', 'Faster R-CNN on HRNetV2p', {'box AP50': 88.8}),
}
_RESULTS = Path(__file__).parent / 'results' / 'learn.csv'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='NAME', help=f'any of {", ".join(LEARNED)} (default: all)')
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs', 'learn'), help='default: %(default)s')
    parser.add_argument('--csv', type=Path, default=_RESULTS, help='default: %(default)s; rows are replaced by name')
    args = parser.parse_args()
    if unknown := [name for name in args.names if name not in LEARNED]:
        parser.error(f'unknown name {unknown[0]!r}; allowed: {", ".join(LEARNED)}')
    console = Console()
    are_reached = [_learn(name, args, console) for name in args.names or LEARNED]
    return 0 if all(are_reached) else 1


def _learn(name: str, args: argparse.Namespace, console: Console) -> bool:
    task, config, _, marks = LEARNED[name]
    work_dir = args.work_dir / name
    job = Job(task, configs_folder() / 'learn' / config, work_dir / task, args.seed, targets=marks)
    is_reached = run_jobs([job], work_dir, console, {'seed': args.seed, 'config': config})
    rows = json.loads((work_dir / 'results.json').read_text())['rows']
    replace_rows(args.csv, [{'name': name, **row} for row in rows], 'name')
    return is_reached


if __name__ == '__main__':
    sys.exit(main())
