# HRNetV2-W48 + OCR as on ADE20K and COCO-Stuff: OHEM for the last head, and for the auxiliary one the mean over all
# pixels, ignored ones included. Test images are padded to a multiple of 8.
_base_ = './ocrnet_hrnetv2.py'
auxiliary_loss = dict(_base_.auxiliary_head.loss_decode, avg_non_ignore=False)
ohem_loss = dict(_base_.ocr_head.loss_decode, thresh=0.9)
model = dict(
    data_preprocessor=dict(test_cfg=dict(size_divisor=8)),
    decode_head=[
        dict(_base_.auxiliary_head, loss_decode=auxiliary_loss),
        dict(_base_.ocr_head, loss_decode=ohem_loss),
    ],
)
