"""Losses and gradients that are not finite, and memory that is not enough."""

import re
import subprocess
import sys

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn

from hrnet_mm.engine import StopOnNonFiniteHook

BAD = 5  # the sample whose loss or gradient the fault hits


class Data(torch.utils.data.Dataset):
    metainfo = {}

    def __len__(self):
        return 8

    def __getitem__(self, index):
        sample = BaseDataElement(metainfo={'img_path': f'images/{index}.png'})
        return {'inputs': torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(index)), 'data_samples': sample}


class Model(BaseModel):
    """A model in which `fault` changes the loss of one sample."""

    def __init__(self, fault=lambda loss: loss, value=float('nan')):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.fault = fault
        self.seen = []

    def forward(self, inputs, data_samples, mode):
        self.seen.append([sample.img_path for sample in data_samples])
        out = self.norm(self.layer(torch.stack(inputs)))
        loss = (out - 1).abs().mean()
        if f'images/{BAD}.png' in self.seen[-1]:
            loss = self.fault(loss)
        return {'loss_a': [loss, loss * 0.5], 'loss_b': out.mean(), 'acc': torch.tensor(float('nan'))}


class BadGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * float('inf')


@pytest.fixture(autouse=True)
def _no_inventory(monkeypatch):
    monkeypatch.setattr(Runner, '_log_env', lambda *_: None)  # starts compilers to ask for their versions


FAULTS = {
    'nan loss': lambda loss: loss * float('nan'),
    # Adding a constant leaves the gradient finite: only the loss shows it.
    'infinite loss': lambda loss: loss + float('inf'),
    'infinite gradient': BadGradient.apply,
}


def make_runner(work_dir, model, optim_wrapper=None, epochs=1, batch_size=1, **hook):
    return Runner(
        model,
        str(work_dir),
        train_dataloader=dict(
            batch_size=batch_size, dataset=Data(), sampler=dict(type='DefaultSampler', shuffle=False)
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='Adam', lr=0.01)) | (optim_wrapper or {}),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
        custom_hooks=[dict(type='hrnet_mm.StopOnNonFiniteHook', **hook)],
        randomness=dict(seed=0),
        experiment_name=f'guards_{id(model)}',
        log_level='ERROR',
    )


def weights_before_each_step(runner):
    history = []
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper.optimizer.register_step_pre_hook(
        lambda *_: history.append([p.detach().clone() for p in runner.model.parameters()])
    )
    return history


@pytest.mark.parametrize('fault', FAULTS)
@pytest.mark.parametrize('extra', [{}, {'clip_grad': {'max_norm': 1.0}}], ids=['plain', 'clipped'])
def test_stops_before_the_weights_change(fault, extra, tmp_path):
    runner = make_runner(tmp_path, Model(FAULTS[fault]), extra)
    history = weights_before_each_step(runner)
    with pytest.raises(FloatingPointError, match=r'iteration 6: a loss or gradient is not finite') as caught:
        runner.train()
    message = str(caught.value)
    assert 'loss_a=' in message
    assert 'loss_b=' in message
    assert f'samples: images/{BAD}.png' in message
    assert 'images/4.png' not in message
    assert ('gradients are not finite' in message) == (fault != 'infinite loss')
    assert len(history) == BAD + 1
    assert all(torch.equal(a, b) for a, b in zip(history[-1], runner.model.parameters(), strict=True))
    assert not list(tmp_path.rglob('*.pth'))


def test_stock_mmengine_does_not_stop(tmp_path):
    """The reason for the hook; if this fails, mmengine stops too."""
    runner = make_runner(tmp_path, Model(FAULTS['nan loss']))
    runner._hooks = [hook for hook in runner._hooks if not isinstance(hook, StopOnNonFiniteHook)]
    runner.train()
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']
    assert saved['layer.weight'].isnan().all()


