"""The inference form: equal outputs, no batch norm, the ordinary checkpoint."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from hrnet_mm.errors import UserError
from hrnet_mm.fast import fold

NETWORKS = [
    ('hrnet_test_w4', {}),
    ('hrnetv1_test_w4', {'num_classes': 17}),
    ('hrnetv2_test_w4', {'num_classes': 5}),
    ('hrnetv2_test_w4', {'fuse_upsample': 'bilinear', 'align_corners': True}),
    ('hrnetv2p_test_w4', {}),
    ('hrnetv1_test_w4', {'downsample': 'bilinear'}),
    ('hrnetv1_test_w4', {'fusion': 'product'}),
    ('hrnetv1_test_w4', {'exchange': 'final'}),
    ('hrnetv1_test_w4', {'norm_cfg': {'type': 'GN', 'num_groups': 2}}),
    ('hrnetv1_test_w16', {}),  # stage 1 widens 16 to 64 channels, which the stem has: no shortcut convolution
]
SIZES = [(1, 3, 64, 96), (3, 3, 75, 101)]


class Dispatched(TorchDispatchMode):
    """Count operators as they reach the device, each a kernel launch on a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.name().partition('::')[2].partition('.')[0]] += 1
        return func(*args, **(kwargs or {}))


def outputs(module: nn.Module, x: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return pytree.tree_leaves(module(x))


def largest(ours: list[Tensor], theirs: list[Tensor]) -> float:
    assert [y.shape for y in ours] == [y.shape for y in theirs]
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(('name', 'kwargs'), NETWORKS)
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float64, 1e-13), (torch.float32, 2e-5)])
def test_outputs_are_equal(network: Any, name: str, kwargs: dict, dtype: torch.dtype, tolerance: float) -> None:
    # float32: the products of 4-wide branches cancel, so that rounding shows 1e-5; float64 settles that it is rounding.
    model = network(name, dtype, **kwargs)
    folded = fold(model)
    for size in SIZES:
        x = torch.randn(size, dtype=dtype)
        kept = x.clone()
        assert largest(outputs(folded, x), outputs(model, x)) < tolerance
        assert largest(outputs(folded.to(memory_format=torch.channels_last), x), outputs(model, x)) < tolerance
        assert torch.equal(x, kept), 'the input was written to'


def test_nan_stays_nan(network: Any) -> None:
    model = network('hrnetv1_test_w4')
    x = torch.randn(1, 3, 64, 64)
    x[0, 0, 3, 5] = float('nan')
    ours, theirs = outputs(fold(model), x)[0], outputs(model, x)[0]
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert theirs.isnan().any()


