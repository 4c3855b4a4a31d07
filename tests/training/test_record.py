"""A second training never overwrites the first; a continuation is of the same images, labels and options."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from own_folders import write_animals_coco, write_classes

from hrnet_mm.cli import main
from hrnet_mm.datasets import read_folder
from hrnet_mm.tasks import config_path
from hrnet_mm.training import runs
from hrnet_mm.training.job import Job, Own
from hrnet_mm.training.record import (
    begin,
    check_place,
    free_folder,
    newest_unfinished,
    update_record,
    written,
)


@pytest.fixture
def job(tmp_path):
    folder = read_folder(write_classes(tmp_path / 'tones'), 'classes')
    return Job('classification', config_path('classification'), tmp_path / 'own' / 'classification', 0, own=Own(folder))


def test_a_new_training_finds_a_free_folder(tmp_path):
    own = tmp_path / 'own'
    assert free_folder(own, ['pose']) == own
    (own / 'pose').mkdir(parents=True)
    assert free_folder(own, ['pose']) == own  # nothing is in it
    (own / 'pose' / 'weights.pth').touch()
    assert free_folder(own, ['pose', 'faces']) == tmp_path / 'own_2'
    assert free_folder(own, ['faces']) == own
    (tmp_path / 'own_2' / 'faces').mkdir(parents=True)
    (tmp_path / 'own_2' / 'faces' / 'log.txt').touch()
    assert free_folder(own, ['faces']) == own
    assert free_folder(own, ['faces', 'pose']) == tmp_path / 'own_3'


def test_the_newest_unfinished_training_continues(tmp_path, job):
    begin(job)
    other = replace(job, work_dir=tmp_path / 'own_2' / 'classification')
    begin(other)
    assert newest_unfinished(tmp_path / 'own', 'classification') == tmp_path / 'own_2'
    update_record(other.work_dir, is_finished=True)
    assert newest_unfinished(tmp_path / 'own', 'classification') == tmp_path / 'own'
    assert newest_unfinished(tmp_path / 'own', 'pose') == tmp_path / 'own'


def test_a_folder_with_a_training_is_left_alone(job):
    begin(job)
    with pytest.raises(ValueError, match='holds an interrupted training, which is not overwritten: name another fold'):
        check_place(job)
    update_record(job.work_dir, is_finished=True)
    with pytest.raises(ValueError, match='holds a finished training, which is not overwritten: name another folder'):
        check_place(job)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'seed': 1}, 'began with --seed 0, and now it is 1; give the same options as then'),
        ({'own': {'arch': 'w18'}}, 'began with --arch none, and now it is w18'),
        ({'own': {'minutes': 3.0}}, 'began with --minutes none, and now it is 3.0'),
        ({'own': {'patience': 0}}, 'began with --patience 5, and now it is 0'),
    ],
)
def test_a_continuation_has_the_same_options(job, change, message):
    begin(job)
    changed = {**change, 'own': replace(job.own, **change['own'])} if 'own' in change else change
    with pytest.raises(ValueError, match=message):
        check_place(replace(job, resume=True, **changed))
    check_place(replace(job, resume=True))


def test_a_continuation_has_the_same_labels(job):
    begin(job)
    images = job.own.folder.train['images']
    fewer = replace(job.own.folder, train={**job.own.folder.train, 'images': images[1:]})
    with pytest.raises(ValueError, match=r'the images or labels have changed since the training in .* began; leave'):
        check_place(replace(job, resume=True, own=replace(job.own, folder=fewer)))


def run(tmp_path, *options):
    folder = tmp_path / 'mine'
    if not folder.exists():
        write_animals_coco(folder)
    return main(['train', 'pose', '--data', str(folder), '--epochs', '1', *map(str, options)])


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--resume'], '--resume: work_dirs/own/pose holds no training to continue; leave --resume out'),
        (['--resume', 'iter_3.pth'], '--resume iter_3.pth: a task continues the training in its work directory; give'),
        (['--patience', '-1'], '--patience must be 0 or more, got -1'),
        (['--work-dir', 'mine/images/0.png'], 'mine/images/0.png is a file; give another folder with --work-dir'),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, '_run', None)
    assert run(tmp_path, *options) == 2
    assert message in capsys.readouterr().err
    assert not Path('work_dirs').exists()


def test_the_second_training_says_its_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def stop(job, console):
        begin(job)
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, '_run', stop)
    for place in ('own', 'own_2'):
        assert run(tmp_path) == 130
        out, err = capsys.readouterr()
        assert f'pose: output in work_dirs/{place}/pose: weights.pth, metrics.json, pose_mine_card.md, pictures' in out
        assert f'--work-dir work_dirs/{place} --resume' in err
    assert run(tmp_path, '--work-dir', 'work_dirs/own') == 2
    assert 'work_dirs/own/pose holds an interrupted training, which is not overwritten' in capsys.readouterr().err


def test_a_full_disk_is_one_sentence(tmp_path):
    assert str(written(OSError(28, 'No space left on device', 'a/b.png'), tmp_path)) == (
        'a/b.png could not be written (No space left on device); make space, or give a folder elsewhere with --work-dir'
    )


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, job):
    (tmp_path / 'file').touch()
    with pytest.raises(ValueError, match=r'file/pose could not be written \(Not a directory\); make space, or give a'):
        begin(replace(job, work_dir=tmp_path / 'file' / 'pose'))


@pytest.mark.slow
@pytest.mark.usefixtures('_quick_processes')
def test_a_disk_that_becomes_full_ends_with_a_sentence(tmp_path, capsys):
    disk = tmp_path / 'disk'
    disk.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=300k', 'tmpfs', disk], capture_output=True).returncode:
        pytest.skip('needs the right to mount a file system')
    try:
        assert run(tmp_path, '--arch', 'test-w8', '--work-dir', disk / 'out') == 2
        out, err = capsys.readouterr()
        assert 'No space left on device' in err
        assert err.count('\n') == 1
        assert 'Traceback' not in out + err
        for file in disk.rglob('*.json'):
            json.loads(file.read_text())  # whole, or not there
        assert not list(disk.rglob('*.pth'))
        assert not list(disk.rglob('*.partial'))
    finally:
        subprocess.run(['umount', disk], check=True)
