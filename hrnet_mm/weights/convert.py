"""Moves HRNet weights between the layouts of the official repositories, timm and OpenMMLab.

A layout is data: pairs of templates, its own name first and this package's second, and the numerical differences.
This package's names are OpenMMLab's wherever a network has them: `backbone`, `neck`, `head` and detectors' heads;
`head.convs.0` and `head.final_layer` are HRNetV2's dense head, `aux_head` and `ocr_head` those of HRNetV2-OCR.
In templates `{i}` is a number, `{*}` any rest, and `{backbone}` a name inside HRNet's body.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor

from .io import CheckpointError

__all__ = ['LAYOUTS', 'Conversion', 'Layout', 'convert', 'detect']

_GROUPS = {
    '{backbone}': r'(?P<backbone>(?:conv[12]|bn[12]|layer1|transition[123]|stage[234])\..+)',
    '{*}': r'(?P<rest>.+)',
    '{i}': r'(?P<i>\d+)',
}
Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Layout:
    """How one program names and stores an HRNet.

    `biased` names this package's convolutions (and the norm behind each) that have a bias in the layout and none here;
    `untracked` norms have no num_batches_tracked; `inplace_abn` norms scale by |weight| + 1e-5;
    `background_first` detectors have the background as class 0, in boxes and masks too, and not as the last class.
    """

    about: str
    needs: str
    rules: Rules
    dropped: Rules = ()
    prefix: str = ''
    biased: Rules = ()
    untracked: bool = False
    inplace_abn: bool = False
    background_first: bool = False


_BODY: Rules = (('{backbone}', 'backbone.{backbone}'),)
_OPENMMLAB_BODY: Rules = (('backbone.{backbone}', 'backbone.{backbone}'),)
_PREPROCESSOR: Rules = (('data_preprocessor.{*}', 'normalization, which configs state'),)
_DENSE_HEAD_BIAS: Rules = (('head.convs.0.conv', 'head.convs.0.bn'),)


def _same(*names: str) -> Rules:
    return tuple((name, name) for name in names)


_SEG = (*_BODY, ('last_layer.0.{*}', 'head.convs.0.conv.{*}'), ('last_layer.1.{*}', 'head.convs.0.bn.{*}'))
_SEG = (*_SEG, ('last_layer.3.{*}', 'head.final_layer.{*}'))
_CLASS_WEIGHTS: Rules = (('loss.criterion.weight', "the loss's class weights"),)
_OBJECT = 'ocr_head.object_context_block'


def _attention(theirs: str, ours: str, convs: int) -> Rules:
    """One projection of OCR's attention: convolution and norm in turn, in OpenMMLab one numbered module each."""
    theirs = f'ocr_distri_head.object_context_block.{theirs}'
    pairs = [(f'{_OBJECT}.{ours}' + (f'.{k}' if convs > 1 else ''), 2 * k) for k in range(convs)]
    return tuple(
        rule
        for name, n in pairs
        for rule in ((f'{theirs}.{n}.{{*}}', f'{name}.conv.{{*}}'), (f'{theirs}.{n + 1}.0.{{*}}', f'{name}.bn.{{*}}'))
    )


_OCR: Rules = (
    *_BODY,
    ('aux_head.0.{*}', 'aux_head.convs.0.conv.{*}'),
    ('aux_head.1.{*}', 'aux_head.convs.0.bn.{*}'),
    ('aux_head.3.{*}', 'aux_head.final_layer.{*}'),
    ('conv3x3_ocr.0.{*}', 'ocr_head.bottleneck.conv.{*}'),
    ('conv3x3_ocr.1.{*}', 'ocr_head.bottleneck.bn.{*}'),
    *_attention('f_pixel', 'query_project', 2),
    *_attention('f_object', 'key_project', 2),
    *_attention('f_down', 'value_project', 1),
    *_attention('f_up', 'out_project', 1),
    ('ocr_distri_head.conv_bn_dropout.0.{*}', f'{_OBJECT}.bottleneck.conv.{{*}}'),
    ('ocr_distri_head.conv_bn_dropout.1.0.{*}', f'{_OBJECT}.bottleneck.bn.{{*}}'),
    ('cls_head.{*}', 'ocr_head.conv_seg.{*}'),
)
_OCR_BIAS: Rules = (
    ('aux_head.convs.0.conv', 'aux_head.convs.0.bn'),
    ('ocr_head.bottleneck.conv', 'ocr_head.bottleneck.bn'),
)
_PYRAMID: Rules = (
    ('reduction_conv.0.{*}', 'neck.reduction_conv.conv.{*}'),
    ('fpn_conv.{i}.{*}', 'neck.fpn_convs.{i}.conv.{*}'),
)


