"""Settings that contradict one another are found before anything is built, all at once, and nowhere else."""

import re

import pytest
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings
from upstream import COUNTS, configs_root, upstream_paths

from hrnet_mm.config.check import check_config, config_problems
from hrnet_mm.config.consistency import contradictions
from hrnet_mm.config.normalization import normalization_findings

DETECTOR = 'detection/faster-rcnn_hrnetv2p-w32_1x_coco.py'
MASKS = 'detection/mask-rcnn_hrnetv2p-w18_1x_coco.py'
FCOS = 'detection/fcos_hrnetv2p-w32-gn-head_4xb4-1x_coco.py'
POSE = 'pose/td-hm_hrnet-w32_4xb32-210e_coco-256x192.py'
FACE = 'face/td-hm_hrnetv2-w18_1xb16-60e_300w-256x256.py'
SEGMENTER = 'segmentation/ocrnet_hr48_4xb4-62k_pascal-context-59-520x520.py'
CLASSIFIER = 'classification/hrnet-w18_8xb32_in1k.py'
BBOX_HEAD = r'bbox_head.num_classes: 81, but train_dataloader.dataset \(CocoDataset\) has 80 classes'
CHANNELS = r'model\.{}: {}, but its input is {}'


def found(config, **how):
    return contradictions(config, **{'training': True, 'on_cpu': False, 'processes': 1, **how})


