"""Configs that users of mmdet write as its documentation teaches: each by every command, and by mmdet's inferencers."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from made_data import HEIGHT, WIDTH
from mmdet.apis import DetInferencer, inference_detector, init_detector
from quick import quick_runs
from user_project import UserProject

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parent / 'users_configs' / 'mmdet'


@pytest.fixture(scope='module', autouse=True)
def _quick_runs():
    with quick_runs():
        yield


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function from a config's name to its project, in a folder of its own, with the user's modules importable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(CONFIGS)

    def make(name):
        user = UserProject(CONFIGS / f'{name}.py')
        user.make_data()
        return user

    return make


def detections(user, at_most=10):
    """Return an image's detections, which are equal for mmdet's inferencers and for `predict` without the config."""
    dataset = user.settings.val_dataloader.dataset
    image = min(Path(dataset.data_root, dataset.data_prefix.img).iterdir())
    settings = {'device': 'cpu', 'show_progress': False}
    (inferred,) = DetInferencer(str(user.config), user.checkpoint, **settings)(str(image))['predictions']
    if 'backbone' in user.settings.model:  # init_detector asks for it, of a teacher and a student in vain
        found = inference_detector(init_detector(str(user.config), user.checkpoint, device='cpu'), str(image))
        assert found.pred_instances.labels.tolist() == inferred['labels']
        assert found.pred_instances.scores.tolist() == inferred['scores']
    boxes = np.array(inferred['bboxes'])
    assert 0 < len(boxes) <= at_most
    if user.settings.model.type != 'YOLOX':  # which clips no boxes
        assert boxes.min() >= 0
        assert np.all(boxes <= [WIDTH, HEIGHT, WIDTH, HEIGHT])
    assert np.all(np.diff(inferred['scores']) <= 0)
    predicted = user.predict(image)
    classes = dataset.metainfo.classes
    assert predicted['labels'] == [classes[label] for label in inferred['labels']]
    np.testing.assert_allclose(predicted['boxes'], boxes, atol=0.01)
    np.testing.assert_allclose(predicted['scores'], inferred['scores'], atol=1e-4)
    return predicted


def differing(before, after):
    return {name for name, value in after.items() if not value.equal(before[name])}


def test_a_base_of_the_library_with_another_backbone_classes_and_hook(project):
    user = project('faster-rcnn_hrnet_1x_balloon')
    iterations, validations, checkpoint = user.train('--auto-scale-lr')
    assert list(iterations) == [1, 2, 3, 4]
    assert {line['lr'] for line in iterations.values()} == {0.016 * 2 / 16}
    assert list(validations) == [2, 4]
    best = 1 if validations[2]['coco/bbox_mAP'] >= validations[4]['coco/bbox_mAP'] else 2
    assert user.checkpoints() == [f'best_coco_bbox_mAP_epoch_{best}.pth', 'epoch_2.pth']
    assert checkpoint['meta']['dataset_meta'] == {'classes': ('balloon',), 'palette': [(220, 20, 60)]}
    calls = {'before_train': 1, 'after_train_iter': 4, 'every_n': 1, 'after_train_epoch': 2, 'after_val_epoch': 2}
    assert user.calls() == calls

    longer = ['--cfg-options', 'train_cfg.max_epochs=3', '--auto-scale-lr']
    iterations, resumed, trained = user.train('--resume', *longer)
    assert list(iterations) == [5, 6]
    assert {line['lr'] for line in iterations.values()} == {0.016 * 2 / 16}
    assert resumed.get(0, validations[4]) == validations[4]
    assert any(name.startswith('neck.') for name in differing(checkpoint['state_dict'], trained['state_dict']))
    assert user.calls()['every_n'] == 1  # every third iteration: the sixth

    assert user.test() == resumed[6]
    detections(user)


@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_iterations_changing_intervals_and_averaged_weights(project):
    user = project('mask-rcnn_hrnet_iters_balloon')
    iterations, validations, checkpoint = user.train()
    assert list(iterations) == [1, 2, 3, 4, 5]
    assert list(validations) == [2, 3, 4, 5]  # mmengine applies an interval from before its milestone on
    assert user.checkpoints() == ['iter_2.pth', 'iter_4.pth', 'iter_5.pth']
    # What is saved as the weights is the average.
    trained = {name.removeprefix('module.'): value for name, value in checkpoint['ema_state_dict'].items()}
    assert any(name.endswith('conv1.weight') for name in differing(trained, checkpoint['state_dict']))

    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_iters=7')
    assert list(iterations) == [6, 7]
    assert list(resumed)[-2:] == [6, 7]
    assert {'coco/bbox_mAP', 'coco/segm_mAP'} <= set(resumed[7])
    assert user.test() == resumed[7]
    assert len(detections(user, at_most=5)['masks']) > 0


def test_own_bases_early_stopping_and_mixed_precision(project):
    user = project('fcos_hrnet_balloon')
    iterations, validations, checkpoint = user.train('--amp')
    # No metric rises by 200 %: after the second epoch's validation two are in vain, and 4 of 8 epochs are trained.
    assert list(iterations) == list(range(1, 17))  # four images twice, in batches of two
    assert list(validations) == [8, 12, 16]
    assert checkpoint['meta']['epoch'] == 4
    assert "type='hrnet_mm.Bf16OptimWrapper'" in checkpoint['meta']['cfg']
    assert {'coco/bbox_mAP', 'proposals/AR@100'} <= set(validations[16])
    assert {value.dtype.is_floating_point for value in checkpoint['state_dict'].values()} == {True, False}

    iterations, resumed, _ = user.train('--resume', '--amp', '--cfg-options', 'train_cfg.max_epochs=5')
    assert list(iterations) == list(range(17, 21))
    assert user.test() == resumed[20]
    assert set(detections(user, at_most=20)['labels']) <= {'balloon', 'string'}


def test_two_data_sets_and_a_loop_a_metric_and_a_hook_of_ones_own(project):
    user = project('retinanet_hrnet_two_sources')
    iterations, validations, checkpoint = user.train()
    # Four samples and twice four in batches of four, each batch twice.
    assert list(iterations) == list(range(1, 13))
    assert list(validations) == [12]
    assert validations[12]['balloon/boxes'] == 10
    assert user.calls()['every_n'] == 6
    assert user.calls()['after_train_epoch'] == 2
    assert checkpoint['meta']['experiment_name'].startswith('retinanet_hrnet_two_sources')

    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_epochs=3', 'train_cfg.repeats=1')
    assert list(iterations) == [13, 14, 15]
    assert user.test() == resumed[15]
    detections(user)


def test_an_own_loop_that_passes_each_batch_twice_goes_on_within_an_epoch(project):
    user = project('retinanet_hrnet_two_sources')
    options = ['default_hooks.checkpoint.by_epoch=False', 'default_hooks.checkpoint.interval=2', 'randomness.seed=1']
    options = ['--cfg-options', *options, 'train_cfg.max_epochs=1']
    iterations, _, whole = user.train(*options)
    resumed, _, in_two = user.train('--resume', user.work_dir / 'iter_2.pth', *options)
    assert list(resumed) == [3, 4, 5, 6]
    assert [line['loss'] for line in resumed.values()] == [iterations[i]['loss'] for i in resumed]
    assert not differing(whole['state_dict'], in_two['state_dict'])


def test_new_style_by_epochs(project):
    user = project('retinanet_hrnet_new_style')
    iterations, validations, _ = user.train()
    assert list(iterations) == list(range(1, 7))
    assert list(validations) == [4, 6]
    assert iterations[4]['lr'] == pytest.approx(0.01 * 2 / 16)  # auto_scale_lr is enabled in the config
    assert iterations[5]['lr'] == pytest.approx(0.001 * 2 / 16)
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_epochs=4')
    assert list(iterations) == [7, 8]
    assert user.test('--out', 'results.pkl', '--show-dir', 'drawn') == resumed[8]
    assert len(pickle.loads(Path('results.pkl').read_bytes())) == len(list(Path('drawn').rglob('*.jpg'))) == 4
    detections(user)


def test_new_style_by_iterations_with_averaged_weights_and_own_hook(project):
    user = project('retinanet_hrnet_iters_new_style')
    iterations, validations, checkpoint = user.train()
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    assert user.checkpoints() == ['iter_4.pth']
    assert user.calls() == {
        'before_train': 1,
        'after_train_iter': 4,
        'every_n': 2,
        'after_train_epoch': 1,
        'after_val_epoch': 2,
    }
    trained = {name.removeprefix('module.'): value for name, value in checkpoint['ema_state_dict'].items()}
    assert 'backbone.conv1.weight' in differing(trained, checkpoint['state_dict'])
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_iters=6')
    assert list(iterations) == [5, 6]
    assert resumed[6]['balloon/boxes'] == 10
    assert user.test() == resumed[6]
    detections(user)


def test_mixed_images_and_hooks_of_the_library(project):
    user = project('yolox_hrnet_balloon')
    iterations, validations, checkpoint = user.train()
    assert list(iterations) == list(range(1, 7))
    assert list(validations) == [2, 4, 6]
    # The last epoch has no mixed images, and one loss more.
    assert ['loss_l1' in line for line in iterations.values()] == [False] * 2 + [True] * 4
    assert user.checkpoints() == ['epoch_2.pth', 'epoch_3.pth']
    assert 'ema_state_dict' in checkpoint
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_epochs=4')
    assert list(iterations) == [7, 8]
    assert all('loss_l1' in line for line in iterations.values())
    assert user.test() == resumed[8]
    detections(user, at_most=500)  # its head keeps all that NMS leaves


def test_a_student_and_its_teacher(project):
    user = project('soft-teacher_hrnet_balloon')
    iterations, validations, checkpoint = user.train()
    assert list(iterations) == [1, 2, 3]
    assert list(validations) == [3]
    assert {'teacher/coco/bbox_mAP', 'student/coco/bbox_mAP'} <= set(validations[3])
    weights = checkpoint['state_dict']
    assert not weights['teacher.backbone.conv1.weight'].equal(weights['student.backbone.conv1.weight'])
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_iters=4')
    assert list(iterations) == [4]
    assert user.test() == {
        name.removeprefix('teacher/'): value for name, value in resumed[4].items() if name.startswith('teacher/')
    }
    detections(user)


def test_the_librarys_hrnet_config_with_a_pipeline_that_a_hook_exchanges(project):
    user = project('cascade-rcnn_hrnetv2p-w18_rtmdet-style_balloon')
    iterations, validations, _ = user.train()
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_epochs=3')
    assert list(iterations) == [5, 6]
    assert user.test() == resumed[6]
    detections(user)