def test_answers_repeat(network: Any) -> None:
    """ReLUs work in place: a second call must see nothing of the first."""
    folded = fold(network('hrnet_test_w4').backbone)
    x = torch.randn(1, 3, 64, 64)
    first = [y.clone() for y in outputs(folded, x)]
    outputs(folded, torch.randn(1, 3, 64, 64))
    assert all(torch.equal(a, b) for a, b in zip(outputs(folded, x), first, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize('name', ['hrnetv1_w32', 'hrnetv2_w18', 'hrnet_w18', 'hrnetv2p_w18'])
def test_every_batch_norm_is_gone(network: Any, name: str) -> None:
    model = network(name)
    folded = fold(model)
    x = torch.randn(1, 3, 64, 64)
    with Dispatched() as plain:
        outputs(model, x)
    with Dispatched() as fast:
        outputs(folded, x)
    norms = {name: count for name, count in plain.counts.items() if 'norm' in name}
    assert plain.counts['convolution'] + plain.counts['conv2d'] >= 290
    assert sum(norms.values()) >= 290
    assert plain.counts - Counter(norms) == fast.counts


@pytest.mark.slow
def test_checkpoint_is_the_ordinary_one(network: Any) -> None:
    model = network('hrnetv1_test_w4', num_classes=3)
    other = network('hrnetv1_test_w4', num_classes=3)
    with torch.no_grad():
        for tensor in other.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.1 * torch.rand_like(tensor))
    folded = fold(model)
    assert {n: t.data_ptr() for n, t in folded.state_dict().items()} == {
        n: t.data_ptr() for n, t in model.state_dict().items()
    }
    x = torch.randn(1, 3, 64, 64)
    before = outputs(folded, x)
    folded.load_state_dict(other.state_dict(), strict=True)
    assert largest(outputs(folded, x), outputs(other, x)) < 1e-5
    assert largest(outputs(folded, x), before) > 1e-3
    whole = nn.ModuleDict({'backbone': fold(other.backbone)})
    whole.load_state_dict({f'backbone.{n}': t for n, t in model.backbone.state_dict().items()}, strict=True)
    assert largest(outputs(whole['backbone'], x), outputs(model.backbone, x)) < 1e-5


def test_attributes_and_dtype_follow(network: Any) -> None:
    backbone = network('hrnet_test_w4').backbone
    folded = fold(backbone)
    assert folded.out_channels == backbone.out_channels
    assert next(folded.parameters()) is next(backbone.parameters())
    assert folded.double()(torch.randn(1, 3, 32, 32).double())[0].dtype == torch.float64
    with pytest.raises(AttributeError):
        _ = folded.no_such_thing


def test_cannot_be_trained(network: Any) -> None:
    folded = fold(network('hrnetv1_test_w4'))
    assert folded.eval() is folded
    with pytest.raises(UserError, match='cannot be trained; train the one'):
        folded.train()


def test_functions_that_are_applied_change_the_outputs(network: Any) -> None:
    model = network('hrnetv1_test_w4', num_classes=5)
    folded, x = fold(model), torch.randn(1, 3, 64, 64)
    assert folded.apply(lambda m: nn.init.normal_(m.weight, std=0.1) if isinstance(m, nn.Conv2d) else None) is folded
    torch.testing.assert_close(folded(x), model(x), rtol=1e-3, atol=1e-4)


def test_gradients_of_the_input(network: Any) -> None:
    model = network('hrnetv1_test_w4', torch.float64)
    grads = []
    for module in (model, fold(model)):
        x = torch.randn(1, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        x.requires_grad_()
        module(x)[0].square().mean().backward()
        grads.append(x.grad)
    torch.testing.assert_close(grads[1], grads[0], rtol=1e-10, atol=1e-12)


def test_mmcv_conv_modules_are_folded() -> None:
    cnn = pytest.importorskip('mmcv.cnn')
    torch.manual_seed(0)
    for kwargs in ({}, {'act_cfg': {'type': 'LeakyReLU'}}, {'order': ('norm', 'conv', 'act')}):
        plain = nn.Sequential(cnn.ConvModule(4, 6, 3, padding=1, norm_cfg={'type': 'BN'}, **kwargs)).double()
        plain(torch.randn(8, 4, 5, 5).double())
        plain.eval()
        folded = fold(plain)
        x = torch.randn(2, 4, 9, 9).double()
        assert largest(outputs(folded, x), outputs(plain, x)) < 1e-13
        norms = [m for m in folded.network.modules() if isinstance(m, nn.BatchNorm2d)]
        assert len(norms) == (1 if 'order' in kwargs else 0)


def test_what_is_no_chain_is_left_alone() -> None:
    """The order in which layers are listed says nothing where a module has a forward of its own."""

    class NormFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.norm(x))

    torch.manual_seed(0)
    normalized = nn.utils.spectral_norm(nn.Conv2d(4, 4, 3))
    plain = nn.Sequential(NormFirst(), normalized, nn.BatchNorm2d(4)).double()
    with torch.no_grad():
        plain(torch.randn(8, 4, 5, 5).double())
    plain.eval()
    x = torch.randn(2, 4, 9, 9).double()
    assert largest(outputs(fold(plain), x), outputs(plain, x)) < 1e-13


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('concurrent', [False, True])
def test_on_a_gpu(network: Any, concurrent: bool) -> None:
    model = network('hrnet_w18').cuda()
    folded = fold(model, concurrent).cuda()
    for _ in range(3):  # streams must not overwrite what another still reads
        x = torch.randn(2, 3, 224, 224, device='cuda')
        assert largest(outputs(folded, x), outputs(model, x)) < 1e-3
