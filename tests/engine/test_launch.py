"""The train and test commands, on a tiny HRNet and tiny data, with each library's own datasets, heads and metrics."""

import argparse
import os
import pickle

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from hrnet_mm.commands import test as test_command
from hrnet_mm.commands import train as train_command
from hrnet_mm.engine import launch
from hrnet_mm.errors import UserError
from hrnet_mm.weights import CheckpointError, read_checkpoint

pytestmark = pytest.mark.usefixtures('quick')

LIBRARIES = ('mmdet', 'mmseg', 'mmpose', 'mmpretrain')


def run_train(*arguments):
    parser = argparse.ArgumentParser()
    train_command.add_arguments(parser)
    train_command.run(parser.parse_args([str(argument) for argument in arguments]))


def run_test(config, weights, *arguments):
    parser = argparse.ArgumentParser()
    test_command.add_arguments(parser)
    test_command.run(parser.parse_args([str(argument) for argument in (config, '--weights', weights, *arguments)]))


@pytest.mark.slow
@pytest.mark.parametrize('library', LIBRARIES)
def test_train_resume_and_test(library, tiny_config, tmp_path):
    config = tiny_config(library)
    run_train(config, '--work-dir', tmp_path)
    trained = read_checkpoint(tmp_path / 'epoch_2.pth')
    assert (trained['meta']['epoch'], trained['meta']['iter']) == (2, 4)

    run_train(config, '--work-dir', tmp_path, '--resume', '--cfg-options', 'train_cfg.max_epochs=3')
    resumed = read_checkpoint(tmp_path / 'epoch_3.pth')
    assert (resumed['meta']['epoch'], resumed['meta']['iter']) == (3, 6)
    # What was logged before the interruption is still there, and the momentum went on.
    before, after = (c['message_hub']['log_scalars']['train/loss']['values'] for c in (trained, resumed))
    assert after[:4].tolist() == before.tolist()
    assert resumed['optimizer']['state'].keys() == trained['optimizer']['state'].keys()

    out, drawn = tmp_path / 'predictions.pkl', tmp_path / 'drawn'
    run_test(config, tmp_path / 'epoch_3.pth', '--work-dir', tmp_path, '--out', out, '--show-dir', drawn)
    assert len(pickle.loads(out.read_bytes())) == 4
    assert len(list(drawn.rglob('*.png'))) == 4


def test_a_config_is_a_file_or_of_a_library(tmp_path):
    assert launch.read_config('mmpretrain::hrnet/hrnet-w18_4xb32_in1k.py').model.backbone.type == 'HRNet'
    with pytest.raises(UserError, match=r'in1\.py: no such config file; the nearest name is .*-w18_4xb32_in1k\.py'):
        launch.read_config('mmpretrain::hrnet/hrnet-w18_4xb32_in1.py')
    with pytest.raises(UserError, match=r'mmdett::hrnet/w0\.py: mmdett is not installed'):
        launch.read_config('mmdett::hrnet/w0.py')
    assert launch.read_config('hrnet_mm::demo/hrnet-c_digits.py').default_scope == 'mmpretrain'
    with pytest.raises(UserError, match=r'w\.pth is not a config; expected a path ending in \.py or .*, or mmdet::'):
        launch.read_config(tmp_path / 'w.pth')


@pytest.mark.slow
def test_options_reach_the_training(tiny_config, tmp_path):
    options = ['--cfg-options', 'train_cfg.max_epochs=1', 'train_dataloader.batch_size=1', 'param_scheduler=None']
    run_train(tiny_config('mmpretrain'), '--work-dir', tmp_path, '--auto-scale-lr', *options)
    checkpoint = read_checkpoint(tmp_path / 'epoch_1.pth')
    assert checkpoint['meta']['iter'] == 4  # four images, one at a time
    # The configured 0.001 is for a batch of 4.
    assert checkpoint['optimizer']['param_groups'][0]['lr'] == pytest.approx(0.001 / 4)


@pytest.mark.slow
def test_a_second_training_in_a_process_logs_into_its_own_folder(tiny_config, tmp_path):
    options = ['visualizer.name=visualizer', 'train_cfg.max_epochs=1', 'default_hooks.logger.interval=1']
    for name in ('first', 'second'):
        run_train(tiny_config('mmpretrain'), '--work-dir', tmp_path / name, '--cfg-options', *options)
        (log,) = (tmp_path / name).glob('*/vis_data/scalars.json')
        assert log.read_text().count('"loss"') == 2


