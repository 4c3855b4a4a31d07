"""The learning rate of a config belongs to a batch; a training on another batch says so, or stops."""

import pytest
from mmengine.config import Config

from hrnet_mm.cli import main
from hrnet_mm.engine.batch import BatchError, BatchUse


def config(size=2, base=16, lr=0.02, launcher='none', enable=False, **wrapper):
    return Config(
        dict(
            launcher=launcher,
            train_dataloader={} if size is None else dict(batch_size=size),
            optim_wrapper=dict(optimizer={} if lr is None else dict(lr=lr), **wrapper),
            auto_scale_lr=None if base is None else dict(base_batch_size=base, enable=enable),
        )
    )


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(), r'0\.02 belongs to a batch of 16 images, and the batch in use has 2 images; add --auto-scale-lr '
         r'\(0\.0025\) to scale it, or --lr 0\.02 to keep it'),
        (dict(size=7), r'in use has 7 images'),
        (dict(size=33), r'in use has 33 images; add --auto-scale-lr \(0\.0413\)'),
        (dict(accumulative_counts=3), r'in use has 2 x 3 accumulated = 6 images'),
        (dict(lr=None), r'rate LR belongs to a batch of 16 .* add --auto-scale-lr to scale it, or --lr LR'),
    ],
)  # fmt: skip
def test_another_batch_stops(settings, message):
    with pytest.raises(BatchError, match=message):
        BatchUse.of(config(**settings)).check()


@pytest.mark.parametrize(
    'settings',
    [
        dict(size=8), dict(size=32), dict(size=None), dict(base=None), dict(enable=True),
        dict(accumulative_counts=8),
    ],
)  # fmt: skip
def test_the_same_batch_passes(settings):
    BatchUse.of(config(**settings)).check()


@pytest.mark.parametrize(
    ('launcher', 'variable'), [('pytorch', 'WORLD_SIZE'), ('slurm', 'SLURM_NTASKS'), ('mpi', 'OMPI_COMM_WORLD_SIZE')]
)
def test_processes_count(launcher, variable, monkeypatch):
    monkeypatch.setenv(variable, '8')
    use = BatchUse.of(config(launcher=launcher))
    use.check()
    assert str(use) == 'learning rate: 0.02; its batch: 16 images; batch in use: 2 x 8 processes = 16 images'
    assert BatchUse.of(config()).step == 2  # without a launcher there is one process


def test_lines():
    assert (
        str(BatchUse.of(config(base=None)))
        == 'learning rate: 0.02; its batch: not named by the config; batch in use: 2 images'
    )
    assert str(BatchUse.of(config(enable=True, accumulative_counts=4))) == (
        'learning rate: 0.02 x 8 / 64 = 0.0025; its batch: 64 images; batch in use: 2 x 4 accumulated = 8 images'
    )
    assert str(BatchUse.of(config(size=None, lr=None))) == (
        'learning rate: of several optimizers; its batch: 16 images; batch in use: what its sampler makes'
    )


@pytest.fixture
def on_one_image(tiny_config, tmp_path):
    line = ['train', str(tiny_config('mmpretrain')), '--work-dir', str(tmp_path)]
    options = ['--cfg-options', 'train_cfg.max_epochs=1', 'train_dataloader.batch_size=1', 'param_scheduler=None']
    return [*line, *options]


def test_the_command_stops_and_says_how_to_go_on(on_one_image, capsys):
    assert main(on_one_image) == 2
    error = capsys.readouterr().err
    assert 'the learning rate 0.001 belongs to a batch of 4 images, and the batch in use has 1 image;' in error
    assert error.rstrip().endswith('param_scheduler=None --auto-scale-lr')


@pytest.mark.slow
@pytest.mark.parametrize(
    ('choice', 'lr'),
    [
        (['--auto-scale-lr'], 0.00025),
        (['--lr', '0.001'], 0.001),
        (['--cfg-options', 'optim_wrapper.optimizer.lr=0.002'], 0.002),
        (['--unchecked'], 0.001),
        (['--auto-scale-lr', '--cfg-options', 'optim_wrapper.accumulative_counts=2'], 0.0005),
    ],
)
def test_the_chosen_learning_rate_is_used(choice, lr, on_one_image, runners):
    assert main([*on_one_image, *choice]) == 0
    assert runners[-1].optim_wrapper.get_lr()['lr'] == [pytest.approx(lr)]
