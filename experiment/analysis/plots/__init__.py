"""Figures of what is analysed; the numbers are made elsewhere."""

from experiment.analysis.plots.depth import (
    draw_depth,
    draw_signals,
    draw_training,
    draw_warm_up,
)
from experiment.analysis.plots.frame import save
from experiment.analysis.plots.long_range import draw_long_range
from experiment.analysis.plots.paths import draw_table1

__all__ = [
    "save",
    # Section 4.
    "draw_long_range",
    "draw_table1",
    # Sections 3.1 and 5.4: depth.
    "draw_depth",
    "draw_signals",
    "draw_training",
    "draw_warm_up",
]
