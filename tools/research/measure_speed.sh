#!/usr/bin/env bash
# Measures what docs/performance.md reports, on a machine that does nothing else: bash tools/research/measure_speed.sh [CSV]
# About 40 minutes on 2 cores, half of it compilation and calibration. Rows are appended.
set -euo pipefail

csv=$(realpath -m "${1:-tools/research/results/speed.csv}")
cd "$(dirname "$0")/../.."
threads=${THREADS:-2}

python=${PYTHON:-.venv/bin/python}

measure() { "$python" -m hrnet_mm.cli benchmark "$@" --threads "$threads" --out "$csv"; }

coco=mmpose::body_2d_keypoint/topdown_heatmap/coco
res50=$coco/td-hm_res50_8xb64-210e_coco-256x192.py
res101=$coco/td-hm_res101_8xb64-210e_coco-256x192.py
res152=$coco/td-hm_res152_8xb32-210e_coco-256x192.py
w48=$coco/td-hm_hrnet-w48_8xb32-210e_coco-256x192.py

for name in hrnetv1_w32 hrnetv1_w48; do
  measure "$name" --against mmpose mmpose@onnxruntime mmpose@openvino --engines plain eager compile onnxruntime openvino \
    native native-bf16x3 openvino:bf16 native:bf16 openvino:int8 onnxruntime:int8
done
# For accuracy against latency: all in one process.
measure hrnetv1_w32 --against {"$res50","$res101","$res152","$w48"}{,@openvino} \
  --engines plain openvino native native-bf16x3 --repeats 10
for batch in 1 2 4 8 16 32 64; do  # latency against batch
  measure hrnetv1_w32 --batch "$batch" --against mmpose --engines eager openvino native native:bf16 \
    --repeats $((batch < 8 ? 10 : 3))
done

measure hrnetv2_w48 --num-classes 19 --size 512 1024 --part head --against mmseg mmseg@openvino \
  --engines plain eager compile openvino native native-bf16x3 --repeats 7
measure hrnetv2p_w32 --size 800 1216 --part neck --against mmdet mmdet@openvino \
  --engines plain eager compile openvino native native-bf16x3 openvino:bf16 native:bf16 --repeats 5
measure hrnetv1_w32 --batch 8 --train --against mmpose --engines plain eager native eager:bf16 compile compile:bf16 --repeats 4

# Whole networks of the other libraries.
measure hrnet_w32 --size 224 224 --against timm timm@openvino mmpretrain resnet50 resnet50@openvino \
  --engines plain eager openvino native --repeats 10
measure hrnetv2_w48 --num-classes 19 --size 512 1024 --against mmseg mmseg@openvino resnet50 \
  --engines plain eager openvino native --repeats 3
measure hrnetv2p_w32 --size 800 1216 --against mmdet mmdet@openvino resnet50 \
  --engines plain eager openvino native openvino:bf16 --repeats 3
