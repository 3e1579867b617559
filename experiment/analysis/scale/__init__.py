"""Why dot products are scaled (section 3.2.1): what d_k does to a softmax, and to training."""

from experiment.analysis.scale.removal import without_scale
from experiment.analysis.scale.saturation import (
    gap_density,
    jacobian_norm,
    predictions,
    saturation,
)
from experiment.analysis.scale.training import train_with_and_without

__all__ = [
    # Random queries and keys.
    "gap_density",
    "jacobian_norm",
    "predictions",
    "saturation",
    # A model that learns.
    "train_with_and_without",
    "without_scale",
]
