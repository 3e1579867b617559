"""What heads do for a model: removed, ranked by gradient, pruned (section 3.2.2)."""

from experiment.analysis.heads.ablation import ablate, ablate_layers, keep_one
from experiment.analysis.heads.importance import importance, rank_correlation
from experiment.analysis.heads.losses import Losses
from experiment.analysis.heads.pruning import prune
from experiment.analysis.heads.removal import (
    alone,
    folded,
    table_of_heads,
    without_sites,
)
from experiment.analysis.heads.report import markdown
from experiment.analysis.heads.translations import Translations
from experiment.analysis.sites import Head, heads_of, without

__all__ = [
    # Models without some of their heads.
    "Head",
    "alone",
    "folded",
    "heads_of",
    "table_of_heads",
    "without",
    "without_sites",
    # Asked under many gates at once.
    "Losses",
    "Translations",
    # Tables.
    "ablate",
    "ablate_layers",
    "importance",
    "keep_one",
    "markdown",
    "prune",
    "rank_correlation",
]
