"""What each word's representation is made from: how far a trained encoder looks around."""

from experiment.analysis.influence.jacobian import Influence, influence

__all__ = ["Influence", "influence"]
