"""Each private name of mmengine is used in one file only, exists in the installed release, and works as expected."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import mmengine
import pytest
import torch
from mmengine.config import Config, DictAction
from mmengine.config import config as config_module
from mmengine.config import utils as config_utils
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModel, BaseTTAModel
from mmengine.registry import MODEL_WRAPPERS
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner, ValLoop, checkpoint
from mmengine.visualization import LocalVisBackend, Visualizer
from torch import nn

from hrnet_mm.engine import _mmengine

PACKAGE = Path(_mmengine.__file__).parents[1]
OTHERS = {'_exit', '_current_frames', '_replace', '_foreach_norm'}  # of Python and torch


def require(owner, name, function):
    """Fail with a sentence for the person who upgrades mmengine."""
    place = owner if isinstance(owner, type) else type(owner)
    place = owner.__name__ if hasattr(owner, '__name__') else f'{place.__module__}.{place.__name__}'
    assert hasattr(owner, name), (
        f'mmengine {mmengine.__version__}: {place} has no {name}; '
        f'hrnet_mm.engine._mmengine.{function.__name__} relies on it and has to be changed'
    )


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, inputs, mode='tensor'):
        return {'loss': self.layer(inputs).mean()} if mode == 'loss' else [self.layer(inputs)]


@pytest.fixture
def runner(tmp_path):
    """A runner of mmengine's own, which trains and validates, and has nothing built but the model."""
    loader = {
        'dataset': [{'inputs': torch.ones(1)}] * 2,
        'sampler': {'type': 'DefaultSampler', 'shuffle': False},
        'batch_size': 1,
        'num_workers': 0,
        'collate_fn': {'type': 'default_collate'},
    }
    return Runner(
        Model(),
        str(tmp_path),
        train_dataloader=loader,
        train_cfg={'by_epoch': True, 'max_epochs': 2, 'dynamic_intervals': [(2, 5)]},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        experiment_name=tmp_path.name,
        default_hooks={'checkpoint': None},
    )


def test_a_missing_name_is_told_with_the_version_and_the_function_that_needs_it():
    with pytest.raises(AssertionError) as caught:
        require(Runner, '_lost', _mmengine.is_resuming)
    for words in (f'mmengine {mmengine.__version__}', 'Runner has no _lost', '_mmengine.is_resuming relies on it'):
        assert words in str(caught.value)


def test_every_function_is_tested_here():
    text = Path(__file__).read_text()
    assert [name for name in _mmengine.__all__ if f'_mmengine.{name}' not in text] == []


def private_names(tree):
    """The private attributes of other objects, and the private names that are imported from other packages."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and re.match(r'_[a-z]', node.attr):
            if not (isinstance(node.value, ast.Name) and node.value.id in ('self', 'cls')):
                yield node.attr
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (name.name for name in node.names if re.match(r'_[a-z]', name.name))


def own_names(tree):
    """The methods and attributes that a file defines, which its objects may use of one another."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            for target in targets:
                if isinstance(target, ast.Attribute) and ast.unparse(target.value) == 'self':
                    yield target.attr
                elif isinstance(target, ast.Name):
                    yield target.id


