"""The benchmark: complete rows, peers with the same weights, and results files that are appended to or refused."""

import csv
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hrnet_mm import cli
from hrnet_mm.benchmark.measure import Row, peak_memory, time_in_turn, write_csv
from hrnet_mm.benchmark.peers import build_peer
from hrnet_mm.fast.machine import machine
from hrnet_mm.models.cost import macs
from hrnet_mm.weights.tables import read_rows


def test_times_are_taken_in_turn() -> None:
    calls = []

    def sleeper(name: str, seconds: float) -> Any:
        def run() -> None:
            calls.append(name)
            time.sleep(seconds)

        return run

    timings = time_in_turn({'a': sleeper('a', 0.002), 'b': sleeper('b', 0.02)}, repeats=4)
    rounds = [name for k, name in enumerate(calls) if k == 0 or calls[k - 1] != name]
    assert rounds == ['a', 'b'] * 4
    assert timings['a'].median >= 2
    assert timings['b'].median >= 20
    assert timings['b'].p90 >= timings['b'].median
    with pytest.raises(ValueError, match='at least 2'):
        time_in_turn({'a': sleeper('a', 0)}, repeats=1)


def test_memory_and_macs() -> None:
    grown = peak_memory(lambda: torch.ones(2**24), torch.device('cpu'))  # 64 MiB
    assert grown is not None
    assert 50 < grown < 100
    assert macs(torch.nn.Conv2d(3, 8, 3, padding=1), [torch.zeros(2, 3, 10, 10)]) == 2 * 3 * 8 * 9 * 100


def test_command_writes_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('mmpose')
    path = tmp_path / 'results.csv'
    line = 'benchmark hrnetv1_test_w4 --size 64 64 --repeats 2 --engines plain eager eager:bf16 --against mmpose'
    assert cli.main([*line.split(), '--out', str(path)]) == 0
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert [(r['model'], r['engine'], r['precision']) for r in rows] == [
        ('mmpose', 'plain', 'fp32'),
        ('hrnetv1_test_w4', 'plain', 'fp32'),
        ('hrnetv1_test_w4', 'eager', 'fp32'),
        ('hrnetv1_test_w4', 'eager', 'bf16'),
    ]
    assert float(rows[0]['difference']) == 0, 'the same weights'
    assert float(rows[2]['difference']) < 1e-4 < float(rows[3]['difference'])
    assert len({r['macs'] for r in rows}) == 1
    for row in rows:
        assert float(row['ratio']) > 0
        assert row['against'] == 'mmpose@plain:fp32'
        assert row['torch'] == torch.__version__
        assert row['device'] == machine()['device']
    assert 'ratio' in capsys.readouterr().out
    line = 'benchmark hrnetv1_test_w4 --size 64 64 --batch 2 --repeats 2 --train --engines plain eager:bf16'
    assert cli.main([*line.split(), '--out', str(path)]) == 0
    with path.open() as file:
        assert [r['task'] for r in csv.DictReader(file)] == ['test'] * 4 + ['train'] * 2


def test_what_cannot_run_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    line = 'benchmark hrnetv1_test_w4 --size 64 64 --repeats 2 --engines eager cudagraph'
    assert cli.main(line.split()) == 1
    assert 'CUDA graphs need' in capsys.readouterr().out
    assert cli.main(['benchmark', 'hrnetv1_test_w4', '--against', 'mmpos', '--repeats', '2']) == 2
    assert "did you mean 'mmpose'" in capsys.readouterr().err


def test_a_file_of_other_columns_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / 'other.csv'
    path.write_text('a,b\n1,2\n')
    with pytest.raises(ValueError, match='choose another file'):
        write_csv([], path)
    assert path.read_text() == 'a,b\n1,2\n'


@pytest.mark.parametrize(
    ('peer', 'name', 'kwargs'),
    [
        ('timm', 'hrnet_w18_small', {}),
        ('mmpretrain', 'hrnet_test_w4', {}),
        ('mmpose', 'hrnetv1_test_w4', {'num_classes': 17}),
        ('mmseg', 'hrnetv2_test_w4', {'num_classes': 19, 'fuse_upsample': 'bilinear'}),
        ('mmdet', 'hrnetv2p_test_w4', {}),
    ],
)
def test_peers_give_our_outputs(network: Any, peer: str, name: str, kwargs: dict) -> None:
    pytest.importorskip(peer)
    if peer == 'timm':
        import timm

        if not timm.is_model(name):
            pytest.skip(f'this timm has no {name}')
        name = 'hrnet_w18_small_v2'  # the same in both
    model = network(name, **kwargs)
    theirs = build_peer(peer, model)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        outputs = [model(x), theirs(x)]
    ours, others = ([y] if isinstance(y, torch.Tensor) else list(y) for y in outputs)
    for a, b in zip(ours, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


def test_a_head_is_measured_alone(tmp_path: Path) -> None:
    pytest.importorskip('mmseg')
    path = tmp_path / 'results.csv'
    line = 'benchmark hrnetv2_test_w4 --num-classes 3 --size 64 64 --part head --repeats 2 --against mmseg'
    assert cli.main([*line.split(), '--out', str(path)]) == 0
    rows = read_rows(path)
    assert [(row['model'], row['engine'], row['task']) for row in rows] == [
        ('mmseg', 'plain', 'head'),
        ('hrnetv2_test_w4', 'plain', 'head'),
        ('hrnetv2_test_w4', 'eager', 'head'),
    ]
    assert all(float(row['difference']) < 1e-4 for row in rows)
    assert float(rows[0]['macs']) > 4 * float(rows[1]['macs'])  # mmseg convolves all branches at the finest resolution


def test_a_part_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(['benchmark', 'hrnetv2_test_w4', '--size', '64', '64', '--part', 'head', '--repeats', '2']) == 2
    assert 'hrnetv2_test_w4 has no head; give --num-classes for a head' in capsys.readouterr().err


def test_a_config_is_a_peer(network: Any, tiny_config: Any) -> None:
    peer = build_peer(str(tiny_config('mmpose')), network('hrnetv1_test_w4'))
    with torch.no_grad():
        assert peer(torch.zeros(1, 3, 64, 64)).ndim == 4


def test_rows_name_everything() -> None:
    fields = set(Row.__dataclass_fields__)
    assert fields >= {
        'device',
        'driver',
        'torch',
        'commit',
        'threads',
        'precision',
        'memory_format',
        'batch',
        'engine',
        'macs',
    }
