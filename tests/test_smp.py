"""Encoders of segmentation_models_pytorch."""

import pytest
import torch

from hrnet_mm.errors import UserError
from hrnet_mm.weights import write_checkpoint

library = pytest.importorskip('segmentation_models_pytorch')
smp = pytest.importorskip('hrnet_mm.smp')

SMALL = 'hrnet_w18-small-v1'


@pytest.mark.parametrize('decoder', ['Unet', 'UnetPlusPlus', 'FPN', 'Linknet', 'MAnet', 'UPerNet'])
def test_decoders_read_the_encoder(decoder: str) -> None:
    assert SMALL in smp.register()
    model = library.create_model(decoder, SMALL, encoder_weights=None, classes=5).eval()
    with torch.no_grad():
        assert model(torch.randn(1, 3, 64, 96)).shape == (1, 5, 64, 96)


def test_depth_and_channels() -> None:
    smp.register()
    encoder = library.encoders.get_encoder(SMALL, in_channels=4, depth=3)
    assert encoder.out_channels == [4, 64, 16, 32]
    assert [tuple(m.shape[1:]) for m in encoder(torch.randn(1, 4, 64, 64))] == [
        (4, 64, 64),
        (64, 32, 32),
        (16, 16, 16),
        (32, 8, 8),
    ]


def test_weights_of_the_backbone(tmp_path: object) -> None:
    import hrnet_mm

    backbone = hrnet_mm.create_model(SMALL, features_only=True)
    path = write_checkpoint(f'{tmp_path}/backbone.safetensors', backbone.state_dict())
    smp.register({SMALL: str(path)})
    encoder = library.encoders.get_encoder(SMALL)
    assert torch.equal(encoder.features.backbone.conv2.weight, backbone.conv2.weight)
    gray = library.encoders.get_encoder(SMALL, in_channels=1)
    torch.testing.assert_close(gray.features.backbone.conv1.weight[:, 0], backbone.conv1.weight.sum(1))
    smp.register()


def test_mistakes() -> None:
    smp.register()
    with pytest.raises(UserError, match='output_stride=16 asks for dilated strides'):
        library.encoders.get_encoder(SMALL, output_stride=16)
    with pytest.raises(UserError, match='which is no encoder'):
        smp.register({'hrnet_w1': 'weights.pth'})
