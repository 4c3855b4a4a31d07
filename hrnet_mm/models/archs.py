"""Architectures of HRNet as data; no other module states a width or a depth.

A width is the number of channels C of the finest branch. The four branches of stage 4 have C, 2C, 4C and 8C channels
(Wang et al., TPAMI 2020, appendix A).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError, did_you_mean

__all__ = ['ARCHS', 'EXPANSION', 'STEM_CHANNELS', 'Arch', 'Stage', 'get_arch']

STEM_CHANNELS = 64
"""Channels of both stem convolutions in every architecture."""

EXPANSION = {'BASIC': 1, 'BOTTLENECK': 4}
"""Output channels of a block divided by its `num_channels`."""


@dataclass(frozen=True)
class Stage:
    """One stage: `num_modules` modules with one branch for each entry of `num_blocks` and `num_channels`.

    Attributes:
        num_modules: The number of modules.
        block: 'BASIC' or 'BOTTLENECK'.
        num_blocks: Blocks of each branch, finest first.
        num_channels: Inner channels of each branch's blocks, finest first.
    """

    num_modules: int
    block: str
    num_blocks: tuple[int, ...]
    num_channels: tuple[int, ...]

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of each branch's output, finest first."""
        return tuple(c * EXPANSION[self.block] for c in self.num_channels)


@dataclass(frozen=True)
class Arch:
    """The architecture of a backbone: stage 1 has one branch, and each later stage adds one at half the resolution.

    Examples:
        >>> get_arch('w32').out_channels
        (32, 64, 128, 256)
    """

    stage1: Stage
    stage2: Stage
    stage3: Stage
    stage4: Stage

    @property
    def stages(self) -> tuple[Stage, Stage, Stage, Stage]:
        """The four stages in order."""
        return self.stage1, self.stage2, self.stage3, self.stage4

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of the four maps that stage 4 returns, finest first."""
        return self.stage4.out_channels

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the four maps with respect to the input, in pixels."""
        return 4, 8, 16, 32

    def to_extra(self) -> dict[str, dict[str, Any]]:
        """Return the architecture in OpenMMLab's `extra` form."""
        return {
            f'stage{i}': {
                'num_modules': s.num_modules,
                'num_branches': len(s.num_channels),
                'block': s.block,
                'num_blocks': s.num_blocks,
                'num_channels': s.num_channels,
            }
            for i, s in enumerate(self.stages, 1)
        }


def _arch(
    width: int,
    modules: tuple[int, int, int] = (1, 4, 3),
    blocks: int = 4,
    block: str = 'BASIC',
    stage1: tuple[int, int] = (4, 64),
) -> Arch:
    """Return an architecture whose branches double in channels; `stage1` is (bottlenecks, their inner channels)."""
    widths = tuple(width * 2**i for i in range(4))
    later = [Stage(m, block, (blocks,) * n, widths[:n]) for n, m in enumerate(modules, 2)]
    return Arch(Stage(1, 'BOTTLENECK', (stage1[0],), (stage1[1],)), *later)


ARCHS: dict[str, Arch] = {
    'w18': _arch(18),
    'w30': _arch(30),
    'w32': _arch(32),
    'w40': _arch(40),
    'w44': _arch(44),
    'w48': _arch(48),
    'w64': _arch(64),
    # Despite its name, the official small-v1 has width 16 (experiments/cls_hrnet_w18_small_v1_*.yaml).
    'w18-small-v1': _arch(16, modules=(1, 1, 1), blocks=2, stage1=(1, 32)),
    'w18-small-v2': _arch(18, modules=(1, 3, 2), blocks=2, stage1=(2, 64)),
    # Bottleneck branches, for which no official code exists. With the name as the output width (four times the inner
    # width), parameters and MACs equal the published numbers; with the name as the inner width they do not.
    'w44b': _arch(11, block='BOTTLENECK'),
    'w76b': _arch(19, block='BOTTLENECK'),
    'w96b': _arch(24, block='BOTTLENECK'),
}
"""Named architectures. `get_arch` also accepts any `w<N>`, and `test-w<N>` for tiny networks."""


