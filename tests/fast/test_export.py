"""`hrnet-mm export`: every file returns the network's outputs in the runtime that it is written for."""

import warnings

import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from hrnet_mm.cli import main
from hrnet_mm.fast import EngineError
from hrnet_mm.fast.export import export, read_images
from hrnet_mm.models import HRNetModel
from hrnet_mm.models.dense import DenseNetwork


def trained(model):
    """Batch norms with statistics that are not those of a fresh network."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    return model.eval()


@pytest.fixture(scope='module')
def pose():
    return trained(HRNetModel('hrnetv1_test-w4', 3))


@pytest.fixture(scope='module')
def small():
    """Two convolutions, for tests that do not depend on the network."""
    torch.manual_seed(0)
    return trained(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1)))


def images(count, size=(64, 64)):
    torch.manual_seed(1)
    return [torch.randn(1, 3, *size) for _ in range(count)]


def run_onnx(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(['output'], {'input': x.numpy()})[0])


def run_openvino(path, x):
    compiled = openvino.Core().compile_model(str(path), 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    return torch.from_numpy(compiled([x.numpy()])[0])


def run_mnn(path, x):
    """By MNN's older interface, which its Android and iOS libraries have too."""
    import MNN

    interpreter = MNN.Interpreter(str(path))
    session = interpreter.createSession({'precision': 'high'})
    given = interpreter.getSessionInput(session)
    interpreter.resizeTensor(given, tuple(x.shape))
    interpreter.resizeSession(session)
    form = MNN.Tensor_DimensionType_Caffe
    given.copyFrom(MNN.Tensor(tuple(x.shape), MNN.Halide_Type_Float, x.numpy(), form))
    interpreter.runSession(session)
    output = interpreter.getSessionOutput(session)
    host = MNN.Tensor(output.getShape(), MNN.Halide_Type_Float, np.zeros(output.getShape(), np.float32), form)
    output.copyToHostTensor(host)
    return torch.from_numpy(np.array(host.getData(), np.float32).reshape(output.getShape()))


def run_ncnn(path, x):
    import ncnn

    net = ncnn.Net()
    assert net.load_param(str(path)) == net.load_model(str(path.with_suffix('.bin'))) == 0
    extractor = net.create_extractor()
    extractor.input('in0', ncnn.Mat(x[0].numpy()))
    return torch.from_numpy(np.array(extractor.extract('out0')[1]))[None]


