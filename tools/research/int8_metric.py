"""The accuracy that int8 costs: the demonstration's digit classifier, quantized, on the 1,000 test digits.

Quantizes by ONNX Runtime and by OpenVINO (NNCF), with calibration digits from the training part, and writes to
results/int8.csv: top-1 accuracy in percent, the points lost against the network in PyTorch at fp32, the answers
that differ from its own, and the largest difference of the scores of all test digits, relative to the largest score.
Needs the files of `hrnet-mm demo classification`. Example:

    hrnet-mm demo classification
    python tools/research/int8_metric.py
"""

import argparse
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from hrnet_mm.fast import accelerate
from hrnet_mm.fast.compare import difference
from hrnet_mm.fast.machine import machine
from hrnet_mm.inference import Predictor, open_network
from hrnet_mm.weights.tables import write_rows

RESULTS = Path(__file__).parent / 'results' / 'int8.csv'
BATCH = 100
ENGINES = ('onnxruntime', 'openvino')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--weights', type=Path, default=Path('work_dirs/demo/classification/weights.pth'))
    parser.add_argument('--data', type=Path, default=Path('data/demo/digits'), help='default: %(default)s')
    parser.add_argument('--calibration', type=int, default=300, metavar='N', help='training digits (default: 300)')
    parser.add_argument(
        '--out', type=Path, default=Path('tools/research/results/int8.csv'), help='default: %(default)s'
    )
    args = parser.parse_args()
    warnings.filterwarnings('ignore')  # the libraries warn of their own age wherever they are imported
    opened = open_network(args.weights)
    predictor, model = Predictor(opened), opened.as_tensors()
    files, labels = read_list(args.data, 'test')
    test = batches(predictor, files)
    labels = labels[: BATCH * len(test)]
    files, _ = read_list(args.data, 'train')
    calibration = batches(predictor, files[:: max(1, len(files) // args.calibration)][: args.calibration])

    expected = scores(model, test)
    rows = [result('PyTorch', 'fp32', expected, expected, labels)]
    for engine in ENGINES:
        # No tolerance: the accuracy is to be measured, however far the scores are.
        quantized = accelerate(model, test[0], 'int8', engine, tolerance=float('inf'), calibration=calibration)
        rows.append(result(engine, 'int8', scores(quantized, test), expected, labels))
    write_rows(args.out, [{**row, **machine()} for row in rows])
    print(args.out.read_text(encoding='utf-8'), end='')


def read_list(folder: Path, part: str) -> tuple[list[Path], Tensor]:
    """The images of a part of the digits, and their classes."""
    lines = [line.split() for line in (folder / f'{part}.txt').read_text(encoding='utf-8').splitlines()]
    return [folder / 'images' / name for name, _ in lines], torch.tensor([int(digit) for _, digit in lines])


def batches(predictor: Predictor, files: Sequence[Path]) -> list[Tensor]:
    """The network's inputs, `(BATCH, 3, H, W)` each; images that fill no batch are left out."""
    inputs = []
    for start in range(0, len(files) - BATCH + 1, BATCH):
        samples = [predictor.prepare(file)[0] for file in files[start : start + BATCH]]
        collated = {key: [sample[key] for sample in samples] for key in samples[0]}
        inputs.append(predictor.model.data_preprocessor(collated)['inputs'])
    if not inputs:
        raise ValueError(f'{len(files)} images do not fill one batch of {BATCH}')
    return inputs


def scores(network: Callable[[Tensor], Tensor], inputs: Sequence[Tensor]) -> Tensor:
    with torch.inference_mode():
        return torch.cat([network(x) for x in inputs])


def result(engine: str, precision: str, given: Tensor, expected: Tensor, labels: Tensor) -> dict[str, object]:
    """A row of the file, without the machine."""
    top1, reference = (100 * float((s.argmax(1) == labels).double().mean()) for s in (given, expected))
    return {
        'engine': engine,
        'precision': precision,
        'top1': f'{top1:.2f}',
        'lost_points': f'{reference - top1:.2f}',
        'changed_answers': int((given.argmax(1) != expected.argmax(1)).sum()),
        'difference': f'{difference([given], [expected]):.4f}',
        'images': len(labels),
    }


if __name__ == '__main__':
    main()