@pytest.mark.slow
def test_resume_from_a_named_checkpoint(tiny_config, tmp_path):
    config = tiny_config('mmpretrain')
    run_train(config, '--work-dir', tmp_path / 'first')
    run_train(config, '--work-dir', tmp_path / 'second', '--resume', tmp_path / 'first' / 'epoch_1.pth')
    assert not (tmp_path / 'second' / 'epoch_1.pth').exists()
    assert read_checkpoint(tmp_path / 'second' / 'epoch_2.pth')['meta']['iter'] == 4


def test_unknown_config_names_the_nearest(tiny_config):
    with pytest.raises(UserError, match=r'mmdett\.py: no such config file; the nearest name is .*mmdet\.py'):
        run_train(tiny_config('mmdett'))


def test_unknown_checkpoint_names_those_beside_it(tiny_config, tmp_path):
    (tmp_path / 'epoch_1.pth').touch()
    with pytest.raises(UserError, match=r'epoch_9\.pth: no such checkpoint file; its folder holds .*epoch_1\.pth'):
        run_test(tiny_config('mmdet'), tmp_path / 'epoch_9.pth')
    with pytest.raises(UserError, match=r'epoch_9\.pth: no such checkpoint file'):
        run_train(tiny_config('mmdet'), '--resume', tmp_path / 'epoch_9.pth')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--auto-scale-lr', '--cfg-options', 'auto_scale_lr=None'], r'no auto_scale_lr\.base_batch_size'),
        (['--auto-scale-lr', '--lr', '0.1'], r'--auto-scale-lr and --lr both say the learning rate; give one'),
        (
            ['--lr', '0.1', '--cfg-options', 'param_scheduler.eta_max=1'],
            '--lr: the schedule sets the learning rate, by',
        ),
        (['--lr', '0'], r'--lr must be more than 0, got 0'),
        (['--lr', '0.1', '--cfg-options', 'optim_wrapper.optimizer.lr=None'], r'--lr: the config has no optim_wrapper'),
        (['--launcher', 'pytorch'], r'start the processes with torchrun --nproc_per_node=N'),
        (['--launcher', 'slurm'], 'on CPUs only --launcher pytorch works'),
    ],
)
def test_train_refuses(arguments, message, tiny_config, monkeypatch):
    monkeypatch.setattr(launch, 'get_device', lambda: 'cpu')
    monkeypatch.delenv('RANK', raising=False)
    with pytest.raises(UserError, match=message):
        run_train(tiny_config('mmpretrain'), *arguments)


@pytest.mark.slow
def test_amp_on_a_cpu_is_bfloat16(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, 'get_device', lambda: 'cpu')
    options = ['optim_wrapper.type=AmpOptimWrapper', 'optim_wrapper.loss_scale=dynamic', 'train_cfg.max_epochs=1']
    run_train(tiny_config('mmpretrain'), '--work-dir', tmp_path, '--amp', '--cfg-options', *options)
    written = Config.fromfile(next(tmp_path.rglob('*.py')))
    assert written.optim_wrapper.type == 'hrnet_mm.Bf16OptimWrapper'
    assert 'loss_scale' not in written.optim_wrapper


def test_amp_switches_the_plain_wrapper_only(tiny_config, monkeypatch):
    monkeypatch.setattr(launch, 'get_device', lambda: 'cuda')
    with pytest.raises(UserError, match=r'optim_wrapper\.type is ApexOptimWrapper'):
        run_train(tiny_config('mmpretrain'), '--amp', '--cfg-options', 'optim_wrapper.type=ApexOptimWrapper')


def test_synchronised_norm_is_refused_on_several_cpu_processes(tiny_config, monkeypatch):
    monkeypatch.setattr(launch, 'get_device', lambda: 'cpu')
    monkeypatch.setenv('RANK', '0')
    monkeypatch.setenv('WORLD_SIZE', '2')
    options = ['--cfg-options', 'model.backbone.norm_cfg.type=SyncBN']
    with pytest.raises(UserError, match='SyncBN works on GPUs only'):
        run_train(tiny_config('mmpretrain'), '--launcher', 'pytorch', *options)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--out', 'predictions.json'], r'predictions\.json does not end in \.pkl'),
        (['--show-dir', 'drawn', '--cfg-options', 'default_hooks.visualization=None'], 'is missing; expected'),
    ],
)
def test_test_refuses(arguments, message, tiny_config, tmp_path):
    (tmp_path / 'weights.pth').touch()
    with pytest.raises(UserError, match=message):
        run_test(tiny_config('mmpretrain'), tmp_path / 'weights.pth', *arguments)


