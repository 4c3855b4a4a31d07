"""Choice of an engine: order, time, progress, and what is kept for the next start; with engines that only count."""

import gc
import json
import sys
import weakref
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hrnet_mm.cache import cache_folder
from hrnet_mm.errors import UserError
from hrnet_mm.fast import EngineError, accelerate, choose, graphs, kept
from hrnet_mm.fast.engines import ENGINES, _from_file
from hrnet_mm.fast.graphs import Job

X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
ON_A_CPU = ['native', 'native-bf16x3', 'ncnn', 'openvino', 'eager', 'mnn', 'onnxruntime', 'compile']


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv('HRNET_MM_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'engines'


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


class Engines:
    """Engines of given times, and the number of runs of each that was built."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: dict[str, int] = {}
        self.table: dict[str, Any] = {}
        self._monkeypatch = monkeypatch
        # The package's attribute of the first name is the function.
        for module in ('hrnet_mm.fast.accelerate', 'hrnet_mm.fast.choose'):
            monkeypatch.setattr(sys.modules[module], 'ENGINES', self.table)
        monkeypatch.setattr(choose, '_milliseconds', lambda run, inputs: (run(inputs), run.milliseconds)[1])

    def add(self, name: str, milliseconds: float = 1.0, error: str = '', wrong: float = 0.0) -> None:
        def make(job: Job) -> Any:
            self.runs[name] = 0
            if error:
                raise EngineError(error)

            def run(inputs: Any) -> list[Tensor]:
                self.runs[name] += 1
                with torch.no_grad():
                    return [job.module(*inputs) + wrong]

            run.milliseconds = milliseconds
            return run

        self.table[name] = make
        self._monkeypatch.setitem(choose.APPLIED, name, [])

    def built(self) -> list[str]:
        names = list(self.runs)
        self.runs.clear()
        return names


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> Engines:
    return Engines(monkeypatch)


def test_every_engine_of_the_order_exists() -> None:
    assert list(choose._AUTO['cpu']) == ON_A_CPU
    assert list(choose._AUTO['cuda']) == ['cudagraph', 'compile', 'eager', 'onnxruntime']
    for device, order in choose._AUTO.items():
        assert choose.candidates(torch.device(device))[: len(order)] == list(order)
        assert sorted(choose.candidates(torch.device(device))) == sorted(ENGINES)


def test_the_likely_fastest_is_tried_first_and_each_is_shown(engines: Engines, model: nn.Module, capfd: Any) -> None:
    for name in ['own', *reversed(ON_A_CPU)]:
        engines.add(name, error='no AMX' if name.startswith('native') else '')
    report = accelerate(model, X).report
    assert engines.built() == [*ON_A_CPU[:-1], 'own']
    assert list(report.left_out) == ['compile']
    assert report.left_out['compile'].startswith('it would take about 70 s to build, and 2')
    out, err = capfd.readouterr()
    assert out == ''
    head, *lines = err.splitlines()
    assert head == 'accelerate: trying 9 engines for 27 s at most'
    assert [line.split()[0] for line in lines] == [*ON_A_CPU, 'own']
    assert lines[0].endswith('refused: no AMX')
    assert lines[2].endswith(' ms')
    assert 'left out: ' in lines[-2]
    assert 'left out: it would take' in str(report)
    accelerate(model, X, engine='eager')
    assert capfd.readouterr() == ('', '')


def test_an_engine_that_is_clearly_behind_runs_once_more_only(engines: Engines, model: nn.Module) -> None:
    for name, milliseconds in (('slow', 100), ('good', 58), ('best', 50), ('behind', 76), ('near', 74)):
        engines.add(name, milliseconds)
    engines.add('wrong', 1, wrong=1.0)
    report = accelerate(model, X, engine=list(engines.table)).report
    assert report.engine == 'best'
    assert report.milliseconds == {'good': 58, 'best': 50, 'near': 74}
    assert report.stopped == {'slow': 100, 'behind': 76}
    assert 'is allowed' in report.refused['wrong']
    assert engines.runs == {
        'wrong': 1,
        'slow': 3,
        'behind': 3,
        **dict.fromkeys(('good', 'best', 'near'), 3 + choose._ROUNDS),
    }
    assert '76.00 ms in one run: stopped' in str(report)


def test_nothing_is_built_when_the_time_is_used_up(
    engines: Engines, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, '_BUDGET', 0)
    engines.add('native', error='no AMX')
    for name in ('ncnn', 'openvino', 'own'):
        engines.add(name)
    report = accelerate(model, X, choice=False).report
    assert engines.built() == ['native', 'ncnn'], 'one engine is needed'
    assert list(report.left_out) == ['openvino', 'own']
    assert 'and 0 s are left' in report.left_out['openvino']
    accelerate(model, X, engine=['native', 'own', 'ncnn'])
    assert engines.built() == ['native', 'own', 'ncnn'], 'a list is not cut'


def test_slow_machines_leave_more_out(engines: Engines, model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 0, 12, *[13] * 100])
    monkeypatch.setattr(choose, 'time', SimpleNamespace(perf_counter=lambda: next(now)))
    engines.add('ncnn')  # takes 12 seconds, twice those of the table
    for name in ('openvino', 'eager'):
        engines.add(name)
    report = accelerate(model, X).report
    assert report.left_out == {'openvino': 'it would take about 18 s to build, and 9 s are left; name it to try it'}
    assert engines.built() == ['ncnn', 'eager']


def test_the_choice_is_kept(engines: Engines, model: nn.Module, folder: Path) -> None:
    engines.add('slow', 9)
    engines.add('quick', 5)
    assert not accelerate(model, X).report.is_stored
    assert engines.built() == ['slow', 'quick']
    report = accelerate(model, X).report
    assert (report.engine, report.is_stored, report.milliseconds) == ('quick', True, {})
    assert 'chosen at an earlier start' in str(report)
    assert engines.built() == ['quick']
    other = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()).eval()
    for arguments in (
        dict(choice=False),
        dict(choice=folder / 'other.json'),
        dict(tolerance=1e-3),
        dict(precision='bf16'),
        dict(dynamic=True),
        dict(model=other),
        dict(example=torch.randn(2, 3, 16, 16)),
    ):
        accelerate(**{'model': model, 'example': X, **arguments})
        assert engines.built() == ['slow', 'quick'], f'{arguments} is another choice'
    engines.add('new', 1)
    assert accelerate(model, X).report.engine == 'new'
    assert accelerate(model, X, engine=['slow', 'quick']).report.engine == 'quick'
    engines.built()
    engines.add('new', error='no longer installed')
    report = accelerate(model, X).report
    assert (report.engine, report.is_stored) == ('quick', False)
    assert report.refused == {'new': 'no longer installed'}


def test_threads_and_versions_are_part_of_the_choice(
    engines: Engines, model: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines.add('slow', 9)
    engines.add('quick', 5)
    for change in (
        lambda: None,
        lambda: monkeypatch.setattr(torch, 'get_num_threads', lambda: 77),
        lambda: monkeypatch.setattr(kept, '_versions', lambda: {'openvino': '1'}),
        lambda: monkeypatch.setattr(kept, 'machine', lambda device: {'device': 'another CPU'}),
    ):
        change()
        accelerate(model, X)
        assert engines.built() == ['slow', 'quick']
        accelerate(model, X)
        assert engines.built() == ['quick']


@pytest.mark.parametrize('content', ['', '{', '[]', 'null', '{"a": 1}', '\x80'])
def test_a_damaged_file_is_an_empty_one(engines: Engines, model: nn.Module, folder: Path, content: str) -> None:
    for name in ('slow', 'quick'):
        engines.add(name)
    accelerate(model, X)
    (file,) = (folder / 'choices').iterdir()
    file.write_bytes(content.encode('latin-1'))
    engines.built()
    accelerate(model, X)
    assert len(engines.built()) == 2
    assert accelerate(model, X).report.is_stored
    assert set(json.loads(file.read_text()).values()) & {'slow', 'quick'}


def test_processes_keep_each_others_choices(
    model: nn.Module, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (None, tmp_path / 'own.json'):
        both = [kept.Choices(path, Job(model, (X,)), ['a', 'b'], tolerance) for tolerance in (1e-4, 1e-3)]
        for choices, engine in zip(both, 'ab', strict=True):
            choices.write(engine)
        assert [kept.Choices(path, Job(model, (X,)), ['a', 'b'], t).engine for t in (1e-4, 1e-3, 1)] == ['a', 'b', None]
    assert list(json.loads((tmp_path / 'own.json').read_text()).values()) == ['a', 'b']
    assert len(list((folder / 'choices').iterdir())) == 2
    monkeypatch.setattr(kept, '_MOST_CHOICES', 1)
    kept.Choices(None, Job(model, (X,)), ['a', 'b'], 1).write('a')
    assert len(list((folder / 'choices').iterdir())) == 1, 'the oldest are forgotten'
    assert kept.Choices(None, Job(model, (X,)), ['a', 'b'], 1).engine == 'a'


class Converted:
    """An engine that computes from a file with a network's weights, and counts the files that it wrote."""

    def __init__(self, engines: Engines) -> None:
        self.written = 0
        engines.add('converted')
        engines.add('other', 9)
        engines.table['converted'] = partial(_from_file, name='converted.pt', write=self.write, load=load)

    def write(self, job: Job, file: Path) -> None:
        self.written += 1
        torch.save(job.module, file)


def load(file: Path) -> Any:
    try:
        module = torch.load(file, weights_only=False)
    except Exception as error:
        raise EngineError('damaged') from error

    def run(inputs: Any) -> list[Tensor]:
        with torch.no_grad():
            return [module(*inputs)]

    run.milliseconds = 1
    return run


@pytest.fixture
def converted(engines: Engines) -> Converted:
    return Converted(engines)


def test_files_are_kept(converted: Converted, model: nn.Module, folder: Path) -> None:
    for count, engine in enumerate(['converted', 'auto', ['converted', 'other']]):
        fast = accelerate(model, X, engine=engine)
        assert (fast.report.engine, converted.written) == ('converted', 1), count
    assert [file.name for file in (folder / 'files').glob('*/*')] == ['converted.pt']
    with torch.no_grad():
        model[0].weight.mul_(2)
        fast(X)  # renews
        assert converted.written == 2
        accelerate(model, X, engine='converted')
    assert converted.written == 3, 'only what was asked for is kept'
    assert len(list((folder / 'files').iterdir())) == 2
    accelerate(model, X, engine='converted', choice=False)
    assert converted.written == 4


def test_kept_files_that_are_wrong_are_made_anew(converted: Converted, model: nn.Module, folder: Path) -> None:
    accelerate(model, X, engine='converted')
    (file,) = (folder / 'files').glob('*/*')
    whole = file.read_bytes()
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
    for count, damage in enumerate([lambda: file.write_bytes(whole[:99]), lambda: torch.save(other, file)]):
        damage()
        assert accelerate(model, X, engine='converted').report.difference == 0
        assert converted.written == count + 2
        accelerate(model, X, engine='converted')
        assert converted.written == count + 2


def test_where_nothing_can_be_written(
    converted: Converted, model: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'file').touch()
    monkeypatch.setenv('HRNET_MM_CACHE', str(tmp_path / 'file'))
    for count in range(2):
        report = accelerate(model, X, engine=['converted', 'other']).report
        assert (report.engine, report.is_stored, converted.written) == ('converted', False, count + 1)
    with pytest.raises(UserError, match=r'choice.json could not be written'):
        accelerate(model, X, engine=['converted', 'other'], choice=tmp_path / 'file' / 'choice.json')


def test_the_oldest_files_are_removed(
    converted: Converted, model: nn.Module, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = []
    for _ in range(3):
        with torch.no_grad():
            model[0].weight.mul_(2)
        accelerate(model, X, engine='converted')
        places += [place for place in (folder / 'files').iterdir() if place not in places]
        if len(places) == 2:
            size = (places[0] / 'converted.pt').stat().st_size
            monkeypatch.setattr(kept, '_MOST_BYTES', 2.5 * size)
    assert set((folder / 'files').iterdir()) == set(places[1:])
    monkeypatch.setattr(kept, '_MOST_BYTES', 0)
    accelerate(nn.Sequential(nn.Conv2d(3, 5, 3)).eval(), X, engine='converted')
    assert len(list((folder / 'files').iterdir())) == 1, 'the newest stays'


@pytest.mark.usefixtures('converted')
def test_what_engines_share_is_freed(engines: Engines, model: nn.Module) -> None:
    seen = []

    def write(job: Job, file: Path) -> None:
        seen.append((weakref.ref(job), weakref.ref(job.folded), job.files))
        torch.save(job.module, file)

    engines.table['other'] = partial(_from_file, name='other.pt', write=write, load=load)
    fast = accelerate(model, X, engine=['converted', 'other'])
    gc.collect()
    ((job, folded, files),) = seen
    assert job() is None
    assert folded() is None
    assert not files.exists()
    torch.testing.assert_close(fast(X), model(X))


@pytest.mark.slow
def test_one_export_for_all_engines(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    exports, export = [], graphs._exported
    monkeypatch.setattr(graphs, '_exported', lambda job: exports.append(job) or export(job))
    names = ['openvino', 'mnn', 'onnxruntime']
    for library in ('openvino', 'MNN', 'onnxruntime', 'onnxscript'):
        pytest.importorskip(library)
    report = accelerate(model, X, engine=names).report
    assert {*report.milliseconds, *report.stopped} == set(names)
    assert len(exports) == 1
    assert len(list((cache_folder() / 'engines' / 'files').iterdir())) == 1, 'the files of the fastest alone'
    accelerate(model, X, engine=names)
    assert len(exports) == 1
