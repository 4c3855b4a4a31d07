"""The names that users type, in Python, configs and on the command line, are frozen."""

import argparse
import importlib
import inspect
import subprocess
import sys

import pytest

import hrnet_mm
from hrnet_mm import cli, models
from hrnet_mm.fast import accelerate
from hrnet_mm.weights import convert

ARCHS = ['w18', 'w30', 'w32', 'w40', 'w44', 'w48', 'w64', 'w18-small-v1', 'w18-small-v2', 'w44b', 'w76b', 'w96b']
COMMANDS = [
    *('demo', 'list', 'info', 'train', 'test', 'track', 'predict', 'streams', 'convert', 'export', 'benchmark'),
    *('verify', 'verify-checkpoint', 'doctor', 'check', 'labels', 'suggest'),
]
OPTIONS = {  # beside MODEL and --weights
    'test': ['--out'],
    'predict': ['--data', '--out'],
    'track': ['--data', '--out'],
    'streams': ['--data', '--out'],
    'export': ['--out'],
    'benchmark': ['--out'],
    'verify-checkpoint': [],
}
CLASSES = ['HRFuseScales', 'HRNet', 'HRNetV1', 'HRNetV2', 'HRNetV2p', 'HRNetV2pFPN']
SCOPED = {  # what `type='hrnet_mm.NAME'` builds without an import line, by the registry of mmengine
    'MODELS': CLASSES,
    'HOOKS': [
        *('ChannelsLastHook', 'CheckLoadedHook', 'CompileHook', 'CurvesHook', 'MemoryGuardHook', 'RankWatchHook'),
        *(
            'NativeTrainingHook',
            'ResumeHook',
            'SafeCheckpointHook',
            'SafeLoggerHook',
            'SampleHook',
            'StopOnNonFiniteHook',
        ),
        'TensorBoardHook',
    ],
    'RUNNERS': ['ReliableRunner'],
    'OPTIM_WRAPPERS': ['Bf16OptimWrapper'],
    'TRANSFORMS': ['ContiguousImage'],
    'FUNCTIONS': ['block_collate'],
}
DROPPED_IN = {  # what the one import line of a library registers, by the library's registry
    'mmdet': {'MODELS': ['HRNet', 'HRFPN', 'CenterNetTripletHead'], 'TRANSFORMS': ['ToBoxedMasks']},
    'mmseg': {
        'MODELS': ['HRNet', 'HRNetV2Head', 'OfficialCrossEntropy', 'OfficialTTA'],
        'DATASETS': ['CocoSegDataset'],
    },
    'mmpose': {
        'MODELS': ['HRNet', 'HigherHRHead', 'DeepLabCutHead'],
        'KEYPOINT_CODECS': ['HigherHREmbedding', 'FaceHeatmap', 'DeepLabCutHeatmap'],
        'TRANSFORMS': [
            'OfficialBBoxTransform',
            'SkipNonPositiveY',
            'BottomupGetHeatmapMask',
            'PadToMultiple',
            'DeepLabCutCrop',
        ],
        'METRICS': ['FaceAlignmentMetric', 'PoseTrackMetric'],
        'VISUALIZERS': ['PoseLocalVisualizer'],
    },
    'mmpretrain': {'MODELS': ['HRNet', 'HRFuseScales', 'ComparisonResNet']},
}
SCOPED_HEADS = {'mmdet': 'CenterNetTripletHead', 'mmseg': 'HRNetV2Head', 'mmpose': 'HigherHRHead'}


def test_architectures():
    assert list(models.ARCHS) == ARCHS
    assert models.get_arch('w27').out_channels == (27, 54, 108, 216)


def test_model_names():
    names = {f'{readout}_{arch}' for readout in ('hrnet', 'hrnetv1', 'hrnetv2', 'hrnetv2p') for arch in ARCHS}
    assert set(hrnet_mm.list_models()) == names
    assert hrnet_mm.list_models('*v2p_w40') == ['hrnetv2p_w40']


@pytest.mark.parametrize('name', CLASSES)
def test_classes(name):
    assert name in models.__all__
    assert inspect.isclass(getattr(models, name))


def test_arguments():
    def arguments(function):
        return list(inspect.signature(function).parameters)

    create = ['name', 'pretrained', 'num_classes', 'in_channels', 'features_only', 'raw', 'out_indices', 'kwargs']
    assert arguments(hrnet_mm.create_model) == create
    assert arguments(hrnet_mm.list_models)[0] == 'pattern'
    assert arguments(accelerate)[:4] == ['model', 'example', 'precision', 'engine']
    assert arguments(convert)[:3] == ['state_dict', 'to', 'source']


def test_commands():
    assert list(cli._COMMANDS) == COMMANDS


@pytest.mark.parametrize('command', OPTIONS)
def test_options(command):
    parser = argparse.ArgumentParser()
    importlib.import_module(f'hrnet_mm.commands.{command.replace("-", "_")}').add_arguments(parser)
    names = [action.option_strings[0] if action.option_strings else action.metavar for action in parser._actions]
    assert names[:2] == ['-h', 'MODEL']
    assert '--weights' in names
    assert [name for name in names if name in ('--data', '--out')] == OPTIONS[command]
    assert not {'--model', '--config', '--checkpoint', '--pretrained', '--csv'} & set(names)


@pytest.mark.parametrize('command', COMMANDS)
def test_a_command_is_a_file_of_the_same_form(command):
    module = importlib.import_module(f'hrnet_mm.commands.{command.replace("-", "_")}')
    assert module.__all__ == ['EXAMPLE', 'HELP', 'add_arguments', 'run']
    assert list(inspect.signature(module.add_arguments).parameters) == ['parser']
    assert list(inspect.signature(module.run).parameters) == ['args']


@pytest.mark.slow
@pytest.mark.parametrize('registry', SCOPED)
def test_scoped_names_need_no_import_line(registry):
    code = (
        f'from mmengine.registry import {registry} as registry\n'
        f'print(*(registry.get("hrnet_mm." + name).__module__ for name in {SCOPED[registry]}))'
    )
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    modules = done.stdout.split()
    assert len(modules) == len(SCOPED[registry])
    assert all(module.startswith('hrnet_mm.') for module in modules)


@pytest.mark.parametrize('library', DROPPED_IN)
def test_one_import_line_registers_all_of_a_library(library):
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    registries = importlib.import_module(f'{library}.registry')
    for registry, names in DROPPED_IN[library].items():
        for name in names:
            assert getattr(registries, registry).get(name).__module__.startswith('hrnet_mm.'), name


@pytest.mark.parametrize('library', SCOPED_HEADS)
def test_heads_have_a_scoped_name(library):
    importlib.import_module(f'hrnet_mm.drop_in.{library}')
    name = SCOPED_HEADS[library]
    registry = importlib.import_module(f'{library}.registry').MODELS
    assert registry.get(f'hrnet_mm.{name}') is registry.get(name)
