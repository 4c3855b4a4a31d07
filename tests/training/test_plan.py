"""The plan is printed before anything heavy is imported; samples are previewed without a training."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from own_folders import write_animals_coco, write_classes, write_regions

from hrnet_mm.cli import main

WRITE = {
    'pose': write_animals_coco,
    'instances': write_regions,
    'segmentation': write_regions,
    'classification': write_classes,
}


def test_plan_and_mistakes_need_no_torch(tmp_path):
    """Until the training starts, which is the second after the last line of the plan."""
    folder = write_animals_coco(tmp_path / 'mine')
    code = f"""
import sys
for name in ('torch', 'mmengine', 'matplotlib', 'scipy'):
    sys.modules[name] = None
from hrnet_mm.cli import main
from hrnet_mm.training import runs
def stop(job, console):
    raise KeyboardInterrupt
runs._run = stop
assert main(['train', '--data', {str(folder)!r}, '--arch', 'w18', '--work-dir', {str(tmp_path / 'out')!r}]) == 130
assert main(['train', 'poses', '--data', {str(folder)!r}]) == 2
assert main(['train', 'pose', '--data', {str(folder)!r}, '--arch', 'v18']) == 2
assert main(['check', {str(folder)!r}]) == 0
try:
    main(['train', 'pose', '--dta', 'mine'])
except SystemExit as end:
    assert end.code == 2
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith('pose: COCO keypoints, 1 class (animal), 8 train / 2 val; ')
    assert lines[3] == 'pose: hrnetv1_w18 from random weights, input 160 x 160 pixels, 16 images a step'
    assert lines[4] == (
        'pose: 5 minutes with up to 10 validations, ends early after 5 without a better metric; then the test'
    )
    assert lines[5] == f'pose: output in {tmp_path}/out/pose: weights.pth, metrics.json, pose_mine_card.md, pictures'
    assert "did you mean 'pose'?" in done.stderr
    assert "unknown arch 'v18'" in done.stderr
    assert 'unrecognized arguments: --dta' in done.stderr


@pytest.mark.parametrize(
    ('options', 'line'),
    [
        (['--epochs', '1'], 'pose: 1 steps, then the test; too few for validations on the way'),
        (
            ['--epochs', '200'],
            'pose: 100 steps, a validation after every 10, ends early after 5 without a better metric',
        ),
        (['--epochs', '200', '--patience', '0'], 'pose: 100 steps, a validation after every 10; then the test'),
    ],
)
def test_the_plan_says_the_length(tmp_path, capsys, monkeypatch, options, line):
    monkeypatch.setattr('hrnet_mm.training.own.run_jobs', lambda *_: None)
    folder = write_animals_coco(tmp_path / 'mine')
    assert main(['train', 'pose', '--data', str(folder), *options, '--work-dir', str(tmp_path / 'out')]) == 0
    assert line in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
@pytest.mark.parametrize('task', WRITE)
def test_samples_are_drawn_and_nothing_is_trained(tmp_path, monkeypatch, capsys, task):
    monkeypatch.chdir(tmp_path)
    WRITE[task](tmp_path / 'my mice')
    assert main(['train', task, '--data', 'my mice', '--preview']) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    count = {'pose': 8, 'classification': 12}.get(task, 4)
    assert last == f'wrote preview_{task}_my_mice.png: {count} training samples; nothing was trained'
    assert sorted(file.name for file in Path().iterdir()) == ['my mice', f'preview_{task}_my_mice.png']
    picture = cv2.imread(f'preview_{task}_my_mice.png')
    assert picture.std() > 20
