"""What residuals and norms do for deep stacks, drawn."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiment.analysis.depth import (
    PUBLISHED_EXPONENTS,
    VARIANTS,
    WITH_AND_WITHOUT_WARM_UP,
    Measured,
    Settings,
    chance,
    predicted_rms,
)
from experiment.analysis.plots.frame import frame
from model.transformer import TransformerConfig

# The two that are used in one family, those that lack something apart.
_STYLES = {
    "post-norm": ("#1f5fa8", "-"),
    "pre-norm": ("#3c8d5a", "-"),
    "no norm": ("#d1762c", "-"),
    "no residual": ("#b3342d", "-"),
    "neither": ("0.35", "-"),
}


def draw_signals(signals: pd.DataFrame, config: TransformerConfig | None = None) -> Figure:
    """Returns three panels by layer: activations, how distinct positions are, gradients.

    `signals` are `signals_at_start` of one stack at one depth. With `config` the predicted bounds
    of activations are shaded.
    """
    figure = Figure(figsize=(12, 3.9), layout="constrained")
    _signal_panels(list(figure.subplots(1, 3)), signals, config)
    _legend(figure, 5)
    return figure


def draw_depth_training(curves: pd.DataFrame, settings: Settings) -> Figure:
    """Returns a panel for each depth: the loss by step, with warm-up, a colour for each variant."""
    figure, panels = _row_of(curves.num_layers.nunique())
    for axis, (num_layers, its) in zip(panels, curves.groupby("num_layers"), strict=True):
        _training_panel(axis, its[its.warmup_steps > 0], settings)
        axis.set_title(f"{num_layers} layers", fontsize=10)
    _legend(figure, 5)
    return figure


def draw_warm_up(curves: pd.DataFrame, settings: Settings) -> Figure:
    """Returns a panel for each depth: post- and pre-norm, dashed where there is no warm-up."""
    figure, panels = _row_of(curves.num_layers.nunique())
    for axis, (num_layers, its) in zip(panels, curves.groupby("num_layers"), strict=True):
        _warm_up_panel(axis, its, settings)
        axis.set_title(f"{num_layers} layers", fontsize=10)
    _legend(figure, 4)
    return figure


def draw_depth(found: Measured, settings: Settings) -> Figure:
    """Returns signals before training and training, at the greatest depth measured."""
    deepest = max(settings.depths)
    signals, curves = (table[table.num_layers == deepest] for table in found)
    figure = Figure(figsize=(12, 7.6), layout="constrained")
    above, below = figure.subplots(2, 3)
    _signal_panels(list(above), signals, settings.config(deepest))
    _training_panel(below[0], curves[curves.warmup_steps > 0], settings)
    below[0].set_title(f"training, {settings.warmup_steps} steps of warm-up", fontsize=10)
    _warm_up_panel(below[1], curves, settings)
    below[1].set_title("dashed: no warm-up", fontsize=10)
    _gradient_panel(below[2], found.signals)
    figure.suptitle(f"{deepest} layers, with and without residuals and norms")
    _legend(figure, 5)
    return figure


def _signal_panels(
    panels: Sequence[Axes], signals: pd.DataFrame, config: TransformerConfig | None
) -> None:
    columns = {
        "activation_rms": "RMS of activations",
        "distinctness": "share in which positions differ",
        "output_gradient": "gradient at outputs",
    }
    for axis, (column, up) in zip(panels, columns.items(), strict=True):
        for variant, curve in _medians(signals, column):
            color, dashes = _STYLES[variant]
            axis.plot(curve.index, curve, dashes, color=color, label=variant, linewidth=1.8)
            if column == "activation_rms" and config is not None:
                layers = [int(layer) for layer in curve.index]
                bounds = predicted_rms(config, variant, layers, start=float(curve.iloc[0]))
                low = np.where(bounds.low > 0, bounds.low, np.nan)
                axis.fill_between(layers, low, bounds.high, color=color, alpha=0.13, linewidth=0)
                axis.plot(layers, bounds.high, ":", color=color, linewidth=0.9)
        axis.set_yscale("log")
        frame(axis, "layer (0: what the stack is given)", up)
    panels[0].set_title("signal going up (shaded, dotted: predicted)", fontsize=10)
    panels[1].set_title("positions becoming alike", fontsize=10)
    panels[2].set_title("gradient coming down", fontsize=10)


def _training_panel(axis: Axes, curves: pd.DataFrame, settings: Settings) -> None:
    for variant, its in curves.groupby("variant", sort=False):
        color, dashes = _STYLES[str(variant)]
        _loss_curves(axis, its, str(variant), color, dashes)
    _finish_losses(axis, settings)


def _warm_up_panel(axis: Axes, curves: pd.DataFrame, settings: Settings) -> None:
    for variant in WITH_AND_WITHOUT_WARM_UP:
        its = curves[curves.variant == variant]
        for warmup, some in its.groupby("warmup_steps", sort=False):
            label = variant if warmup else f"{variant}, no warm-up"
            _loss_curves(axis, some, label, _STYLES[variant][0], "-" if warmup else "--")
    _finish_losses(axis, settings)


def _loss_curves(axis: Axes, curves: pd.DataFrame, label: str, color: str, dashes: str) -> None:
    """Draws the median of the seeds, smoothed over a twentieth of the steps, and each seed."""
    by_seed = curves.pivot_table(index="step", columns="seed", values="loss")
    smooth = by_seed.rolling(max(1, len(by_seed) // 20), min_periods=1).mean()
    for seed in smooth:
        axis.plot(smooth.index, smooth[seed], dashes, color=color, linewidth=0.5, alpha=0.6)
    middle = smooth.median(axis=1)
    axis.plot(middle.index, middle, dashes, color=color, label=label, linewidth=1.8)


def _finish_losses(axis: Axes, settings: Settings) -> None:
    guessing = chance(settings.task)
    axis.axhline(guessing, color="0.6", linewidth=0.8)
    axis.set_ylim(0, 2.2 * guessing)
    frame(axis, "updates", "loss, nats (grey: guessing)")


def _gradient_panel(axis: Axes, signals: pd.DataFrame) -> None:
    """Draws the last matrix's gradient by depth and, of several, its power after Xiong et al."""
    last = signals[signals.layer == signals.num_layers]
    depths = [int(depth) for depth in sorted(signals.num_layers.unique())]
    for variant, its in last.groupby("variant", sort=False):
        curve = its.groupby("num_layers").matrix_gradient.median()
        color, dashes = _STYLES[str(variant)]
        if len(depths) > 1 and variant in PUBLISHED_EXPONENTS:
            power = (curve.index / curve.index[-1]) ** PUBLISHED_EXPONENTS[str(variant)]
            axis.plot(curve.index, curve.iloc[-1] * power, ":", color=color, linewidth=1.2)
        axis.plot(curve.index, curve, dashes, color=color, marker="o", markersize=3)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(depths, [str(depth) for depth in depths])
    dotted = " (dotted: Xiong et al.)" if len(depths) > 1 else ""
    axis.set_title(f"gradient of the last matrix{dotted}", fontsize=10)
    frame(axis, "L, layers of the stack", "gradient")


def _medians(signals: pd.DataFrame, column: str) -> list[tuple[str, pd.Series]]:
    present = [variant for variant in VARIANTS if (signals.variant == variant).any()]
    return [
        (variant, signals[signals.variant == variant].groupby("layer")[column].median())
        for variant in present
    ]


def _row_of(count: int) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(3.4 * count + 0.6, 3.6), layout="constrained")
    panels = figure.subplots(1, count, sharey=True, squeeze=False)
    return figure, list(panels[0])


def _legend(figure: Figure, columns: int) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)
