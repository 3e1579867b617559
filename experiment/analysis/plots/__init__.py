"""Figures of what is analysed; the numbers are made elsewhere."""

from experiment.analysis.plots.frame import save
from experiment.analysis.plots.framework import draw_masks, draw_stacks
from experiment.analysis.plots.long_range import draw_long_range
from experiment.analysis.plots.paths import draw_horizons, draw_table1

__all__ = [
    "save",
    # Section 4.
    "draw_horizons",
    "draw_long_range",
    "draw_table1",
    # Section 3: one kit of blocks.
    "draw_masks",
    "draw_stacks",
]
