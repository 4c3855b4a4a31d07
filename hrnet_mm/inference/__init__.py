"""`hrnet-mm predict`: a model of any of the four libraries on any number of images, in any number of processes."""

from .command import add_predict_arguments, predict
from .model import Predictor, open_model

__all__ = ['Predictor', 'add_predict_arguments', 'open_model', 'predict']
