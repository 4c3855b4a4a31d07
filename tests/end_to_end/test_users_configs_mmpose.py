"""Configs that users of mmpose write as its documentation teaches: every command, and mmpose's inference, on each."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mmpose.apis import MMPoseInferencer, inference_bottomup, inference_topdown, init_model
from quick import quick_runs
from user_project import UserProject

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent / 'users_configs' / 'mmpose'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function from a config's name to its project, in a folder of its own, with the user's package on the path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(FOLDER)
    Path('configs').symlink_to(FOLDER / 'configs')  # a data set's metadata are named from here

    def make(name):
        found = UserProject(FOLDER / 'configs' / f'{name}.py')
        found.make_data()
        return found

    with quick_runs():
        yield make


def learning_rates(iterations):
    return [line['lr'] for line in iterations.values()]


def an_image():
    """One of those that the validation reads."""
    return min(Path('data').rglob('*val*/*.jpg'), default=None) or min(Path('data').rglob('*.jpg'))


def require_equal_inference(project, keypoints, vis_out_dir='', infer=inference_topdown):
    """Check that mmpose's two ways of inference and `hrnet-mm predict` without the config predict the same."""
    config, checkpoint, image = str(project.config), project.checkpoint, an_image()
    inferencer = MMPoseInferencer(
        pose2d=config, pose2d_weights=checkpoint, device='cpu', det_model='whole_image', show_progress=False
    )
    (poses,) = next(inferencer(str(image), vis_out_dir=vis_out_dir))['predictions']
    found = np.array([pose['keypoints'] for pose in poses])
    assert found.shape[1:] == (keypoints, 2)
    assert vis_out_dir == '' or Path(vis_out_dir, image.name).is_file()
    (sample,) = infer(init_model(config, checkpoint, device='cpu'), str(image))
    assert np.allclose(sample.pred_instances.keypoints, found, atol=1e-3)
    prediction = project.predict(image)
    assert np.allclose([pose['keypoints'] for pose in prediction['poses']], found, atol=0.006)
    assert len(prediction['names']) == keypoints


def test_bases_and_a_data_set_of_ones_own_with_early_stopping(project):
    runs = project('td-hm_hrnet_epochs_gestures')
    iterations, validations, saved = runs.train()
    # The metric cannot rise by 100, so that the second validation is the last. An epoch is of 2 x 8 persons.
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    assert {'coco/AP', 'EPE'} <= set(validations[4])
    assert runs.calls() == {'before_train': 1, 'after_train_iter': 2, 'after_train_epoch': 2, 'after_val_epoch': 2}
    assert saved['meta']['dataset_meta']['dataset_name'] == 'gestures'
    assert runs.checkpoints() == ['best_coco_AP_epoch_1.pth', 'epoch_2.pth']

    iterations, resumed, _ = runs.train('--resume')
    assert list(iterations) == [5, 6]
    assert list(resumed) == [0, 6]
    assert resumed[0] == validations[4]
    assert runs.test() == resumed[6]
    assert runs.calls() == {'after_test_epoch': 1}
    require_equal_inference(runs, keypoints=5, vis_out_dir='drawn')


