"""The study: every definition builds with equal multiply-adds, runs reach their rows, and reports tell them."""

import importlib
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from hrnet_mm.data.coco import describe_instance, write_coco

TOOLS = Path(__file__).parents[2] / 'tools' / 'research'


@pytest.fixture(scope='module')
def study():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module('study')


@pytest.fixture(scope='module')
def small(study):
    return study.SCALES['small']


def sized(study, scale):
    networks = study.define_networks(scale)
    for name, comparison in study.define_comparisons(scale).items():
        if comparison.networks:
            first = comparison.networks[0]
            width = scale.widths.get(first) or scale.widths[networks[first].task]
            yield name, study.equalise(comparison, networks, width)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['small', 'large'])
def test_compared_networks_have_equal_multiply_adds(study, name):
    scale, seen = study.SCALES[name], set()
    for comparison, networks in sized(study, scale):
        macs = [network.macs for network in networks.values()]
        assert max(abs(one - macs[0]) for one in macs) <= 0.05 * macs[0], comparison
        assert min(macs) > 1e6
        seen |= set(networks)
    assert seen == set(study.define_networks(scale))


@pytest.mark.slow
def test_recorded_rows_are_of_the_networks_defined_here(study, small):
    networks = study.define_networks(small)
    rows = {row['network']: row for row in study.read_rows(study.ROWS) if row['scale'] == 'small'}
    assert set(rows) == set(networks)
    for name, row in rows.items():
        counted = study.count(networks[name], int(row['width']))
        assert (counted.macs, counted.parameters) == (int(row['macs']), int(row['parameters'])), name


@pytest.mark.slow
def test_unequal_networks_are_refused(study, small):
    networks = study.define_networks(small)
    comparison = study.Comparison('', ('4x stream', 'U-Net'), ())
    with pytest.raises(ValueError, match='more than 5% apart'):
        study.equalise(comparison, networks, 1)


def test_claims_are_about_networks_that_are_compared(study, small):
    networks = study.define_networks(small)
    for comparison in study.define_comparisons(small).values():
        for claim in comparison.claims:
            names = {*claim.better, *claim.worse}
            assert names <= set(comparison.networks or networks)
            assert len(claim.better) == len(claim.worse)
            assert len({networks[name].task for name in names}) == 1


