"""The HRNet backbone, in the order of the paper's figure: exchange unit, module, transition, network.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition", TPAMI 2020, figure 2.
Attribute names are those of the official checkpoints, so that a backbone's weights need no key map.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from typing_extensions import Self

from ..errors import ArgumentError, UserError, did_you_mean
from ..registry import MODELS, type_name
from ..weights.load import load_backbone
from .archs import STEM_CHANNELS, Arch, Stage, get_arch
from .features import FeatureInfo
from .layers import BLOCKS, BasicBlock, Bottleneck, Config, NormNames, build_conv, build_norm, conv_norm, resize

__all__ = ['DEFAULT_INIT', 'ExchangeUnit', 'HRModule', 'HRNet', 'Transition']

Maps = tuple[Tensor, ...]

fx.wrap('resize')  # one node of a traced graph, because it depends on the sizes

_FREEZE_ORDER = [
    ['conv1', 'bn1', 'conv2', 'bn2'],
    ['layer1', 'transition1'],
    ['stage2', 'transition2'],
    ['stage3', 'transition3'],
    ['stage4'],
]
DEFAULT_INIT: list[Config] = [
    {'type': 'Kaiming', 'layer': 'Conv2d'},
    {'type': 'Constant', 'val': 1, 'layer': ['_BatchNorm', 'GroupNorm']},
]

_FUSIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {'sum': torch.add, 'product': torch.mul}
_CHOICES = {
    'fuse_upsample': ['nearest', 'bilinear'],
    'exchange': ['all', 'across', 'final'],
    'fusion': list(_FUSIONS),
    'downsample': ['strided', 'bilinear'],
}


class ExchangeUnit(nn.ModuleList):
    """Sums of all input branches, each resampled to the channels and resolution of an output branch, followed by ReLU.

    `self[i][j]` leads from branch j to branch i: the identity if i = j, a 1x1 convolution before upsampling if j is
    coarser, i - j strided 3x3 convolutions if j is finer (Wang et al., TPAMI 2020, section 3.1).

    Args:
        channels: Channels of each input branch, finest first.
        num_outputs: The number of output branches, finest first.
        upsample: The interpolation of coarser branches, 'nearest' or 'bilinear'.
        align_corners: Its `align_corners`.
        fusion: 'sum' or 'product'.
        downsample: 'strided' convolutions, or 'bilinear' interpolation after a 1x1 convolution.
        **cfgs: `conv_cfg` and `norm_cfg` of the layers.
    """

    def __init__(
        self,
        channels: Sequence[int],
        num_outputs: int,
        upsample: str = 'nearest',
        align_corners: bool = False,
        fusion: str = 'sum',
        downsample: str = 'strided',
        **cfgs: Any,
    ) -> None:
        def path(i: int, j: int) -> nn.Module:
            if i == j:
                return nn.Identity()
            if i < j or downsample == 'bilinear':
                return conv_norm(channels[j], channels[i], 1, 1, **cfgs)
            keep = [conv_norm(channels[j], channels[j], 3, 2, relu=True, **cfgs) for _ in range(i - j - 1)]
            return nn.Sequential(*keep, conv_norm(channels[j], channels[i], 3, 2, **cfgs))

        super().__init__(nn.ModuleList(path(i, j) for j in range(len(channels))) for i in range(num_outputs))
        self.upsample = upsample
        self.align_corners = align_corners
        self.combine = _FUSIONS[fusion]

    def forward(self, xs: Maps) -> Maps:
        """Map `(N, C_j, H_j, W_j)` of every input branch j to the same shapes of the output branches."""
        return tuple(self._fuse(i, row, xs) for i, row in enumerate(self))

    def _fuse(self, i: int, row: nn.Module, xs: Maps) -> Tensor:
        size = xs[i].shape[-2:]
        terms = [path(x) for path, x in zip(row.children(), xs, strict=True)]
        finer = [resize(x, size, 'bilinear') for x in terms[:i]]  # no change after strided convolutions
        coarser = [resize(x, size, self.upsample, self.align_corners) for x in terms[i + 1 :]]
        return F.relu(reduce(self.combine, [*finer, terms[i], *coarser]), inplace=True)


class HRModule(nn.Module):
    """Parallel branches, each at its own resolution, and the exchange unit after them.

    Args:
        stage: The stage that the module belongs to.
        num_outputs: Output branches of the exchange unit; 0 for a module without one.
        unit: Arguments of the exchange unit.
        with_cp: Whether blocks recompute their activations in the backward pass.
        **cfgs: `conv_cfg` and `norm_cfg` of the layers.
    """

    def __init__(
        self, stage: Stage, num_outputs: int, unit: Mapping[str, Any], with_cp: bool = False, **cfgs: Any
    ) -> None:
        super().__init__()
        self.in_channels, self.num_branches = list(stage.out_channels), len(stage.out_channels)
        self.multiscale_output, self.with_cp = num_outputs != 1, with_cp
        self.conv_cfg, self.norm_cfg = cfgs.get('conv_cfg'), cfgs.get('norm_cfg')
        self.branches = nn.ModuleList(
            _branch(stage, i, channels, with_cp, **cfgs) for i, channels in enumerate(stage.out_channels)
        )
        self.fuse_layers = ExchangeUnit(stage.out_channels, num_outputs, **unit, **cfgs) if num_outputs else None

    def forward(self, xs: Maps) -> Maps:
        """Map one tensor for each branch to one for each output branch, finest first."""
        xs = tuple(branch(x) for branch, x in zip(self.branches, xs, strict=True))
        return xs if self.fuse_layers is None else self.fuse_layers(xs)


def _branch(stage: Stage, i: int, in_channels: int, with_cp: bool, **cfgs: Any) -> nn.Sequential:
    """Return the blocks of branch i; the first has a shortcut convolution if `in_channels` differs from its output."""
    ins = [in_channels] + [stage.out_channels[i]] * (stage.num_blocks[i] - 1)
    return nn.Sequential(*(BLOCKS[stage.block](c, stage.num_channels[i], with_cp=with_cp, **cfgs) for c in ins))


class Transition(nn.ModuleList):
    """Transition to the next stage: widths adapted where they differ, and a new branch made from the coarsest one.

    Each existing branch is adapted from itself. Most copies of the official code adapt the coarsest branch instead and
    fail on an architecture whose widths change between stages.

    Args:
        in_channels: Channels of each input branch, finest first.
        out_channels: Channels of each output branch, one more than before.
        **cfgs: `conv_cfg` and `norm_cfg` of the layers.
    """

    def __init__(self, in_channels: Sequence[int], out_channels: Sequence[int], **cfgs: Any) -> None:
        kept = [
            nn.Identity() if c_in == c_out else conv_norm(c_in, c_out, 3, 1, relu=True, **cfgs)
            for c_in, c_out in zip(in_channels, out_channels, strict=False)
        ]
        # Nested for the official names, which provide for a chain of strided convolutions; its length is one here.
        new = nn.Sequential(conv_norm(in_channels[-1], out_channels[-1], 3, 2, relu=True, **cfgs))
        super().__init__([*kept, new])

    def forward(self, xs: Maps) -> Maps:
        """Map one tensor for each branch to one more; the last has half the resolution of the last input."""
        return tuple(path(x) for path, x in zip(self, (*xs, xs[-1]), strict=True))


@MODELS.register_module()
class HRNet(NormNames, BaseModule):
    """HRNet backbone whose outputs are the maps of its four branches.

    The outputs have the shapes `(N, 2**i * C, H / 2**(i+2), W / 2**(i+2))` with i = 0 to 3, rounded up. Source: Wang et
    al., TPAMI 2020, section 3; the ablations are those of its table XII.

    Args:
        arch: The name of an architecture ('w18' to 'w64', 'w18-small-v1', 'w44b', any `w<N>`) or an `Arch`.
        extra: The architecture in OpenMMLab's form, instead of `arch`.
        in_channels: The channels of the input.
        conv_cfg: OpenMMLab's config of the convolutions. Default: PyTorch's Conv2d.
        norm_cfg: OpenMMLab's config of the normalization. Default: batch norm.
        norm_eval: Whether batch norm uses its running statistics in training as well.
        with_cp: Whether blocks recompute their activations in the backward pass: True, or the stages that do, such as
            [1, 2].
        zero_init_residual: Whether every residual block starts as its shortcut.
        multiscale_output: Whether all four maps are returned. If False, only the finest is, and the last exchange unit
            has no layers for the others.
        frozen_stages: -1 freezes nothing, 0 the stem, 1 also stage 1 and transition 1, and so on; 4 freezes everything.
        fuse_upsample: The interpolation in exchange units. Checkpoints for pose, detection and classification were
            trained with 'nearest', those for segmentation and faces with 'bilinear'.
        align_corners: The `align_corners` of 'bilinear'.
        exchange: The modules with an exchange unit: 'all', the last of each stage ('across'), or the last of the
            network ('final').
        fusion: How exchange units combine branches, 'sum' or 'product'.
        downsample: How they reduce the resolution: 'strided' convolutions, or 'bilinear' after a 1x1 convolution.
        pretrained: A checkpoint of any known layout, in place of an `init_cfg` of type 'Pretrained'.
        init_cfg: OpenMMLab's config of the initialization. Default: Kaiming.

    Raises:
        UserError: An argument is out of range.

    Examples:
        >>> model = HRNet('test-w8')
        >>> [tuple(x.shape) for x in model(torch.zeros(1, 3, 64, 64))]
        [(1, 8, 16, 16), (1, 16, 8, 8), (1, 32, 4, 4), (1, 64, 2, 2)]
    """

    size_divisibility = 1
    """1: any input size works. If 32 divides both sides, the outputs are bit-equal to those of the official code."""

    blocks_dict = BLOCKS
    """The classes of blocks by OpenMMLab's names."""

    def __init__(
        self,
        arch: str | Arch | None = None,
        extra: Mapping[str, Any] | None = None,
        in_channels: int = 3,
        conv_cfg: Config | None = None,
        norm_cfg: Config | None = None,
        norm_eval: bool = False,
        with_cp: bool | Sequence[int] = False,
        zero_init_residual: bool = False,
        multiscale_output: bool = True,
        frozen_stages: int = -1,
        fuse_upsample: str = 'nearest',
        align_corners: bool = False,
        exchange: str = 'all',
        fusion: str = 'sum',
        downsample: str = 'strided',
        pretrained: str | None = None,
        init_cfg: Config | list[Config] | None = None,
    ) -> None:
        super().__init__(_init_cfg(pretrained, init_cfg))
        self.arch = get_arch(arch, extra)
        if in_channels < 1:
            raise UserError(f'in_channels must be at least 1, got {in_channels!r}')
        if frozen_stages not in range(-1, 5):
            raise UserError(f'frozen_stages must be -1 (nothing) to 4 (everything), got {frozen_stages!r}')
        _check_choices(fuse_upsample=fuse_upsample, exchange=exchange, fusion=fusion, downsample=downsample)
        if align_corners and fuse_upsample == 'nearest':
            raise UserError("align_corners=True has no effect on fuse_upsample='nearest'; use fuse_upsample='bilinear'")
        recomputed = range(1, 5) if with_cp is True else with_cp or ()
        if not set(recomputed) <= {1, 2, 3, 4}:
            raise UserError(f'with_cp must be True, False or a list of stages 1 to 4, got {with_cp!r}')
        self.conv_cfg, self.norm_cfg, self.with_cp = conv_cfg, norm_cfg or {'type': 'BN'}, with_cp
        self.norm_eval = norm_eval
        self.zero_init_residual = zero_init_residual
        self.frozen_stages = frozen_stages
        self.fuse_upsample = fuse_upsample
        self.align_corners = align_corners
        num_outputs = 4 if multiscale_output else 1
        self.out_channels = self.arch.out_channels[:num_outputs]
        self.strides = self.arch.strides[:num_outputs]

        cfgs: Config = {'conv_cfg': conv_cfg, 'norm_cfg': self.norm_cfg}
        unit = {'upsample': fuse_upsample, 'align_corners': align_corners, 'fusion': fusion, 'downsample': downsample}

        def stage(i: int, spec: Stage) -> nn.Sequential:
            modules = []
            for k in range(1, spec.num_modules + 1):
                last = k == spec.num_modules
                exchanges = exchange == 'all' or (last and (exchange == 'across' or i == 4))
                outputs = num_outputs if last and i == 4 else i
                modules.append(HRModule(spec, outputs if exchanges else 0, unit, i in recomputed, **cfgs))
            return nn.Sequential(*modules)

        stage1, stage2, stage3, stage4 = self.arch.stages
        self.conv1 = build_conv(conv_cfg, in_channels, STEM_CHANNELS, 3, stride=2)
        self.bn1 = build_norm(cfgs['norm_cfg'], STEM_CHANNELS)
        self.conv2 = build_conv(conv_cfg, STEM_CHANNELS, STEM_CHANNELS, 3, stride=2)
        self.bn2 = build_norm(cfgs['norm_cfg'], STEM_CHANNELS)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _branch(stage1, 0, STEM_CHANNELS, 1 in recomputed, **cfgs)
        self.transition1 = Transition(stage1.out_channels, stage2.out_channels, **cfgs)
        self.stage2 = stage(2, stage2)
        self.transition2 = Transition(stage2.out_channels, stage3.out_channels, **cfgs)
        self.stage3 = stage(3, stage3)
        self.transition3 = Transition(stage3.out_channels, stage4.out_channels, **cfgs)
        self.stage4 = stage(4, stage4)
        self._freeze()

    @property
    def feature_info(self) -> FeatureInfo:
        """The description of the outputs with the methods of timm's class; they have the numbers from 1 on."""
        return FeatureInfo(self.out_channels, self.strides, 'stage4')

    def forward(self, x: Tensor) -> Maps:
        """Compute the maps of the branches.

        Args:
            x: The images, `(N, in_channels, H, W)`.

        Returns:
            One map for each entry of `out_channels`, finest first.
        """
        return self.forward_rest(self.forward_first(x))

    def forward_first(self, x: Tensor) -> Tensor:
        """Compute the map of the first convolution, `(N, 64, H/2, W/2)`."""
        half: Tensor = self.relu(self.bn1(self.conv1(x)))
        return half

    def forward_rest(self, half: Tensor) -> Maps:
        """Compute the maps of the branches from the map of the first convolution."""
        x = self.relu(self.bn2(self.conv2(half)))  # (N, 64, H/4, W/4)
        xs: Maps = (self.layer1(x),)  # one branch, 256 channels
        xs = self.stage2(self.transition1(xs))  # H/4, H/8
        xs = self.stage3(self.transition2(xs))  # H/4, H/8, H/16
        maps: Maps = self.stage4(self.transition3(xs))  # H/4, H/8, H/16, H/32
        return maps

    def init_weights(self) -> None:
        """Initialize as `init_cfg` says, or load its checkpoint, which may have any known layout.

        Raises:
            CheckpointError: The checkpoint does not fill the whole backbone.
        """
        if (init := self._pretrained_init()) is not None:
            print_log(load_backbone(self, str(init['checkpoint']), init.get('prefix') or ''), logger='current')
            self._is_init = True
            return
        super().init_weights()
        if self.zero_init_residual:
            for block in self.modules():
                if isinstance(block, BasicBlock | Bottleneck):
                    nn.init.zeros_(block.last_norm.get_parameter('weight'))

    @property
    def extra(self) -> Config:
        """The architecture in OpenMMLab's form."""
        return self.arch.to_extra()

    @property
    def stage1_cfg(self) -> Config:
        """The first stage in OpenMMLab's form."""
        return dict(self.extra['stage1'])

    @property
    def stage2_cfg(self) -> Config:
        """The second stage in OpenMMLab's form."""
        return dict(self.extra['stage2'])

    @property
    def stage3_cfg(self) -> Config:
        """The third stage in OpenMMLab's form."""
        return dict(self.extra['stage3'])

    @property
    def stage4_cfg(self) -> Config:
        """The fourth stage in OpenMMLab's form."""
        return dict(self.extra['stage4'])

    @property
    def pretrained(self) -> str | None:
        """The checkpoint in `init_cfg`, if any."""
        init = self._pretrained_init()
        return None if init is None else str(init['checkpoint'])

    def _pretrained_init(self) -> Config | None:
        for init in self.init_cfg if isinstance(self.init_cfg, list | tuple) else [self.init_cfg]:
            if type_name(init) in ('Pretrained', 'PretrainedInit'):  # new-style configs hold the class
                return dict(init)
        return None

    def train(self, mode: bool = True) -> Self:
        """Switch to training mode, except for frozen stages and, with `norm_eval`, batch norm.

        Args:
            mode: Whether to switch to training mode; otherwise to evaluation mode.

        Returns:
            The network.
        """
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        for name in [name for names in _FREEZE_ORDER[: self.frozen_stages + 1] for name in names]:
            self.get_submodule(name).eval().requires_grad_(False)


def _init_cfg(pretrained: str | None, init_cfg: Config | list[Config] | None) -> Config | list[Config]:
    if pretrained is None:
        return init_cfg or DEFAULT_INIT  # BaseModule takes a copy
    if init_cfg is not None:
        raise ArgumentError(f'give pretrained or init_cfg, not both; got {pretrained!r} and {init_cfg!r}')
    return {'type': 'Pretrained', 'checkpoint': pretrained}


def _check_choices(**given: str) -> None:
    for name, value in given.items():
        if value not in _CHOICES[name]:
            raise UserError(f'unknown {name} {value!r}{did_you_mean(value, _CHOICES[name])}')
