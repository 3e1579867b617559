"""What each word's representation is made from: how far a trained encoder looks around."""

from experiment.analysis.influence.jacobian import Influence, influence, word_spans

__all__ = ["Influence", "influence", "word_spans"]
