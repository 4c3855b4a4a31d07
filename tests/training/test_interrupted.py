"""Trainings on a folder that are interrupted and continued end as uninterrupted ones, to the last bit."""

import json
import os
import shlex
import signal
from dataclasses import replace

import pytest
import torch
from forked import CONTEXT
from own_folders import write_animals_coco, write_classes, write_regions

from hrnet_mm.cli import main
from hrnet_mm.datasets import read_folder
from hrnet_mm.tasks import TASKS, config_path
from hrnet_mm.training import runs
from hrnet_mm.training.job import Job, Own, Stopped
from hrnet_mm.training.record import begin
from hrnet_mm.training.worker import train_and_test

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings('ignore:__array__ implementation')]  # of pycocotools

WRITE = {'pose': write_animals_coco, 'classification': write_classes, 'segmentation': write_regions}
STEPS = 14  # a validation of 2 images takes a twelfth of a step of 16


def job_of(tmp_path, task, name, **settings):
    data = tmp_path / task
    if not data.exists():
        WRITE[task](data)
    own = Own(read_folder(data, TASKS[task].annotations), arch='test-w8', **settings)
    return Job(task, config_path(task), tmp_path / name, 0, iterations=STEPS, own=own)


def end_of(folder):
    """Weights, logs without times, and the numbers of metrics.json."""
    checkpoint = torch.load(folder / 'weights.pth', weights_only=True)
    logs = checkpoint['message_hub']['log_scalars']
    metrics = json.loads((folder / 'metrics.json').read_text())
    metrics.pop('seconds')
    return (
        checkpoint['state_dict'],
        {name: str(values) for name, values in logs.items() if 'time' not in name},
        metrics,
    )


def check_same(*folders):
    (weights, logs, metrics), (others, other_logs, other_metrics) = map(end_of, folders)
    assert weights.keys() == others.keys()
    assert all(torch.equal(value, others[name]) for name, value in weights.items())
    assert 'train/loss' in logs
    assert logs == other_logs
    assert metrics == other_metrics
    assert metrics['validations']


def run(job, text=None, times=1):
    """Train in this process; ask it to end as soon as it has reported a step, or the end of a phase, so often."""
    begin(job)
    said = []

    def report(progress):
        whole = progress.phase if progress.done == 1 else ''
        said.append(text in (whole, progress.text.partition(' of ')[0]))

    return train_and_test(job, report, lambda: sum(said) >= times)


@pytest.mark.parametrize('task', WRITE)
def test_any_end_and_continuation_is_the_same(tmp_path, monkeypatch, task):
    """Every second step is followed by a validation."""
    monkeypatch.setattr('hrnet_mm.training.hooks._REPORTED_EVERY', 0.0)
    whole, parts = job_of(tmp_path, task, 'whole'), job_of(tmp_path, task, 'parts')
    run(whole)
    for text, times, step in (
        ('step 3', 1, 4),  # ends in the validation, which is repeated
        ('validating', 2, 7),  # ends at a step that no validation follows
        ('validating', 4, STEPS),  # ends in the test
    ):
        stopped = run(parts, text, times)
        assert isinstance(stopped, Stopped)
        assert f'the last checkpoint is {parts.work_dir}/iter_{step}.pth' in stopped.kept
        parts = replace(parts, resume=True)
    assert f'the best weights so far are {parts.work_dir}/weights.pth' in stopped.kept
    result = run(parts)
    assert result.iterations == STEPS
    check_same(whole.work_dir, parts.work_dir)
    assert not list(parts.work_dir.glob('iter_*.pth'))  # three times as large as the weights, and of no use now


def test_a_killed_training_continues(tmp_path):
    """In processes as those of the command, one of which is killed as soon as a checkpoint is behind it."""
    whole, killed = job_of(tmp_path, 'pose', 'whole'), job_of(tmp_path, 'pose', 'killed')
    run(whole)
    for job in (killed, replace(killed, resume=True)):
        begin(job)
        (receiver, sender), stop = CONTEXT.Pipe(duplex=False), CONTEXT.Event()
        process = CONTEXT.Process(target=runs._enter, args=(job, sender, stop))
        process.start()
        sender.close()
        message = receiver.recv()
        while hasattr(message, 'phase'):
            if not job.resume and (job.work_dir / 'last_checkpoint').exists():
                os.kill(process.pid, signal.SIGKILL)
                break
            message = receiver.recv()
        process.join()
        assert process.exitcode == (0 if job.resume else -signal.SIGKILL)
    assert message.iterations == STEPS
    check_same(whole.work_dir, killed.work_dir)


@pytest.mark.usefixtures('_quick_processes')
def test_ctrl_c_keeps_the_training_and_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    folder = write_animals_coco(tmp_path / 'my mice')
    monkeypatch.chdir(tmp_path)
    argv = ['train', 'pose', '--data', str(folder), '--arch', 'test-w8', '--epochs', '12']
    show = runs._Lines.show

    def interrupt(lines, progress):
        show(lines, progress)
        if progress.phase == 'training' and progress.text:
            monkeypatch.setattr(runs._Lines, 'show', show)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(runs._Lines, 'show', interrupt)
    assert main(argv) == 130
    out, err = capsys.readouterr()
    assert 'pose: ends after this step; Ctrl-C again ends it at once' in out
    line = shlex.join(['hrnet-mm', *argv, '--work-dir', 'work_dirs/own', '--resume'])
    assert 'hrnet-mm train: interrupted; ' in err
    assert 'the last checkpoint is work_dirs/own/pose/iter_' in err
    assert err.endswith(f'; continue with: {line}\n')
    assert main(shlex.split(line)[1:]) == 0
    assert json.loads((tmp_path / 'work_dirs/own/pose/metrics.json').read_text())['steps'] == 6
    assert main(shlex.split(line)[1:]) == 2
    assert 'the training in work_dirs/own/pose is finished' in capsys.readouterr().err


def test_a_training_without_progress_ends_early_with_its_best_weights(tmp_path, monkeypatch):
    values = iter([value for value in (50.0, 70.0, 60.0, 70.0) for _ in range(2)])  # kept, and shown
    monkeypatch.setattr('hrnet_mm.training.hooks.percent', lambda metrics, metric: next(values))
    job = job_of(tmp_path, 'pose', 'early', patience=2)
    result = run(job)
    metrics = json.loads((job.work_dir / 'metrics.json').read_text())
    assert [(one['step'], one['PCK']) for one in metrics['validations']] == [(2, 50), (4, 70), (6, 60), (8, 70)]
    assert (result.iterations, metrics['stopped_early_at_step'], metrics['weights_of_step']) == (8, 8, 4)
    assert torch.load(result.weights, weights_only=True)['meta']['iter'] == 4
    assert (
        'it ended early, after 2 validations without a better one' in (job.work_dir / 'pose_pose_card.md').read_text()
    )
