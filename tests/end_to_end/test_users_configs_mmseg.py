"""Configs that users of mmseg write as its documentation teaches: every command, and mmseg's inference, on each."""

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_data import HEIGHT, WIDTH
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from quick import quick_runs
from user_project import UserProject

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / 'users_configs' / 'mmseg'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function from a config's name to its project, in a folder of its own, with the user's package on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)

    def make(name):
        found = UserProject(FOLDER / 'configs' / f'{name}.py')
        found.make_data()
        return found

    with quick_runs():
        yield make


def image_of(project):
    """One of the images that the validation reads."""
    dataset = project.settings.val_dataloader.dataset
    return min(Path(dataset.data_root, dataset.data_prefix.img_path).rglob('*.*'))


def require_equal_inference(project, classes, config=None):
    """Check that mmseg's two ways of inference and `hrnet-mm predict` without the config predict the same."""
    config, checkpoint, image = config or str(project.config), project.checkpoint, image_of(project)
    labels = MMSegInferencer(model=config, weights=checkpoint, device='cpu')(str(image))['predictions']
    assert labels.shape == (HEIGHT, WIDTH)
    assert 0 <= labels.min() <= labels.max() < classes
    sample = inference_model(init_model(config, checkpoint, device='cpu'), str(image))
    assert np.array_equal(sample.pred_sem_seg.data[0].numpy(), labels)
    prediction = project.predict(image)
    assert np.array_equal(cv2.imread(prediction['segments'], cv2.IMREAD_UNCHANGED), labels)
    assert sum(prediction['shares'].values()) == pytest.approx(1, abs=1e-4)


