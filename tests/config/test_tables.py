"""results.csv is complete and consistent, and what is made from it is fresh."""

import argparse
import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hrnet_mm.commands import verify
from hrnet_mm.config.zoo import compare, published_results

ROOT = Path(__file__).parents[2]
COLUMNS = [
    *('id', 'task', 'dataset', 'split', 'role', 'config', 'reason', 'method', 'arch', 'input', 'schedule', 'variant'),
    *('metrics', 'params', 'gimacs', 'gmacs', 'source', 'slide', 'verified', 'weights', 'note'),
]
PRINTED = ('id', 'role', 'metrics', 'params', 'gimacs', 'gmacs')
# By task: the number of rows, and a digest of what their sources print, which never changes.
FROZEN = {
    'body_2d_keypoint': (15, 'eb581a7d3f22'),
    'classification': (59, '137123bb7ce1'),
    'cost_classification': (12, 'ff647e928b44'),
    'cost_detection': (10, '811d7837994c'),
    'cost_pose': (7, 'ca575ebb4e08'),
    'cost_segmentation': (7, '197b036c4170'),
    'detection': (155, 'ed7368abaae2'),
    'face_2d_keypoint': (4, 'e02ab4c54e67'),
    'face_alignment': (76, 'dfab5fb7feac'),
    'instance_segmentation': (85, '2f095b5c585d'),
    'object_detection': (13, '922d70b25ffe'),
    'pose': (4, '4d77e7b142a8'),
    'pose_bottomup': (39, 'ad337e9beefa'),
    'pose_topdown': (93, 'dfd1dd2dc96c'),
    'pose_tracking': (13, '8e48d842fc25'),
    'segmentation': (196, '204cdb8777f2'),
    'semantic_segmentation': (10, 'b6008604f9e8'),
}


@pytest.fixture(scope='module')
def rows():
    return published_results()


@pytest.mark.slow
def test_tables_are_fresh():
    command = [sys.executable, ROOT / 'tools/make_tables.py', '--check']
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr + '\nrun python tools/make_tables.py'


def test_every_row_has_a_config_or_a_reason(rows):
    assert list(rows[0]) == COLUMNS
    assert len({row['id'] for row in rows}) == len(rows)
    for row in rows:
        assert bool(row['config']) != bool(row['reason']), row['id']
        if row['config'].startswith('configs/'):
            assert (ROOT / row['config']).is_file(), row['id']
        for value in (row['params'], row['gimacs'], row['gmacs']):
            assert re.fullmatch(r'(\d+(\.\d+)?)?', value), row['id']


def test_every_hrnet_row_has_a_config(rows):
    without = [row for row in rows if row['role'] == 'hrnet' and not row['config']]
    assert [row['id'] for row in without if not row['reason'].startswith('never released')] == []


def test_nothing_is_called_verified_without_a_config_of_ours(rows):
    for row in rows:
        assert bool(row['verified']) == row['config'].startswith('configs/'), row['id']


def test_figures_are_the_printed_ones(rows):
    """What was once transcribed and compared with its source stays: a corrected figure changes its digest here, too."""
    lines = {}
    for row in rows:
        lines.setdefault(row['task'], []).append(' '.join(row[name] for name in PRINTED))
    digests = {
        task: (len(of_task), hashlib.sha256('\n'.join(sorted(of_task)).encode()).hexdigest()[:12])
        for task, of_task in lines.items()
    }
    assert digests == FROZEN


def row_of(rows, config, source):
    (row,) = [r for r in rows if r['config'].endswith(f'/{config}.py') and r['source'].startswith(source)]
    return row


@pytest.mark.parametrize(
    ('config', 'source', 'statuses'),
    [
        ('td-hm_hrnet-w48_4xb32-210e_coco-256x192', 'TPAMI Table I', ['equal', 'equal']),
        ('fcn_hr40_4xb3-120k_cityscapes-512x1024', 'TPAMI', ['explained', 'explained']),
        ('ocrnet_hr48_4xb3-120k_cityscapes-512x1024', 'TPAMI', ['explained', 'explained']),
        ('hrnet-w96b_8xb32_in1k', 'TPAMI', ['equal', 'equal']),
        ('mask-rcnn_hrnetv2p-w32_1x_coco', 'TPAMI Table X', ['equal', 'explained']),
        ('fcos_hrnetv2p-w32_bgr255-ms-2x_coco', 'TPAMI', ['equal', 'equal']),
        ('htc_hrnetv2p-w18_20e_coco', 'TPAMI Table X', ['explained', 'explained']),
    ],
)
def test_figures_compare_as_recorded(rows, config, source, statuses):
    row = row_of(rows, config, source)
    comparisons = list(compare(row))
    assert [c.status for c in comparisons] == statuses
    names = {'parameters': 'params', 'MACs': 'MACs'}
    for c in comparisons:
        assert (names[c.kind] in row['verified'].split(', ')) == (c.status == 'equal')


def test_figures_with_another_digit_differ(rows):
    row = row_of(rows, 'td-hm_hrnet-w48_4xb32-210e_coco-256x192', 'TPAMI Table I')
    assert [c.status for c in compare({**row, 'params': '63.5', 'gimacs': '14.7'})] == ['different', 'different']


@pytest.mark.slow
def test_all_figures_compare_as_recorded(rows):
    for row in rows:
        if row['config'].startswith('configs/'):
            equal = {c.kind for c in compare(row) if c.status == 'equal'}
            assert ('params' in row['verified']) == ('parameters' in equal), row['id']
            assert ('MACs' in row['verified']) == ('MACs' in equal), row['id']
            assert all(c.status != 'different' for c in compare(row)), row['id']


def run_verify(capsys, *arguments):
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    return verify.run(parser.parse_args(arguments)), capsys.readouterr().out.splitlines()


def test_command_prints_a_summary(capsys):
    code, lines = run_verify(capsys, 'classification/hrnet-w32_')
    assert code == 0
    assert lines == [
        '1 configs, 0 with unknown keys; 1 published rows, 2 printed figures: 2 equal, 0 explained, 0 different'
    ]


def test_command_gives_the_reason(capsys):
    code, lines = run_verify(capsys, 'fcn_hr40', '--all')
    assert code == 0
    assert all(line.startswith('explained') and 'do not fit the network' in line for line in lines[:-1])


def test_command_refuses_a_pattern_without_a_config():
    parser = argparse.ArgumentParser()
    verify.add_arguments(parser)
    with pytest.raises(ValueError, match='no config'):
        verify.run(parser.parse_args(['hrnet-w33']))
