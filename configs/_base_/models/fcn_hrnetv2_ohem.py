# HRNetV2-W48 as in the official HRNet-OCR branch on ADE20K and COCO-Stuff: OHEM, aligned corners. Test images are
# padded to a multiple of 8.
_base_ = './fcn_hrnetv2_ocr-branch.py'
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=8)),
    backbone=dict(align_corners=True),
    decode_head=dict(align_corners=True, loss_decode=dict(thresh=0.9)),
)
