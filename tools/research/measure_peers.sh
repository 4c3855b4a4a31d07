#!/usr/bin/env bash
# Times networks in the engines that users could take instead: bash tools/research/measure_peers.sh [CSV [fp32|int8]]
# Half an hour for fp32 and a quarter for int8, on a machine that does nothing else; rows are appended. Each command
# compares in one process.
set -euo pipefail

csv=$(realpath -m "${1:-tools/research/results/speed_peers.csv}")
precisions=${2:-fp32 int8}
cd "$(dirname "$0")/../.."
python=${PYTHON:-.venv/bin/python}
peers=(openvino onnxruntime mnn ncnn)

measure() { "$python" -m hrnet_mm.cli benchmark "$@" --out "$csv"; }

if [[ $precisions == *int8* ]]; then
  for threads in 1 2; do
    for name in hrnetv1_w32 hrnetv1_w48; do
      engines=(ncnn native onnxruntime:int8 openvino:int8 native:int8)
      measure "$name" --against mmpose --engines "${engines[@]}" --repeats 15 --threads "$threads"
      ATEN_CPU_CAPABILITY=avx2 measure "$name" --against mmpose --engines "${engines[@]}" --repeats 15 \
        --threads "$threads"
    done
  done
fi
[[ $precisions == *fp32* ]] || exit 0
for threads in 1 2; do
  for name in hrnetv1_w32 hrnetv1_w48; do
    measure "$name" --against mmpose --engines eager "${peers[@]}" native --repeats 15 --threads "$threads"
    # Kernels for AVX2, beside peers that use all that the CPU has.
    ATEN_CPU_CAPABILITY=avx2 measure "$name" --against mmpose --engines "${peers[@]}" native --repeats 15 \
      --threads "$threads"
  done
  measure hrnetv1_w32 --against mmpose --engines compile native --repeats 15 --threads "$threads"
done
measure hrnet_w32 --size 224 224 --against timm --engines "${peers[@]}" native --repeats 15 --threads 2
measure hrnetv2_w48 --num-classes 19 --size 512 1024 --against mmseg --engines "${peers[@]}" native --repeats 5 --threads 2
measure hrnetv2p_w32 --size 800 1216 --against mmdet --engines "${peers[@]}" native --repeats 5 --threads 2
