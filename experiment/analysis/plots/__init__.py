"""Figures of what is analysed; the numbers are made elsewhere."""

from experiment.analysis.plots.attention import (
    draw_alignment,
    draw_maps,
    draw_profiles,
    draw_shares,
)
from experiment.analysis.plots.depth import (
    draw_depth,
    draw_depth_training,
    draw_signals,
    draw_warm_up,
)
from experiment.analysis.plots.frame import save
from experiment.analysis.plots.framework import draw_masks, draw_stacks
from experiment.analysis.plots.heads import draw_heads, draw_importance, draw_pruning
from experiment.analysis.plots.influence import draw_influence
from experiment.analysis.plots.lines import draw_figure3, draw_figure4, draw_figure5, draw_lines
from experiment.analysis.plots.long_range import draw_long_range
from experiment.analysis.plots.paths import draw_horizons, draw_table1
from experiment.analysis.plots.positions import (
    draw_blindness,
    draw_encoding,
    draw_extrapolation,
    draw_linear_map,
    draw_orders,
    draw_swaps,
)
from experiment.analysis.plots.scale import draw_saturation, draw_training

__all__ = [
    "save",
    # How far each system looks; table 1.
    "draw_horizons",
    "draw_influence",
    "draw_long_range",
    "draw_table1",
    # What heads attend to; figures 3 to 5.
    "draw_alignment",
    "draw_figure3",
    "draw_figure4",
    "draw_figure5",
    "draw_lines",
    "draw_maps",
    "draw_profiles",
    "draw_shares",
    # What each is worth (3.2.2).
    "draw_heads",
    "draw_importance",
    "draw_pruning",
    # Why dot products are scaled (3.2.1).
    "draw_saturation",
    "draw_training",
    # Positions (3.5).
    "draw_blindness",
    "draw_encoding",
    "draw_extrapolation",
    "draw_linear_map",
    "draw_orders",
    "draw_swaps",
    # Residuals and norms (3.1).
    "draw_depth",
    "draw_depth_training",
    "draw_signals",
    "draw_warm_up",
    # One kit of blocks.
    "draw_masks",
    "draw_stacks",
]
