#!/usr/bin/env bash
# Checks outputs against float64 and times networks on one NVIDIA GPU: bash tools/research/gpu_visit.sh [CSV [OPTION...]]
# Under ten minutes; rows are appended as they are made. --device cpu --quick tries it without a GPU.
# Without a package index, WHEELS names a folder with wheels of what this Python lacks: mmengine, addict, termcolor, yapf
# and platformdirs; for the peers timm, and mmpose, mmcv-lite, mmdet, munkres, pycocotools and xtcocotools.
set -euo pipefail

csv=$(realpath -m "${1:-tools/research/results/gpu.csv}")
wheels=${WHEELS:+$(realpath "$WHEELS")}
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}

export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}
if [ -n "$wheels" ]; then
  site=$(mktemp -d)
  trap 'rm -rf "$site"' EXIT
  "$python" -m pip install --quiet --no-index --no-deps --target "$site" "$wheels"/*.whl
  PYTHONPATH=$site:$PYTHONPATH
fi
# A step that takes longer than expected is ended; the rows before it are kept.
timeout $((590 - SECONDS)) "$python" tools/research/gpu_visit.py --out "$csv" "${@:2}"
