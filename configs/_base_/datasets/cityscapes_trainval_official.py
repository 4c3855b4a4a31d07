# Cityscapes as in the official training for the test server: train and val together.
_base_ = './cityscapes_official.py'
train = _base_.train_dataloader.dataset
val = dict(train, data_prefix=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'))
train_dataloader = dict(dataset=dict(_delete_=True, type='ConcatDataset', datasets=[train, val]))
