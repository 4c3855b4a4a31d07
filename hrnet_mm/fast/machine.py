"""Description of the machine of a measurement."""

import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import torch

__all__ = ['machine']


def machine(device: torch.device | str = 'cpu') -> dict[str, str]:
    """The processor or GPU ('device'), its 'driver', and the versions of 'torch' and of this package ('commit')."""
    device = torch.device(device)
    gpu = device.type == 'cuda'
    return {
        'device': torch.cuda.get_device_name(device) if gpu else _processor(),
        'driver': _driver() if gpu else platform.release(),
        'torch': torch.__version__,
        'commit': _commit(),
    }


@cache
def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(line.split(':', 1) for line in lines if ':' in line)
    facts = {name.strip(): value.strip() for name, value in fields.items()}
    units = [name for name in ('avx2', 'avx512f', 'amx_bf16') if name in facts.get('flags', '').split()]
    given = os.environ.get('ATEN_CPU_CAPABILITY')  # hides instructions from PyTorch and from native kernels
    limit = [f'ATEN_CPU_CAPABILITY={given}'] if given else []
    return ' '.join([facts.get('model name', platform.machine()), f'{os.cpu_count()} cores', *units, *limit])


@cache
def _driver() -> str:
    command = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
    return _first_line(command) or f'CUDA {torch.version.cuda}'


@cache
def _commit() -> str:
    """The commit of the checkout, with a plus sign if files differ from it; empty outside of one."""
    folder = str(Path(__file__).parent)
    commit = _first_line(['git', '-C', folder, 'rev-parse', '--short', 'HEAD'])
    changed = commit and _first_line(['git', '-C', folder, 'status', '--porcelain', '--untracked-files=no', folder])
    return f'{commit}+' if changed else commit


def _first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return ''
    return done.stdout.partition('\n')[0].strip() if done.returncode == 0 else ''