@pytest.mark.parametrize(
    ('config', 'where', 'value', 'sentence'),
    [
        (
            DETECTOR,
            'model.neck',
            {'arch': None, 'in_channels': [18, 36, 72, 144]},
            '4 maps of 32, 64, 128, 256 channels',
        ),
        (
            DETECTOR,
            'model.neck',
            {'out_channels': 128},
            'model.rpn_head.in_channels: 256, but .* 1 map of 128 channels',
        ),
        (DETECTOR, 'model.roi_head.bbox_roi_extractor', {'out_channels': 64}, 'bbox_roi_extractor.out_channels: 64'),
        (DETECTOR, 'model.neck', {'num_outs': 4}, 'model.rpn_head: strides for 5 maps, but the neck returns 4'),
        (MASKS, 'model.roi_head.mask_head', {'in_channels': 64}, 'model.roi_head.mask_head.in_channels: 64'),
        (POSE, 'model.head', {'in_channels': 48}, 'model.head.in_channels: 48, but .* 1 map of 32 channels'),
        (FACE, 'model.head', {'in_channels': 18}, 'model.head.in_channels: 18, but .* 1 map of 270 channels'),
        (
            SEGMENTER,
            'model.backbone',
            {'arch': 'w18'},
            r'model.decode_head\[0\].in_channels: .*18, 36, 72, 144 channels',
        ),
        (
            SEGMENTER,
            'model.backbone',
            {'multiscale_output': False},
            r'decode_head\[0\].in_index: .* returns 1 map of 48',
        ),
        (
            CLASSIFIER,
            'model.head',
            {'in_channels': 1024},
            'model.head.in_channels: 1024, but .* 1 map of 2048 channels',
        ),
        (CLASSIFIER, 'model.backbone', {'arch': 'w23x'}, "model.backbone: unknown arch 'w23x'. Allowed: w18"),
        (
            DETECTOR,
            'model.rpn_head.anchor_generator',
            {'strides': [8, 16, 32, 64, 128]},
            r'model.rpn_head: strides \[8, 16, 32, 64, 128\], but .* the strides \[4, 8, 16, 32, 64\]',
        ),
        (
            DETECTOR,
            'model.roi_head.bbox_roi_extractor',
            {'featmap_strides': [8, 16, 32, 64]},
            r'bbox_roi_extractor.featmap_strides: \[8, 16, 32, 64\], but .* \[4, 8, 16, 32, 64\]',
        ),
        (DETECTOR, 'model.neck', {'stride': 2}, r'model.rpn_head: strides \[4, 8, 16, 32, 64\], but .* \[8, 16, 32'),
        (FCOS, 'model.neck', {'stride': 1}, r'model.bbox_head: strides \[8, 16, 32, 64, 128\], but .* \[4, 8, 16'),
        (FCOS, 'model.bbox_head', {'regress_ranges': [(-1, 64), (64, 1e8)]}, 'regress_ranges: 2 ranges, but .* 5'),
        (
            POSE,
            'model.head',
            {'deconv_out_channels': [256], 'deconv_kernel_sizes': [4]},
            r'decoder.heatmap_size: \[48, 64\], but the head makes maps of \[96, 128\]',
        ),
        (
            POSE,
            'model.head.decoder',
            {'input_size': (288, 384), 'heatmap_size': (72, 96)},
            r'TopdownAffine crops to \[192, 256\], but .* \[288, 384\]',
        ),
        (POSE, 'model.head.decoder', {'sigma': 3}, 'encodes keypoints with sigma 2, but model.head.decoder has 3'),
        (SEGMENTER, 'model', {'auxiliary_head': dict(num_classes=19)}, 'num_classes differs among heads'),
        (DETECTOR, 'model.roi_head.bbox_head', {'num_classes': 81}, BBOX_HEAD),
        (MASKS, 'model.roi_head.mask_head', {'num_classes': 81}, r'mask_head.num_classes: 81, but train_dataloader'),
        (FCOS, 'model.bbox_head', {'num_classes': 3}, r'model.bbox_head.num_classes: 3, but train_dataloader.* has 80'),
        (CLASSIFIER, 'model.head', {'num_classes': 10}, r'model.head.num_classes: 10, but .*\(ImageNet\) has 1000'),
        (CLASSIFIER, 'data_preprocessor', {'num_classes': 10}, 'data_preprocessor.num_classes: 10, but'),
        (
            SEGMENTER,
            'model',
            {'decode_head.0.num_classes': 60, 'decode_head.1.num_classes': 60},
            r'decode_head\[0\].num_classes: 60, but train_dataloader.dataset \(PascalContextDataset59\) has 59 classes',
        ),
        (SEGMENTER, 'model', {'decode_head.1.align_corners': False}, r'align_corners differs .*\[0\] True, .* False'),
        (SEGMENTER, 'model', {'decode_head.1.in_index': [0, 1, 2, 4]}, r'in_index: \[0, 1, 2, 4\], but .* 4 maps'),
        (SEGMENTER, 'model', {'decode_head.0.in_index': [0, 1, 2]}, r'decode_head\[0\].in_channels: .*its input is 3'),
        (
            SEGMENTER,
            'train_dataloader.dataset',
            {'pipeline.1.reduce_zero_label': False},
            'LoadAnnotations has reduce_zero_label=False, but PascalContextDataset59 has True',
        ),
        (
            SEGMENTER,
            'val_dataloader.dataset',
            {'metainfo.classes': ('a', 'b')},
            r"has 2 classes, 'a', 'b', but train_dataloader.* has 59",
        ),
        (CLASSIFIER, 'val_dataloader.dataset', {'classes': ('b', 'a')}, 'model.head.num_classes: 1000, but .* has 2'),
        (POSE, 'model.head', {'out_channels': 16}, r'model.head.out_channels: 16, but .*\(CocoDataset\) has 17 keyp'),
        (FACE, 'model.head', {'out_channels': 17}, 'model.head.out_channels: 17, but .* has 68 keypoints'),
        (POSE, 'train_dataloader', {'num_workers': 0}, 'train_dataloader: persistent_workers=True needs num_workers'),
    ],
)
def test_a_contradiction_names_both_sides(config, where, value, sentence, read):
    config = read(config)
    config.merge_from_dict({f'{where}.{key}': item for key, item in value.items()})
    problems = found(config)
    assert any(re.search(sentence, problem) for problem in problems), problems


def test_frozen_at_random(read):
    config = read(DETECTOR)
    config.model.backbone.update(init_cfg=None, pretrained=None, frozen_stages=1)
    statistics, stages = found(config)
    assert statistics.startswith('model.backbone: norm_eval=True')
    assert stages.startswith('model.backbone: frozen_stages=1')
    config.load_from = 'trained.pth'
    assert found(config) == []
    config.load_from = None
    assert found(config, training=False) == []


def test_synchronised_norm_needs_gpus_where_there_is_something_to_synchronise(read):
    config = read(SEGMENTER)
    assert found(config) == found(config, on_cpu=True) == found(config, processes=4) == []
    (sentence,) = found(config, on_cpu=True, processes=2)
    assert 'SyncBN works on GPUs only' in sentence


def test_half_precision_on_a_cpu_is_refused(read):
    config = read(POSE)
    config.optim_wrapper.type = 'AmpOptimWrapper'
    assert found(config) == found(config, on_cpu=True, training=False) == []
    (sentence,) = found(config, on_cpu=True)
    assert sentence.startswith('optim_wrapper: AmpOptimWrapper works on GPUs only')


