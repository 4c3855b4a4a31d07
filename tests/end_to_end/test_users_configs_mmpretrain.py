"""Configs that users of mmpretrain write as its documentation teaches: each by every command, and by its inferencer."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmpretrain.apis import ImageClassificationInferencer
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES
from quick import quick_runs
from user_project import UserProject

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parent / 'users_configs' / 'mmpretrain'
SHAPES = ('square', 'round')


def make_shapes(folder):
    """Four images of a square and four of a disk, with labels as each config reads them, in data/shapes."""
    root = folder / 'data' / 'shapes'
    (root / 'images').mkdir(parents=True)
    names = [(f'{name}_{i}.png', label, i) for i in range(4) for label, name in enumerate(SHAPES)]
    for name, label, i in names:
        image = np.random.default_rng(i).integers(0, 60, (72, 96, 3), dtype=np.uint8)
        center, size = (30 + 8 * i, 36), 14 + 4 * i
        if label:
            cv2.circle(image, center, size, (200, 120, 40), -1)
        else:
            cv2.rectangle(image, center, (center[0] + size, center[1] + size), (40, 120, 200), -1)
        cv2.imwrite(str(root / 'images' / name), image)
        for part in ('train', 'val'):
            (root / part / SHAPES[label]).mkdir(parents=True, exist_ok=True)
            (root / part / SHAPES[label] / name).symlink_to(root.absolute() / 'images' / name)
    lines = [f'{name} {label}\n' for name, label, _ in names]
    for file, chosen in (('train.txt', lines[:4]), ('more.txt', lines[4:6]), ('val.txt', lines)):
        (root / file).write_text(''.join(chosen))
    several = [{'img_path': f'images/{name}', 'gt_label': [label, *([2] if i > 1 else [])]} for name, label, i in names]
    for file, chosen in (('train.json', several[:6]), ('val.json', several)):
        content = {'metainfo': {'classes': [*SHAPES, 'large']}, 'data_list': chosen}
        (root / file).write_text(json.dumps(content))


@pytest.fixture(scope='module', autouse=True)
def _quick_runs():
    with quick_runs():
        yield


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A function from a config's name to its project, in a folder of its own, with the user's modules importable."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(CONFIGS)
    make_shapes(tmp_path)
    return lambda name: UserProject(CONFIGS / f'{name}.py')


def classified(user, image, classes):
    """Return an image's class, which is equal for mmpretrain's inferencer and for `predict` without the config."""
    inferencer = ImageClassificationInferencer(str(user.config), user.checkpoint, device='cpu')
    (inferred,) = inferencer(str(image))
    assert len(inferred['pred_scores']) == classes
    predicted = user.predict(image)
    best = np.sort(inferred['pred_scores'])[::-1][:5]
    np.testing.assert_allclose(predicted['scores'], best, atol=1e-4)
    assert predicted['label'] == inferred['pred_class']
    return inferred


def scalars(tested):
    """Return a test's metrics without the four by class, which are in no curve of a validation."""
    by_class = {name: value for name, value in tested.items() if name.endswith('_classwise')}
    assert [len(value) for value in by_class.values()] == [2] * 4
    return {name: value for name, value in tested.items() if name not in by_class}


def averages(checkpoint):
    """Whether the weights are an average: others than those that were trained, which are kept beside them."""
    kept = {name.removeprefix('module.'): value for name, value in checkpoint['ema_state_dict'].items()}
    return not kept['backbone.conv1.weight'].equal(checkpoint['state_dict']['backbone.conv1.weight'])


def test_a_base_of_the_library_with_another_backbone(project):
    user = project('hrnet_8xb32_in1k')
    user.make_data()
    iterations, validations, checkpoint = user.train('--auto-scale-lr')
    assert list(iterations) == [1, 2, 3, 4]
    rates = [line['lr'] for line in iterations.values()]
    assert rates == pytest.approx([0.1 * 2 / 256] * 2 + [0.01 * 2 / 256] * 2)
    assert list(validations) == [2, 4]
    assert user.checkpoints() == ['epoch_2.pth']
    assert checkpoint['state_dict']['backbone.conv1.weight'].shape == (64, 3, 3, 3)
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_epochs=3')
    assert list(iterations) == [5, 6]
    assert user.checkpoints() == ['epoch_3.pth']
    assert user.test() == resumed[6]
    inferred = classified(user, Path('data/imagenet/val/0.JPEG'), 1000)
    assert inferred['pred_class'] == IMAGENET_CATEGORIES[inferred['pred_label']]