def patches(tree):
    """Return the attributes that are set on imports from mmengine."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        (name.asname or name.name).partition('.')[0]
        for node in imports
        for name in node.names
        if (getattr(node, 'module', None) or name.name).startswith('mmengine')
    }
    for node in ast.walk(tree):
        for target in node.targets if isinstance(node, ast.Assign) else ():
            root = target
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(target, ast.Attribute) and isinstance(root, ast.Name) and root.id in names:
                yield ast.unparse(target)


def test_no_other_file_uses_private_names_or_changes_mmengine():
    used = {}
    for folder in ('commands', 'config', 'datasets', 'drop_in', 'engine', 'inference', 'tasks', 'training', 'tracking'):
        for file in (PACKAGE / folder).rglob('*.py'):
            if file != Path(_mmengine.__file__):
                tree = ast.parse(file.read_text())
                used[str(file)] = ({*private_names(tree)} - {*own_names(tree)} | {*patches(tree)}) - OTHERS
    assert {file: names for file, names in used.items() if names} == {}


def test_private_names_are_recognized():
    found = set(private_names(ast.parse('from mmengine import _a\nrunner._b\nself._c\nself.runner._d = f()._e\n')))
    assert found == {'_a', '_b', '_d', '_e'}


def test_patches_are_recognized():
    own = ast.parse(Path(_mmengine.__file__).read_text())
    assert set(patches(own)) == {
        'Config._file2dict',
        'Config._get_cfg_path',
        'FlexibleRunner.load_checkpoint',
        'Runner.load_checkpoint',
        'mmengine.config.config.FormatCode',
        'mmengine.config.utils.load',
        'mmengine.runner.checkpoint.load_state_dict',
    }


def test_a_model_is_had_without_its_wrappers():
    model, function = Model(), _mmengine.bare_model

    class Wrapper(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module = module

    class TTA(BaseTTAModel):
        def merge_preds(self, samples):
            return samples

    MODEL_WRAPPERS.register_module(name='WrapperOfATest', module=Wrapper)
    try:
        require(TTA(model), 'module', function)
        for wrapped in (model, Wrapper(model), TTA(model), Wrapper(TTA(model))):
            assert function(wrapped) is model
    finally:
        MODEL_WRAPPERS.module_dict.pop('WrapperOfATest')
    own = Model()
    own.module = nn.Linear(1, 1)  # a part that happens to have this name
    assert function(own) is own


def test_loops_are_had_without_being_built(runner):
    for name in ('_train_loop', '_val_loop', '_test_loop'):
        require(runner, name, _mmengine.built_loops)
    assert _mmengine.built_train_loop(runner) is None
    assert _mmengine.built_loops(runner) == []
    loop = runner.train_loop
    assert _mmengine.built_train_loop(runner) is loop
    assert _mmengine.built_loops(runner) == [loop]


def test_every_iteration_is_wrapped(runner):
    """The loops call `run_iter` with a number and a batch, or the batch alone."""
    calls = []

    def wrapper(run_iter, *args):
        calls.append(args[0])
        run_iter(*args)

    for kind in (EpochBasedTrainLoop, IterBasedTrainLoop, ValLoop):
        require(kind, 'run_iter', _mmengine.wrap_iterations)
    _mmengine.wrap_iterations(runner.train_loop, wrapper)
    runner.train()
    assert calls == [0, 1, 0, 1]
    assert runner.iter == 4


def test_epochs_are_counted(runner):
    require(runner.train_loop, '_epoch', _mmengine.count_epoch)
    _mmengine.count_epoch(runner.train_loop)
    assert runner.epoch == 1


def test_the_validation_interval_follows_from_the_place(runner):
    loop = runner.train_loop
    require(loop, '_decide_current_val_interval', _mmengine.choose_val_interval)
    intervals = []
    for _ in range(2):
        _mmengine.choose_val_interval(loop)
        intervals.append(loop.val_interval)
        _mmengine.count_epoch(loop)
        _mmengine.count_epoch(loop)
    assert intervals == [1, 5]


def test_the_length_is_changed(runner):
    loop = IterBasedTrainLoop(runner, runner.train_loop.dataloader, max_iters=7, val_interval=3)
    require(loop, '_max_iters', _mmengine.set_length)
    require(loop, 'dynamic_intervals', _mmengine.set_length)
    _mmengine.set_length(loop, 40, 5)
    _mmengine.choose_val_interval(loop)
    assert (loop.max_iters, loop.val_interval) == (40, 5)


def test_an_infinite_sampler_is_drawn_again():
    require(InfiniteSampler, '_indices_of_rank', _mmengine.redraw)
    first, second = InfiniteSampler(range(50), seed=0), InfiniteSampler(range(50), seed=1)
    second.seed = 0
    _mmengine.redraw(second)
    assert [next(first.indices) for _ in range(60)] == [next(second.indices) for _ in range(60)]
    other = SimpleNamespace(seed=0)
    _mmengine.redraw(other)
    assert vars(other) == {'seed': 0}


@pytest.mark.parametrize(
    ('resume', 'load_from', 'expected'),
    [(False, 'a.pth', None), (True, 'a.pth', 'a.pth'), (True, None, 'b.pth'), (False, None, None)],
)
def test_what_is_resumed_is_known(runner, resume, load_from, expected):
    for name in ('_resume', '_load_from'):
        require(runner, name, _mmengine.checkpoint_to_resume)
    Path(runner.work_dir, 'last_checkpoint').write_text('b.pth')
    started = Runner(Model(), runner.work_dir, load_from=load_from, resume=resume, experiment_name=runner.work_dir[-9:])
    assert _mmengine.is_resuming(started) is resume
    assert _mmengine.checkpoint_to_resume(started) == expected


def test_checkpoints_are_written_by_the_steps_with_public_names(runner, tmp_path):
    for name in ('_save_checkpoint_with_step', '_save_best_checkpoint'):
        require(CheckpointHook, name, _mmengine.OpenCheckpointHook)
    calls = []

    class Hook(_mmengine.OpenCheckpointHook):
        def write_step(self, runner, step, meta):
            calls.append(step)
            super().write_step(runner, step, meta)

        def write_best(self, runner, metrics):
            calls.append(dict(metrics))
            super().write_best(runner, metrics)

    hook = Hook(interval=1, save_best='metric', rule='greater')
    runner.register_hook(hook)
    runner.train()
    hook.after_val_epoch(runner, {'metric': 1.0})
    assert calls == [1, 2, {'metric': 1.0}, 2]  # the last: again, now that the best is known
    assert {'epoch_1.pth', 'epoch_2.pth', 'best_metric_epoch_2.pth'} <= {file.name for file in tmp_path.iterdir()}


def test_checkpoints_of_mmcls_get_the_names_of_the_other_libraries():
    require(checkpoint, '_process_mmcls_checkpoint', _mmengine.with_mmpretrain_names)
    given = {'state_dict': {'backbone.conv1.weight': 1, 'head.fc.weight': 2}}
    assert dict(_mmengine.with_mmpretrain_names(given)['state_dict']) == {'conv1.weight': 1}


def test_backends_can_be_added(tmp_path):
    visualizer = Visualizer(name=f'backends {tmp_path}', save_dir=str(tmp_path))
    require(visualizer, '_vis_backends', _mmengine.backends_of)
    _mmengine.backends_of(visualizer)['mine'] = backend = LocalVisBackend(str(tmp_path / 'mine'))
    assert visualizer.get_backend('mine') is backend


def test_a_forgotten_visualizer_is_made_anew(tmp_path):
    require(Visualizer, '_instance_dict', _mmengine.forget_visualizer)
    name = f'visualizer {tmp_path}'
    first = Visualizer.get_instance(name)
    assert Visualizer.get_instance(name) is first
    _mmengine.forget_visualizer(Visualizer, name)
    assert Visualizer.get_instance(name) is not first


def test_settings_are_parsed_as_mmengine_does():
    require(DictAction, '_parse_iterable', _mmengine.parse_setting)
    assert _mmengine.parse_setting('[(4,8),x]') == [(4, 8), 'x']
    with pytest.raises(AssertionError):
        _mmengine.parse_setting('[(4,8]')


def test_keys_leave_the_content_of_a_config():
    config = Config({'a': {'b': 1}})
    require(config, '_cfg_dict', _mmengine.content_of)
    del _mmengine.content_of(config)['a']['b']
    assert config.to_dict() == {'a': {}}
    part = {'a': 1}
    assert _mmengine.content_of(part) is part


def test_configs_and_places_of_bases_are_remembered(tmp_path, monkeypatch):
    function = _mmengine.quick_reading
    require(Config, '_get_cfg_path', function)
    require(Config, '_file2dict', function)
    require(config_utils, 'load', function)
    base = 'mmdet::_base_/default_runtime.py'
    find, load, calls = _mmengine._find_base, _mmengine._load_metafile, []
    before = Config._get_cfg_path, Config._file2dict, config_utils.load
    monkeypatch.setattr(_mmengine, '_find_base', lambda *args: (calls.append(args[0]), find(*args))[1])
    monkeypatch.setattr(_mmengine, '_load_metafile', lambda path: (calls.append(path), load(path))[1])
    for remembered in (_mmengine._external_path, _mmengine._metafile):
        remembered.cache_clear()
    (tmp_path / 'base.py').write_text('x = 1')
    (tmp_path / 'config.py').write_text(f"_base_ = ['{base}', 'mmdet::_base_/schedules/schedule_1x.py', './base.py']")
    expected = Config.fromfile(tmp_path / 'config.py')
    with function():
        with function():
            assert Config.fromfile(tmp_path / 'config.py').to_dict() == expected.to_dict()
        Config.fromfile(tmp_path / 'config.py').x = 2
        (tmp_path / 'base.py').write_text('x = 3')
        again = Config.fromfile(tmp_path / 'config.py')
        assert (again.x, again.text) == (1, expected.text)
    assert Config.fromfile(tmp_path / 'config.py').x == 3
    found = [call for call in calls if call != './base.py']
    assert len(found) == len(set(found)) > 50  # both bases and the metafiles
    assert (Config._get_cfg_path, Config._file2dict, config_utils.load) == before


def test_a_config_that_reads_the_environment_is_read_again(tmp_path, monkeypatch):
    (tmp_path / 'base.py').write_text("x = '{{$X:none}}'")
    (tmp_path / 'config.py').write_text("_base_ = ['./base.py']")
    with _mmengine.quick_reading():
        assert Config.fromfile(tmp_path / 'config.py').x == 'none'
        monkeypatch.setenv('X', 'some')
        assert Config.fromfile(tmp_path / 'config.py').x == 'some'


def test_a_text_is_formatted_once(monkeypatch):
    require(config_module, 'FormatCode', _mmengine.format_configs_once)
    config, calls = Config({'a': [1, {'of': 'test_a_text_is_formatted_once'}]}), []
    monkeypatch.setattr(config_module, 'FormatCode', _mmengine._format)
    expected = config.pretty_text

    def counted(text, **options):
        calls.append(text)
        return format_code(text, **options)

    format_code = _mmengine._format
    monkeypatch.setattr(_mmengine, '_format', counted)
    _mmengine.format_configs_once()
    assert [config.pretty_text, Config(config.to_dict()).pretty_text, config.dump()] == [expected] * 3
    assert len(calls) == 1
    config.a[0] = 2
    assert config.pretty_text == expected.replace('1', '2', 1)
    assert len(calls) == 2


def test_each_loading_is_watched(tmp_path, runner):
    require(checkpoint, 'load_state_dict', _mmengine.watch_loading)
    require(Runner, 'load_checkpoint', _mmengine.watch_loading)
    require(nn.Module, '_load_from_state_dict', _mmengine.watch_loading)
    seen = []
    kept = checkpoint.load_state_dict, Runner.load_checkpoint, _mmengine.FlexibleRunner.load_checkpoint

    def after(model, *lists):
        seen.append((type(model), _mmengine.loading_runner(), *lists))

    _mmengine.watch_loading(lambda model, weights: weights.update({'layer.bias': torch.full((1,), 5.0)}), after)
    try:
        torch.save({'other.weight': torch.ones(1), 'layer.weight': torch.ones(2, 2)}, tmp_path / 'a.pth')
        checkpoint.load_checkpoint(runner.model, str(tmp_path / 'a.pth'))
        runner.load_checkpoint(str(tmp_path / 'a.pth'))
    finally:
        checkpoint.load_state_dict, Runner.load_checkpoint, _mmengine.FlexibleRunner.load_checkpoint = kept
    for (model, by, missing, left, errors), expected in zip(seen, [None, runner], strict=True):
        assert (model, by, missing, left) == (Model, expected, [], ['other.weight'])
        assert any(
            error.startswith('size mismatch for layer.weight: ') for error in errors
        )  # engine.loading reads the name
    assert runner.model.layer.bias == 5
    assert '_load_from_state_dict' not in vars(runner.model)


def test_an_init_cfg_is_told_from_other_loading():
    found = []

    class Probe(Model):
        def init_weights(self):
            super().init_weights()
            found.append(_mmengine.is_initializing(self))

    outer = Model()
    outer.inner = Probe()
    outer.init_weights()
    assert found == [True]
    assert not _mmengine.is_initializing(outer.inner)
