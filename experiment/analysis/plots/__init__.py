"""Figures of what is analysed; the numbers are made elsewhere."""

from experiment.analysis.plots.frame import save
from experiment.analysis.plots.long_range import draw_long_range
from experiment.analysis.plots.paths import draw_table1
from experiment.analysis.plots.positions import (
    draw_blindness,
    draw_encoding,
    draw_extrapolation,
    draw_linear_map,
    draw_orders,
    draw_swaps,
)

__all__ = [
    "save",
    # Section 3.5.
    "draw_blindness",
    "draw_encoding",
    "draw_extrapolation",
    "draw_linear_map",
    "draw_orders",
    "draw_swaps",
    # Section 4.
    "draw_long_range",
    "draw_table1",
]