def test_a_finite_training_is_not_changed(tmp_path):
    weights = []
    for with_hook in (True, False):
        torch.manual_seed(0)
        runner = make_runner(tmp_path / str(with_hook), Model(), on_non_finite='skip')
        if not with_hook:
            runner._hooks = [hook for hook in runner._hooks if not isinstance(hook, StopOnNonFiniteHook)]
        weights.append(runner.train().state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_accumulated_steps_name_every_iteration(tmp_path):
    runner = make_runner(tmp_path, Model(FAULTS['nan loss']), {'accumulative_counts': 4})
    with pytest.raises(FloatingPointError, match='iteration 8: ') as caught:
        runner.train()
    assert all(f'iteration {i + 1}: ' in str(caught.value) and f'{i}.png' in str(caught.value) for i in (4, 5, 6, 7))
    assert 'images/3.png' not in str(caught.value)


@pytest.mark.parametrize('fault', FAULTS)
def test_a_skipped_step_leaves_no_trace(fault, tmp_path):
    """As if the sample had not been there: weights, momenta and the statistics of the norm."""
    torch.manual_seed(0)
    skipping = make_runner(tmp_path / 'a', Model(FAULTS[fault]), batch_size=2, on_non_finite='skip')
    skipping.train()
    assert skipping.message_hub.get_info('skipped_steps') == 1
    torch.manual_seed(0)
    without = make_runner(tmp_path / 'b', Model(), batch_size=2)
    without._train_dataloader['sampler'] = [0, 1, 2, 3, 6, 7]
    without.train()
    one, other = (r.model.state_dict() for r in (skipping, without))
    assert all(torch.equal(one[name], other[name]) for name in one)
    one, other = (r.optim_wrapper.state_dict()['state'] for r in (skipping, without))
    assert all(torch.equal(one[k][name], other[k][name]) for k in one for name in one[k])


def test_skipping_has_a_limit(tmp_path):
    runner = make_runner(tmp_path, Model(FAULTS['nan loss']), epochs=3, on_non_finite='skip', max_skipped=2)
    with pytest.raises(FloatingPointError, match=r'iteration 22: .* \(2 steps were left out before\)'):
        runner.train()
    assert runner.message_hub.get_info('skipped_steps') == 2


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    too_long = {'optimizer': {'type': 'SGD', 'lr': 1e38}}
    runner = make_runner(tmp_path, Model(lambda loss: loss * 1e3), too_long, batch_size=8)
    with pytest.raises(FloatingPointError, match=r'values of \S+ are not finite; the checkpoint is not written'):
        runner.train()
    assert not list(tmp_path.rglob('*.pth'))


def scaled_runner(tmp_path, monkeypatch, fault, **hook):
    """GradScaler works on the CPU; AmpOptimWrapper only refuses to be built without a GPU."""
    from mmengine.optim.optimizer import amp_optimizer_wrapper as module

    monkeypatch.setattr(module, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(module, 'GradScaler', lambda **kwargs: torch.amp.GradScaler('cpu', **kwargs))
    wrapper = {'type': 'AmpOptimWrapper', 'loss_scale': {'init_scale': 2.0**10}, 'dtype': 'bfloat16'}
    return make_runner(tmp_path, Model(fault), wrapper, **hook)


def test_loss_scaling_answers_an_overflow_itself(tmp_path, monkeypatch):
    runner = scaled_runner(tmp_path, monkeypatch, FAULTS['infinite gradient'])
    runner.train()
    assert runner.optim_wrapper.loss_scaler.get_scale() == 2.0**9
    assert all(p.isfinite().all() for p in runner.model.parameters())


@pytest.mark.parametrize('fault', ['nan loss', 'infinite loss'])
def test_loss_scaling_does_not_hide_a_loss(fault, tmp_path, monkeypatch):
    runner = scaled_runner(tmp_path, monkeypatch, FAULTS[fault])
    history = weights_before_each_step(runner)
    with pytest.raises(FloatingPointError, match=r'iteration 6: (.|\n)*images/5\.png'):
        runner.train()
    assert len(history) in (BAD, BAD + 1)  # the scaler leaves the step out if the gradient shows it, too
    assert all(p.isfinite().all() for p in runner.model.parameters())


def test_loss_scaling_that_never_ends_does(tmp_path, monkeypatch):
    runner = scaled_runner(tmp_path, monkeypatch, FAULTS['infinite gradient'], epochs=9, batch_size=8, max_overflows=3)
    with pytest.raises(FloatingPointError, match='iteration 4: the gradients overflowed in 4 steps in a row'):
        runner.train()


def test_a_choice_that_does_not_exist():
    with pytest.raises(ValueError, match="must be 'stop' or 'skip', got 'ignore'"):
        StopOnNonFiniteHook(on_non_finite='ignore')


OUT_OF_MEMORY = """
import resource
import sys
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 64, 1)

    def forward(self, inputs, mode='loss'):
        return {'loss': self.layer(torch.stack(inputs)).mean()}

runner = Runner(
    Model(), sys.argv[1],
    train_dataloader=dict(
        batch_size=4, dataset=[{'inputs': torch.ones(3, 512, 640)}] * 4, sampler=dict(type='DefaultSampler')
    ),
    train_cfg=dict(by_epoch=True, max_epochs=1),
    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1), accumulative_counts=2),
    custom_hooks=[dict(type='hrnet_mm.MemoryGuardHook')],
    cfg=dict(optim_wrapper=dict(accumulative_counts=2)),
    log_level='ERROR',
)
with open('/proc/self/statm') as status:
    used = int(status.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))  # the output alone takes 320 MiB
runner.train()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='limits of the address space are a matter of Linux')
def test_out_of_memory_names_the_batch_and_what_needs_less(tmp_path):
    command = [sys.executable, '-c', OUT_OF_MEMORY, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode != 0
    message = result.stderr[result.stderr.rindex('MemoryError: ') :]
    # How much was in use before differs between machines, and the limit begins there.
    assert re.match(
        r'MemoryError: iteration 1: out of memory with 4 images of 3 x 512 x 640, at a peak of \d\.\d\d GiB\. ', message
    )
    assert 'train_dataloader.batch_size=2 optim_wrapper.accumulative_counts=4' in message
    assert 'with_cp=True' in message
    assert "can't allocate memory" in result.stderr  # torch's own error comes with it
