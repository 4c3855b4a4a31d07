import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hrnet_mm.cli import main
from hrnet_mm.factory import list_models
from hrnet_mm.models import ARCHS
from hrnet_mm.models.cost import readouts
from hrnet_mm.models.network import READOUTS

ROOT = Path(__file__).parents[1]
COMMANDS = [
    *('demo', 'list', 'info', 'train', 'test', 'track', 'predict', 'streams', 'convert', 'export', 'benchmark'),
    *('verify', 'verify-checkpoint', 'doctor', 'check', 'labels', 'suggest'),
]


def printed(capsys, *argv):
    assert main(argv) == 0
    return capsys.readouterr().out


def error_of(capsys, *argv):
    with pytest.raises(SystemExit, match='2'):
        sys.exit(main(argv))
    return capsys.readouterr().err


@pytest.mark.slow
def test_help_needs_torch_and_mmengine_alone():
    """Each library that mmengine does not bring itself is blocked, and every command's help is printed."""
    code = f"""
import sys
blocked = 'mmcv mmdet mmseg mmpose mmpretrain timm torchvision onnx onnxruntime onnxscript openvino nncf scipy'
blocked += ' pycocotools xtcocotools safetensors huggingface_hub pandas sklearn shapely munkres tensorboard'
for name in blocked.split():
    sys.modules[name] = None
from hrnet_mm.cli import main
for command in {COMMANDS}:
    try:
        main([command, '--help'])
    except SystemExit as end:
        assert end.code == 0, command
"""
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('usage: hrnet-mm') == len(COMMANDS)


@pytest.mark.parametrize('command', COMMANDS)
def test_help_shows_an_example(capsys, command):
    with pytest.raises(SystemExit, match='0'):
        main([command, '--help'])
    assert f'\nexample:\n  hrnet-mm {command}' in capsys.readouterr().out


def test_help_lists_the_commands(capsys):
    with pytest.raises(SystemExit, match='0'):
        main(['--help'])
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if line.startswith('    ') and line[4] != ' '] == COMMANDS


def test_mistyped_command_names_the_nearest(capsys):
    assert "unknown command 'dmeo'; did you mean 'demo'? Allowed: demo, list" in error_of(capsys, 'dmeo')


@pytest.mark.parametrize('error', [NotImplementedError, RuntimeError, ValueError, KeyError])
def test_an_error_that_is_no_mistake_of_the_user_is_raised(monkeypatch, error):
    def fail(*_):
        raise error('of the program')

    monkeypatch.setattr('hrnet_mm.models.cost.readouts', fail)
    with pytest.raises(error):
        main(['info', 'w32'])


