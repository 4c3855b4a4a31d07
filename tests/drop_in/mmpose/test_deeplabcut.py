"""DeepLabCut's arithmetic worked out by hand, and a snapshot of a tiny network from the file to the table.

The comparison with DeepLabCut's own networks is `tools/research/deeplabcut_oracle.py`.
"""

import csv
import json

import cv2
import numpy as np
import pytest
import torch
import yaml
from mmengine.dataset import pseudo_collate
from mmpose.registry import KEYPOINT_CODECS, TRANSFORMS

from hrnet_mm import create_model
from hrnet_mm.cli import main
from hrnet_mm.drop_in.mmpose.deeplabcut import DeepLabCutHead
from hrnet_mm.inference import Predictor, open_network
from hrnet_mm.models import HRNetModel
from hrnet_mm.weights import CheckpointError, ModelSpec, detect, read_checkpoint, read_spec

PARTS = ['snout', 'tail']


@pytest.fixture
def snapshot(tmp_path):
    """A function that writes a snapshot and its configuration as DeepLabCut does, with values in place of its own."""

    def make(top_down=False, **changed):
        torch.manual_seed(0)
        body = HRNetModel('hrnetv2_test-w8').backbone.state_dict()  # all four outputs, as timm has them
        head = DeepLabCutHead(8, 2, upsampling=1 if top_down else 2, init_cfg={'type': 'Normal', 'layer': []})
        state = {f'backbone.model.{name}': value for name, value in body.items()}
        state |= {f'heads.bodypart.{name}': value for name, value in head.state_dict().items()}
        metadata = {'epoch': 1, 'metrics': {'test.mAP': np.float64(3)}, 'losses': {'train.total_loss': 0.5}}
        torch.save({'model': state, 'metadata': metadata}, tmp_path / 'snapshot-best-200.pt')
        inference = {'normalize_images': True}
        if top_down:
            inference['top_down_crop'] = {'width': 64, 'height': 64, 'margin': 2}
        else:
            inference['auto_padding'] = {'pad_height_divisor': 32, 'pad_width_divisor': 32}
        settings = {
            'strides': [] if top_down else [2],
            'heads': {},
            'method': 'td' if top_down else 'bu',
            'backbone': 'HRNet',
            **changed,
        }
        config = {
            'method': settings['method'],
            'metadata': {'bodyparts': PARTS},
            'data': {'colormode': 'RGB', 'inference': inference},
            'model': {
                'backbone': {'type': settings['backbone'], 'model_name': 'hrnet_test_w8'},
                'heads': {
                    'bodypart': {
                        'type': 'HeatmapHead',
                        'predictor': {
                            'type': 'HeatmapPredictor',
                            'apply_sigmoid': False,
                            'clip_scores': True,
                            'location_refinement': True,
                            'locref_std': 7.2801,
                        },
                        'target_generator': {
                            'pos_dist_thresh': 17,
                            'gradient_masking': top_down,
                            'background_weight': 0.0,
                        },
                        'heatmap_config': {'strides': settings['strides']},
                    },
                    **settings['heads'],
                },
            },
        }
        (tmp_path / 'pytorch_config.yaml').write_text(yaml.safe_dump(config))
        return tmp_path / 'snapshot-best-200.pt'

    return make


def image_file(folder, height=50, width=70):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    cv2.imwrite(str(folder / 'image.png'), image)
    return folder / 'image.png'


def codec(**settings):
    return KEYPOINT_CODECS.build({'type': 'DeepLabCutHeatmap', **settings})


def test_a_keypoint_is_the_center_of_the_highest_cell_and_the_offset_there():
    heatmaps, offsets = np.zeros((1, 2, 9, 17), np.float32), np.zeros((1, 4, 9, 17), np.float32)
    heatmaps[0, 0, 3, 5], heatmaps[0, 1, 8, 16] = 0.25, 1.5
    offsets[0, :2, 3, 5], offsets[0, 2:, 8, 16] = (0.5, -1), (0, 2)
    points, scores = codec(stride=2, offset_std=7.0).decode(heatmaps, offsets)
    assert points.tolist() == [[[5 * 2 + 1 + 3.5, 3 * 2 + 1 - 7], [16 * 2 + 1, 8 * 2 + 1 + 14]]]
    assert scores.tolist() == [[0.25, 1.0]]  # cut at 1


