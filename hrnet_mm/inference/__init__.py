"""Opening of networks, and prediction on images and videos."""

from typing import Any

from .open import OpenedNetwork, Preprocessing, open_network

__all__ = ['OpenedNetwork', 'Predictor', 'Preprocessing', 'open_network', 'predict_images', 'predict_videos']


def __getattr__(name: str) -> Any:
    # Imported on first use: prediction needs mmcv, and opening a network by name does not.
    if name == 'Predictor':
        from .predictor import Predictor

        return Predictor
    if name == 'predict_images':
        from .images import predict_images

        return predict_images
    if name == 'predict_videos':
        from .videos import predict_videos

        return predict_videos
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
