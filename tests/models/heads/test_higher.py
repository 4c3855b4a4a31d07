"""HigherHRNet's head: the official parameters, targets, a training step and decoding inside mmpose."""

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpose.registry import KEYPOINT_CODECS, MODELS, TRANSFORMS
from mmpose.structures import PoseDataSample
from pycocotools import mask as coco_mask

import hrnet_mm.drop_in.mmpose.heads  # noqa: F401  # registers the head and the codec
from hrnet_mm.models import HRNetV1
from hrnet_mm.models.heads import higher_layers, higher_outputs

FLIP = [1, 0, 2]  # of three key points


def codec(size=64, keypoints=3, **kwargs):
    return {
        'type': 'HigherHREmbedding',
        'input_size': (size, size),
        'heatmap_sizes': [(size // 4, size // 4), (size // 2, size // 2)],
        'sigma': 2,
        'decode_keypoint_order': list(range(keypoints)),
        **kwargs,
    }


@pytest.fixture
def head():
    cfg = {
        'type': 'HigherHRHead',
        'in_channels': 4,
        'num_keypoints': 3,
        'deconv_out_channels': (4,),
        'num_blocks': 1,
        'tag_loss': {'type': 'AssociativeEmbeddingLoss', 'loss_weight': 0.001},
        'decoder': codec(decode_max_instances=5),
    }
    with DefaultScope.overwrite_default_scope('mmpose'):
        return MODELS.build(cfg)


def test_the_published_number_of_parameters_and_the_official_names():
    with torch.device('meta'):
        backbone = HRNetV1(arch='w32')
        layers = torch.nn.ModuleDict(
            dict(zip(['final_layers', 'deconv_layers'], higher_layers(32, 17, 17, (32,)), strict=True))
        )
    count = sum(p.numel() for module in (backbone, layers) for p in module.parameters())
    assert round(count / 1e6, 1) == 28.6  # Cheng et al., table 1
    shapes = {name: tuple(value.shape) for name, value in layers.state_dict().items()}
    assert shapes['final_layers.0.weight'] == (34, 32, 1, 1)
    assert shapes['final_layers.1.weight'] == (17, 32, 1, 1)
    assert shapes['deconv_layers.0.0.0.weight'] == (66, 32, 4, 4)
    assert shapes['deconv_layers.0.0.1.running_mean'] == (32,)
    assert shapes['deconv_layers.0.4.0.conv2.weight'] == (32, 32, 3, 3)
    assert 'deconv_layers.0.5.0.conv1.weight' not in shapes
    assert len(shapes) == 4 + 6 + 4 * 12


def test_shapes_of_one_two_and_three_resolutions():
    x = torch.rand(2, 4, 6, 5)
    for deconv, expected in [
        ((), [(2, 5, 6, 5)]),
        ((8,), [(2, 5, 6, 5), (2, 3, 12, 10)]),
        ((8, 6), [(2, 5, 6, 5), (2, 3, 12, 10), (2, 3, 24, 20)]),
    ]:
        outputs = higher_outputs(x, *higher_layers(4, 3, 2, deconv, num_blocks=1))
        assert [tuple(output.shape) for output in outputs] == expected


def test_a_point_s_cell_is_the_one_it_is_in():
    encoded = KEYPOINT_CODECS.build(codec()).encode(
        np.array([[[15.9, 20.0], [63.9, 0.0], [8.0, 70.0]]], np.float32), np.array([[1, 1, 1]], np.float32)
    )
    coarse, fine = encoded['heatmaps']
    assert coarse.shape == (3, 16, 16)
    assert fine.shape == (3, 32, 32)
    assert np.argwhere(coarse == 1).tolist() == [[0, 5, 3], [1, 0, 15]]
    assert np.argwhere(fine == 1).tolist() == [[0, 10, 7], [1, 0, 31]]
    assert encoded['keypoint_indices'][0, :2].tolist() == [[5 * 16 + 3, 1], [15, 1]]
    assert encoded['keypoint_indices'][0, 2, 1] == 0  # outside


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools on numpy 2
def test_crowds_and_people_without_points_do_not_count():
    mask = TRANSFORMS.build({'type': 'BottomupGetHeatmapMask'})
    polygons = [[1, 1, 4, 1, 4, 4, 1, 4]]
    counts = [8 * 6, 16]  # column by column: the last two of eight
    for crowd in (
        {'size': [8, 8], 'counts': counts},
        coco_mask.frPyObjects({'size': [8, 8], 'counts': counts}, 8, 8),
    ):
        results = mask({'invalid_segs': [polygons, crowd], 'img_shape': (8, 8), 'input_size': (8, 8)})
        expected = np.ones((8, 8), bool)
        expected[1:4, 1:4] = expected[:, 6:] = False
        assert np.array_equal(results['heatmap_mask'], expected)
    assert mask({'img_shape': (8, 8), 'input_size': (8, 8)})['heatmap_mask'].all()


def batch(people):
    """Inputs and samples made by mmpose's own transforms, one image for each list of people."""
    samples = []
    for keypoints in people:
        results = {
            'img': np.zeros((64, 64, 3), np.uint8),
            'img_shape': (64, 64),
            'input_size': (64, 64),
            'warp_mat': np.eye(2, 3),
            'keypoints': np.array(keypoints, np.float32).reshape(-1, 3, 2),
            'keypoints_visible': np.ones((len(keypoints), 3), np.float32),
            'flip_indices': FLIP,
        }
        for transform in [
            {'type': 'GenerateTarget', 'encoder': codec()},
            {'type': 'BottomupGetHeatmapMask'},
            {'type': 'PackPoseInputs'},
        ]:
            results = TRANSFORMS.build(transform)(results)
        samples.append(results['data_samples'])
    return samples


PEOPLE = [[[[10, 10], [20, 10], [15, 40]], [[40, 20], [50, 20], [45, 50]]], [[[30, 30], [36, 30], [33, 50]]]]


def test_a_training_step_through_mmpose(head):
    torch.manual_seed(0)
    head.init_weights()
    samples = batch(PEOPLE)
    features = torch.rand(2, 4, 16, 16)
    features[:, :3] = torch.stack([sample.gt_fields[0].heatmaps for sample in samples])  # something to be learnt
    optimizer = torch.optim.Adam(head.parameters(), lr=3e-2)
    totals = []
    for _ in range(30):
        losses = head.loss((features,), samples)
        assert set(losses) == {'loss_kpt', 'loss_pull', 'loss_push'}
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        totals.append(losses['loss_kpt'].item())
    assert totals[-1] < totals[0] / 2
    assert all(p.grad is not None for p in head.parameters())


def test_the_tag_loss_is_a_mean_over_images(head):
    samples = batch(PEOPLE[:1])
    features = torch.rand(1, 4, 16, 16)
    head.eval()
    one = head.loss((features,), samples)
    two = head.loss((features.repeat(2, 1, 1, 1),), samples * 2)
    for name, value in one.items():
        assert two[name].item() == pytest.approx(value.item(), rel=1e-4)


class Made:
    """A forward pass that returns maps of two people with tags 1 and 5, at half resolution."""

    def __init__(self, head, monkeypatch):
        encoded = head.decoder.encode(np.array(PEOPLE[0], np.float32), np.ones((2, 3), np.float32))
        self.heatmaps = torch.from_numpy(encoded['heatmaps'][1])[None]
        self.tags = torch.ones(1, 3, 32, 32)
        self.tags[..., 17:] = 5
        monkeypatch.setattr(head, 'forward', self)

    def __call__(self, feats):
        if feats == 'flipped':
            return self.heatmaps[:, FLIP].flip(-1), self.tags[:, FLIP].flip(-1)
        if feats == 'smaller':
            return self.heatmaps[..., ::2, ::2], torch.full((1, 3, 16, 16), 100.0)
        return self.heatmaps, self.tags


SAMPLE = PoseDataSample(metainfo={'flip_indices': FLIP, 'img_shape': (64, 64)})


@pytest.mark.parametrize(
    ('feats', 'cfg'),
    [
        ('image', {}),
        (['image', 'flipped'], {'flip_test': True}),
        (['image', 'smaller'], {'multiscale_test': True}),
        ([['image', 'flipped'], ['smaller', 'smaller']], {'multiscale_test': True, 'flip_test': True}),
    ],
)
def test_decoding_finds_both_people(head, monkeypatch, feats, cfg):
    Made(head, monkeypatch)
    cfg = {**cfg, 'restore_heatmap_size': True, 'output_heatmaps': True}
    (poses,), (fields,) = head.predict(feats, [SAMPLE], cfg)
    assert fields.heatmaps.shape == (3, 64, 64)
    assert fields.tags.shape[0] == (6 if 'flip_test' in cfg else 3)  # of the first scale alone
    found = poses.keypoints[np.argsort(poses.keypoints[:, 0, 0])]
    assert found.shape == (2, 3, 2)
    assert np.abs(found - np.array(PEOPLE[0])).max() < 2  # a cell of the map they were drawn in


def test_the_forward_pass_averages_heatmaps_and_enlarges_tags(head):
    head.eval()
    features = torch.rand(1, 4, 16, 16)
    coarse, fine = head.outputs((features,))
    heatmaps, tags = head((features,))
    enlarged = torch.nn.functional.interpolate(coarse, scale_factor=2, mode='bilinear')
    assert torch.allclose(heatmaps, (enlarged[:, :3] + fine) / 2, atol=1e-6)
    assert torch.allclose(tags, enlarged[:, 3:])


def test_the_whole_estimator_predicts_in_mmpose():
    import hrnet_mm.drop_in.mmpose  # noqa: F401

    cfg = {
        'type': 'BottomupPoseEstimator',
        'data_preprocessor': {'type': 'PoseDataPreprocessor'},
        'backbone': {'type': 'HRNet', 'arch': 'w4'},
        'head': {
            'type': 'hrnet_mm.HigherHRHead',
            'in_channels': 4,
            'num_keypoints': 3,
            'deconv_out_channels': (4,),
            'decoder': codec(decode_max_instances=2, decode_topk=4),
        },
        'test_cfg': {'flip_test': True, 'restore_heatmap_size': True},
    }
    with DefaultScope.overwrite_default_scope('mmpose'):
        model = MODELS.build(cfg).eval()
    meta = {'input_size': (64, 64), 'input_center': np.array([32, 32]), 'input_scale': np.array([64, 64])}
    sample = SAMPLE.clone()
    sample.set_metainfo(meta)
    with torch.no_grad():
        (result,) = model.predict(torch.rand(1, 3, 64, 64), [sample])
    assert result.pred_instances.keypoints.shape[1:] == (3, 2)


def test_tags_shared_by_the_key_points_are_refused():
    cfg = {'type': 'HigherHRHead', 'in_channels': 4, 'num_keypoints': 3, 'tag_per_keypoint': False}
    with DefaultScope.overwrite_default_scope('mmpose'), pytest.raises(ValueError, match='leave out tag_per_keypoint'):
        MODELS.build(cfg)
