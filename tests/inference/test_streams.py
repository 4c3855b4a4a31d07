"""`hrnet-mm streams`: every stream after every stage, at its own resolution."""

import cv2
import pytest
import torch

from hrnet_mm.cli import main
from hrnet_mm.inference.streams import stage_outputs
from hrnet_mm.models import HRNet, HRNetModel


def test_stage_outputs_are_the_streams():
    net = HRNet('test-w4').eval()
    with torch.no_grad():
        outputs = stage_outputs(net, x := torch.randn(1, 3, 64, 96))
        result = net(x)
    assert [[tuple(one.shape[1:]) for one in maps] for maps in outputs] == [
        [(64, 16, 24)],
        [(4, 16, 24), (8, 8, 12)],
        [(4, 16, 24), (8, 8, 12), (16, 4, 6)],
        [(4, 16, 24), (8, 8, 12), (16, 4, 6), (32, 2, 3)],
    ]
    assert all(torch.equal(a, b) for a, b in zip(outputs[-1], result, strict=True))


def test_draws_a_file_of_any_layout(tiny_data, tmp_path, capsys):
    torch.save(HRNetModel('hrnetv2_test-w4', 2).state_dict(), tmp_path / 'weights.pth')
    out = tmp_path / 'streams.png'
    command = ['streams', str(tmp_path / 'weights.pth'), '--data', str(tiny_data / 'images/0.png'), '--out', str(out)]
    assert main(command) == 0
    assert capsys.readouterr().out == f'{out}\n'
    picture = cv2.imread(str(out))
    assert picture.shape[1] == 1300
    assert picture.std() > 20  # coloured maps, not an empty page


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['w18', '--data', '{gone}'], 'No such file or directory'),
        (['hrnet_w33x', '--data', '{image}'], "is neither a file nor a network; did you mean 'hrnet_w3"),
    ],
)
def test_mistakes_end_in_one_sentence(arguments, message, tiny_data, tmp_path, capsys):
    places = {'gone': tmp_path / 'gone.png', 'image': tiny_data / 'images/0.png'}
    assert main(['streams', *(argument.format(**places) for argument in arguments)]) == 2
    assert message in capsys.readouterr().err
