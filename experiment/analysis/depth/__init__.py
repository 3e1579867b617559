"""What keeps a deep stack trainable (sections 3.1 and 5.4): residuals and norms, taken out."""

from experiment.analysis.depth.comparison import (
    WITH_AND_WITHOUT_WARM_UP,
    Measured,
    Settings,
    measure,
    training_of,
)
from experiment.analysis.depth.predictions import (
    PUBLISHED_EXPONENTS,
    attention_gain,
    ends,
    feed_forward_gain,
    gradient_exponents,
    predicted_rms,
)
from experiment.analysis.depth.removals import (
    VARIANTS,
    Variant,
    removed,
    with_removals,
    without_norms,
    without_residuals,
)
from experiment.analysis.depth.report import markdown
from experiment.analysis.depth.signals import layer_signals, random_batch, signals_at_start
from experiment.analysis.depth.training import (
    OUTCOMES,
    Member,
    chance,
    outcomes,
    training_curves,
    warm_up,
)

__all__ = [
    # Taking out.
    "VARIANTS",
    "Variant",
    "removed",
    "with_removals",
    "without_norms",
    "without_residuals",
    # Before training: what is found, and what must be.
    "PUBLISHED_EXPONENTS",
    "attention_gain",
    "ends",
    "feed_forward_gain",
    "gradient_exponents",
    "layer_signals",
    "predicted_rms",
    "random_batch",
    "signals_at_start",
    # Training.
    "Member",
    "OUTCOMES",
    "chance",
    "outcomes",
    "training_curves",
    "warm_up",
    # All of it.
    "Measured",
    "Settings",
    "WITH_AND_WITHOUT_WARM_UP",
    "markdown",
    "measure",
    "training_of",
]
