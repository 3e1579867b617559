"""Figures of what is analysed; the numbers are made elsewhere."""

from experiment.analysis.plots.frame import save
from experiment.analysis.plots.heads import draw_heads, draw_importance, draw_pruning
from experiment.analysis.plots.long_range import draw_long_range
from experiment.analysis.plots.paths import draw_table1

__all__ = [
    "save",
    # Section 4.
    "draw_long_range",
    "draw_table1",
    # Section 3.2.2: heads.
    "draw_heads",
    "draw_importance",
    "draw_pruning",
]
