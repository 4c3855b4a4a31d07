#!/usr/bin/env bash
# Times the pose network in the engines that users could take instead: bash tools/research/measure_peers.sh [CSV]
# Two minutes on a machine that does nothing else; rows are appended.
set -euo pipefail

csv=$(realpath -m "${1:-tools/research/results/speed_peers.csv}")
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}

for threads in 1 2; do
  "$python" -m hrnet_mm.cli benchmark hrnetv1_w32 --against mmpose --engines eager openvino onnxruntime mnn ncnn \
    --repeats 15 --threads "$threads" --out "$csv"
done
