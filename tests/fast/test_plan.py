"""Plans: what the native engine kept of an earlier start, for any weights of the same network and for nothing else."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from hrnet_mm.fast import accelerate, kept
from hrnet_mm.fast.native import engine, library
from hrnet_mm.fast.native.build import BuildError
from hrnet_mm.fast.native.engine import compile_native

X = torch.randn(1, 3, 64, 48, generator=torch.Generator().manual_seed(0))
PLANNED = 'plan of an earlier start'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder beside compiled kernels."""
    able = [name for name in library.instruction_sets() if name in engine.PRECISIONS['fp32']]
    if not able:
        pytest.skip('needs a CPU with kernels')
    try:
        library.library(able[0])
    except BuildError as error:
        pytest.skip(str(error))
    monkeypatch.setenv('HRNET_MM_CACHE', str(tmp_path))
    return tmp_path / 'engines' / 'files'


def leaves(outputs: Any) -> list[Tensor]:
    return pytree.tree_leaves(outputs)


def equal(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(leaves(a), leaves(b), strict=True))


def is_planned(model: nn.Module, x: Tensor = X, **arguments: Any) -> bool:
    return PLANNED in accelerate(model, x, engine='native', **arguments).report.applied


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv1_test-w4', 'hrnetv2_test-w18', 'hrnetv2p_test-w4', 'hrnet_test-w4'])
def test_outputs_are_equal_to_the_bit_with_any_weights(network: Any, name: str, tmp_path: Path) -> None:
    model, plan = network(name), tmp_path / 'plan.json'
    expected = compile_native(model, X, plan=plan)(X)
    given = compile_native(model, X, plan=plan)(X)
    assert pytree.tree_structure(given) == pytree.tree_structure(expected)
    assert equal(given, expected)
    with torch.no_grad():
        for x in [*model.parameters(), *model.buffers()]:
            if x.is_floating_point():
                x.mul_(torch.rand_like(x) + 0.5)
    assert equal(compile_native(model, X, plan=plan)(X), compile_native(model, X)(X))
    assert not equal(compile_native(model, X, plan=plan)(X), expected)


@pytest.mark.slow
@pytest.mark.parametrize('chosen', ['native', ['native', 'eager']])
def test_later_starts_neither_fold_nor_trace(network: Any, chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network('hrnetv1_test-w18')
    first = accelerate(model, X, engine=chosen)
    assert PLANNED not in first.report.applied
    for name in ('fold', 'trace', 'lower'):
        monkeypatch.setattr(engine, name, None)
    monkeypatch.setattr('hrnet_mm.fast.graphs.fold', None)
    again = accelerate(model, X, engine=chosen)
    assert PLANNED in again.report.applied
    assert again.report.is_stored == (chosen != 'native')
    assert equal(again(X), first(X))


class Small(nn.Module):
    """A network with a setting that neither its description nor its state has."""

    def __init__(self, mode: str = 'nearest', function: Any = torch.add) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 5, 1)
        self.mode, self.function = mode, function

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.second(self.function(y, F.interpolate(F.avg_pool2d(y, 2), y.shape[2:], mode=self.mode)))


def test_another_network_size_or_version_has_no_plan(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert not is_planned(Small().eval())
    assert is_planned(Small().eval())
    assert not is_planned(Small('bilinear').eval())
    assert not is_planned(Small().eval(), X[..., :32])
    assert not is_planned(Small().eval(), X.repeat(2, 1, 1, 1))
    assert not is_planned(Small().eval(), choice=False)
    assert len(list(folder.iterdir())) == 4
    assert is_planned(Small().eval())
    monkeypatch.setattr(kept, '_versions', lambda: {'hrnet_mm': 'another'})
    assert not is_planned(Small().eval())
    monkeypatch.setattr(kept, 'machine', lambda device: {'device': 'another CPU'})
    assert not is_planned(Small().eval())


def test_settings_are_described() -> None:
    assert len({str(kept._modules(Small(*given))) for given in ((), ('bilinear',), ('nearest', torch.mul))}) == 3
    assert kept._modules(Small()) == kept._modules(Small())


def test_a_network_that_looks_the_same_is_recorded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where a difference that large is allowed."""
    assert not is_planned(Small().eval())
    other = Small('bilinear').eval()
    monkeypatch.setattr(kept, '_modules', lambda network: [])
    plain = Small().eval()
    assert not is_planned(plain)
    assert is_planned(plain)
    report = accelerate(other, X, engine='native', tolerance=10.0).report
    assert PLANNED not in report.applied
    assert report.difference < 1e-5
    assert is_planned(other)


@pytest.mark.parametrize('damage', [lambda x: b'', lambda x: x[: len(x) // 2], lambda x: x.replace(b'16', b'61', 1)])
def test_a_damaged_plan_is_made_anew(folder: Path, damage: Any) -> None:
    fast = accelerate(Small().eval(), X, engine='native')
    (file,) = folder.glob('*/*')
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    again = accelerate(Small().eval(), X, engine='native')
    assert PLANNED not in again.report.applied
    assert equal(again(X), fast(X))
    assert file.read_bytes() == whole
    assert is_planned(Small().eval())


class Calculated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, 2 * self.conv.weight, padding=1)


def test_weights_that_are_calculated_have_no_plan(folder: Path) -> None:
    for _ in range(2):
        assert not is_planned(Calculated().eval())
    assert not folder.exists()
