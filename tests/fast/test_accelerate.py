"""accelerate: within tolerance or refused, with a report; plain networks, and models of the libraries in place."""

import sys
from copy import deepcopy
from typing import Any

import pytest
import torch
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter

from hrnet_mm.errors import UserError
from hrnet_mm.fast import EngineError, accelerate, fold
from hrnet_mm.models.dense import MapsAsInputs
from hrnet_mm.models.readouts import HRNetV2pFPN

X = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
GRAPHS = [pytest.param(name, marks=pytest.mark.slow) for name in ('onnxruntime', 'openvino')]
NCNN, MNN = (pytest.param(name, marks=pytest.mark.slow) for name in ('ncnn', 'mnn'))


def needs(engine: str) -> None:
    if engine in ('onnxruntime', 'openvino', 'mnn', 'ncnn'):
        pytest.importorskip({'mnn': 'MNN'}.get(engine, engine))


@pytest.mark.parametrize('engine', ['eager', *GRAPHS, MNN, NCNN])
def test_fixed_size(network: Any, engine: str) -> None:
    needs(engine)
    model = network('hrnetv2p_test_w4')
    fast = accelerate(model, X, engine=engine)
    assert fast.report.engine == engine
    assert fast.report.difference < fast.report.tolerance == 1e-4
    given, expected = fast(X), model(X)
    assert isinstance(given, tuple)
    for a, b in zip(given, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    assert fast.backbone is model.backbone
    first = fast(X)[0].clone()
    fast(2 * X)
    assert torch.equal(given[0], first), 'an output was overwritten by the next call'
    if engine == 'eager':
        assert fast(torch.randn(2, 3, 40, 50))[0].shape == (2, 256, 10, 13)
    else:
        with pytest.raises(ValueError, match='dynamic=True'):
            fast(torch.randn(2, 3, 64, 96))


@pytest.mark.parametrize('engine', [*GRAPHS, MNN])
def test_any_size(network: Any, engine: str) -> None:
    needs(engine)
    model = network('hrnetv1_test_w4', num_classes=5)
    fast = accelerate(model, X, engine=engine, dynamic=True)
    for size in ((1, 3, 64, 96), (3, 3, 96, 32), (2, 3, 32, 32)):
        x = torch.randn(size)
        torch.testing.assert_close(fast(x), model(x), rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match='divide by 32'):
        fast(torch.randn(1, 3, 64, 100))


@pytest.mark.slow
@pytest.mark.parametrize('engine', ['mnn', 'ncnn'])
def test_engines_of_phones(network: Any, engine: str, capfd: Any) -> None:
    """Batches, several inputs and outputs, threads; nothing is printed, and other precisions are refused."""
    needs(engine)
    for name, x in (('hrnetv1_test_w4', torch.randn(3, 3, 64, 96)), ('hrnet_test_w4', X)):
        model = network(name, num_classes=5)
        fast = accelerate(model, x, engine=engine)
        given = fast(x)
        torch.testing.assert_close(given, model(x), rtol=1e-3, atol=1e-4)
        first = given.clone()
        fast(2 * x)
        assert torch.equal(given, first), 'an output was overwritten by the next call'
    maps = tuple(torch.randn(2, 4 * 2**i, 16 // 2**i, 16 // 2**i) for i in range(4))
    neck = HRNetV2pFPN((4, 8, 16, 32), 8).eval()
    fast = accelerate(MapsAsInputs(neck).eval(), maps, engine=engine)
    for a, b in zip(fast(*maps), neck(maps), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    for precision in ('bf16', 'int8'):
        with pytest.raises(EngineError, match=f'has fp32 on the CPU, and not {precision}'):
            accelerate(MapsAsInputs(neck).eval(), maps, precision, engine=engine)
    assert capfd.readouterr() == ('', '')


@pytest.mark.slow
def test_ncnn_has_one_size(network: Any) -> None:
    needs('ncnn')
    with pytest.raises(EngineError, match='take inputs of one size; leave dynamic out'):
        accelerate(network('hrnetv1_test_w4', num_classes=5), X, engine='ncnn', dynamic=True)


def small() -> nn.Module:
    """A chain that graph compilers, which need minutes for HRNet, take in seconds."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1)]
    model = nn.Sequential(*layers).train()
    model(torch.randn(8, 3, 32, 32))
    return model.eval()


@pytest.mark.slow
def test_without_a_compiler_another_engine_is_taken() -> None:
    from torch._inductor import config

    with config.patch({'cpp.cxx': (None, '/bin/false')}):
        torch._dynamo.reset()
        model = small()
        with pytest.raises(EngineError, match=r'torch\.compile: InvalidCxxCompiler: No working C\+\+ compiler'):
            accelerate(model, X, engine='compile')
        fast = accelerate(model, X, engine=['compile', 'eager'])
    assert fast.report.engine == 'eager'


@pytest.mark.slow
@pytest.mark.usefixtures('quick_compiler')
def test_compile_engine() -> None:
    model = small()
    fast = accelerate(model, X, engine='compile')
    torch.testing.assert_close(fast(X), model(X), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('training', [False, True])
@pytest.mark.parametrize(
    ('name', 'kwargs'),
    [('hrnet_test_w4', {}), ('hrnetv2_test_w4', {'num_classes': 2}), ('hrnetv2p_test_w4', {'with_cp': True})],
)
def test_one_graph(network: Any, name: str, kwargs: dict, training: bool) -> None:
    """torch.compile finds no place where it would have to go back to Python, in any readout, nor a second graph."""
    torch._dynamo.reset()
    model = network(name, **kwargs).train(training)
    counter = CompileCounter()
    torch.compile(model if training else fold(model).network, backend=counter, fullgraph=True)(
        torch.randn(2, 3, 64, 64)
    )
    assert counter.frame_count == 1
    assert counter.op_count > 90


def test_never_outside_the_tolerance(network: Any) -> None:
    model = network('hrnetv1_test_w4')
    with pytest.raises(EngineError, match=r'differs by .* and 1.0e-30 is allowed'):
        accelerate(model, X, engine='eager', tolerance=1e-30)
    fast = accelerate(model, X, 'bf16', engine='eager')
    assert 1e-4 < fast.report.difference < 0.1
    assert fast(X)[0].dtype == torch.float32


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'precision': 'fp8'}, "unknown precision 'fp8'. Allowed: fp32"),
        ({'engine': 'openvin'}, "did you mean 'openvino'"),
    ],
)
def test_arguments(network: Any, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        accelerate(network('hrnetv1_test_w4'), X, **arguments)


def test_refusals_say_why(network: Any) -> None:
    model = network('hrnetv1_test_w4')
    with pytest.raises(EngineError, match='CUDA graphs need'):
        accelerate(model, X, engine='cudagraph')
    with pytest.raises(EngineError, match='int8 needs native, onnxruntime or openvino'):
        accelerate(model, X, 'int8', engine='eager')
    with pytest.raises(ValueError, match='are NaN or infinite'):
        accelerate(model, X * float('nan'), engine='eager')
    with pytest.raises(ValueError, match=r'model.eval\(\)'):
        accelerate(deepcopy(model).train(), X)


@pytest.mark.slow
@pytest.mark.parametrize('engine', ['onnxruntime', 'openvino'])
def test_int8(engine: str) -> None:
    needs(engine)
    if engine == 'openvino':
        pytest.importorskip('nncf')
    model = small()
    with pytest.raises(EngineError, match='calibration'):
        accelerate(model, X, 'int8', engine=engine)
    images = [torch.randn(1, 3, 64, 96) for _ in range(4)]
    fast = accelerate(model, X, 'int8', engine=engine, calibration=images)
    assert 1e-4 < fast.report.difference < fast.report.tolerance


def library_models() -> list[Any]:
    pose = dict(
        type='TopdownPoseEstimator',
        data_preprocessor=dict(type='PoseDataPreprocessor'),
        backbone=dict(type='hrnet_mm.HRNetV1', arch='test-w4'),
        head=dict(
            type='HeatmapHead',
            in_channels=4,
            out_channels=17,
            deconv_out_channels=None,
            loss=dict(type='KeypointMSELoss', use_target_weight=True),
            decoder=dict(type='MSRAHeatmap', input_size=(96, 64), heatmap_size=(24, 16), sigma=2),
        ),
    )
    segmentation = dict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=dict(type='hrnet_mm.HRNet', arch='test-w4'),
        decode_head=dict(
            type='FCNHead',
            in_channels=(4, 8, 16, 32),
            in_index=(0, 1, 2, 3),
            input_transform='resize_concat',
            channels=60,
            kernel_size=1,
            num_convs=1,
            concat_input=False,
            num_classes=3,
            norm_cfg=dict(type='BN'),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    detection = dict(
        type='FCOS',
        data_preprocessor=dict(type='DetDataPreprocessor'),
        backbone=dict(type='hrnet_mm.HRNet', arch='test-w4'),
        neck=dict(type='hrnet_mm.HRNetV2pFPN', arch='test-w4', out_channels=16, stride=2),
        bbox_head=dict(
            type='FCOSHead', num_classes=2, in_channels=16, feat_channels=16, stacked_convs=1, norm_cfg=dict(type='BN')
        ),
        test_cfg=dict(
            nms_pre=10, min_bbox_size=0, score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=5
        ),
    )
    return [('mmpose', pose), ('mmseg', segmentation), ('mmdet', detection)]


@pytest.mark.parametrize(('library', 'config'), library_models())
def test_library_model_in_place(library: str, config: dict) -> None:
    pytest.importorskip(library)
    from mmengine.registry import MODELS, DefaultScope

    __import__(f'{library}.models')
    with DefaultScope.overwrite_default_scope(library):
        model = MODELS.build(deepcopy(config))
    model.eval()
    keys = list(model.state_dict())
    with torch.no_grad():
        expected = flat(model(X, data_samples=None, mode='tensor'))
    fast = accelerate(model, X, engine='eager')
    assert fast is model
    assert list(model.state_dict()) == keys
    assert any(line.startswith('head: eager') for line in model.report.applied)
    with torch.no_grad():
        for a, b in zip(flat(model(X, data_samples=None, mode='tensor')), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    assert not expected[0].requires_grad
    model.train()
    assert flat(model(X.repeat(2, 1, 1, 1), data_samples=None, mode='tensor'))[0].requires_grad, (
        'training goes through the ordinary network'
    )


def changed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {n: v * 1.5 if v.is_floating_point() else v for n, v in state.items()}


@pytest.mark.parametrize('by', ['the accelerated one', 'the network', 'a part', 'assign', 'mmengine', 'a step'])
def test_other_weights_are_noticed(by: str) -> None:
    model = small()
    fast, before = accelerate(model, X, engine='eager'), small()(X)
    if by == 'the accelerated one':
        assert str(fast.load_state_dict(changed(model.state_dict()))) == '<All keys matched successfully>'
    elif by == 'the network':
        model.load_state_dict(changed(model.state_dict()))
    elif by == 'a part':
        model[0].load_state_dict(changed(model[0].state_dict()))
    elif by == 'assign':
        model.load_state_dict(changed(model.state_dict()), assign=True)
    elif by == 'mmengine':
        load_state_dict(model, changed(model.state_dict()))
    else:
        model.train()(X.repeat(2, 1, 1, 1)).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
        model.eval()
    with torch.no_grad():
        torch.testing.assert_close(fast(X), model(X), rtol=1e-3, atol=1e-4)
        assert float((fast(X) - before).abs().max()) > 1e-3
    assert fast.report.difference <= fast.report.tolerance


WRITES = {
    'a copy': lambda model: model[0].weight.copy_(model[0].weight * 1.5),
    'one number': lambda model: model[0].weight.__setitem__((0, 0, 0, 0), 3.0),
    'an initialization': lambda model: nn.init.normal_(model[0].weight, std=0.5),
    'a mean': lambda model: norm_of(model).running_mean.add_(1.0),
    'a variance': lambda model: norm_of(model).running_var.mul_(4.0),
}


def norm_of(model: nn.Module) -> nn.BatchNorm2d:
    return next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize('name', WRITES)
def test_writes_in_place_are_noticed(name: str) -> None:
    model = small()
    fast, before = accelerate(model, X, engine='eager'), small()(X)
    with torch.no_grad():
        WRITES[name](model)
        torch.testing.assert_close(fast(X), model(X), rtol=1e-3, atol=1e-4)
        assert float((fast(X) - before).abs().max()) > 1e-4


def test_writes_through_data_need_a_call() -> None:
    """PyTorch does not count them."""
    model = small()
    fast = accelerate(model, X, engine='eager')
    with torch.no_grad():
        before = fast(X)
        model[0].weight.data.mul_(1.5)
        assert torch.equal(fast(X), before)
        fast.renew()
        torch.testing.assert_close(fast(X), model(X), rtol=1e-3, atol=1e-4)
        assert float((fast(X) - before).abs().max()) > 1e-3
    assert 'renew()' in str(accelerate.__doc__)


def test_weights_that_leave_the_tolerance_are_not_computed_with() -> None:
    model = small()
    fast = accelerate(model, X, engine='eager', precision='bf16')
    fast.load_state_dict({n: v * 1e30 if v.is_floating_point() else v for n, v in model.state_dict().items()})
    for _ in range(2):
        with pytest.raises((EngineError, UserError)):
            fast(X)


WORKS = [
    'buffers',
    'children',
    'eval',
    'extra_repr',
    'float',
    'forward',
    'get_buffer',
    'get_extra_state',
    'get_parameter',
    'get_submodule',
    'load_state_dict',
    'modules',
    'named_buffers',
    'named_children',
    'named_modules',
    'named_parameters',
    'parameters',
    'register_load_state_dict_post_hook',
    'register_load_state_dict_pre_hook',
    'register_state_dict_post_hook',
    'register_state_dict_pre_hook',
    'share_memory',
    'state_dict',
    'zero_grad',
    'dump_patches',
    'call_super_init',
    'T_destination',
    'training',
]


def test_every_method_of_a_network_is_decided() -> None:
    module = sys.modules['hrnet_mm.fast.accelerate']
    decided = {*WORKS, *module._MOVES, *module._CHANGES, 'train', 'requires_grad_'}
    names = {name for name in [*dir(nn.Module), *nn.Module.__annotations__] if not name.startswith('_')}
    assert names - decided == set()


def test_methods_work_or_are_refused() -> None:
    module = sys.modules['hrnet_mm.fast.accelerate']
    model = small()
    fast = accelerate(model, X, engine='eager')
    state, expected = deepcopy(model.state_dict()), fast(X)
    for call in (fast.eval, fast.float, fast.cpu, fast.share_memory, lambda: fast.to('cpu'), lambda: fast.train(False)):
        assert call() is fast
    assert fast.to(X) is fast.requires_grad_(False) is fast.type(torch.float32) is fast
    fast.zero_grad()
    for name in module._CHANGES:
        with pytest.raises(UserError, match=f'^{name} would have no effect on an accelerated network; call it on'):
            getattr(fast, name)
    for call, message in (
        (fast.half, r'half\(\) would move the network, .* on cpu in torch.float32, to cpu in torch.float16; move it'),
        (lambda: fast.to(torch.float64), r'to\(\) would move the network'),
        (lambda: fast.to('meta'), r'to meta in torch.float32'),
        (fast.train, 'cannot be trained; train the network itself'),
        (fast.requires_grad_, 'has no gradients'),
        (lambda: deepcopy(fast), 'cannot be copied or pickled'),
        (lambda: setattr(fast, 'head', nn.ReLU()), 'head would have no effect'),
    ):
        with pytest.raises(UserError, match=message):
            call()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(fast(X), expected)
    model.double()
    with pytest.raises(UserError, match=r'accelerated on cpu in torch.float32 and is now on cpu in torch.float64'):
        fast(X)


def test_it_takes_the_place_of_a_part(network: Any) -> None:
    """An accelerated backbone can be assigned where the network had its own."""
    model = network('hrnetv1_test-w4', num_classes=2)
    other = {n: v * 1.01 if v.is_floating_point() else v for n, v in model.state_dict().items()}
    plain, names = deepcopy(model), list(model.state_dict())
    model.backbone = fast = accelerate(model.backbone, X, engine='eager')
    assert isinstance(fast, nn.Module)
    assert model.backbone is fast
    assert list(model.state_dict()) == names
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
    torch.testing.assert_close(model.eval()(X), plain(X), rtol=1e-4, atol=1e-5)
    for one in (model, plain):
        one.load_state_dict(other)  # which the engine follows
    torch.testing.assert_close(model.to('cpu')(X), plain(X), rtol=1e-4, atol=1e-4)
    assert torch.equal(nn.Sequential(fast)(X)[0], fast(X)[0])
    with pytest.raises(UserError, match='cannot be trained; train the network itself'):
        model.train()
    with pytest.raises(UserError, match='cannot be copied or pickled'):
        deepcopy(model)
    model.double()
    with pytest.raises(UserError, match=r'is now on cpu in torch\.float64'):
        model(X.double())


def test_a_library_model_computes_with_its_weights() -> None:
    library, config = library_models()[0]
    pytest.importorskip(library)
    from mmengine.registry import MODELS, DefaultScope

    __import__(f'{library}.models')
    with DefaultScope.overwrite_default_scope(library):
        model = MODELS.build(deepcopy(config)).eval()
        other = MODELS.build(deepcopy(config)).eval()
    fast = accelerate(model, X, engine='eager')
    run = {'data_samples': None, 'mode': 'tensor'}
    for change in (
        lambda: load_state_dict(model, other.state_dict()),
        lambda: model.head.load_state_dict(changed(other.head.state_dict())),
        lambda: model.head.apply(lambda m: nn.init.normal_(m.weight) if isinstance(m, nn.Conv2d) else None),
        lambda: model.train()(X.repeat(2, 1, 1, 1), **run),  # statistics of batch norms
        lambda: accelerate(model, X, engine='eager'),
    ):
        change()
        model.eval()
        plain = deepcopy(model)  # an ordinary one
        assert plain.backbone.forward.__self__ is plain.backbone
        with torch.no_grad():
            torch.testing.assert_close(fast(X, **run), plain(X, **run), rtol=1e-3, atol=1e-4)
    model.half()
    with pytest.raises(UserError, match='move it first and accelerate it then'):
        model(X.half(), **run)


def flat(x: Any) -> list[Tensor]:
    from torch.utils import _pytree as pytree

    return [leaf for leaf in pytree.tree_leaves(x) if isinstance(leaf, Tensor)]