@pytest.mark.slow
def test_resume_with_a_schedule_that_keeps_functions(tiny_config, tmp_path):
    schedule = ['param_scheduler.type=OneCycleLR', 'param_scheduler.eta_max=0.01', 'param_scheduler.total_steps=3']
    options = ['--cfg-options', *schedule, 'param_scheduler._delete_=True']
    run_train(tiny_config('mmpretrain'), '--work-dir', tmp_path, *options)
    run_train(tiny_config('mmpretrain'), '--work-dir', tmp_path, '--resume', *options, 'train_cfg.max_epochs=3')
    assert read_checkpoint(tmp_path / 'epoch_3.pth')['param_schedulers'][0]['_global_step'] == 3


class _Call:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('call', [_Call(os.getcwd), _Call(getattr, HistoryBuffer, '__init__')])
def test_a_checkpoint_cannot_run_code(call, tmp_path):
    torch.save({'state_dict': {}, 'meta': call}, tmp_path / 'hostile.pth')
    with pytest.raises(CheckpointError, match='holds more than data'):
        read_checkpoint(tmp_path / 'hostile.pth')


_TTA = """
_base_ = '{base}'
custom_imports = dict(
    imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)
tta_model = dict(type='OfficialTTA', scales=(1.0,), flip={flip})
tta_pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
"""


@pytest.mark.slow
def test_augmented_tests_load_the_weights_and_differ_by_the_flip(tiny_config, tmp_path):
    work, scores = tmp_path / 'work', {}  # mmengine writes the config it ran into its work directory
    run_train(tiny_config('mmseg'), '--work-dir', work)

    def predictions(name, *extra):
        out = tmp_path / f'{name}.pkl'
        run_test(tmp_path / 'tta.py', work / 'epoch_2.pth', '--work-dir', work, '--out', out, *extra)
        return [sample['seg_logits']['data'] for sample in pickle.loads(out.read_bytes())]

    for flip in (False, True):
        (tmp_path / 'tta.py').write_text(_TTA.format(base=tiny_config('mmseg'), flip=flip))
        scores[flip] = predictions(f'tta_{flip}', '--tta', '--cfg-options', f'experiment_name=tta_{flip}')
    plain = predictions('plain', '--cfg-options', 'experiment_name=plain')
    # Scores are exp(logits), of the image alone or of the mean with the flipped one.
    assert all(torch.allclose(a, b.exp(), rtol=1e-4) for a, b in zip(scores[False], plain, strict=True))
    assert not any(torch.allclose(a, b.exp(), rtol=1e-2) for a, b in zip(scores[True], plain, strict=True))


def test_a_config_without_augmentation_is_refused(tiny_config, tmp_path):
    (tmp_path / 'weights.pth').touch()
    with pytest.raises(UserError, match='--tta: the config has no tta_model and no tta_pipeline; test without --tta'):
        run_test(tiny_config('mmpose'), tmp_path / 'weights.pth', '--tta')


def test_missing_data_is_named_before_anything_is_built(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setenv('TINY_DATA', str(tmp_path / 'nowhere'))
    for library in LIBRARIES:
        with pytest.raises(UserError, match=rf'looks for {tmp_path}/nowhere.*does not exist'):
            run_train(tiny_config(library), '--work-dir', tmp_path)


def test_all_mistakes_of_a_config_are_told_at_once(tiny_config, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, '_build_runner', lambda config: pytest.fail('something is built'))
    wrong = ['optim_wrapper.clip_gard.max_norm=1', 'model.head.in_channels=1024', 'load_from=gone.pth']
    config = tiny_config('mmpretrain')
    with pytest.raises(UserError) as error:
        run_train(config, '--work-dir', tmp_path, '--cfg-options', *wrong)
    assert str(error.value).splitlines() == [
        f'{config}: 3 mistakes',
        "  optim_wrapper.clip_gard: no such key; did you mean 'clip_grad'?",
        '  model.head.in_channels: 1024, but its input is 1 map of 2048 channels',
        '  load_from: gone.pth does not exist',
    ]
    with pytest.raises(pytest.fail.Exception, match='something is built'):
        run_train(config, '--work-dir', tmp_path, '--unchecked', '--cfg-options', *wrong)
