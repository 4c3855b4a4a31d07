# URLs of ImageNet weights, by architecture. No other config contains one of these URLs.
imagenet_weights = {
    'w18-small-v2': 'open-mmlab://msra/hrnetv2_w18_small',
    'w18': 'open-mmlab://msra/hrnetv2_w18',
    'w32': 'open-mmlab://msra/hrnetv2_w32',
    'w40': 'open-mmlab://msra/hrnetv2_w40',
    'w48': 'open-mmlab://msra/hrnetv2_w48',
    'w48-ssld': (  # PaddleClas's, by distillation; a whole classifier, as below
        'https://download.openmmlab.com/mmclassification/v0/hrnet/hrnet-w48_3rdparty_8xb32-ssld_in1k_20220120-d0459c38.pth'
    ),
    'w64': (  # a whole classifier, whose backbone has the prefix 'backbone.'
        'https://download.openmmlab.com/mmclassification/v0/hrnet/hrnet-w64_3rdparty_8xb32_in1k_20220120-19126642.pth'
    ),
}
# The files of the official pose code.
pose_imagenet_weights = {
    'w32': 'https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth',
    'w48': 'https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth',
}
# Of the ResNets that SimpleBaseline has instead of HRNet.
resnet_imagenet_weights = {'101': 'torchvision://resnet101', '152': 'torchvision://resnet152'}
# The network that scores DEKR's poses on CrowdPose.
dekr_crowdpose_rescore_weights = (
    'https://download.openmmlab.com/mmpose/pretrain_models/kpt_rescore_crowdpose-300c7efe.pth'
)
