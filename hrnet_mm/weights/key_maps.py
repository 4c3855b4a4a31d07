"""Key maps: the parameter names and storage of HRNet in the official repositories, timm and OpenMMLab.

A layout is data: pairs of templates, its own name first and this package's second, and the numerical differences.
This package's names are OpenMMLab's wherever a network has them: `backbone`, `neck`, `head` and detectors' heads;
`head.convs.0` and `head.final_layer` are HRNetV2's dense head, `aux_head` and `ocr_head` those of HRNetV2-OCR.
In templates, `{i}` is a number, `{*}` any rest, and `{backbone}` a name inside HRNet's backbone.
"""

from dataclasses import dataclass

__all__ = ['LAYOUTS', 'Layout', 'Rules']

Rules = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Layout:
    """The parameter names and storage of HRNet in one implementation.

    Attributes:
        about: The implementation, for messages.
        needs: A template that at least one key must match.
        rules: Pairs of templates, the layout's name and this package's.
        dropped: Templates of unnecessary keys, with the reason.
        prefix: The prefix of a training wrapper.
        biased: This package's convolutions without a bias that have one in the layout, and the norm after each.
        folded: Those that may have a bias in the layout, and are written without one.
        unbiased: The same convolutions in a variant of a layout that has no bias there either.
        kept: Convolutions whose bias may be absent here and must not be in the layout, as no norm can absorb it.
        frozen: Whether norms have an `eps` and no counter, or must not have one; None where both may be.
        untracked: Whether norms have no num_batches_tracked.
        inplace_abn: Whether norms scale by |weight| + 1e-5.
        background_first: Whether detectors have the background as class 0, also in boxes and masks, instead of last.
    """

    about: str
    needs: str
    rules: Rules
    dropped: Rules = ()
    prefix: str = ''
    biased: Rules = ()
    folded: Rules = ()
    unbiased: Rules = ()
    kept: tuple[str, ...] = ()
    frozen: bool | None = None
    untracked: bool = False
    inplace_abn: bool = False
    background_first: bool = False


_BODY: Rules = (('{backbone}', 'backbone.{backbone}'),)
_OPENMMLAB_BODY: Rules = (('backbone.{backbone}', 'backbone.{backbone}'),)
_PREPROCESSOR: Rules = (('data_preprocessor.{*}', 'normalization, which configs state'),)
_DENSE_HEAD_BIAS: Rules = (('head.convs.0.conv', 'head.convs.0.bn'),)


def _same(*names: str) -> Rules:
    return tuple((name, name) for name in names)


_HIGHER_HEAD: Rules = _same('head.final_layers.{*}', 'head.deconv_layers.{*}')
_SEG = (*_BODY, ('last_layer.0.{*}', 'head.convs.0.conv.{*}'), ('last_layer.1.{*}', 'head.convs.0.bn.{*}'))
_SEG = (*_SEG, ('last_layer.3.{*}', 'head.final_layer.{*}'))
_CLASS_WEIGHTS: Rules = (('loss.criterion.weight', "the loss's class weights"),)
_OBJECT = 'ocr_head.object_context_block'


def _attention(theirs: str, ours: str, convs: int) -> Rules:
    """Return the rules of one projection in OCR's attention, whose convolutions and norms alternate.

    OpenMMLab has one numbered module for each convolution with its norm.
    """
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
_CLS: Rules = (
    *_BODY,
    ('incre_modules.{*}', 'neck.increase_layers.{*}'),
    ('downsamp_modules.{i}.0.{*}', 'neck.downsample_layers.{i}.conv.{*}'),
    ('downsamp_modules.{i}.1.{*}', 'neck.downsample_layers.{i}.bn.{*}'),
    ('final_layer.0.{*}', 'neck.final_layer.conv.{*}'),
    ('final_layer.1.{*}', 'neck.final_layer.bn.{*}'),
    ('classifier.{*}', 'head.fc.{*}'),
)
_CLS_BIAS: Rules = (
    ('neck.downsample_layers.{i}.conv', 'neck.downsample_layers.{i}.bn'),
    ('neck.final_layer.conv', 'neck.final_layer.bn'),
)
_PYRAMID: Rules = (
    ('reduction_conv.0.{*}', 'neck.reduction_conv.conv.{*}'),
    ('fpn_conv.{i}.{*}', 'neck.fpn_convs.{i}.conv.{*}'),
)