def get_arch(arch: str | Arch | None = None, extra: Mapping[str, Any] | None = None) -> Arch:
    """Return an architecture by name or from OpenMMLab's `extra` form.

    Args:
        arch: A key of `ARCHS`, any `w<N>`, `test-w<N>` for a tiny network, or an `Arch`, which is returned as it is.
        extra: A mapping with the keys stage1 to stage4, as in OpenMMLab's configs.

    Returns:
        The architecture.

    Raises:
        ArgumentError: Not exactly one of `arch` and `extra` is given, the name is unknown, or `extra` is invalid.

    Examples:
        >>> get_arch('w27').out_channels
        (27, 54, 108, 216)
        >>> get_arch(extra=get_arch('w48').to_extra()) == get_arch('w48')
        True
    """
    if (arch is None) == (extra is None):
        given = 'neither' if arch is None else 'both'
        raise ArgumentError(
            f"HRNet takes either arch (such as 'w32') or extra (stage1 to stage4), but {given} is given"
        )
    if extra is not None:
        return _from_extra(extra)
    if isinstance(arch, Arch):
        return arch
    if not isinstance(arch, str):
        raise ArgumentError(f"arch must be a name such as 'w32', got {arch!r}; a mapping of stages goes to extra")
    if arch in ARCHS:
        return ARCHS[arch]
    if match := re.fullmatch(r'(test-)?w([1-9]\d*)', arch):
        width = int(match[2])
        return _arch(width, modules=(1, 1, 1), blocks=1, stage1=(1, 16)) if match[1] else _arch(width)
    raise ArgumentError(f'unknown arch {arch!r}{did_you_mean(arch, ARCHS)}, or any w<N>')


_STAGE_KEYS = ['num_modules', 'num_branches', 'block', 'num_blocks', 'num_channels']


def _from_extra(extra: Mapping[str, Any]) -> Arch:
    names = [f'stage{i}' for i in range(1, 5)]
    for name in extra:
        if name not in names:
            raise ArgumentError(f'extra has an unknown key {name!r}{did_you_mean(name, names)}')
    if missing := [name for name in names if name not in extra]:
        raise ArgumentError(f'extra lacks {", ".join(missing)}; it needs stage1 to stage4')
    return Arch(*(_read_stage(f'extra.{name}', i, extra[name]) for i, name in enumerate(names, 1)))


def _read_stage(where: str, num_branches: int, cfg: Mapping[str, Any]) -> Stage:
    for key in cfg:
        if key not in _STAGE_KEYS:
            raise ArgumentError(f'{where} has an unknown key {key!r}{did_you_mean(key, _STAGE_KEYS)}')
    if missing := [key for key in _STAGE_KEYS if key not in cfg]:
        raise ArgumentError(f'{where} lacks {", ".join(missing)}; it needs {", ".join(_STAGE_KEYS)}')
    if cfg['num_branches'] != num_branches:
        raise ArgumentError(f'{where}.num_branches must be {num_branches}, got {cfg["num_branches"]!r}')
    if cfg['block'] not in EXPANSION:
        raise ArgumentError(f'{where}.block is {cfg["block"]!r}{did_you_mean(cfg["block"], list(EXPANSION))}')
    modules = _read_counts(where, 'num_modules', [cfg['num_modules']], 1)[0]
    if num_branches == 1 and modules != 1:
        raise ArgumentError(f'{where}.num_modules must be 1 (one branch has nothing to exchange with), got {modules}')
    return Stage(
        modules,
        cfg['block'],
        _read_counts(where, 'num_blocks', cfg['num_blocks'], num_branches),
        _read_counts(where, 'num_channels', cfg['num_channels'], num_branches),
    )


def _read_counts(where: str, key: str, values: Any, length: int) -> tuple[int, ...]:
    is_list = isinstance(values, (list, tuple))
    if not is_list or len(values) != length or not all(type(v) is int and v > 0 for v in values):
        raise ArgumentError(f'{where}.{key} must hold {length} positive integer(s), one per branch, got {values!r}')
    return tuple(values)
