"""Systems stacked from one kit of blocks, and the masks that tell them apart, drawn."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

BLOCKS = {
    "embedding": "#d9d9d9",
    "self-attention": "#1f5fa8",
    "cross-attention": "#b3342d",
    "feed-forward": "#3c8d5a",
    "norm": "#efefef",
}
_HEIGHTS = {"embedding": 0.7, "norm": 0.4}
_DARK = ("self-attention", "cross-attention", "feed-forward")


def draw_stacks(systems: Mapping[str, pd.DataFrame]) -> Figure:
    """Returns a panel a system: its stacks of blocks from below, as `placed_blocks` has them.

    In every box stand its parameters. An arrow goes from what was read into each cross-attention.
    """
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    stacks = [placed.loc[placed["layer"] >= 0, "stack"].nunique() for placed in systems.values()]
    panels = figure.subplots(
        1, len(systems), squeeze=False, sharey=True, gridspec_kw={"width_ratios": stacks}
    )[0]
    for axis, (name, placed) in zip(panels, systems.items(), strict=True):
        _system(axis, placed)
        axis.set_title(f"{name}\n{placed['parameters'].sum():,} parameters", fontsize=10)
        axis.axis("off")
    return figure


def _system(axis: Axes, placed: pd.DataFrame) -> None:
    embedding, rest = placed[placed["stack"] == ""], placed[placed["stack"] != ""]
    names = sorted(rest["stack"].unique(), reverse=True)  # the encoder stands on the left
    tops: dict[str, float] = {}
    joints: list[float] = []
    for column, stack in enumerate(names):
        height = 1.0
        last = rest["stack"].eq(stack) & rest["layer"].eq(-1)
        for row in pd.concat([rest[rest["stack"].eq(stack) & ~last], rest[last]]).itertuples():
            if row.block == "cross-attention":
                joints.append(height + 0.45)
            height = _box(axis, column, height, str(row.block), int(row.parameters), 1)
        tops[stack] = height
        axis.text(column + 0.5, 0.92, stack, ha="center", va="top", fontsize=9)
    if len(embedding):
        _box(axis, 0, -0.2, "embedding", int(embedding["parameters"].sum()), len(names))
    for joint in joints:
        start = (0.9, tops["encoder"] - 0.1)
        axis.add_patch(
            FancyArrowPatch(start, (1.08, joint), arrowstyle="-|>", mutation_scale=10, color="0.3")
        )
    axis.set_xlim(0, len(names))
    axis.autoscale_view(scalex=False)


def _box(axis: Axes, column: int, height: float, block: str, parameters: int, width: int) -> float:
    """Draws a block and returns where the next one stands."""
    tall = _HEIGHTS.get(block, 0.9)
    corner = (column + 0.08, height)
    axis.add_patch(Rectangle(corner, width - 0.16, tall, color=BLOCKS[block], linewidth=0))
    axis.text(
        column + width / 2,
        height + tall / 2,
        f"{block}  {parameters:,}",
        color="white" if block in _DARK else "0.2",
        fontsize=8,
        ha="center",
        va="center",
    )
    return height + tall + 0.08


def draw_masks(masks: Mapping[str, Bool[np.ndarray, "T S"]]) -> Figure:
    """Returns a panel a mask: what each query (a row) may attend to."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = figure.subplots(1, len(masks), squeeze=False)[0]
    for axis, (name, mask) in zip(panels, masks.items(), strict=True):
        axis.imshow(mask, cmap="Blues", vmin=0, vmax=1.3)
        axis.set_title(name, fontsize=9)
        axis.set_xticks(np.arange(mask.shape[1] + 1) - 0.5, minor=True)
        axis.set_yticks(np.arange(mask.shape[0] + 1) - 0.5, minor=True)
        axis.grid(which="minor", color="white", linewidth=1.5)
        axis.tick_params(which="minor", length=0)
        axis.set_xlabel("key")
        axis.set_ylabel("query")
        axis.spines[:].set_visible(False)
    return figure