def test_bases_and_a_data_set_of_ones_own_with_early_stopping(project):
    runs = project('fcn_hrnet_epochs_cracks')
    iterations, validations, saved = runs.train()
    # The metric cannot rise by 100, so that the second validation is the last: two of twenty epochs of two iterations.
    assert list(iterations) == [1, 2, 3, 4]
    assert [line['lr'] for line in iterations.values()] == pytest.approx([0.01, 0.01, 0.00953, 0.00953], rel=1e-3)
    assert list(validations) == [2, 4]
    assert runs.calls() == {'before_train': 1, 'after_train_iter': 2, 'after_train_epoch': 2, 'after_val_epoch': 2}
    assert saved['meta']['dataset_meta']['classes'] == ('wall', 'crack', 'stain')
    assert runs.checkpoints() == ['epoch_1.pth', 'epoch_2.pth']

    # mmengine's hook forgets what it has seen: that of the checkpoint and one more.
    iterations, resumed, _ = runs.train('--resume')
    assert list(iterations) == [5, 6]
    assert list(resumed) == [0, 6]
    assert resumed[0] == validations[4]
    assert runs.checkpoints() == ['epoch_2.pth', 'epoch_3.pth']

    assert runs.test() == resumed[6]
    assert runs.calls() == {'after_test_epoch': 1}
    require_equal_inference(runs, classes=3)
    assert set(runs.test('--tta')) == set(resumed[6])

    # In a process of its own, where nothing has registered the user's classes.
    arguments = [runs.checkpoint, '--data', str(image_of(runs)), '--out', 'elsewhere']
    command = [sys.executable, '-m', 'hrnet_mm.cli', 'predict', *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '1 of 1 images done' in done.stdout


def test_the_librarys_own_config_with_the_drop_in_line_and_a_scaled_learning_rate(project):
    runs = project('fcn_hr18_40k_cityscapes')
    iterations, validations, _ = runs.train('--auto-scale-lr')
    assert list(iterations) == [1, 2, 3, 4]
    # 0.01 is for 8 images, and these are 2.
    assert [line['lr'] for line in iterations.values()] == pytest.approx([0.0025] * 4, rel=1e-3)
    assert list(validations) == [2, 4]
    assert runs.calls() == {'before_train': 1, 'after_train_iter': 4, 'after_train_epoch': 1, 'after_val_epoch': 2}
    assert runs.checkpoints() == ['iter_2.pth', 'iter_4.pth']

    longer = ['--cfg-options', 'train_cfg.max_iters=7', 'train_cfg.val_interval=3']
    iterations, validations, _ = runs.train('--auto-scale-lr', '--resume', *longer)
    assert list(iterations) == [5, 6, 7]
    assert [line['lr'] for line in iterations.values()] == pytest.approx([0.0025] * 3, rel=1e-3)
    assert list(validations) == [6, 7]
    assert runs.test() == validations[7]
    require_equal_inference(runs, classes=19)

    alone = f"""
from mmseg.apis import MMSegInferencer
infer = MMSegInferencer({str(runs.config)!r}, {runs.checkpoint!r}, device='cpu')
labels = infer({str(image_of(runs))!r})['predictions']
from mmengine.runner import CheckpointLoader
assert CheckpointLoader._schemes[''].__module__ == 'mmengine.runner.checkpoint'  # the library reads it by itself
print(*labels.shape, type(infer.model.backbone).__module__)
"""
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(FOLDER), os.environ['PYTHONPATH']])}
    done = subprocess.run([sys.executable, '-c', alone], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split('\n')[-2] == f'{HEIGHT} {WIDTH} hrnet_mm.drop_in.mmseg'


def test_averaged_weights_and_dynamic_intervals(project, monkeypatch, tmp_path):
    runs = project('ocrnet_hrnet_ema_ade20k')
    seed = ['--cfg-options', 'randomness.seed=3']
    iterations, validations, saved = runs.train(*seed)
    assert list(iterations) == [1, 2, 3, 4, 5, 6]
    assert list(validations) == [3, 4, 5, 6]  # from the fifth on, mmengine decides after the fourth
    averaged, raw = saved['state_dict'], saved['ema_state_dict']
    changed = [name for name, value in averaged.items() if not value.equal(raw[f'module.{name}'])]
    assert any(name.startswith('backbone.') and name.endswith('.weight') for name in changed)
    assert any(name.endswith('.running_mean') for name in changed)  # update_buffers
    assert runs.test() == validations[6]  # both are of the averaged weights
    require_equal_inference(runs, classes=150)

    (tmp_path / 'parts').mkdir()
    monkeypatch.chdir(tmp_path / 'parts')
    parts = project('ocrnet_hrnet_ema_ade20k')
    first, _, _ = parts.train(*seed, 'train_cfg.max_iters=3')
    second, resumed, saved_in_parts = parts.train('--resume', *seed)
    assert [line['loss'] for line in (first | second).values()] == [line['loss'] for line in iterations.values()]
    assert resumed == {step: validations[step] for step in (4, 5, 6)}
    for part in ('state_dict', 'ema_state_dict'):
        assert all(value.equal(saved[part][name]) for name, value in saved_in_parts[part].items())


def test_hrnet_in_place_of_resnet_and_epochs_in_place_of_iterations(project):
    runs = project('deeplabv3_hrnet_voc12aug')
    iterations, validations, _ = runs.train()
    assert list(iterations) == [1, 2, 3, 4, 5, 6]  # (2 x 4 + 4) / 4 in an epoch
    assert list(validations) == [6]
    assert {'mIoU', 'second/mFscore'} <= set(validations[6])
    assert runs.checkpoints() == [
        *('best_mIoU_epoch_2.pth', 'best_second_mFscore_epoch_2.pth'),
        *('epoch_1.pth', 'epoch_2.pth'),
    ]
    iterations, validations, _ = runs.train('--resume', '--cfg-options', 'train_cfg.max_epochs=4')
    assert list(iterations) == [7, 8, 9, 10, 11, 12]
    assert list(validations) == [12]
    assert runs.test() == validations[12]
    require_equal_inference(runs, classes=21)


def test_parts_of_the_library_beside_ones_own_in_mixed_precision(project):
    runs = project('upernet_hrnet_parts_cracks')
    seed = ['--cfg-options', 'randomness.seed=3']
    exact, _, _ = runs.train(*seed, 'train_cfg.max_iters=1')
    iterations, validations, _ = runs.train('--amp', *seed)
    assert list(iterations) == [1, 2, 3, 4]
    assert iterations[1]['loss'] == pytest.approx(exact[1]['loss'], rel=0.02)
    assert iterations[1]['loss'] != exact[1]['loss']
    assert list(validations) == [3, 4]
    assert runs.checkpoints() == ['iter_1.pth', 'iter_4.pth']  # the newest of each run

    iterations, resumed, _ = runs.train('--amp', '--resume', *seed, 'train_cfg.max_iters=5')
    assert list(iterations) == [5]
    assert list(resumed) == [0, 5]
    assert resumed[0] == validations[4]
    assert runs.checkpoints() == ['iter_1.pth', 'iter_5.pth']
    assert runs.test() == resumed[5]
    require_equal_inference(runs, classes=3)


def test_new_style(project):
    runs = project('new_style/fcn_hrnet_cracks')
    iterations, validations, saved = runs.train()
    assert list(iterations) == [1, 2, 3, 4, 5, 6]
    assert list(validations) == [3, 6]
    assert runs.calls() == {'before_train': 1, 'after_train_iter': 2, 'after_train_epoch': 1, 'after_val_epoch': 2}
    averaged, raw = saved['state_dict'], saved['ema_state_dict']
    assert not averaged['backbone.conv1.weight'].equal(raw['module.backbone.conv1.weight'])
    iterations, resumed, _ = runs.train('--resume', '--cfg-options', 'train_cfg.max_iters=9')
    assert list(iterations) == [7, 8, 9]
    assert list(resumed) == [0, 9]
    assert resumed[0] == validations[6]
    assert runs.test() == resumed[9]

    # mmseg's inference finds the steps that it has to change by their names, and with classes as types it fails.
    named = Config.fromfile(runs.config)
    for step in [*named.test_pipeline, *named.test_dataloader.dataset.pipeline]:
        step.type = step.type.__name__
    named.default_scope = 'mmseg'  # None is given to mmengine as a name, and names are looked up in nothing
    require_equal_inference(runs, classes=3, config=named)

    assert set(runs.test('--tta', '--out', 'found.pkl', '--show-dir', 'drawn')) == set(resumed[9])
    assert Path('found.pkl').is_file()
    assert list(Path('drawn').rglob('*.png'))
