"""Growth of HRNet's cost with input size, batch, width and threads; appends to tools/research/results/growth.csv.

    python tools/research/growth.py [--engine openvino] [--csv tools/research/results/growth.csv]

Each series varies one thing around HRNetV1 w18 and one image, on one and on two threads; plot_speed.py fits and
draws them.
"""

import argparse

import torch

from hrnet_mm import create_model
from hrnet_mm.benchmark.measure import Row, write_csv
from hrnet_mm.benchmark.run import calibrated, inference, measure

SIDES = [128, 192, 256, 384, 512, 768, 1024, 1536, 2048]
BATCHES = [2, 4, 8, 16, 32, 64]
WIDTHS = [24, 32, 40, 48, 64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--engine', default='eager', help='plain, eager, openvino, ... (default: eager)')
    parser.add_argument('--csv', default='tools/research/results/growth.csv', help='results file to append to')
    parser.add_argument('--threads', nargs='+', type=int, default=[1, 2], help='(default: 1 2)')
    args = parser.parse_args()
    for threads in args.threads:
        torch.set_num_threads(threads)
        for side in SIDES:
            write_csv(rows(args.engine, side=side), args.csv)
        for batch in BATCHES:
            write_csv(rows(args.engine, side=128, batch=batch), args.csv)
        for width in WIDTHS:
            write_csv(rows(args.engine, width=width), args.csv)


def rows(engine: str, side: int = 256, batch: int = 1, width: int = 18) -> list[Row]:
    """One measurement, of fewer repeats where a call is long."""
    torch.manual_seed(0)
    name = f'hrnetv1_w{width}'
    model = calibrated(create_model(name))
    x = torch.randn(batch, 3, side, side)
    repeats = 9 if batch * side * side <= 2**20 else 3
    kind, _, precision = engine.partition(':')
    return measure([inference(name, model, kind, precision or 'fp32', (x,), model)], x, 'test', repeats)


if __name__ == '__main__':
    main()
