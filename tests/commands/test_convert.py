import torch

from hrnet_mm import create_model
from hrnet_mm.cli import main
from hrnet_mm.weights import convert, read_checkpoint


def test_a_checkpoint_there_and_back(tmp_path, capsys):
    state = create_model('hrnetv1_test-w4', num_classes=3).state_dict()
    torch.save(convert(state, 'official-pose').state_dict, tmp_path / 'official.pth')
    assert main(['convert', str(tmp_path / 'official.pth'), '--out', str(tmp_path / 'mm.pth'), '--to', 'mmpose']) == 0
    keys = len(state)
    assert f'used    {keys} of {keys} keys' in capsys.readouterr().out
    back = tmp_path / 'back.safetensors'
    assert main(['convert', str(tmp_path / 'mm.pth'), '--out', str(back), '--to', 'hrnet_mm']) == 0
    again = read_checkpoint(back)
    assert again.keys() == state.keys()
    assert all(again[name].equal(value) for name, value in state.items())


def test_a_name_without_weights_is_a_sentence(tmp_path, capsys):
    assert main(['convert', 'hrnetv1_w32', '--out', str(tmp_path / 'w32.pth'), '--to', 'mmpose']) == 2
    assert 'hrnet-mm convert: hrnetv1_w32 cannot be read: No such file' in capsys.readouterr().err