def _tower(name: str) -> Rules:
    """FCOS's four convolutions, each with group norm and ReLU, numbered through."""
    return tuple(
        (f'rpn.head.{name}_tower.{3 * k + step}.{{*}}', f'bbox_head.{name_here}_convs.{k}.{part}.{{*}}')
        for k in range(4)
        for step, part in ((0, 'conv'), (1, 'gn'))
        for name_here in ['cls' if name == 'cls' else 'reg']
    )


LAYOUTS: dict[str, Layout] = {
    'hrnet_mm': Layout(
        'this package',
        'backbone.{backbone}',
        (
            *_OPENMMLAB_BODY,
            *_same('neck.increase_layers.{*}', 'neck.downsample_layers.{*}', 'neck.final_layer.{*}', 'head.fc.{*}'),
            *_same('neck.reduction_conv.{*}', 'neck.fpn_convs.{*}', 'rpn_head.{*}', 'roi_head.{*}', 'bbox_head.{*}'),
            *_same('head.final_layer.{*}', 'head.convs.0.{*}', 'aux_head.{*}', 'ocr_head.{*}', 'cii_head.{*}'),
        ),
    ),
    'backbone': Layout('a backbone alone, without a prefix', '{backbone}', _BODY),
    'official-cls': Layout(
        'HRNet-Image-Classification and timm',
        'incre_modules.{*}',
        (
            *_BODY,
            ('incre_modules.{*}', 'neck.increase_layers.{*}'),
            ('downsamp_modules.{i}.0.{*}', 'neck.downsample_layers.{i}.conv.{*}'),
            ('downsamp_modules.{i}.1.{*}', 'neck.downsample_layers.{i}.bn.{*}'),
            ('final_layer.0.{*}', 'neck.final_layer.conv.{*}'),
            ('final_layer.1.{*}', 'neck.final_layer.bn.{*}'),
            ('classifier.{*}', 'head.fc.{*}'),
        ),
        biased=(
            ('neck.downsample_layers.{i}.conv', 'neck.downsample_layers.{i}.bn'),
            ('neck.final_layer.conv', 'neck.final_layer.bn'),
        ),
    ),
    # The file that the pose repository calls ImageNet weights: another classifier than HRNet-C (TPAMI table XVI).
    'official-cii': Layout(
        "deep-high-resolution-net's ImageNet weights (the Cii classifier)",
        'head.{i}.0.0.{*}',
        (*_BODY, ('head.{*}', 'cii_head.{*}'), ('classifier.{*}', 'head.fc.{*}')),
    ),
    'official-pose': Layout(
        'deep-high-resolution-net',
        'final_layer.weight',
        (*_BODY, ('final_layer.weight', 'head.final_layer.weight'), ('final_layer.bias', 'head.final_layer.bias')),
    ),
    'higherhrnet': Layout(
        'HigherHRNet-Human-Pose-Estimation',
        'final_layers.{*}',
        _BODY,
        (('final_layers.{*}', "HigherHRNet's own head"), ('deconv_layers.{*}', "HigherHRNet's own head")),
    ),
    'official-seg': Layout(
        'HRNet-Semantic-Segmentation, PyTorch 1.x',
        'last_layer.{*}',
        _SEG,
        _CLASS_WEIGHTS,
        'model.',
        _DENSE_HEAD_BIAS,
    ),
    'official-seg-abn': Layout(
        'HRNet-Semantic-Segmentation, PyTorch 0.4 with InPlace-ABN',
        'last_layer.{*}',
        _SEG,
        _CLASS_WEIGHTS,
        'model.',
        _DENSE_HEAD_BIAS,
        untracked=True,
        inplace_abn=True,
    ),
    'official-ocr': Layout('HRNet-OCR, PyTorch 1.x', 'ocr_distri_head.{*}', _OCR, _CLASS_WEIGHTS, 'model.', _OCR_BIAS),
    'official-ocr-abn': Layout(
        'HRNet-OCR, PyTorch 0.4 with InPlace-ABN',
        'ocr_distri_head.{*}',
        _OCR,
        _CLASS_WEIGHTS,
        'model.',
        _OCR_BIAS,
        untracked=True,
        inplace_abn=True,
    ),
    'official-face': Layout(
        'HRNet-Facial-Landmark-Detection',
        'head.0.weight',
        (
            *_BODY,
            ('head.0.{*}', 'head.convs.0.conv.{*}'),
            ('head.1.{*}', 'head.convs.0.bn.{*}'),
            ('head.3.{*}', 'head.final_layer.{*}'),
        ),
        biased=_DENSE_HEAD_BIAS,
    ),
    'official-det': Layout(
        'HRNet-Object-Detection and other mmdet before 2.0',
        'neck.reduction_conv.0.{*}',
        (
            *_OPENMMLAB_BODY,
            *((f'neck.{theirs}', ours) for theirs, ours in _PYRAMID),
            ('bbox_head.cls_convs.{*}', 'bbox_head.cls_convs.{*}'),
            ('bbox_head.reg_convs.{*}', 'bbox_head.reg_convs.{*}'),
            ('bbox_head.scales.{*}', 'bbox_head.scales.{*}'),
            ('bbox_head.fcos_cls.{*}', 'bbox_head.conv_cls.{*}'),
            ('bbox_head.fcos_reg.{*}', 'bbox_head.conv_reg.{*}'),
            ('bbox_head.fcos_centerness.{*}', 'bbox_head.conv_centerness.{*}'),
            ('rpn_head.{*}', 'rpn_head.{*}'),
            *((f'{head}.{{*}}', f'roi_head.{head}.{{*}}') for head in ('bbox_head', 'mask_head', 'semantic_head')),
        ),
        background_first=True,
    ),
    'maskrcnn-benchmark': Layout(
        'HRNet-MaskRCNN-Benchmark',
        'backbone.neck.{*}',
        (
            ('backbone.body.{backbone}', 'backbone.{backbone}'),
            *((f'backbone.neck.{theirs}', ours) for theirs, ours in _PYRAMID),
            ('rpn.head.conv.{*}', 'rpn_head.rpn_conv.{*}'),
            ('rpn.head.cls_logits.{*}', 'rpn_head.rpn_cls.{*}'),
            ('rpn.head.bbox_pred.{*}', 'rpn_head.rpn_reg.{*}'),
            ('roi_heads.box.feature_extractor.fc6.{*}', 'roi_head.bbox_head.shared_fcs.0.{*}'),
            ('roi_heads.box.feature_extractor.fc7.{*}', 'roi_head.bbox_head.shared_fcs.1.{*}'),
            ('roi_heads.box.predictor.cls_score.{*}', 'roi_head.bbox_head.fc_cls.{*}'),
            ('roi_heads.box.predictor.bbox_pred.{*}', 'roi_head.bbox_head.fc_reg.{*}'),
            *(
                (f'roi_heads.mask.feature_extractor.mask_fcn{k + 1}.{{*}}', f'roi_head.mask_head.convs.{k}.conv.{{*}}')
                for k in range(4)
            ),
            ('roi_heads.mask.predictor.conv5_mask.{*}', 'roi_head.mask_head.upsample.{*}'),
            ('roi_heads.mask.predictor.mask_fcn_logits.{*}', 'roi_head.mask_head.conv_logits.{*}'),
        ),
        (('rpn.anchor_generator.{*}', 'anchors, which are computed'),),
        untracked=True,
        background_first=True,
    ),
    # Its towers have group norm *and* a bias, which no norm can take up: build FCOSHead with conv_bias=True.
    'official-fcos': Layout(
        'HRNet-FCOS',
        'backbone.fpn.{*}',
        (
            ('backbone.body.{backbone}', 'backbone.{backbone}'),
            *((f'backbone.fpn.{theirs}', ours) for theirs, ours in _PYRAMID),
            *_tower('cls'),
            *_tower('bbox'),
            ('rpn.head.cls_logits.{*}', 'bbox_head.conv_cls.{*}'),
            ('rpn.head.bbox_pred.{*}', 'bbox_head.conv_reg.{*}'),
            ('rpn.head.centerness.{*}', 'bbox_head.conv_centerness.{*}'),
            ('rpn.head.scales.{*}', 'bbox_head.scales.{*}'),
        ),
    ),
    'mmpretrain': Layout(
        'mmpretrain',
        'neck.0.{*}',
        (*_OPENMMLAB_BODY, ('neck.0.{*}', 'neck.{*}'), ('head.fc.{*}', 'head.fc.{*}')),
        _PREPROCESSOR,
    ),
    'mmpose': Layout(
        'mmpose, top-down heads',
        'head.final_layer.{*}',
        (
            *_OPENMMLAB_BODY,
            ('head.conv_layers.0.{*}', 'head.convs.0.conv.{*}'),
            ('head.conv_layers.1.{*}', 'head.convs.0.bn.{*}'),
            ('head.final_layer.{*}', 'head.final_layer.{*}'),
        ),
        _PREPROCESSOR,
        biased=_DENSE_HEAD_BIAS,
    ),
    'mmseg': Layout(
        'mmseg, FCN and OCR heads',
        'decode_head.{*}',
        (
            *_OPENMMLAB_BODY,
            ('decode_head.convs.0.{*}', 'head.convs.0.{*}'),
            ('decode_head.conv_seg.{*}', 'head.final_layer.{*}'),
            ('decode_head.0.convs.0.{*}', 'aux_head.convs.0.{*}'),
            ('decode_head.0.conv_seg.{*}', 'aux_head.final_layer.{*}'),
            ('decode_head.1.{*}', 'ocr_head.{*}'),
        ),
        _PREPROCESSOR,
    ),
    'mmdet': Layout(
        'mmdet 3',
        'neck.reduction_conv.conv.{*}',
        (
            *_OPENMMLAB_BODY,
            *_same('neck.reduction_conv.{*}', 'neck.fpn_convs.{*}', 'rpn_head.{*}', 'roi_head.{*}', 'bbox_head.{*}'),
        ),
        _PREPROCESSOR,
    ),
}
LAYOUTS['timm'] = LAYOUTS['official-cls']
"""Every layout by name; timm's is the official classification code's."""