def test_interrupted(monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('hrnet_mm.models.cost.readouts', stop)
    assert main(['info', 'w32']) == 130
    assert capsys.readouterr().err == 'hrnet-mm info: interrupted\n'


def test_mistyped_arch_names_the_nearest(capsys):
    assert "hrnet-mm info: unknown arch 'w18-smal-v1'; did you mean 'w18-small-v1'?" in error_of(
        capsys, 'info', 'w18-smal-v1'
    )


def test_command_is_needed(capsys):
    assert 'COMMAND' in error_of(capsys)


def test_help_imports_nothing_heavy():
    code = (
        'import sys\nfrom hrnet_mm.cli import main\ntry: main(["--help"])\nexcept SystemExit: pass\n'
        'sys.exit(str({"torch", "cv2", "mmengine", "rich", "numpy"} & set(sys.modules) or ""))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ''


def test_list(capsys):
    lines = printed(capsys, 'list').splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == list(ARCHS)
    assert [name for line in lines[1:-1] for name in line.split()[5:]] == sorted(list_models(), key=arch_first)
    small = ['w18-small-v2', '18', '36', '72', '144', 'hrnet_w18-small-v2', 'hrnetv1_w18-small-v2']
    assert printed(capsys, 'list', '*small*').splitlines()[-1].split()[:7] == small
    assert printed(capsys, 'list', 'hrnetv1_w32').splitlines()[1].split() == [
        *['w32', '32', '64', '128', '256', 'hrnetv1_w32']
    ]


def arch_first(name):
    readout, _, arch = name.partition('_')
    return list(ARCHS).index(arch), readout


def test_list_without_a_match_names_the_nearest(capsys):
    assert "no network is called 'w33'; did you mean" in error_of(capsys, 'list', 'w33')


def test_info(capsys):
    out = printed(capsys, 'info', 'test-w4', '--size', '65', '97')
    assert [line.split()[0] for line in out.splitlines()[2:]] == ['backbone', *READOUTS]
    assert '4 x 17 x 25, 8 x 9 x 13, 16 x 5 x 7, 32 x 3 x 4' in out


def test_info_of_a_network_shows_its_readout(capsys):
    out = printed(capsys, 'info', 'hrnetv1_test-w4')
    assert [line.split()[0] for line in out.splitlines()[2:]] == ['backbone', 'hrnetv1']


def test_info_rejects_an_empty_image(capsys):
    assert 'at least 1 x 1, got 0 x 64' in error_of(capsys, 'info', 'test-w4', '--size', '0', '64')


@pytest.mark.slow
def test_readouts_of_w18_are_the_known_counts():
    """Backbone and classifier of the official W18: 9.56 M with four outputs, 21,295,164 with its linear layer."""
    by_name = {readout.name: readout for readout in readouts('w18', (224, 224))}
    assert by_name['backbone'].parameters == by_name['hrnetv2'].parameters
    assert by_name['hrnet'].parameters + 2048 * 1000 + 1000 == 21_295_164
    assert by_name['hrnetv2'].shapes == ((270, 56, 56),)
    assert by_name['hrnetv2p'].shapes == tuple((256, 56 >> i, 56 >> i) for i in range(5))
    # The linear layer's 2,048,000 MACs make the 3.99 GiMACs that the official table has (it prints them as GFLOPs).
    assert round((by_name['hrnet'].macs + 2048 * 1000) / 2**30, 2) == 3.99


_ENDS = """
import ctypes
import os
import sys

if sys.argv[0] == '-m':  # torchrun itself
    sys.path.remove({folder!r})
    del sys.modules['torch']
    import torch
else:
    ctypes.CDLL({libgomp!r})
    os._exit(0)
"""


@pytest.fixture
def spin_counts(tmp_path):
    """A function that runs a command and tells how long the threads of its processes spin before they sleep.

    libgomp prints it when torch loads it. A module in torch's place does the same and ends the process.
    """
    (libgomp,) = Path(torch.__file__).parent.glob('lib/libgomp*')
    (tmp_path / 'torch').mkdir()
    (tmp_path / 'torch' / '__init__.py').write_text(_ENDS.format(folder=str(tmp_path), libgomp=str(libgomp)))
    # main() sets the two variables, which a fixture of other tests may have called in this process.
    inherited = {name: value for name, value in os.environ.items() if name not in ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')}
    path = os.pathsep.join([str(tmp_path), os.environ['PYTHONPATH']])

    def run(*command, **variables):
        environment = {**inherited, 'PYTHONPATH': path, 'OMP_DISPLAY_ENV': 'VERBOSE', **variables}
        done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, env=environment)
        return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr)

    return run


TORCHRUN = ('-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2')


@pytest.mark.parametrize(
    ('command', 'processes'),
    [
        (['-m', 'hrnet_mm.cli', 'info', 'w32'], 1),
        ([ROOT / 'tools' / 'train.py', 'none.py'], 1),
        ([ROOT / 'tools' / 'test.py', 'none.py', 'none.pth'], 1),
        ([*TORCHRUN, ROOT / 'tools' / 'train.py', 'none.py'], 2),
    ],
)
@pytest.mark.skipif(sys.platform != 'linux', reason='libgomp prints it')
def test_threads_that_wait_sleep(command, processes, spin_counts):
    """A thread that spins takes the processor from the others when another process is busy.

    tests/training/test_own.py asks a process that a command starts.
    """
    assert spin_counts(*command)[-processes:] == ['1000'] * processes  # of libgomp's 300,000


@pytest.mark.skipif(sys.platform != 'linux', reason='libgomp prints it')
def test_how_threads_wait_can_be_chosen(spin_counts):
    (count,) = spin_counts('-m', 'hrnet_mm.cli', 'info', 'w32', OMP_WAIT_POLICY='ACTIVE')
    assert count not in ('0', '1000')
    assert spin_counts('-m', 'hrnet_mm.cli', 'info', 'w32', GOMP_SPINCOUNT='7') == ['7']
