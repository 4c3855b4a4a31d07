"""Faster steps give the same losses: channels_last, compiled, native, recomputed; bf16 stays finite and close."""

import math
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor

from hrnet_mm.models import HRNet, HRNetV2pFPN


class Regression(BaseModel):
    """HRNet and its pyramid, trained to give zero."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        self.backbone = HRNet('test-w4', **kwargs)
        self.neck = HRNetV2pFPN(arch='test-w4', out_channels=8)

    def forward(self, inputs: Tensor, mode: str = 'tensor') -> Any:
        maps = self.neck(self.backbone(inputs.to(self.backbone.conv2.weight.dtype)))
        self.seen = maps[0]
        return {'loss': torch.stack([y.square().mean() for y in maps]).sum()} if mode == 'loss' else maps


def losses(folder: Path, model: BaseModel, steps: int, wrapper: dict | None = None, hooks: Any = ()) -> list[float]:
    """The losses of a training of `steps` steps from given weights, on images that depend on the step alone."""
    kept = []

    class Keep(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 4 * steps

        def __getitem__(self, index: int) -> dict:
            return {'inputs': torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(index))}

    runner = Runner(
        model,
        work_dir=str(folder),
        train_dataloader=dict(
            dataset=Keep(), batch_size=4, sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=stack
        ),
        train_cfg=dict(by_epoch=False, max_iters=steps),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3, fused=True), **(wrapper or {})),
        custom_hooks=list(hooks),
        default_hooks=dict(checkpoint=None),
        log_level='ERROR',
        randomness=dict(seed=0),  # of the weights, which the runner draws
    )
    step = model.train_step
    model.train_step = lambda *args, **kwargs: kept.append(step(*args, **kwargs)) or kept[-1]
    runner.train()
    return [k['loss'].item() for k in kept]


def stack(samples: list[dict]) -> dict:
    return {'inputs': torch.stack([s['inputs'] for s in samples])}


@pytest.fixture
def start() -> Regression:
    torch.manual_seed(0)
    return Regression()


@pytest.mark.slow
@pytest.mark.parametrize(('dtype', 'steps', 'tolerance'), [(torch.float64, 50, 1e-6), (torch.float32, 5, 1e-3)])
def test_the_same_losses_over_50_steps(
    start: Regression, tmp_path: Path, dtype: torch.dtype, steps: int, tolerance: float
) -> None:
    """Training is chaotic: rounding alone sends two fp32 runs 10 % apart within 50 steps, so fp64 is held to the end.

    By SGD: Adam moves weights by the sign of gradients near zero.
    """
    plain = losses(tmp_path / 'plain', deepcopy(start).to(dtype), 50)
    fast_model = deepcopy(start).to(dtype)
    fast = losses(tmp_path / 'fast', fast_model, 50, hooks=[dict(type='hrnet_mm.ChannelsLastHook')])
    assert len(plain) == len(fast) == 50
    assert plain[-1] < 0.9 * plain[0], 'it learns'
    torch.testing.assert_close(torch.tensor(fast[:steps]), torch.tensor(plain[:steps]), rtol=tolerance, atol=0)
    assert fast_model.backbone.conv2.weight.is_contiguous(memory_format=torch.channels_last)
    assert fast_model.seen.is_contiguous(memory_format=torch.channels_last), 'the activations follow the weights'


def test_native_layers(start: Regression, tmp_path: Path) -> None:
    """Where there are no kernels, PyTorch computes them."""
    plain = losses(tmp_path / 'plain', deepcopy(start), 4)
    model = deepcopy(start)
    keys = list(model.state_dict())
    native = losses(tmp_path / 'native', model, 4, hooks=[dict(type='hrnet_mm.NativeTrainingHook')])
    torch.testing.assert_close(torch.tensor(native), torch.tensor(plain), rtol=1e-4, atol=0)
    assert list(model.state_dict()) == keys, 'checkpoints keep their names'
    assert model.seen.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.slow
# Dynamo looks at every attribute of a tensor that it meets between two compiled parts.
@pytest.mark.filterwarnings('ignore:The .grad attribute of a Tensor')
def test_compiled_parts_are_whole_graphs(start: Regression, tmp_path: Path) -> None:
    """aot_eager splits forward and backward as inductor does, without its minutes of code generation."""
    torch._dynamo.reset()
    plain = losses(tmp_path / 'plain', deepcopy(start), 4)
    model = deepcopy(start)
    keys = list(model.state_dict())
    # Beside native layers, whose place a graph takes.
    hooks = [
        dict(type='hrnet_mm.NativeTrainingHook'),
        dict(type='hrnet_mm.CompileHook', options={'backend': 'aot_eager'}),
    ]
    compiled = losses(tmp_path / 'compiled', model, 4, hooks=hooks)
    torch.testing.assert_close(torch.tensor(compiled), torch.tensor(plain), rtol=1e-4, atol=0)
    assert list(model.state_dict()) == keys, 'checkpoints keep their names'
    assert model.backbone._compiled_call_impl is not None
    assert model.neck._compiled_call_impl is not None


def test_bf16_on_this_device(start: Regression, tmp_path: Path) -> None:
    plain = losses(tmp_path / 'plain', deepcopy(start), 6)
    model = deepcopy(start)
    half = losses(tmp_path / 'half', model, 6, dict(type='hrnet_mm.Bf16OptimWrapper'))
    assert model.seen.dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert half != plain
    assert all(map(math.isfinite, half))
    # Later losses are of other weights, which rounding drives apart by how much the processor's kernels say.
    torch.testing.assert_close(half[0], plain[0], rtol=0.02, atol=0)


class Heads(torch.nn.Module):
    """Heads as in mmpose and mmdet: they call `forward` by name, and pass the result to code without bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(8, 1, 1)

    def forward(self, maps: tuple[Tensor, ...]) -> list[Tensor]:
        self.seen = maps[0].dtype
        return [self.conv(x) for x in maps]


