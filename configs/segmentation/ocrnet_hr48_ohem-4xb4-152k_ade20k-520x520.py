# HRNetV2-W48 + OCR with OHEM, official recipe: mIoU 44.5 on val (HRNet-Semantic-Segmentation@HRNet-OCR README); mIoU
# 45.5 on val (HRNet-Semantic-Segmentation@HRNet-OCR README).
# 45.5 is the official test with seven scales and flip, --tta. 44.5 is that test with one scale: --tta --cfg-options
# tta_model.scales=[1.0] tta_model.flip=False. Without --tta whole images are tested, without black around them.
# Difference from the official code, without an expected effect: convolutions that batch norm follows in its heads start
# from PyTorch's uniform distribution, here from Kaiming's normal. It trained with InPlace-ABN, which uses |gamma|: on
# LIP, standard batch norm cost the authors 0.2.
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_ohem-4xb4-152k_ade20k-520x520.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2_ohem.py',
    '../_base_/datasets/ade20k_official.py',
    '../_base_/schedules/segmentation_ade20k.py',
    '../_base_/mmseg_runtime.py',
]
model = dict(decode_head=[dict(head, num_classes=150) for head in _base_.model.decode_head])
tta_model = _base_.official_test
