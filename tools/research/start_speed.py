"""Times `accelerate` of a network at the first start and at later ones, each in a process of its own.

python tools/research/start_speed.py [NETWORK] [--engine auto] [--starts 5] [--threads 2]

The first start has an empty cache folder, but for the compiled kernels. Prints the seconds by the clock and those of
the processor, without imports and without making the network; of later starts the medians, and their parts: the
network's own pass, the description of network and machine by which the plan is found, folding, reading the plan,
arranging the weights, and the calls of the engine.
"""

import argparse
import ast
import os
import statistics
import subprocess
import sys
import tempfile

START = """
import os, sys, time
import torch
from hrnet_mm import create_model
from hrnet_mm.fast import accelerate, kept
from hrnet_mm.fast.native import engine, vector
from hrnet_mm.fast.native.library import instruction_sets, library

spent = {}

def timed(part, owner, name):
    plain = getattr(owner, name)
    def call(*args, **kwargs):
        begin = time.perf_counter()
        try:
            return plain(*args, **kwargs)
        finally:
            spent[part] = spent.get(part, 0) + time.perf_counter() - begin
    setattr(owner, name, call)

torch.manual_seed(0)
torch.set_num_threads(int(sys.argv[3]))
model, x = create_model(sys.argv[1]).eval(), torch.randn(1, 3, 256, 192)
for name in instruction_sets():
    library(name)
os.environ['HRNET_MM_CACHE'] = sys.argv[4]
timed('network', type(model), '__call__')
for name in ('_where', '_form'):
    timed('description', kept, name)
timed('folding', engine, 'folded_parameters')
timed('plan', engine, 'read_plan')
timed('weights', vector.Vectors, 'weights')
timed('calls', engine.NativeEngine, '__call__')
begin, processor = time.perf_counter(), time.process_time()
report = accelerate(model, x, engine=sys.argv[2]).report
whole = {'clock': time.perf_counter() - begin, 'processor': time.process_time() - processor}
print({**whole, **spent})
print(str(report).splitlines()[0], file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('network', nargs='?', default='hrnetv1_w32')
    parser.add_argument('--engine', default='auto')
    parser.add_argument('--starts', type=int, default=5)
    parser.add_argument('--threads', type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        given = [args.network, args.engine, str(args.threads), folder]
        first, *later = [start(given) for _ in range(1 + args.starts)]
    print('first start:', seconds(first))
    names = sorted({name for parts in later for name in parts}, key=list(later[0]).index)
    print('later:', seconds({name: statistics.median(parts.get(name, 0) for parts in later) for name in names}))


def start(arguments: list[str]) -> dict[str, float]:
    """One start: the seconds of its parts."""
    environment = {'GOMP_SPINCOUNT': '1000', **os.environ}  # as the commands set it
    command = [sys.executable, '-c', START, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)  # noqa: S603
    return ast.literal_eval(done.stdout)


def seconds(parts: dict[str, float]) -> str:
    return ', '.join(f'{name} {value:.2f}' for name, value in parts.items()) + ' s'


if __name__ == '__main__':
    main()