def test_everything_is_reported_at_once(tmp_path, read):
    config = read(POSE)
    config.merge_from_dict(
        {
            'model.head.in_channels': 48,
            'model.head.out_chanels': 17,
            'modle': {},
            'load_from': str(tmp_path / 'gone.pth'),
            'train_cfg': None,
        }
    )
    problems = config_problems(config, training=True, on_cpu=True)
    for words in (
        'modle: no such',
        'out_chanels: no such key',
        'train_cfg: missing from the config',
        'in_channels: 48',
    ):
        assert any(words in problem for problem in problems), (words, problems)
    assert any('gone.pth does not exist' in problem for problem in problems)


@pytest.mark.parametrize(
    ('text', 'misspelt'),
    [
        ('modle = dict()', ['modle']),  # and there is no model
        ('train_dataset = dict()\ntrain_dataloader = dict()\npipeline = []', []),  # as a dumped config may hold
        ("_base_ = 'base.py'\nmodle = dict()", ['modle']),  # the base's model stays, and nothing uses this
        ("_base_ = 'base.py'\nmodel_ = dict()\nmodel = dict(init_cfg=model_)", []),
    ],
)
def test_misspelt_settings_are_told_from_variables(text, misspelt, tmp_path):
    (tmp_path / 'base.py').write_text('model = dict()')
    (tmp_path / 'config.py').write_text(text)
    problems = check_config(Config.fromfile(tmp_path / 'config.py'))
    assert [problem.partition(':')[0] for problem in problems] == misspelt


@pytest.mark.parametrize('kind', ['RetinaHead', 'ATSSHead', 'FCOSHead', 'FSAFHead'])
def test_the_default_strides_of_a_head_are_compared_with_the_pyramid(kind, read):
    """RetinaNet's, for strides 8 to 128, miss what they are to find on a pyramid with strides 4 to 64."""
    config = read(DETECTOR)
    config.model.type = 'SingleStageDetector'
    for name in ('rpn_head', 'roi_head'):
        del config.model[name]
    config.model.bbox_head = dict(type=kind, num_classes=80, in_channels=256)
    from mmdet.registry import MODELS

    strides = MODELS.build(dict(config.model.bbox_head, loss_bbox=dict(type='GIoULoss'))).prior_generator.strides
    fits = [stride if isinstance(stride, int) else stride[0] for stride in strides] == [4, 8, 16, 32, 64]
    problems = [problem for problem in found(config) if 'strides' in problem]
    assert (problems == []) is fits


def test_classes_in_another_order(read):
    config = read(CLASSIFIER)
    config.model.head.num_classes = config.data_preprocessor.num_classes = 2
    config.train_dataloader.dataset.classes = ['cat', 'dog']
    config.val_dataloader.dataset.classes = ['dog', 'cat']
    (problem,) = found(config)
    assert re.search(r"class 0 is 'dog', but in train_dataloader.* it is 'cat'; give both the same classes", problem)


@pytest.mark.parametrize('training', [True, False])
def test_heads_of_all_classes_or_of_none(training, read):
    """What has no classes, or whose data have their own numbers of keypoints, is not judged."""
    config = read(MASKS)
    config.model.roi_head.mask_head.update(class_agnostic=True, num_classes=1)
    assert found(config, training=training) == []
    config = read(POSE)
    config.model.head.out_channels = 51
    config.model.head.decoder = dict(
        type='UDPHeatmap',
        heatmap_type='combined',
        **{key: value for key, value in config.model.head.decoder.items() if key in ('input_size', 'heatmap_size')},
    )
    assert not any('out_channels' in problem for problem in found(config, training=training))
    config.model.head.out_channels = 17
    assert any('has 17 keypoints, which need 51' in problem for problem in found(config, training=training))


@pytest.mark.slow
@pytest.mark.parametrize(('library', 'file'), [(name, path) for name in COUNTS for path in upstream_paths(name)])
def test_the_configs_of_the_libraries_have_no_contradiction(library, file):
    config = Config.fromfile(configs_root(library) / file)
    config.custom_imports = dict(imports=[f'hrnet_mm.drop_in.{library}'], allow_failed_imports=False)
    import_modules_from_strings(**config.custom_imports)
    for training in (True, False):
        assert found(config, training=training) == []
        assert normalization_findings(config, training) == []
