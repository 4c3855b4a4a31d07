"""How the configs are written: no inherited list is indexed, each part has its folder, each address one place."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest
from mmengine.config import Config

from hrnet_mm.config.zoo import published_results

CONFIGS = Path(__file__).parents[2] / 'configs'
FILES = sorted(CONFIGS.rglob('*.py'))
BASES = CONFIGS / '_base_'
WEIGHTS = BASES / 'models' / 'imagenet_weights.py'
TRAINING = {'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler'}
DATA = {'train_dataloader', 'val_dataloader', 'test_dataloader', 'val_evaluator', 'test_evaluator'}
LOOP = {'train_cfg', 'val_cfg', 'test_cfg', 'optim_wrapper', 'param_scheduler'}
FORBIDDEN = {'models': DATA | LOOP, 'datasets': {'model'} | LOOP, 'schedules': {'model'} | DATA}
"""The settings that the files of a folder below _base_ leave to the other folders."""


def by_position(text):
    """Return the expressions that take elements of an inherited list by position.

    Everything derived from `_base_` counts as inherited; a string in brackets is a key, not a position.
    """
    inherited, found = {'_base_'}, []

    def is_inherited(node):
        return any(isinstance(part, ast.Name) and part.id in inherited for part in ast.walk(node))

    for statement in ast.parse(text).body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Subscript) and is_inherited(node.value):
                is_key = isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
                found += [] if is_key else [ast.unparse(node)]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_inherited(node.func.value):
                found += [ast.unparse(node)] if node.func.attr in ('pop', 'insert', '__getitem__') else []
            if isinstance(node, ast.Assign) and is_inherited(node.value):
                unpacks = isinstance(node.targets[0], ast.Tuple | ast.List)
                found += [ast.unparse(node)] if unpacks and not isinstance(node.value, ast.Tuple) else []
                inherited.update(name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name))
    return found


@pytest.mark.parametrize(
    'text',
    [
        'train_pipeline = [*_base_.train_pipeline[:2], resize]',
        'first = _base_.train_pipeline[0]',
        'last = _base_.model.decode_head[-1]',
        'train_pipeline = [*{{_base_.train_pipeline}}[3:]]',
        "step = _base_['train_pipeline'][0]",
        'steps = _base_.train_pipeline\npack = steps[-1]',
        'steps = [*_base_.train_pipeline, flip]\npack = steps[4]',
        'load, *rest = _base_.train_pipeline',
        'pack = _base_.train_pipeline.pop()',
        'pack = list(_base_.train_pipeline)[3]',
        'codec = dict(decoder=_base_.model.head[0].decoder)',
    ],
)
def test_a_position_in_an_inherited_list_is_found(text):
    assert len(by_position(text)) == 1


@pytest.mark.parametrize(
    'text',
    [
        'train_pipeline = [*_base_.load, resize, *_base_.pack]',
        "weights = _base_.imagenet_weights['w18-small-v2']",
        "codec = dict(_base_.codec)\naffine = dict(input_size=codec['input_size'])",
        'model = dict(decode_head=[dict(head, num_classes=20) for head in _base_.model.decode_head])',
        'order = [3, 1, 2]\nfirst = order[0]',
        'train, val = _base_.train_dataloader, _base_.val_dataloader',
    ],
)
def test_names_and_own_lists_are_allowed(text):
    assert by_position(text) == []


def test_no_inherited_list_is_indexed():
    assert {file: found for file in FILES if (found := by_position(file.read_text()))} == {}


def strings(file):
    return [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]


def test_each_weight_address_stands_once():
    places = {file: [value for value in strings(file) if isinstance(value, str) and '://' in value] for file in FILES}
    assert [file for file, addresses in places.items() if addresses] == [WEIGHTS]
    assert len(places[WEIGHTS]) == 12
    assert Counter(places[WEIGHTS]).most_common(1)[0][1] == 1


def test_the_official_test_is_described_once():
    assert [file for file in FILES for value in strings(file) if value == 'OfficialTTA'] == [BASES / 'mmseg_runtime.py']


def test_base_folders_are_those_of_openmmlab():
    assert {path.name for path in BASES.iterdir() if path.is_dir()} - {'__pycache__'} == {*FORBIDDEN, 'recipes'}
    assert {path.name for path in BASES.glob('*.py')} == {f'{n}_runtime.py' for n in ('mmdet', 'mmseg', 'reliable')}


@pytest.mark.parametrize('file', sorted(BASES.glob('*/*.py')), ids=lambda file: str(file.relative_to(BASES)))
def test_a_base_sets_what_its_folder_is_for(file):
    settings = set(Config.fromfile(file, import_custom_modules=False))
    if file.parent.name == 'recipes':
        # A classification config adds its backbone and neck.
        assert settings >= {'model', 'default_scope', 'runner_type', 'custom_imports', *DATA, *TRAINING}
    else:
        assert not settings & FORBIDDEN[file.parent.name]


def header(file):
    lines = re.findall(r'^# (.*)$', file.read_text(), re.MULTILINE)
    return re.sub(r'(\w)- (?=\w)', r'\1-', ' '.join(lines).partition(' Command: ')[0])


def claims(file):
    """Return the values in the first sentence of a header, without sources and sections in brackets."""
    sentence = re.split(r'(?<=\))\. ', header(file))[0]
    for _ in range(2):
        sentence = re.sub(r'\([^()]*\)', '', sentence)
    return set(re.findall(r'(?<![\w.@])\d+\.\d+', sentence))


def test_numbers_in_headers_are_published():
    rows = [row for row in published_results() if row['config'].startswith('configs/')]
    for name in {row['config'] for row in rows}:
        metrics = ' '.join(row['metrics'] for row in rows if row['config'] == name)
        assert claims(CONFIGS.parent / name), name
        assert claims(CONFIGS.parent / name) <= set(re.findall(r'=(\d[\d.]*)', metrics)), name


def test_headers_of_own_trainings_point_to_their_results():
    for folder, document in (('demo', 'docs/demonstration.md has the results'), ('learn', 'docs/learn.md')):
        for file in (CONFIGS / folder).glob('*.py'):
            assert document in header(file), file
            assert not re.search(r'(AP\d*|mIoU|accuracy|NME|PCK) \d+\.\d', header(file)), file
