"""Opening a model of any of the four libraries, and predictions on images and videos."""

from .images import predict_images
from .predictor import Predictor, open_model

__all__ = ['Predictor', 'open_model', 'predict_images']
