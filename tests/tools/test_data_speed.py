"""tools/research/data_speed.py: every part of a pipeline has a row, and an element that changes a sample stops it."""

import importlib
from pathlib import Path

import pytest
import torch
from mmengine.registry import TRANSFORMS

from hrnet_mm.engine import read_config

ROOT = Path(__file__).parents[2]
IMAGES = '96x64 JPEG'


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools' / 'research')
        yield importlib.import_module('data_speed')


@pytest.fixture
def measured(tool, tmp_path, monkeypatch):
    """A function that returns the rows of a config with the number of that name in the tool."""
    monkeypatch.setattr(tool, 'COUNT', 2)
    root = tool.write_data(tmp_path, IMAGES, None)
    assert len(list((root / 'images').iterdir())) == 2

    def run(number):
        config = tool.CONFIGS[number]
        return list(tool.measure(read_config(ROOT / config), config, root, IMAGES, 1))

    return run


@pytest.mark.slow
@pytest.mark.filterwarnings('ignore:__array__ implementation')  # pycocotools, on numpy 2
def test_rows_of_masks(tool, measured, monkeypatch):
    monkeypatch.setattr(tool, 'loaders', lambda *_: [])
    rows = measured(4)
    variants = {row['variant']: row for row in rows if row['what'] == 'pipeline'}
    assert list(variants) == ['library', 'ContiguousImage', 'ToBoxedMasks']
    for variant, row in variants.items():
        elements = {r['name']: float(r['ms']) for r in rows if r['what'] == 'element' and r['variant'] == variant}
        assert {'annotation', 'LoadImageFromFile', 'Resize', 'PackDetInputs'} <= elements.keys()
        assert (variant == 'library') or variant in elements
        assert sum(elements.values()) == pytest.approx(float(row['ms']), abs=0.01)
        assert float(row['images_s']) == pytest.approx(1000 / float(row['ms']), rel=0.01)
    assert variants['library']['ratio'] == '1.00'


@pytest.mark.slow
def test_an_element_that_changes_a_sample_stops_it(tool, measured, monkeypatch):
    @TRANSFORMS.register_module(name='Darker', force=True)
    class Darker:
        def __call__(self, results):
            return {**results, 'img': results['img'] // 2}

    monkeypatch.setattr(tool, 'FASTER', {'Darker': 'RandomFlip'})
    with pytest.raises(AssertionError, match='Darker gives another image'):
        measured(7)


@pytest.mark.slow
def test_rows_of_a_loader(tool):
    samples = [{'inputs': torch.rand(3, 8, 8), 'data_samples': torch.rand(4)} for _ in range(2)]
    rows = list(tool.loaders(samples, 'mmpose', 1))
    assert [(row['variant'], row['name']) for row in rows] == [
        *(('pseudo_collate', process) for process in ('training', 'worker')),
        *(('block_collate', process) for process in ('training', 'worker')),
    ]