@dataclass
class Conversion:
    """Converted weights, and what was done to get them."""

    state_dict: dict[str, Tensor]
    source: str
    target: str
    used: int
    given: int
    dropped: dict[str, int] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """One line for a log."""
        parts = [f'{self.source} to {self.target}: {self.used} of {self.given} keys used']
        parts += [f'{n} dropped ({why})' for why, n in self.dropped.items()]
        return ', '.join(parts + self.changes)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r'(\{.*?\})', template)
    return re.compile(''.join(_GROUPS.get(part, re.escape(part)) for part in parts))


def _rename(name: str, rules: Iterable[tuple[str, str]]) -> str | None:
    for old, new in rules:
        if match := _pattern(old).fullmatch(name):
            for group, value in match.groupdict().items():
                new = new.replace('{*}' if group == 'rest' else f'{{{group}}}', value)
            return new
    return None


def _without_prefix(layout: Layout, names: Iterable[str]) -> dict[str, str]:
    """Each name as the rules know it; a training wrapper's prefix is there on all but the loss's names, or on none."""
    return {n: n.removeprefix(layout.prefix) for n in names}


def _fits(layout: Layout, names: list[str]) -> bool:
    bare = list(_without_prefix(layout, names).values())
    tracked = any(n.endswith('.num_batches_tracked') for n in bare)
    return (
        any(_pattern(layout.needs).fullmatch(n) for n in bare)
        and not (layout.inplace_abn and tracked)
        and not (layout.prefix and not layout.inplace_abn and not tracked)
        and all(_rename(n, (*layout.rules, *layout.dropped)) is not None for n in bare)
    )


