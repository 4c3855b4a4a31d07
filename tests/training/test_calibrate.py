"""What a test observes is fitted and stored in the specification of the weights, which stay as they are."""

import numpy as np
import torch

from hrnet_mm.training.calibrate import CalibrationHook
from hrnet_mm.weights import ModelSpec, read_checkpoint, read_spec, state_dict_of, write_checkpoint


def written(folder):
    spec = ModelSpec('classification', 'hrnet_w18', (64, 64), (0,) * 3, (1,) * 3, {}, classes=('a', 'b'))
    return write_checkpoint(folder / 'w.pth', {'fc.bias': torch.ones(2)}, spec=spec.to_json())


def test_a_calibration_is_stored(tmp_path):
    file = written(tmp_path)
    hook = CalibrationHook('classification')
    hook.observed = [(np.array([[0.9, 0.1]]), np.array([label])) for label in [0] * 75 + [1] * 25]
    hook.store(file)
    spec = read_spec(file)
    # 75 of 100 are right, and with Platt's targets somewhat fewer.
    stated = 1 / (1 + 9 ** (-1 / spec.calibration['temperature']))
    assert abs(stated - (75 * 101 + 25) / 10200) < 1e-6
    assert spec.classes == ('a', 'b')
    assert state_dict_of(read_checkpoint(file))['fc.bias'].tolist() == [1, 1]
    assert [one.name for one in tmp_path.iterdir()] == ['w.pth']


def test_few_images_change_nothing(tmp_path, capsys):
    file = written(tmp_path)
    before = file.read_bytes()
    hook = CalibrationHook('classification')
    hook.observed = [(np.array([[0.9, 0.1]]), np.array([0]))] * 10
    hook.store(file)
    assert file.read_bytes() == before
    assert 'too few labels' in capsys.readouterr().out
