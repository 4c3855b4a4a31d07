# HRNetV2-W48 + OCR on train + val: mIoU 82.5 on test (TPAMI table IV); mIoU 82.3 on test (HRNet-Semantic-
# Segmentation@HRNet-OCR README).
# Command: python tools/train.py configs/segmentation/ocrnet_hr48_trainval-4xb3-140k_cityscapes-512x1024.py
_base_ = [
    '../_base_/models/ocrnet_hrnetv2.py',
    '../_base_/datasets/cityscapes_official.py',
    '../_base_/schedules/segmentation_cityscapes_trainval.py',
    '../_base_/segmentation.py',
]
heads = _base_.model.decode_head
weighted = [dict(head.loss_decode, class_weight='cityscapes') for head in heads]
model = dict(decode_head=[dict(head, loss_decode=loss) for head, loss in zip(heads, weighted, strict=True)])
tta_model = dict(type='OfficialTTA', scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True)
train = _base_.train_dataloader.dataset
val = dict(train, data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'))
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=[train, val]))
