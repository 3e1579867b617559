"""Checkpoints of the whole run, each with a manifest of what it must be when it is read again."""

from experiment.training.checkpoint.checkpoints import (
    Checkpoints,
    Damaged,
    Gone,
    Mean,
    Restored,
    averaged_steps,
)
from experiment.training.checkpoint.retention import Retention
from experiment.training.checkpoint.writer import CheckpointWriter, seal

__all__ = [
    "CheckpointWriter",
    "Checkpoints",
    "Damaged",
    "Gone",
    "Mean",
    "Restored",
    "Retention",
    "averaged_steps",
    "seal",
]