def run_program(path, x):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # torch's own reader warns of what it reads
        return torch.export.load(path).module()(x)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'run'),
    [
        pytest.param('pose.onnx', run_onnx, marks=pytest.mark.slow),
        ('pose.xml', run_openvino),
        ('pose.pt2', run_program),
        ('pose.mnn', run_mnn),
    ],
)
def test_dynamic_files_take_any_batch_and_size(name, run, pose, tmp_path):
    done = export(pose, tmp_path / name, images(1)[0], dynamic=True)
    assert done.path == tmp_path / name
    assert done.shapes == ((1, 3, 64, 64), (2, 3, 96, 96))
    assert 0 <= done.difference <= done.tolerance == 1e-4
    assert done.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert str(done).count('\n') == 1
    x = torch.randn(3, 3, 128, 64)
    with torch.no_grad():
        torch.testing.assert_close(run(tmp_path / name, x), pose(x), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_files_of_ncnn(pose, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'pose.bin').write_bytes(b'old weights')
    done = export(pose, 'pose.param', images(1)[0])
    assert done.runtime == 'ncnn'
    assert 0 <= done.difference <= done.tolerance == 1e-4
    assert {path.name for path in tmp_path.iterdir()} == {'pose.param', 'pose.bin'}
    assert done.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    x = images(2)[1]
    with torch.no_grad():
        torch.testing.assert_close(
            run_ncnn(done.path, x), pose(x), rtol=1e-2, atol=1e-2
        )  # half precision, as by default


@pytest.mark.slow
def test_files_of_mnn_below_this_folder(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = export(small, 'files/small.mnn', images(1)[0])
    assert done.runtime == 'MNN'
    assert [path.name for path in (tmp_path / 'files').iterdir()] == ['small.mnn']


@pytest.mark.slow
@pytest.mark.parametrize('name', ['net.mnn', 'net.param'])
def test_an_operator_that_a_converter_lacks_is_named(name, tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.linalg.svdvals(x)

    with pytest.raises(EngineError):
        export(Odd().eval(), tmp_path / name, images(1)[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures('quick_compiler')
def test_a_compiled_package_runs_the_folded_network(small, tmp_path):
    done = export(small, tmp_path / 'small.pt2', images(1)[0], aot=True)
    assert done.runtime == 'AOTInductor'
    x, package = images(2)[1], torch._inductor.aoti_load_package(str(tmp_path / 'small.pt2'))
    with torch.no_grad():
        torch.testing.assert_close(package(x), small(x), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(('name', 'run'), [('small.onnx', run_onnx), ('small.xml', run_openvino)])
def test_int8_files_are_quantized(name, run, small, tmp_path):
    x = images(1)[0]
    done = export(small, tmp_path / name, x, 'int8', calibration=images(4))
    assert 1e-4 < done.difference < 0.1  # coarser than fp32, and no more than 8 bits make it
    with torch.no_grad():
        expected = small(x)
    assert float((run(tmp_path / name, x) - expected).abs().max() / expected.abs().max()) == pytest.approx(
        done.difference, rel=1e-3
    )
    if name.endswith('.onnx'):
        assert {'QuantizeLinear', 'DequantizeLinear'} <= {
            node.op_type for node in onnx.load(tmp_path / name).graph.node
        }
    else:
        operations = openvino.Core().read_model(tmp_path / name).get_ops()
        assert any(operation.get_type_name() == 'FakeQuantize' for operation in operations)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['small.onnx', 'small.xml'])
def test_a_file_that_differs_is_not_kept(name, small, tmp_path):
    old = {tmp_path / name: b'old', (tmp_path / name).with_suffix('.bin'): b'weights'}
    for path, content in old.items():
        path.write_bytes(content)
    with pytest.raises(
        EngineError, match=r'was not written: .* the int8 file differs by \d\.\de-0\d of the largest out'
    ):
        export(small, tmp_path / name, images(1)[0], 'int8', calibration=images(4), tolerance=1e-4)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_a_network_without_numbers_is_refused(small, tmp_path):
    broken = nn.Sequential(small, nn.Threshold(100.0, float('nan'))).eval()
    with pytest.raises(ValueError, match='are NaN or infinite'):
        export(broken, tmp_path / 'broken.pt2', images(1)[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('name', 'kwargs', 'error', 'message'),
    [
        ('a.trt', {}, ValueError, r'a.trt has an unknown ending.*Allowed: .onnx, .xml, .pt2'),
        ('a.onnx', {'aot': True}, ValueError, 'expected one that ends in .pt2'),
        ('a.pt2', {'precision': 'int8'}, ValueError, "torch.export files have no precision 'int8'; allowed: fp32"),
        ('a.onnx', {'precision': 'int8'}, EngineError, 'int8 needs calibration='),
        (
            'a.pt2',
            {'dynamic': True, 'example': torch.zeros(1, 3, 64, 60)},
            ValueError,
            'sides from 64 that divide by 32',
        ),
    ],
)
def test_arguments_that_do_not_fit(name, kwargs, error, message, small, tmp_path):
    kwargs.setdefault('example', images(1)[0])
    with pytest.raises(error, match=message):
        export(small, tmp_path / name, **kwargs)
    assert list(tmp_path.iterdir()) == []


def test_a_network_in_training_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r'call model\.eval\(\)'):
        export(nn.Conv2d(3, 4, 1), tmp_path / 'a.pt2', images(1)[0])


@pytest.mark.slow
def test_command_quantizes_with_a_folder_of_images(tiny_data, pose, tmp_path, capsys):
    torch.save(pose.state_dict(), tmp_path / 'weights.pth')
    command = [
        'export',
        'hrnetv1_test-w4',
        '--out',
        str(tmp_path / 'pose.onnx'),
        '--weights',
        str(tmp_path / 'weights.pth'),
    ]
    command += ['--size', '64', '96', '--batch', '2', '--precision', 'int8', '--calibration', str(tiny_data / 'images')]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert 'keys loaded' in printed
    assert 'reloaded in ONNX Runtime and compared with the network on 2x3x64x96' in printed
    # The head's three joints were found in the checkpoint.
    assert run_onnx(tmp_path / 'pose.onnx', torch.randn(2, 3, 64, 96)).shape == (2, 3, 16, 24)


def segmentor(head):
    return {
        'type': 'EncoderDecoder' if isinstance(head, dict) else 'CascadeEncoderDecoder',
        'data_preprocessor': {'type': 'SegDataPreProcessor', 'mean': [10.0, 20, 30], 'std': [2.0, 4, 5]},
        'backbone': {'type': 'HRNet', 'arch': 'test-w4', 'norm_cfg': {'type': 'BN'}},
        'decode_head': head,
        'test_cfg': {'mode': 'whole'},
        **({} if isinstance(head, dict) else {'num_stages': 2}),
    }


STREAMS = dict(in_channels=[4, 8, 16, 32], in_index=(0, 1, 2, 3), num_classes=3, norm_cfg={'type': 'BN'})
FCN = dict(type='HRNetV2Head', channels=60, **STREAMS)
OCR = dict(type='OCRHead', channels=16, ocr_channels=8, input_transform='resize_concat', **STREAMS)


def build(config):
    from mmseg.registry import MODELS

    import hrnet_mm.drop_in.mmseg  # noqa: F401

    with DefaultScope.overwrite_default_scope('mmseg'):
        return trained(MODELS.build(config))


@pytest.mark.slow
def test_command_exports_the_model_of_a_config(tmp_path, capsys):
    text = (
        "default_scope = 'mmseg'\n"
        "custom_imports = dict(imports=['hrnet_mm.drop_in.mmseg'], allow_failed_imports=False)\n"
        f'model = {segmentor(FCN)!r}\n'
        "test_dataloader = dict(dataset=dict(type='CityscapesDataset', pipeline=[]))\n"
    )
    (tmp_path / 'config.py').write_text(text)
    model = build(segmentor(FCN))
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'weights.pth')
    command = ['export', str(tmp_path / 'config.py'), '--out', str(tmp_path / 'out.pt2')]
    assert main(command) == 2
    assert 'does not state the size for an export; give --size H W' in capsys.readouterr().err
    assert main([*command, '--weights', str(tmp_path / 'weights.pth'), '--size', '64', '96']) == 0
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        expected = model.decode_head(model.extract_feat(x))
        torch.testing.assert_close(run_program(tmp_path / 'out.pt2', x), expected, rtol=1e-4, atol=1e-5)


def test_heads_that_follow_one_another():
    model = build(segmentor([FCN, OCR]))
    x = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        maps = model.extract_feat(x)
        expected = model.decode_head[1](maps, model.decode_head[0](maps))
        assert torch.equal(DenseNetwork(model).eval()(x), expected)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['hrnetv3_w32', '--out', 'a.onnx'], 'is neither a file nor a network; did you mean'),
        (['hrnet_w32', '--out', 'a.onnx', '--precision', 'int8'], 'int8 needs --calibration DIR'),
        (['hrnet_w32', '--out', 'a.onnx', '--batch', '0'], 'at least one image'),
        (['hrnet_w32', '--out', 'a.tflite'], 'Allowed: .onnx, .xml, .pt2'),
        (['c.py', '--out', 'a.pt2', '--num-classes', '3'], 'only a network by name takes it'),
    ],
)
def test_mistakes_end_in_one_sentence(arguments, message, capsys):
    assert main(['export', *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


def test_images_are_normalized_and_cropped_alike_every_time(tmp_path):
    random = np.random.default_rng(0)
    for i, size in enumerate([(40, 90), (300, 200)]):
        cv2.imwrite(str(tmp_path / f'{i}.png'), random.integers(0, 256, (*size, 3), dtype=np.uint8))
    (tmp_path / 'notes.txt').write_text('no image')
    first, second = read_images(tmp_path, (64, 96)), read_images(tmp_path, (64, 96))
    assert [x.shape for x in first] == [(1, 3, 64, 96)] * 2
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    blue = np.zeros((64, 96, 3), np.uint8)
    blue[..., 0] = 255
    cv2.imwrite(str(tmp_path / '2.png'), blue)
    (x,) = read_images(tmp_path, (64, 96), mean=(1, 2, 3), std=(1, 2, 4))[2:]
    assert x[0, :, 5, 7].tolist() == [-1, -1, 63]
    (tmp_path / '3.png').write_bytes(b'damaged')
    with pytest.raises(ValueError, match=r'3\.png: the file cannot be read'):
        read_images(tmp_path, (64, 96))
    with pytest.raises(ValueError, match='holds no images'):
        read_images(tmp_path / 'none', (64, 96))
