"""A misspelt key or type is found wherever it stands, and the nearest known one is named."""

import pytest

from hrnet_mm.config.check import check_config

DETECTOR = 'detection/faster-rcnn_hrnetv2p-w32_1x_coco.py'
POSE = 'pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py'
SEGMENTER = 'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520.py'


def put(config, where, value):
    *parents, last = where
    for key in parents:
        config = config[key]
    config[last] = value


@pytest.mark.parametrize(
    ('config', 'where', 'value', 'sentence'),
    [
        (DETECTOR, ['model', 'backbone', 'archi'], 'w32', "model.backbone.archi: no such key; did you mean 'arch'?"),
        (DETECTOR, ['model', 'neck', 'type'], 'HRFPM', "model.neck: nothing is called 'HRFPM'; did you mean 'HRFPN'?"),
        (DETECTOR, ['model', 'test_cfg', 'rcnn', 'scor_thr'], 1, "scor_thr: no such key; did you mean 'score_thr'?"),
        (DETECTOR, ['model', 'roi_head', 'bbox_head', 'num_clases'], 1, "did you mean 'num_classes'?"),
        (DETECTOR, ['optim_wraper'], {}, "optim_wraper: no such setting; did you mean 'optim_wrapper'?"),
        (
            DETECTOR,
            ['optim_wrapper', 'clip_gard'],
            {},
            "optim_wrapper.clip_gard: no such key; did you mean 'clip_grad'?",
        ),
        (DETECTOR, ['train_dataloader', 'batchsize'], 1, "did you mean 'batch_size'?"),
        (DETECTOR, ['train_cfg', 'max_epoch'], 1, "train_cfg.max_epoch: no such key; did you mean 'max_epochs'?"),
        (POSE, ['train_dataloader', 'dataset', 'pipeline', 4, 'rotate_faktor'], 1, "did you mean 'rotate_factor'?"),
        (
            POSE,
            ['model', 'test_cfg', 'flip_tset'],
            True,
            "model.test_cfg.flip_tset: no such key; did you mean 'flip_test'?",
        ),
        (SEGMENTER, ['model', 'decode_head', 1, 'ocr_chanels'], 1, "did you mean 'ocr_channels'?"),
        (SEGMENTER, ['tta_model', 'flipp'], True, "tta_model.flipp: no such key; did you mean 'flip'?"),
    ],
)
def test_misspelt(config, where, value, sentence, read):
    config = read(config)
    put(config, where, value)
    (problem, *others) = check_config(config)
    assert problem.endswith(sentence)
    # Without its setting a misspelt one is nowhere; with another type the keys do not fit either.
    assert not others
