"""mmseg's `type='CocoSegDataset'`: the images that a COCO file lists, with a label image of the same name each."""

import json
from pathlib import Path
from typing import Any

import mmseg.datasets  # noqa: F401  # mmseg registers its own parts first
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

__all__ = ['CocoSegDataset']


@DATASETS.register_module()
class CocoSegDataset(BaseSegDataset):
    """As mmseg's BaseSegDataset, but `ann_file` is a COCO file, and the images may be of several types.

    Images are below `data_prefix['img_path']`. Their label images are below `data_prefix['seg_map_path']`, of the same
    name but `seg_map_suffix`, or of the name that an image's entry has as `seg_file_name`.
    """

    def load_data_list(self) -> list[dict[str, Any]]:
        """What mmseg's transforms want to know of each image, in the order of the file."""
        return [
            {
                'img_path': str(Path(self.data_prefix['img_path'], image['file_name'])),
                'seg_map_path': str(Path(self.data_prefix['seg_map_path'], self._label_name(image))),
                'label_map': self.label_map,
                'reduce_zero_label': self.reduce_zero_label,
                'seg_fields': [],
            }
            for image in json.loads(Path(self.ann_file).read_text())['images']
        ]

    def _label_name(self, image: dict[str, Any]) -> str | Path:
        return image.get('seg_file_name') or Path(image['file_name']).with_suffix(self.seg_map_suffix)
