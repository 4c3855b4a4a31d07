#!/usr/bin/env bash
# Measures training steps, as docs/performance.md reports them: bash tools/research/measure_training.sh [CSV]
# About 10 minutes on 2 idle cores, a third of it compilation. Rows are appended.
set -euo pipefail

csv=$(realpath -m "${1:-tools/research/results/speed_training.csv}")
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}

measure() {
  "$python" -m hrnet_mm.cli benchmark hrnetv1_w32 --batch 8 --train --against mmpose --repeats "${REPEATS:-4}" \
    --out "$csv" "$@"
}

measure --threads 1 --engines plain eager native eager:bf16
measure --threads 2 --engines plain eager native eager:bf16
[ "${COMPILE:-1}" = 0 ] || measure --threads 2 --engines native compile compile:bf16
