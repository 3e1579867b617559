"""Checkpoints of the whole run, each with a manifest of what it must be when it is read again."""

from experiment.training.checkpoint.checkpoints import (
    AVERAGED_STEPS,
    Checkpoints,
    Damaged,
    Restored,
    averaged_steps,
    seal,
)
from experiment.training.checkpoint.retention import Retention

__all__ = [
    "AVERAGED_STEPS",
    "Checkpoints",
    "Damaged",
    "Restored",
    "Retention",
    "averaged_steps",
    "seal",
]
