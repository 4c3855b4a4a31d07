from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class CracksDataset(BaseSegDataset):
    METAINFO = dict(classes=('wall', 'crack', 'stain'), palette=[[120, 120, 120], [6, 230, 230], [80, 50, 50]])

    def __init__(self, img_suffix='.jpg', seg_map_suffix='.png', **kwargs):
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)
