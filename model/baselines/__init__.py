"""The systems that the Transformer replaced, behind the same protocol."""

from model.baselines.config import ConvolutionalConfig, RecurrentConfig
from model.baselines.convolutional import Convolutional
from model.baselines.recurrent import Recurrent

__all__ = ["Convolutional", "ConvolutionalConfig", "Recurrent", "RecurrentConfig"]