def test_the_librarys_own_config_in_mixed_precision_with_a_scaled_learning_rate(project):
    runs = project('td-hm_hrnet-w32_210e_coco')
    seed = ['--cfg-options', 'randomness.seed=3']
    exact, _, _ = runs.train(*seed, 'train_cfg.max_epochs=1')
    iterations, validations, _ = runs.train('--amp', '--auto-scale-lr', *seed)
    assert list(iterations) == [1, 2, 3, 4, 5, 6]
    assert iterations[1]['loss'] == pytest.approx(exact[1]['loss'], rel=0.05)
    assert iterations[1]['loss'] != exact[1]['loss']
    assert list(validations) == [2, 4, 6]  # dynamic_intervals
    # 0.0005 is for 512 persons, and these are 4.
    scale = 5e-4 * 4 / 512
    assert learning_rates(iterations) == pytest.approx([scale] * 4 + [scale / 10] * 2)
    assert runs.calls() == {'before_train': 1, 'after_train_iter': 6, 'after_train_epoch': 3, 'after_val_epoch': 3}

    iterations, resumed, _ = runs.train('--amp', '--auto-scale-lr', '--resume', *seed, 'train_cfg.max_epochs=4')
    assert list(iterations) == [7, 8]
    assert learning_rates(iterations) == pytest.approx([scale / 10] * 2)
    assert list(resumed) == [0, 8]
    assert runs.test() == resumed[8]
    require_equal_inference(runs, keypoints=17, vis_out_dir='drawn')

    alone = f"""
from mmpose.apis import MMPoseInferencer
infer = MMPoseInferencer({str(runs.config)!r}, {runs.checkpoint!r}, device='cpu', det_model='whole_image')
(poses,) = next(infer({str(an_image())!r}))['predictions']
from mmengine.runner import CheckpointLoader
assert CheckpointLoader._schemes[''].__module__ == 'mmengine.runner.checkpoint'  # the library reads it by itself
print(len(poses), len(poses[0]['keypoints']), type(infer.inferencer.model.backbone).__module__)
"""
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(FOLDER), os.environ['PYTHONPATH']])}
    done = subprocess.run([sys.executable, '-c', alone], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split('\n')[-2] == '1 17 hrnet_mm.drop_in.mmpose'


def test_face_landmarks_with_averaged_weights(project):
    runs = project('td-hm_hrnetv2-w18_ema_wflw')
    iterations, validations, saved = runs.train('--cfg-options', 'train_cfg.max_epochs=2')
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    assert set(validations[4]) == {'NME', 'EPE'}
    averaged, raw = saved['state_dict'], saved['ema_state_dict']
    changed = [name for name, value in averaged.items() if not value.equal(raw[f'module.{name}'])]
    assert any(name.startswith('backbone.') and name.endswith('.weight') for name in changed)
    assert any(name.endswith('.running_mean') for name in changed)  # update_buffers
    assert runs.test() == validations[4]

    iterations, validations, _ = runs.train('--resume')
    assert list(iterations) == [5, 6]
    assert runs.test() == validations[6]
    require_equal_inference(runs, keypoints=98, vis_out_dir='drawn')


def test_bottom_up_by_iterations(project):
    runs = project('dekr_hrnet_iterations_coco')
    iterations, validations, _ = runs.train()
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    assert runs.checkpoints() == ['best_coco_AP_iter_2.pth', 'iter_2.pth', 'iter_4.pth']
    iterations, validations, _ = runs.train('--resume', '--cfg-options', 'train_cfg.max_iters=6')
    assert list(iterations) == [5, 6]
    assert list(validations) == [0, 6]
    assert runs.test() == validations[6]
    require_equal_inference(runs, keypoints=17, vis_out_dir='drawn', infer=inference_bottomup)


def test_hrnet_in_place_of_cspnext_with_another_pipeline_in_the_last_epoch(project):
    runs = project('rtmpose_hrnet_coco')
    iterations, validations, saved = runs.train()
    assert list(iterations) == [1, 2, 3, 4, 5, 6]
    assert list(validations) == [2, 4, 6]
    assert 'ema_state_dict' in saved
    log = next(Path(runs.work_dir).glob('*/*.log')).read_text()
    assert log.count('Switch pipeline now!') == 1

    iterations, resumed, _ = runs.train('--resume', '--cfg-options', 'train_cfg.max_epochs=4')
    assert list(iterations) == [7, 8]
    assert list(resumed) == [0, 8]
    assert resumed[0] == validations[6]
    assert runs.test() == resumed[8]
    require_equal_inference(runs, keypoints=17)


def test_hrnetv1_in_place_of_resnet_on_two_data_sets(project):
    runs = project('simplebaseline_hrnetv1_combined')
    iterations, validations, _ = runs.train()
    assert list(iterations) == [1, 2, 3, 4, 5, 6]  # (8 + 8 / 2) / 4 in an epoch
    assert list(validations) == [6]
    assert set(validations[6]) == {'coco/PCK', 'gestures/AUC'}
    assert runs.checkpoints() == ['best_coco_PCK_epoch_2.pth', 'epoch_1.pth', 'epoch_2.pth']
    iterations, validations, _ = runs.train('--resume', '--cfg-options', 'train_cfg.max_epochs=3')
    assert list(iterations) == [7, 8, 9]
    assert list(validations) == [9]
    assert runs.test() == validations[9]
    require_equal_inference(runs, keypoints=17)

    # In a process of its own, where nothing has registered the user's classes.
    arguments = [runs.checkpoint, '--data', str(an_image()), '--out', 'elsewhere']
    command = [sys.executable, '-m', 'hrnet_mm.cli', 'predict', *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '1 of 1 images done' in done.stdout


def test_new_style(project):
    runs = project('new_style/td-hm_hrnet_coco')
    iterations, validations, saved = runs.train()
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    assert runs.calls() == {'before_train': 1, 'after_train_iter': 4, 'after_train_epoch': 2, 'after_val_epoch': 2}
    averaged, raw = saved['state_dict'], saved['ema_state_dict']
    assert not averaged['backbone.conv1.weight'].equal(raw['module.backbone.conv1.weight'])
    iterations, resumed, _ = runs.train('--resume', '--cfg-options', 'train_cfg.max_epochs=3')
    assert list(iterations) == [5, 6]
    assert list(resumed) == [0, 6]
    assert resumed[0] == validations[4]
    assert runs.test() == resumed[6]
    require_equal_inference(runs, keypoints=17)
