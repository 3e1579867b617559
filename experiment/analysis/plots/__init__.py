"""Figures of what is analysed; the numbers are made elsewhere."""

from experiment.analysis.plots.frame import save
from experiment.analysis.plots.influence import draw_influence
from experiment.analysis.plots.long_range import draw_long_range
from experiment.analysis.plots.paths import draw_table1

__all__ = [
    "save",
    # Section 4.
    "draw_influence",
    "draw_long_range",
    "draw_table1",
]