def test_targets_are_gaussians_and_offsets_near_the_keypoint():
    coder = codec(stride=2, offset_std=7.0, radius=6.0)
    points, seen = np.array([[[12.5, 8.0], [3.0, 3.0]]], np.float32), np.array([[1, 0]], np.float32)
    maps = coder.encode(points, seen, (32, 64))
    assert maps['heatmaps'].shape == (2, 33, 17)  # one cell more than half of the sides
    # Cell (5, 4) has its center at (11, 9): 1.5 and -1 pixels away; sigma is 4.
    assert maps['heatmaps'][0, 4, 5] == pytest.approx(np.exp(-(1.5**2 + 1) / (2 * 4**2)))
    assert maps['displacements'][:2, 4, 5] == pytest.approx([1.5 / 7, -1 / 7])
    assert maps['displacement_weights'][:2, 4, 5].tolist() == [1, 1]
    assert maps['displacement_weights'][:2, 4, 2].tolist() == [0, 0]  # (5, 9) is 7.6 pixels away
    assert not maps['heatmaps'][1].any()  # learnt as empty
    assert maps['heatmap_weights'][1].all()
    assert not maps['displacement_weights'][2:].any()
    assert not codec(missing_weight=0.0).encode(points, seen, (32, 64))['heatmap_weights'][1].any()
    found, scores = coder.decode(maps['heatmaps'][None], maps['displacements'][None])
    assert found[0, 0] == pytest.approx(points[0, 0], abs=1e-5)
    assert scores[0, 0] == maps['heatmaps'][0].max()


def test_whole_images_are_mirrored_at_the_right_and_below():
    image = np.arange(30 * 40 * 3, dtype=np.uint8).reshape(30, 40, 3)
    results = TRANSFORMS.build({'type': 'PadToMultiple'})({'img': image})
    assert results['img'].shape == (32, 64, 3)
    assert (results['img'][:30, :40] == image).all()
    assert (results['img'][30] == results['img'][28]).all()
    assert (results['img'][:, 40] == results['img'][:, 38]).all()
    assert results['bbox'].tolist() == [[0, 0, 40, 30]]


def test_boxes_are_widened_to_the_input_and_black_outside():
    image = np.full((30, 40, 3), 7, np.uint8)
    crop = TRANSFORMS.build({'type': 'DeepLabCutCrop', 'input_size': (16, 32), 'margin': 1})
    results = crop({'img': image, 'bbox': np.array([[-1, 2, 5, 12]], np.float32)})
    # 6 x 10 with the margin 8 x 12, as high as 16 for the shape: x from -2 to 6, y from -1 to 15.
    corner = results['input_center'] - results['input_scale'] / 2
    assert corner.tolist() == [-2, -1]
    assert results['input_scale'].tolist() == [8, 16]
    assert results['img'].shape == (32, 16, 3)
    assert not results['img'][:, :3].any()
    assert (results['img'][3:, 5:] == 7).all()
    far = crop({'img': image, 'bbox': np.array([[100, 100, 100, 100]], np.float32)})
    assert not far['img'].any()


def test_a_snapshot_opens_whole(snapshot, tmp_path):
    path = snapshot()
    opened = open_network(path)
    assert opened.spec.keypoints == tuple(PARTS)
    assert opened.spec.network == 'hrnetv1_test-w8'
    stored = read_checkpoint(path)['model']
    assert detect(stored) == 'deeplabcut'
    x = torch.randn(1, 3, 32, 64)
    heatmaps, offsets = opened.as_tensors()(x)
    assert (heatmaps.shape, offsets.shape) == ((1, 2, 17, 33), (1, 4, 17, 33))
    finest = create_model(path)(x)[0]  # the backbone alone
    expected = torch.conv_transpose2d(
        finest,
        stored['heads.bodypart.heatmap_head.deconv_layers.0.weight'],
        stored['heads.bodypart.heatmap_head.deconv_layers.0.bias'],
        stride=2,
    )
    torch.testing.assert_close(heatmaps, expected)
    predictor = Predictor(opened)
    (sample,) = predictor.predict(predictor.prepare(image_file(tmp_path)))
    assert sample.pred_instances.keypoints.shape == (1, 2, 2)
    assert sample.pred_instances.bboxes.tolist() == [[0, 0, 70, 50]]


def test_the_head_learns(snapshot):
    opened = open_network(snapshot())
    head = opened.network.head
    coder, packed = head.decoder, []
    for x in (10.0, 20.0):
        results = {'img': np.zeros((32, 64, 3), np.uint8), 'keypoints': np.full((1, 2, 2), x, np.float32)}
        results['keypoints_visible'] = np.ones((1, 2), np.float32)
        for step in ({'type': 'PadToMultiple'}, {'type': 'GenerateTarget', 'encoder': coder_settings(coder)}):
            results = TRANSFORMS.build(step)(results)
        packed.append(TRANSFORMS.build({'type': 'PackPoseInputs'})(results))
    batch = opened.network.data_preprocessor(pseudo_collate(packed), training=True)
    losses = opened.network.loss(**batch)
    assert losses.keys() == {'loss_kpt', 'loss_offset'}
    truth = torch.stack([one.gt_fields.heatmaps for one in batch['data_samples']])
    with torch.no_grad():
        heatmaps, _ = head(opened.network.extract_feat(batch['inputs']))
    torch.testing.assert_close(losses['loss_kpt'].detach(), ((heatmaps - truth) ** 2).mean())
    sum(losses.values()).backward()
    assert all(one.grad is not None for one in head.parameters())


