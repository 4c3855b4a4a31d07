"""Trainings on one set of pictures in two forms: PNG, and TIFF of four bands in another order."""

import json

import cv2
import numpy as np
import pytest
import tifffile
import torch

from hrnet_mm.training.own import train_folder


@pytest.mark.slow
def test_the_training_is_the_same_in_both_forms(tmp_path):
    random = np.random.default_rng(0)
    for i in range(10):
        rgb = random.integers(0, 120 if i % 2 else 256, (64, 64, 3), dtype=np.uint8)
        bands = np.dstack([rgb[..., 1], 255 - rgb[..., 0], rgb[..., 2], rgb[..., 0]])
        for form in ('png', 'tif'):
            place = tmp_path / form / ('dark' if i % 2 else 'light')
            place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / 'png' / place.name / f'{i}.png'), rgb[..., ::-1])
        tifffile.imwrite(place / f'{i}.tif', bands, photometric='minisblack', planarconfig='contig')
    rows, weights = [], []
    for form, bands in (('png', ()), ('tif', (4, 1, 3))):
        out = tmp_path / f'{form}_out'
        train_folder('classification', tmp_path / form, out, epochs=1, bands=bands)
        content = torch.load(out / 'classification' / 'weights.pth', weights_only=False)
        weights.append(content['state_dict'])
        spec = content['hrnet_mm']
        rows.append(
            [spec['mean'], spec['std'], *(r['value'] for r in json.loads((out / 'results.json').read_text())['rows'])]
        )
    assert rows[0] == rows[1]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
