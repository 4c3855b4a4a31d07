"""One-line creation and loading, in plain PyTorch."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import hrnet_mm
from hrnet_mm.factory import fill_network, infer_arch, infer_network, load_weights
from hrnet_mm.models import ARCHS, HRNet, HRNetModel, get_arch
from hrnet_mm.weights import WEIGHTS, CheckpointError, convert, write_checkpoint
from hrnet_mm.weights.load import open_checkpoint, resolve


def saved(path: Path, name: str, layout: str = 'hrnet_mm', **kwargs: Any) -> HRNetModel:
    torch.manual_seed(1)
    model = HRNetModel(name, **kwargs)
    model.init_weights()
    model.train()(torch.randn(4, 3, 64, 64))
    write_checkpoint(path, convert(model.state_dict(), to=layout).state_dict)
    return model.eval()


@pytest.mark.parametrize(
    ('name', 'num_classes', 'shape'),
    [
        ('hrnet_test-w4', None, (2, 1000)),
        ('hrnet_test-w4', 7, (2, 7)),
        ('hrnet_test-w4', 0, (2, 2048)),
        ('hrnetv1_test-w4', 17, (2, 17, 17, 25)),
        ('hrnetv2_test-w4', 19, (2, 19, 17, 25)),
    ],
)
def test_outputs(name: str, num_classes: int | None, shape: tuple[int, ...]) -> None:
    model = hrnet_mm.create_model(name, num_classes=num_classes, in_channels=4).eval()
    assert model(torch.randn(2, 4, 65, 97)).shape == shape


def test_maps_without_a_head() -> None:
    x = torch.randn(2, 3, 64, 64)
    pyramid = hrnet_mm.create_model('hrnetv2p_test-w4').eval()(x)
    assert [m.shape[-1] for m in pyramid] == [16, 8, 4, 2, 1]
    features = hrnet_mm.create_model('hrnet_test-w4', features_only=True).eval()
    assert isinstance(features, HRNet)
    assert [m.shape[1] for m in features(x)] == list(features.out_channels)
    levels = hrnet_mm.create_model('hrnetv2p_test-w4', features_only=True).eval()
    assert [m.shape[1:] for m in levels(x)] == [
        (channels, 64 // stride, 64 // stride)
        for channels, stride in zip(levels.out_channels, levels.strides, strict=True)
    ]
    assert (levels.out_channels, levels.strides) == ((256,) * 5, (4, 8, 16, 32, 64))
    (dense,) = hrnet_mm.create_model('hrnetv2_test-w4').eval()(x)
    assert dense.shape == (2, 60, 16, 16)


def test_names() -> None:
    """tests/inference/test_open.py builds each."""
    assert hrnet_mm.list_models('*w32*') == ['hrnet_w32', 'hrnetv1_w32', 'hrnetv2_w32', 'hrnetv2p_w32']
    assert 'w32-imagenet' in hrnet_mm.list_models('*imagenet', pretrained=True)
    with torch.device('meta'):
        assert HRNetModel('hrnet_w18_small_v2').backbone.arch == ARCHS['w18-small-v2']


def test_readouts_enlarge_as_their_checkpoints_were_trained() -> None:
    with torch.device('meta'):
        assert HRNetModel('hrnetv2_w18').backbone.fuse_upsample == 'bilinear'
        assert all(HRNetModel(f'{r}_w18').backbone.fuse_upsample == 'nearest' for r in ('hrnet', 'hrnetv1', 'hrnetv2p'))


@pytest.mark.parametrize(
    ('args', 'message'),
    [
        (('resnet_w32',), r"unknown model 'resnet_w32'.*Allowed: hrnet, hrnetv1, hrnetv2, hrnetv2p, each followed by"),
        (('hrnet_v32',), "unknown arch 'v32'; did you mean 'w32'"),
        (('hrnetv2p_w18', None, 80), 'hrnetv2p returns a pyramid for detectors'),
        (('hrnet_w18', None, -1), 'num_classes must be 0'),
        (('hrnet_test-w4', 'hrnet://w32-imagnet'), "unknown weights 'w32-imagnet'; did you mean 'w32-imagenet'"),
        (('hrnet_test-w4', 'ftp://a.pth'), "unknown scheme 'ftp'"),
        (('hrnet_test-w4', 'open-mmlab://msra/hrnetv2_w33'), "unknown name 'msra/hrnetv2_w33'; did you mean"),
    ],
)
def test_mistakes(args: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        hrnet_mm.create_model(*args)


@pytest.mark.parametrize('layout', ['hrnet_mm', 'official-cls', 'mmpretrain'])
def test_a_path_of_any_layout(tmp_path: Path, layout: str, caplog: pytest.LogCaptureFixture) -> None:
    trained = saved(tmp_path / 'a.safetensors', 'hrnet_test-w4', layout, num_classes=5)
    with caplog.at_level(logging.INFO):
        model = hrnet_mm.create_model('hrnet_test-w4', tmp_path / 'a.safetensors', num_classes=5)
    assert f'434 of 434 keys loaded from {tmp_path}/a.safetensors ({layout})' in caplog.text
    assert not model.training
    x = torch.randn(2, 3, 64, 64)
    assert torch.equal(model(x), trained(x))


def test_another_number_of_classes_keeps_the_new_head(tmp_path: Path) -> None:
    saved(tmp_path / 'a.pth', 'hrnet_test-w4', num_classes=5)
    model = HRNetModel('hrnet_test-w4', num_classes=3)
    head = model.head.fc.weight.clone()
    line = load_weights(model, tmp_path / 'a.pth')
    assert '432 of 432 keys loaded' in line
    assert '2 head keys unused: expected' in line
    assert line.endswith('head not in the checkpoint for this task: random')
    assert torch.equal(model.head.fc.weight, head)


def test_a_classifiers_backbone_in_another_readout(tmp_path: Path) -> None:
    trained = saved(tmp_path / 'a.pth', 'hrnet_test-w4', 'official-cls')
    pose = HRNetModel('hrnetv1_test-w4', num_classes=17)
    line = load_weights(pose, tmp_path / 'a.pth')
    assert 'keys for outputs that are not built unused: expected' in line
    assert torch.equal(pose.backbone.conv1.weight, trained.backbone.conv1.weight)


def test_another_width_fails_before_anything_is_copied(tmp_path: Path) -> None:
    saved(tmp_path / 'a.pth', 'hrnet_test-w8')
    model = HRNetModel('hrnet_test-w4')
    before = {n: v.clone() for n, v in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=r'of 312 keys fit; .* of another shape, such as .*Nothing was loaded'):
        load_weights(model, tmp_path / 'a.pth')
    assert all(torch.equal(v, before[n]) for n, v in model.state_dict().items())


def test_nan_is_refused(tmp_path: Path) -> None:
    model = saved(tmp_path / 'a.pth', 'hrnet_test-w4')
    state = model.state_dict()
    state['backbone.bn1.weight'][0] = torch.nan
    write_checkpoint(tmp_path / 'b.pth', state)
    with pytest.raises(CheckpointError, match='holds NaN'):
        hrnet_mm.create_model('hrnet_test-w4', tmp_path / 'b.pth')


def test_published_entries_refuse_a_network_that_contradicts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    weight = WEIGHTS['w18-small-v2-cityscapes']
    path = tmp_path / 'checkpoints' / weight.url.rsplit('/', 1)[-1]
    saved(path, 'hrnetv2_w18-small-v2', 'mmseg', num_classes=19)
    monkeypatch.setattr(
        'hrnet_mm.weights.load.read_checkpoint', lambda p, *_: __import__('torch').load(p, weights_only=True)
    )
    assert 'keys loaded' in load_weights(HRNetModel('hrnetv2_w18-small-v2', 19), 'w18-small-v2-cityscapes')
    wrong = HRNetModel('hrnetv2_w18-small-v2', 19, fuse_upsample='nearest')
    with pytest.raises(ValueError, match=r"trained with fuse_upsample='bilinear'.*has 'nearest'"):
        load_weights(wrong, 'w18-small-v2-cityscapes')
    with pytest.raises(ValueError, match="are of arch 'w18-small-v2', and the network is 'w18'"):
        load_weights(HRNetModel('hrnetv2_w18', 19), 'w18-small-v2-cityscapes')
    # Under a new head another way of enlarging is how segmentation networks were trained from ImageNet weights.
    assert 'head not in the checkpoint' in load_weights(
        HRNetModel('hrnetv2_w18-small-v2', 5, fuse_upsample='nearest'), 'w18-small-v2-cityscapes'
    )


def test_a_downloaded_file_of_another_hash_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    path, weight = resolve_to(tmp_path, 'w18-imagenet')
    path.parent.mkdir()
    path.write_bytes(b'something else')
    with pytest.raises(CheckpointError, match=rf'expected {weight.sha256}'):
        open_checkpoint('hrnet://w18-imagenet')


def resolve_to(cache: Path, name: str) -> tuple[Path, Any]:
    weight = WEIGHTS[name]
    return cache / 'checkpoints' / weight.url.rsplit('/', 1)[-1], weight


def test_every_entry_is_of_a_known_network() -> None:
    for name, weight in WEIGHTS.items():
        assert weight.arch in ARCHS
        assert weight.sha256 in weight.url
        assert len(weight.sha256) == 8
        assert name.startswith(weight.arch)
        assert weight.readout in ('C', 'V1', 'V2', 'backbone')


def test_no_network_names_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError('Network is unreachable')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', offline)
    with pytest.raises(
        CheckpointError, match=r'could not be downloaded .Network is unreachable.; fetch it by other means'
    ):
        resolve('hrnet://w18-imagenet')


@pytest.mark.parametrize('arch', ['w18', 'w32', 'w18-small-v1', 'w18-small-v2', 'w44b', 'w96b', 'w27', 'test-w4'])
@pytest.mark.parametrize('single', [False, True])
def test_the_architecture_is_read_off_the_weights(arch: str, single: bool) -> None:
    with torch.device('meta'):
        body = HRNet(arch=arch, multiscale_output=not single).state_dict()
        assert infer_arch(body) == get_arch(arch)


@pytest.mark.parametrize(
    ('name', 'classes', 'width'),
    [('hrnet', 5, 256), ('hrnetv1', 5, 256), ('hrnetv1', 0, 256), ('hrnetv2', 5, 256), ('hrnetv2p', 0, 64)],
)
def test_the_network_is_read_off_the_weights(name: str, classes: int, width: int) -> None:
    made = HRNetModel(f'{name}_test-w4', classes, pyramid_channels=width)
    assert infer_network(made.state_dict()) == (made.name, classes, 3, width)


def test_a_backbone_with_a_hole_is_not_whole() -> None:
    state = HRNetModel('hrnetv1_test-w4', 5).state_dict()
    del state['backbone.stage3.0.branches.1.0.conv1.weight']
    with pytest.raises(CheckpointError, match='not a whole HRNet'):
        infer_network(state)


def test_a_network_that_must_be_whole_needs_its_head() -> None:
    model = HRNetModel('hrnet_test-w4', 5)
    conversion = convert(model.state_dict())
    del conversion.state_dict['head.fc.bias']
    for whole in (True, False):
        with pytest.raises(CheckpointError, match=r'the head of a\.pth does not fit the network: 1 of 2 keys fit'):
            fill_network(model, 'a.pth', conversion, None, whole=whole)
    del conversion.state_dict['head.fc.weight']
    assert 'head not in the checkpoint' in fill_network(model, 'a.pth', conversion, None)
    del conversion.state_dict['neck.increase_layers.0.0.conv1.weight']
    with pytest.raises(CheckpointError, match=r'the neck of a\.pth does not fit the network: .* 1 missing'):
        fill_network(model, 'a.pth', conversion, None)


@pytest.mark.slow
def test_no_openmmlab_library_is_needed() -> None:
    code = (
        'import sys\n'
        "for name in 'mmcv mmdet mmseg mmpose mmpretrain timm torchvision'.split(): sys.modules[name] = None\n"
        'import torch, hrnet_mm\n'
        "print(hrnet_mm.create_model('hrnetv2_test-w4', num_classes=3).eval()(torch.zeros(1, 3, 64, 64)).shape)\n"
    )
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == 'torch.Size([1, 3, 16, 16])', done.stderr
    assert 'init_weights' not in done.stdout + done.stderr
