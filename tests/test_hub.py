"""Saving to and loading from a folder in the Hugging Face hub's form; nothing is sent anywhere."""

import json
import os
from pathlib import Path

import pytest
import torch

hub = pytest.importorskip('hrnet_mm.hub')


def test_round_trip_through_a_folder(tmp_path: Path) -> None:
    model = hub.HubHRNet('hrnetv2_test-w4', num_classes=5, weights='w18-cityscapes').eval()
    model.save_pretrained(tmp_path)
    assert {'config.json', 'model.safetensors', 'README.md'} <= set(os.listdir(tmp_path))
    config = json.loads((tmp_path / 'config.json').read_text())
    assert config['name'] == 'hrnetv2_test-w4'
    assert config['num_classes'] == 5
    loaded = hub.HubHRNet.from_pretrained(tmp_path).eval()
    x = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded(x), model(x))
    card = (tmp_path / 'README.md').read_text()
    assert 'license: apache-2.0' in card
    assert 'mIoU 78.8 as published there, at 512 x 1024' in card
    assert 'library_name: hrnet_mm' in card


def test_keys_must_fit(tmp_path: Path) -> None:
    hub.HubHRNet('hrnetv1_test-w4').save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match=r'size mismatch|Missing key'):
        hub.HubHRNet.from_pretrained(tmp_path, name='hrnetv1_test-w8')


def test_a_pickle_is_not_read(tmp_path: Path) -> None:
    hub.HubHRNet('hrnetv1_test-w4').save_pretrained(tmp_path)
    (tmp_path / 'model.safetensors').unlink()
    torch.save({}, tmp_path / 'pytorch_model.bin')
    with pytest.raises(FileNotFoundError, match=r'model\.safetensors'):
        hub.HubHRNet.from_pretrained(tmp_path)
    # What the mixin calls for a repository of the hub without safetensors.
    with pytest.raises(ValueError, match=r'is a pickle, and the repository holds no model\.safetensors'):
        hub.HubHRNet._load_as_pickle(None, str(tmp_path / 'pytorch_model.bin'), 'cpu', True)


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(ValueError, match='did you mean'):
        hub.HubHRNet('hrnetv1_test-w4', weights='w18-cityscape')
