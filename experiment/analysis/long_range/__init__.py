"""How far a system looks back: gradients by distance, and recall from a distance."""

from experiment.analysis.long_range.comparison import Settings, Sight, measure, of_equal_size
from experiment.analysis.long_range.gradients import Gradients, gradient_norms, last_loss
from experiment.analysis.long_range.recall import (
    SIDES,
    Recall,
    answer_loss,
    recall_accuracy,
    recall_batch,
    train_recall,
)
from experiment.analysis.long_range.report import markdown
from experiment.analysis.long_range.tables import gradient_table, recall_table

__all__ = [
    # Gradients.
    "Gradients",
    "gradient_norms",
    "last_loss",
    # Recall.
    "SIDES",
    "Recall",
    "answer_loss",
    "recall_accuracy",
    "recall_batch",
    "train_recall",
    # Several systems.
    "Settings",
    "Sight",
    "gradient_table",
    "markdown",
    "measure",
    "of_equal_size",
    "recall_table",
]