def test_fine_tuning_of_the_librarys_hrnet_config_on_folders_with_an_own_hook(project):
    user = project('hrnet-w18_finetune_shapes')
    iterations, validations, checkpoint = user.train('--auto-scale-lr')
    assert list(iterations) == list(range(1, 9))
    assert {line['lr'] for line in iterations.values()} == {0.01 * 2 / 256}
    assert list(validations) == [4, 8]
    assert user.calls() == {'train_iter': 8, 'train_epoch': 2, 'val_iter': 8, 'val_epoch': 2}
    assert checkpoint['meta']['dataset_meta']['classes'] == ('round', 'square')  # the folders' names, sorted
    best = 1 if validations[4]['accuracy/top1'] >= validations[8]['accuracy/top1'] else 2
    assert user.checkpoints() == [f'best_accuracy_top1_epoch_{best}.pth', 'epoch_1.pth', 'epoch_2.pth']
    iterations, resumed, _ = user.train('--resume', '--auto-scale-lr', '--cfg-options', 'train_cfg.max_epochs=3')
    assert list(iterations) == list(range(9, 13))
    assert user.test() == resumed[12]
    assert user.calls() == {'test_iter': 4, 'test_epoch': 1}
    classified(user, Path('data/shapes/images/round_1.png'), 2)


def test_averaged_weights_early_stopping_mixed_images_and_mixed_precision(project):
    user = project('hrnet_ema_shapes')
    iterations, validations, checkpoint = user.train('--amp')
    # No accuracy rises by 200 %: the second and third validation are in vain, and 3 of 9 epochs are trained.
    assert list(iterations) == list(range(1, 13))  # four samples and twice two, in batches of two
    assert list(validations) == [4, 8, 12]
    assert averages(checkpoint)
    assert checkpoint['meta']['epoch'] == 3
    options = ['--cfg-options', 'custom_hooks.1.patience=9', 'train_cfg.max_epochs=4']
    iterations, resumed, checkpoint = user.train('--resume', '--amp', *options)
    assert list(iterations) == list(range(13, 17))
    assert averages(checkpoint)
    assert scalars(user.test()) == resumed[16]
    classified(user, Path('data/shapes/images/round_1.png'), 2)


def test_iterations_changing_intervals_and_accumulated_gradients(project):
    user = project('hrnet_iters_shapes')
    iterations, validations, _ = user.train()
    assert list(iterations) == list(range(1, 8))
    assert list(validations) == [3, 5, 6, 7]  # mmengine applies an interval from before its milestone on
    assert user.checkpoints() == ['iter_3.pth', 'iter_6.pth', 'iter_7.pth']
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_iters=9')
    assert list(iterations) == [8, 9]
    assert list(resumed)[-2:] == [8, 9]
    assert scalars(user.test()) == resumed[9]
    classified(user, Path('data/shapes/images/square_1.png'), 2)


def test_an_own_loop_and_hook_with_several_labels_an_image(project):
    user = project('hrnet_own_loop_shapes')
    iterations, validations, _ = user.train()
    assert list(iterations) == [1, 2, 3, 4]  # half of eight
    assert list(validations) == [2, 4]
    assert {'multi-label/mAP', 'multi-label/f1-score'} <= set(validations[4])
    assert user.calls() == {'train_iter': 4, 'train_epoch': 1, 'val_iter': 8, 'val_epoch': 2}
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_iters=12')
    assert list(iterations) == [5, 6]
    assert user.test() == resumed[6]
    classified(user, Path('data/shapes/images/square_1.png'), 3)


def test_new_style_by_epochs(project):
    user = project('hrnet_new_style_in1k')
    user.make_data()
    iterations, validations, _ = user.train()
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_epochs=3')
    assert list(iterations) == [5, 6]
    assert user.test() == resumed[6]
    classified(user, Path('data/imagenet/val/0.JPEG'), 1000)


def test_new_style_by_iterations_with_averaged_weights_and_own_hook(project):
    user = project('hrnet_iters_new_style_in1k')
    user.make_data()
    iterations, validations, checkpoint = user.train()
    assert list(iterations) == [1, 2, 3, 4]
    assert list(validations) == [2, 4]
    assert user.checkpoints() == ['iter_4.pth']
    assert averages(checkpoint)
    assert user.calls() == {'train_iter': 4, 'train_epoch': 1, 'val_iter': 4, 'val_epoch': 2}
    iterations, resumed, _ = user.train('--resume', '--cfg-options', 'train_cfg.max_iters=6')
    assert list(iterations) == [5, 6]
    assert user.test() == resumed[6]
    classified(user, Path('data/imagenet/val/0.JPEG'), 1000)
