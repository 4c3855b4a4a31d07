"""mmseg data set `type='CocoSegDataset'`: the images of a COCO file, with a label image of the same name for each."""

import json
from pathlib import Path
from typing import Any

import mmseg.datasets  # noqa: F401  # mmseg must register its own classes first
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

__all__ = ['CocoSegDataset']


@DATASETS.register_module()
class CocoSegDataset(BaseSegDataset):
    """mmseg's BaseSegDataset with a COCO file as `ann_file`, whose images may have several file types.

    Images are below `data_prefix['img_path']`. Their label images are below `data_prefix['seg_map_path']`, with the
    same name except for `seg_map_suffix`, or with the name in the entry `seg_file_name` of an image.
    """

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return the entries that mmseg's transforms need, in the order of the file."""
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