def detect(state_dict: Mapping[str, Tensor]) -> str:
    """The layout of a state dict, by its names.

    Raises CheckpointError if none fits, or if several do and would give different weights.
    """
    names = list(state_dict)
    found = [name for name, layout in LAYOUTS.items() if name != 'timm' and _fits(layout, names)]
    results = {name: _plan(LAYOUTS[name], names) for name in found}
    distinct = [name for i, name in enumerate(found) if results[name] not in [results[other] for other in found[:i]]]
    if len(distinct) == 1:
        return distinct[0]
    if distinct:
        choices = '; '.join(f'{name} ({LAYOUTS[name].about})' for name in distinct)
        raise CheckpointError(f'the {len(names)} keys fit several layouts: {choices}. Say which it is')
    body = sum('stage4.' in n for n in names)
    raise CheckpointError(
        f'{len(names)} keys, {body} of them of an HRNet stage 4, fit no known layout; the first: '
        f'{", ".join(names[:3])}. Known: {", ".join(LAYOUTS)}'
    )


def _plan(layout: Layout, names: list[str]) -> tuple[object, ...]:
    """What reading these names as this layout does, for comparing two layouts."""
    renamed = {n: _rename(bare, layout.rules) for n, bare in _without_prefix(layout, names).items()}
    folded = sorted(n for n in renamed.values() if n and _partner(n, layout.biased))
    background = layout.background_first and any(n and _CLASS_LAYERS.match(n) for n in renamed.values())
    return renamed, folded, layout.inplace_abn, background