_BENCHMARK: Rules = (
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
)
_ANCHORS: Rules = (('rpn.anchor_generator.{*}', 'anchors, which are computed'),)


def _tower(name: str) -> Rules:
    """Return the rules of FCOS's four convolutions, each with group norm and ReLU, numbered consecutively."""
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
            *_HIGHER_HEAD,
            *_same('head.heatmap_head.{*}', 'head.locref_head.{*}'),
        ),
        folded=_CLS_BIAS,
    ),
    'backbone': Layout(
        "a backbone alone, without a prefix; HRNetV2p's has its pyramid",
        '{backbone}',
        (*_BODY, *((f'pyramid.{name}.{{*}}', f'neck.{name}.{{*}}') for name in ('reduction_conv', 'fpn_convs'))),
    ),
    'official-cls-ssld': Layout(
        "HRNet-Image-Classification's SSLD weights and timm's hrnet_w18_ssld and hrnet_w48_ssld, without biases",
        'incre_modules.{*}',
        _CLS,
        unbiased=_CLS_BIAS,
    ),
    'official-cls': Layout('HRNet-Image-Classification and timm', 'incre_modules.{*}', _CLS, biased=_CLS_BIAS),
    # The pose repository's "ImageNet weights" have another classifier than HRNet-C (TPAMI table XVI).
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
        (
            *_BODY,
            ('final_layers.{*}', 'head.final_layers.{*}'),
            ('deconv_layers.{*}', 'head.deconv_layers.{*}'),
        ),
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
        'HRNet-MaskRCNN-Benchmark, frozen batch norm',
        'backbone.neck.{*}',
        _BENCHMARK,
        _ANCHORS,
        frozen=True,
        untracked=True,
        background_first=True,
    ),
    'maskrcnn-benchmark-syncbn': Layout(
        'HRNet-MaskRCNN-Benchmark, synchronized batch norm',
        'backbone.neck.{*}',
        _BENCHMARK,
        _ANCHORS,
        frozen=False,
        background_first=True,
    ),
    # Its towers have group norm and a bias, which group norm cannot absorb: the configs have conv_bias=True.
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
        kept=('bbox_head.cls_convs.{i}.conv', 'bbox_head.reg_convs.{i}.conv'),
    ),
    'mmpretrain': Layout(
        'mmpretrain',
        'neck.0.{*}',
        (*_OPENMMLAB_BODY, ('neck.0.{*}', 'neck.{*}'), ('head.fc.{*}', 'head.fc.{*}')),
        _PREPROCESSOR,
        folded=_CLS_BIAS,  # HRFuseScales(conv_bias=True)
    ),
    'mmpose': Layout(
        "mmpose, top-down heads and this package's HigherHRHead",
        'head.{*}',
        (
            *_OPENMMLAB_BODY,
            ('head.conv_layers.0.{*}', 'head.convs.0.conv.{*}'),
            ('head.conv_layers.1.{*}', 'head.convs.0.bn.{*}'),
            ('head.final_layer.{*}', 'head.final_layer.{*}'),
            *_HIGHER_HEAD,
        ),
        _PREPROCESSOR,
        biased=_DENSE_HEAD_BIAS,
    ),
    'deeplabcut': Layout(
        "DeepLabCut 3, timm's backbone with heatmaps and location refinement",
        'heads.bodypart.heatmap_head.{*}',
        (
            ('backbone.model.{backbone}', 'backbone.{backbone}'),
            *(
                (f'heads.bodypart.{maps}.{layer}.{{*}}', f'head.{maps}.{layer}.{{*}}')
                for maps in ('heatmap_head', 'locref_head')
                for layer in ('deconv_layers.0', 'final_conv')
            ),
        ),
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
LAYOUTS |= {'timm': LAYOUTS['official-cls'], 'timm-ssld': LAYOUTS['official-cls-ssld']}
"""Layouts by name; timm's are those of the official classification code."""
