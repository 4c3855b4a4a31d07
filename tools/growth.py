"""How HRNet's cost grows with input size, batch, width and threads: writes tools/results/growth.csv and prints fits.

    python tools/growth.py [--engine openvino] [--csv tools/results/growth.csv]

Each series varies one thing around HRNetV1 w18, one 256 x 256 image, two threads; the exponent is the slope of the
logarithms: 1 means that cost grows as the pixels, images or multiply-adds do.
"""

import argparse
import math
import statistics

import torch

from hrnet_mm import create_model
from hrnet_mm.fast.benchmark import calibrated, inference, measure
from hrnet_mm.fast.measure import Row, write_csv

SIDES = [128, 192, 256, 384, 512, 768, 1024, 1536, 2048]
BATCHES = [1, 2, 4, 8, 16, 32, 64]
WIDTHS = [18, 24, 32, 40, 48, 64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--engine', default='eager', help='plain, eager, openvino, ... (default: eager)')
    parser.add_argument('--csv', default='tools/results/growth.csv', help='results file to append to')
    parser.add_argument('--threads', nargs='+', type=int, default=[1, 2], help='(default: 1 2)')
    args = parser.parse_args()
    for threads in args.threads:
        torch.set_num_threads(threads)
        sides = [row(args.engine, side=side) for side in SIDES]
        batches = [row(args.engine, side=128, batch=batch) for batch in BATCHES]
        widths = [row(args.engine, width=width) for width in WIDTHS]
        for name, rows, cause in [
            ('side 128 to 2048', sides, lambda r: r.height * r.width),
            ('batch 1 to 64', batches, lambda r: r.batch),
            ('width 18 to 64', widths, lambda r: r.macs),
        ]:
            write_csv(rows, args.csv)
            causes = [float(cause(r)) for r in rows]
            time = exponent(causes, [r.median_ms for r in rows])
            memory = exponent(causes, [max(r.peak_mb or 0, 1) for r in rows])
            print(f'{args.engine}, {threads} threads, {name}: time grows with exponent {time:.2f}, memory {memory:.2f}')


def row(engine: str, side: int = 256, batch: int = 1, width: int = 18) -> Row:
    """One measurement, of fewer repeats where a call is long."""
    torch.manual_seed(0)
    name = f'hrnetv1_w{width}'
    model = calibrated(create_model(name))
    x = torch.randn(batch, 3, side, side)
    repeats = 7 if batch * side * side <= 2**20 else 3
    kind, _, precision = engine.partition(':')
    return measure([inference(name, model, kind, precision or 'fp32', (x,), model)], x, 'test', repeats)[0]


def exponent(causes: list[float], costs: list[float]) -> float:
    """The slope of log(cost) over log(cause), by least squares."""
    return statistics.linear_regression([math.log(c) for c in causes], [math.log(c) for c in costs]).slope


if __name__ == '__main__':
    main()