def coder_settings(coder):
    names = ('stride', 'offset_std', 'radius', 'missing_weight')
    return {'type': 'DeepLabCutHeatmap', **{name: getattr(coder, name) for name in names}}


def test_predictions_in_deeplabcut_s_form(snapshot, tmp_path, capsys):
    image, out = image_file(tmp_path), tmp_path / 'out'
    command = ['predict', str(snapshot()), '--data', str(image), '--out', str(out), '--no-pictures']
    assert main([*command, '--format', 'deeplabcut']) == 0
    with (out / 'predictions.csv').open() as file:
        rows = list(csv.reader(file))
    assert rows[:3] == [
        ['scorer', *['hrnet_mm_snapshot-best-200'] * 6],
        ['bodyparts', *['snout'] * 3, *['tail'] * 3],
        ['coords', *['x', 'y', 'likelihood'] * 2],
    ]
    (pose,) = json.loads((out / 'predictions.jsonl').read_text())['poses']
    cells = [*pose['keypoints'][0], pose['scores'][0], *pose['keypoints'][1], pose['scores'][1]]
    assert [rows[3][0], *map(float, rows[3][1:])] == [str(image), *cells]


def test_a_snapshot_of_boxes(snapshot, tmp_path):
    predictor = Predictor(open_network(snapshot(top_down=True)))
    assert predictor.needs_boxes
    found = predictor.predict(predictor.prepare(image_file(tmp_path), [(5, 5, 40, 30), (20, 10, 69, 49)]))
    assert [one.pred_instances.keypoints.shape for one in found] == [(1, 2, 2)] * 2


def test_convert_writes_one_file_that_opens_alone(snapshot, tmp_path, capsys):
    path, out = snapshot(), tmp_path / 'elsewhere' / 'mouse.safetensors'
    assert main(['convert', str(path), '--out', str(out)]) == 0
    assert 'with the model specification' in capsys.readouterr().out
    assert read_spec(out) == read_spec(path)
    x = torch.randn(1, 3, 32, 32)
    for ours, theirs in zip(open_network(out).as_tensors()(x), open_network(path).as_tensors()(x), strict=True):
        assert torch.equal(ours, theirs)
    assert main(['verify-checkpoint', str(path)]) == 0
    assert 'deeplabcut (DeepLabCut 3' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        ({'heads': {'identity': {}}}, 'the head identity; hrnet_mm opens'),
        ({'heads': {'bodypart': {'type': 'DLCRNetHead'}}}, "type 'DLCRNetHead'; hrnet_mm opens"),
        ({'backbone': 'ResNet'}, "the model.backbone.type 'ResNet'; hrnet_mm opens"),
        ({'method': 'ctd'}, "the method 'ctd'; hrnet_mm opens"),
        ({'strides': [2, 2]}, r'strides \[2, 2\]; hrnet_mm opens'),
    ],
)
def test_another_network_of_deeplabcut_is_refused(snapshot, changed, said):
    with pytest.raises(CheckpointError, match=said):
        open_network(snapshot(**changed))


@pytest.mark.parametrize('text', ['', '[1]', 'a: [', '!!python/object/apply:os.system [ls]', 'model: {heads: 1}'])
def test_a_configuration_of_any_origin_is_data(snapshot, text):
    path = snapshot()
    path.with_name('pytorch_config.yaml').write_text(text)
    with pytest.raises(CheckpointError, match=r'pytorch_config\.yaml'):
        open_network(path)


def test_a_snapshot_alone_says_what_is_missing(snapshot):
    path = snapshot()
    path.with_name('pytorch_config.yaml').unlink()
    with pytest.raises(CheckpointError, match=r'pytorch_config.yaml has the body parts and is not beside it'):
        open_network(path)
    assert open_network('test-w8', path).network is not None


def test_a_refinement_of_any_origin_is_checked(snapshot):
    values = read_spec(snapshot()).to_json()
    for wrong in ({'upsampling': 1.5}, {'offset_std': 0}, {'more': 1}):
        with pytest.raises(CheckpointError, match='the model specification has the refinement'):
            ModelSpec.from_json({**values, 'refinement': {**values['refinement'], **wrong}})
