"""Normalization that does not fit the weights is told, and statistics of one's own images are left alone."""

import pytest

from hrnet_mm.config.normalization import normalization_findings

DETECTOR = 'detection/faster-rcnn_hrnetv2p-w32_1x_coco.py'
FCOS = 'detection/fcos_hrnetv2p-w32-gn-head_4xb4-1x_coco.py'
POSE = 'pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py'
SEGMENTER = 'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520.py'
CLASSIFIER = 'classification/hrnet-w18_8xb32_in1k.py'
WEIGHTS = 'td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth'
RGB, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def found(config, training=True):
    return [str(one) for one in normalization_findings(config, training)], [
        one.level for one in normalization_findings(config, training)
    ]


def change(config, **settings):
    preprocessor = config.model.get('data_preprocessor') or config.data_preprocessor
    preprocessor.update(settings)


def test_shipped_configs_are_clean(path, read):
    config = read(path)
    assert normalization_findings(config, True) == []
    assert normalization_findings(config, False) == []


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        ({'mean': None, 'std': None}, 'mean and std are missing, but open-mmlab://msra/hrnetv2_w32 was trained with'),
        ({'bgr_to_rgb': False}, 'is in the order R, G, B, but images are in B, G, R; set bgr_to_rgb=True'),
        ({'mean': RGB[::-1], 'std': STD[::-1]}, 'is in the order B, G, R, but images are in R, G, B'),
        ({'mean': [0, 0, 0], 'std': [255, 255, 255]}, 'images of 0 to 255 cannot have mean'),
        ({'mean': [0, 0, 0], 'std': [1, 1, 1]}, 'images of 0 to 255 cannot have mean'),
    ],
)
def test_a_training_from_weights_of_imagenet(read, settings, sentence):
    config = read(DETECTOR)
    change(config, **settings)
    (warning,), levels = found(config)
    assert sentence in warning
    assert levels == ['warning']
    config.model.update(pretrained=None)
    config.model.backbone.update(init_cfg=None, pretrained=None)  # from random weights, everything can be learned
    assert found(config) == ([], [])


@pytest.mark.parametrize(
    'settings',
    [
        {'mean': [12.0, 14.0, 9.0], 'std': [20.0, 21.0, 19.0]},  # of images of one's own
        {'mean': [102.9801, 115.9465, 122.7717], 'std': [1.0] * 3, 'bgr_to_rgb': False},  # of published detectors
        {'mean': [110.0], 'std': [50.0]},
    ],
)
def test_other_statistics_are_left_alone(read, settings):
    config = read(DETECTOR)
    change(config, **settings)
    assert found(config) == ([], [])


@pytest.mark.parametrize('file', [DETECTOR, POSE, SEGMENTER, CLASSIFIER])
def test_values_that_are_wrong_for_certain(read, file):
    config = read(file)
    change(config, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    (error,), levels = found(config)
    assert 'are for values from 0 to 1, but images have values from 0 to 255; multiply both by 255' in error
    assert levels == ['error']
    change(config, mean=RGB, std=[58.395, 0, 57.375])
    assert 'expected numbers above 0' in found(config)[0][0]
    config.model.backbone.in_channels = 4
    assert 'mean: 3 values for images of 4 channels' in found(config)[0][0]


def test_steps_that_scale_images_are_left_alone(read):
    config = read(CLASSIFIER)
    change(config, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    config.train_dataloader.dataset.pipeline.insert(1, dict(type='torchvision/ToTensor'))
    assert found(config) == ([], [])


def test_published_weights_need_their_own(read, tmp_path):
    config = read(POSE)
    config.load_from = str(tmp_path / WEIGHTS)
    assert found(config, training=False) == ([], [])
    change(config, mean=[120.0, 110.0, 100.0])
    (error,), levels = found(config, training=False)
    assert f'{WEIGHTS} was trained with mean [123.675, 116.28, 103.53]' in error
    assert levels == ['error']
    assert found(config) == ([], [])  # trained further, they may have others