class Detection(Regression):
    """A regression with a dense head, and a part that has `roi_layers`."""

    def __init__(self) -> None:
        super().__init__()
        self.rpn_head = Heads()
        self.extractor = Heads()
        self.extractor.roi_layers = torch.nn.ModuleList()

    def forward(self, inputs: Tensor, mode: str = 'tensor') -> Any:
        self.maps = self.neck(self.backbone(inputs))
        scores = self.rpn_head.forward(self.maps)
        areas = self.extractor(self.maps)
        for y in (*scores, *areas):
            y.detach().numpy()
        return {'loss': sum(y.square().mean() for y in (*scores, *areas))}


def test_bf16_does_not_reach_code_that_has_none(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Detection()
    model.extractor.forward = own = lambda maps: Heads.forward(model.extractor, maps)  # somebody else's wrapper
    assert all(map(math.isfinite, losses(tmp_path, model, 2, dict(type='hrnet_mm.Bf16OptimWrapper'))))
    assert model.maps[0].dtype == torch.bfloat16
    assert model.rpn_head.seen == model.extractor.seen == torch.float32
    assert 'forward' not in vars(model.rpn_head), 'a copy of the model would call the head of this one'
    assert model.extractor.forward is own


class Deforming(Regression):
    """A regression after two deformable convolutions: one computes its offsets, the other receives them."""

    def __init__(self) -> None:
        super().__init__()
        ops = pytest.importorskip('mmcv.ops')
        self.packed = ops.ModulatedDeformConv2dPack(3, 3, 3, padding=1)
        self.given = ops.DeformConv2d(3, 3, 3, padding=1)
        self.offset = torch.nn.Conv2d(3, 18, 1)

    def forward(self, inputs: Tensor, *args: Any, **kwargs: Any) -> Any:
        inputs = self.packed(inputs)
        return super().forward(self.given(inputs, self.offset(inputs)), *args, **kwargs)


def test_bf16_does_not_reach_deformable_convolutions(tmp_path: Path) -> None:
    torch.manual_seed(0)
    assert all(map(math.isfinite, losses(tmp_path, Deforming(), 2, dict(type='hrnet_mm.Bf16OptimWrapper'))))


@pytest.mark.parametrize('with_cp', [True, [1, 3]])
def test_recomputing_stages_changes_nothing(with_cp: Any) -> None:
    torch.manual_seed(0)
    plain, recomputed = HRNet('test-w4').double(), HRNet('test-w4', with_cp=with_cp).double()
    recomputed.load_state_dict(plain.state_dict())
    kept: dict[str, int] = {}
    x = torch.randn(2, 3, 64, 64).double()
    for name, net in (('plain', plain), ('recomputed', recomputed)):

        def count(tensor: Tensor, name: str = name) -> Tensor:
            kept[name] = kept.get(name, 0) + tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda t: t):
            loss = sum(y.square().mean() for y in net(x))
        loss.backward()
    for (name, a), b in zip(plain.named_parameters(), recomputed.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name
    assert kept['recomputed'] < kept['plain']


@pytest.mark.parametrize('with_cp', [[0], [5], 'all'])
def test_stages_are_checked(with_cp: Any) -> None:
    with pytest.raises(ValueError, match='stages 1 to 4'):
        HRNet('test-w4', with_cp=with_cp)
