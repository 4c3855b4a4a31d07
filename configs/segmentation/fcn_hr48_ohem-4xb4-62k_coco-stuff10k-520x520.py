# HRNetV2-W48 with OHEM, official recipe: mIoU 36.2 on val (HRNet-Semantic-Segmentation@HRNet-OCR README); mIoU 37.9 on
# val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# 37.9 is the official test with seven scales and flip, --tta. 36.2 is that test with one scale: --tta --cfg-options
# tta_model.scales=[1.0] tta_model.flip=False. Without --tta whole images are tested, without black around them.
# Difference from the official code, without an expected effect: its head starts from random biases. It trained with
# InPlace-ABN, which uses |gamma|: on LIP, standard batch norm cost the authors 0.2.
# Command: python tools/train.py configs/segmentation/fcn_hr48_ohem-4xb4-62k_coco-stuff10k-520x520.py
_base_ = [
    '../_base_/models/fcn_hrnetv2_ohem.py',
    '../_base_/datasets/coco-stuff10k_official.py',
    '../_base_/schedules/segmentation_coco-stuff10k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(decode_head=dict(num_classes=171))
tta_model = _base_.official_test