@pytest.fixture
def nuclei(tmp_path):
    """A folder as prepare_nuclei writes it: 25 bright squares on a dark ground."""
    folder = tmp_path / 'nuclei'
    for kind in ('images', 'labels'):
        (folder / kind).mkdir(parents=True)
    instances = np.zeros((128, 128), np.uint8)
    for number in range(25):
        y, x = 25 * (number // 5) + 2, 25 * (number % 5) + 2
        instances[y : y + 20, x : x + 20] = number + 1
    for part in ('train', 'test'):
        cv2.imwrite(str(folder / 'images' / f'{part}.png'), np.where(instances > 0, 120, 20).astype(np.uint8))
        cv2.imwrite(str(folder / 'labels' / f'{part}.png'), (instances > 0).astype(np.uint8))
        (folder / f'{part}.txt').write_text(f'{part}\n')
        images = [{'id': 1, 'file_name': f'{part}.png', 'width': 128, 'height': 128}]
        annotations = [describe_instance(instances == n, n, 1) for n in range(1, 26)]
        write_coco(folder / f'{part}.json', images, annotations, {'name': 'nucleus'})
    return folder


@pytest.fixture
def call(study, tmp_path, monkeypatch):
    def call(*options):
        file = tmp_path / 'study.csv'
        monkeypatch.setattr(sys, 'argv', ['study.py', *options, '--csv', str(file)])
        study.main()
        return study.read_rows(file)

    return call


@pytest.mark.slow
def test_runs_end_in_rows_that_are_not_made_again_and_in_a_report(study, call, nuclei, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.import_module('_study_data'), 'prepare_nuclei', lambda root: nuclei)
    options = ('segmentation-readout', '--iterations', '2', '--data', str(tmp_path))
    rows = call(*options, '--seeds', '1')
    assert [row['network'] for row in rows] == ['segmentation V2', 'segmentation V1h', 'segmentation V1']
    rows = call(*options, '--seeds', '2')
    assert len(rows) == 6
    assert all(0 <= float(row['value']) <= 100 and float(row['seconds']) > 0 for row in rows)
    assert len(capsys.readouterr().out.splitlines()) == 6  # one line a run, and nothing of what was there already

    for row in rows[:3]:
        study.append_rows(tmp_path / 'study.csv', [row | {'scale': 'long', 'value': '12.300'}], list(row))
    document = tmp_path / 'study.md'
    marks = 'segmentation-readout', 'summary'
    document.write_text('before\n' + ''.join(f'<!-- study:{m}:begin -->\n<!-- study:{m}:end -->\n' for m in marks))
    call('--tables', '--document', str(document))
    text = document.read_text()
    values = [float(row['value']) for row in rows if row['network'] == 'segmentation V1h']
    assert f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}' in text
    assert '| width | M MACs | M parameters | seeds | mIoU, small | pixels right, small | mIoU, long |' in text
    assert text.count(' | 12.3 | ') == 3
    assert text.startswith('before\n')
    assert text.count('segmentation V2 > segmentation V1 ') == 1
    assert cv2.imread(str(document.with_suffix('.png'))).std() > 1
    document.write_text('<!-- study:exchange:begin -->\n<!-- study:exchange:end -->')
    with pytest.raises(ValueError, match='no rows'):
        call('--tables', '--document', str(document))


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_detectors_run(study, call, nuclei, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.import_module('_study_data'), 'prepare_nuclei', lambda root: nuclei)
    rows = call('detection', 'instances', '--iterations', '2', '--seeds', '1', '--data', str(tmp_path))
    assert [row['second_measure'] for row in rows] == ['box AP50'] * 3 + ['mask AP'] * 2


@pytest.mark.slow
def test_the_large_scale_reads_idx_files(study, call, tmp_path, monkeypatch):
    monkeypatch.setattr(study, 'WORKERS', 1)
    random = np.random.default_rng(0)
    for part, size in (('train', 160), ('t10k', 100)):
        images = random.integers(0, 256, (size, 28, 28)).astype(np.uint8)
        head = np.array([2051, size, 28, 28], '>i4').tobytes()
        (tmp_path / f'{part}-images-idx3-ubyte').write_bytes(head + images.tobytes())
        labels = np.array([2049, size], '>i4').tobytes() + (np.arange(size) % 10).astype(np.uint8).tobytes()
        (tmp_path / f'{part}-labels-idx1-ubyte').write_bytes(labels)
    options = ('classification', '--scale', 'large', '--iterations', '1', '--seeds', '1', '--fashion', str(tmp_path))
    rows = call(*options)
    assert [row['network'] for row in rows] == ['HRNet-C', 'ResNet']
    assert {row['scale'] for row in rows} == {'large'}


@pytest.mark.parametrize(
    ('differences', 'equal', 'verdict'),
    [
        ([2.0, 2.1, 1.9], False, 'agrees'),
        ([-2.0, -2.1, -1.9], False, 'disagrees'),
        ([2.0, -2.1, 0.5], False, 'within noise'),
        ([2.0, -2.1, 0.5], True, 'no difference seen'),
        ([2.0, 2.1, 1.9], True, 'disagrees'),
    ],
)
def test_verdicts(study, differences, equal, verdict):
    report = importlib.import_module('_study_report')
    claim = report.Claim('', ('a',), ('b',), '', equal)
    finding = report.Finding(claim, '', np.array(differences))
    assert finding.verdict == verdict


def test_an_interval_is_students(study):
    report = importlib.import_module('_study_report')
    finding = report.Finding(report.Claim('', ('a',), ('b',), ''), '', np.array([1.0, 2.0, 3.0]))
    assert finding.half == pytest.approx(4.302653 / 3**0.5, rel=1e-5)