def convert(
    state_dict: Mapping[str, Tensor], to: str = 'hrnet_mm', source: str | None = None, backbone_only: bool = False
) -> Conversion:
    """Weights of one layout in another; `source` is detected unless it is given, `backbone_only` leaves heads out.

    Raises CheckpointError unless each key is used exactly once or known to be of no use, and has a place in `to`.
    """
    for name in (to, source or to):
        if name not in LAYOUTS:
            near = difflib.get_close_matches(name, LAYOUTS, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise CheckpointError(f'unknown layout {name!r}{hint} Known: {", ".join(LAYOUTS)}')
    source = source or detect(state_dict)
    result = Conversion({}, source, to, 0, len(state_dict))
    _read(LAYOUTS[source], state_dict, result)
    if backbone_only:
        heads = [n for n in result.state_dict if not n.startswith('backbone.')]
        result.used -= len(heads)
        if heads:
            result.dropped['of heads, as asked'] = len(heads)
        for name in heads:
            del result.state_dict[name]
    _write(LAYOUTS[to], to, result)
    return result


def _read(layout: Layout, given: Mapping[str, Tensor], result: Conversion) -> None:
    state, unknown = result.state_dict, []
    for name, bare in _without_prefix(layout, given).items():
        if ours := _rename(bare, layout.rules):
            if ours in state:
                raise CheckpointError(f'two keys of the checkpoint mean {ours}; the second is {name}')
            state[ours] = given[name]
        elif why := next((why for template, why in layout.dropped if _pattern(template).fullmatch(bare)), None):
            result.dropped[why] = result.dropped.get(why, 0) + 1
        else:
            unknown.append(name)
    result.used = len(state)
    if unknown:
        shown = ', '.join(f'{n}{_near(n, [old for old, _ in layout.rules])}' for n in unknown[:3])
        raise CheckpointError(
            f'{len(unknown)} of {len(given)} keys are not of the layout {result.source} ({layout.about}): {shown}'
        )
    if layout.inplace_abn:
        scales = [n for n in state if n.endswith('.weight') and f'{n[:-6]}running_var' in state]
        for name in scales:
            state[name] = state[name].abs() + 1e-5
        result.changes.append(f'{len(scales)} InPlace-ABN scales made |weight| + 1e-5')
    if folded := [n for n in state if _partner(n, layout.biased)]:
        for name in folded:
            mean = f'{_partner(name, layout.biased)}.running_mean'
            if mean not in state:
                raise CheckpointError(f'{name} cannot be folded: the checkpoint lacks {mean}')
            bias = state.pop(name)
            state[mean] = (state[mean].double() - bias.double()).to(state[mean].dtype)
        result.changes.append(f'{len(folded)} biases folded into the norms behind them')
    if layout.background_first:
        _move_background(state, first_to_last=True)
    if added := [n for n in state if n.endswith('.running_var') and f'{n[:-11]}num_batches_tracked' not in state]:
        for name in added:
            state[f'{name[:-11]}num_batches_tracked'] = torch.zeros((), dtype=torch.long)
        result.changes.append(f'{len(added)} batch counters added')


def _write(layout: Layout, to: str, result: Conversion) -> None:
    state = result.state_dict
    if layout.untracked:
        for name in [n for n in state if n.endswith('.num_batches_tracked')]:
            del state[name]
    if layout.background_first:
        _move_background(state, first_to_last=False)
    for conv, norm in layout.biased:
        for name in [n for n in state if _pattern(f'{norm}.running_mean').fullmatch(n)]:
            bias = _rename(name, [(f'{norm}.running_mean', f'{conv}.bias')])
            state[str(bias)] = torch.zeros_like(state[name])
    if layout.inplace_abn:
        for name in [n for n in state if n.endswith('.weight') and f'{n[:-6]}running_var' in state]:
            state[name] = _abn_scale(name, state[name])
    back = [(ours, theirs) for theirs, ours in layout.rules]
    renamed = {name: _rename(name, back) for name in state}
    if homeless := [name for name, new in renamed.items() if new is None]:
        raise CheckpointError(
            f'{to} ({layout.about}) has no place for {len(homeless)} of {len(state)} keys, such as {homeless[0]}; '
            'convert the backbone alone (backbone_only), or choose a layout of the same task'
        )
    result.state_dict = {layout.prefix + str(renamed[name]): value for name, value in state.items()}


def _partner(name: str, biased: Rules) -> str | None:
    """The norm behind a convolution whose bias this is, if the layout has such a bias."""
    return _rename(name, [(f'{conv}.bias', norm) for conv, norm in biased])


def _near(name: str, templates: list[str]) -> str:
    match = difflib.get_close_matches(name, templates, n=1, cutoff=0.4)
    return f' (nearest: {match[0]})' if match else ''


def _abn_scale(name: str, scale: Tensor) -> Tensor:
    """The weight w for which |w| + 1e-5 rounds to exactly `scale`."""
    near = (scale.double() - 1e-5).to(scale.dtype)
    for step in (None, torch.inf, -torch.inf):
        tried = near if step is None else torch.nextafter(near, torch.full_like(near, step))
        near = torch.where((near.abs() + 1e-5 != scale) & (tried.abs() + 1e-5 == scale), tried, near)
    if not torch.equal(near.abs() + 1e-5, scale):
        raise CheckpointError(f'{name} has scales below 1e-5, which InPlace-ABN cannot store')
    return near


_CLASS_LAYERS = re.compile(
    r'roi_head\.(?P<head>bbox_head|mask_head)(?P<stage>\.\d+)?\.(?P<layer>fc_cls|fc_reg|conv_logits)\.'
)


def _move_background(state: dict[str, Tensor], first_to_last: bool) -> None:
    """Class 0 to the end of fc_cls, out of fc_reg and conv_logits, where OpenMMLab has no background; or back.

    Layers shared by all classes (four box rows, one mask) stay; so does a box layer of a cascade, which always is.
    """
    move: dict[str, Callable[[Tensor], Tensor]]
    if first_to_last:
        move = {
            'fc_cls': lambda t: t.roll(-1, 0),
            'fc_reg': lambda t: t[4:] if len(t) > 4 else t,
            'conv_logits': lambda t: t[1:] if len(t) > 1 else t,
        }
    else:
        move = {
            'fc_cls': lambda t: t.roll(1, 0),
            'fc_reg': lambda t: torch.cat([torch.zeros_like(t[:4]), t]),
            'conv_logits': lambda t: torch.cat([torch.zeros_like(t[:1]), t]),
        }
    for name, value in state.items():
        if (match := _CLASS_LAYERS.match(name)) and not (
            match['stage'] and match['layer'] == 'fc_reg' and len(value) == 4
        ):
            state[name] = move[match['layer']](value)
