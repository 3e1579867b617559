"""Times of layers, drawn."""

import statistics
from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.layers.timing import Times
from experiment.analysis.plots.frame import frame, legend_below, style_of_layer


def draw(everything: Sequence[Times]) -> Figure:
    """Returns a panel for each size that was varied, forward above, with gradients below.

    A curve is the median of the rounds, its shade reaches from the quickest to the slowest.
    """
    figure = Figure(figsize=(10, 7), layout="constrained")
    for axis, times in zip(figure.subplots(2, 2).flat, everything, strict=True):
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        for kind, by_size in times.seconds.items():
            color, dashes = style_of_layer(kind)
            rounds = [[1000 * each for each in values] for values in by_size.values()]
            sizes, medians = list(by_size), [statistics.median(values) for values in rounds]
            axis.fill_between(
                sizes,
                [min(of) for of in rounds],
                [max(of) for of in rounds],
                color=color,
                alpha=0.1,
            )
            axis.plot(sizes, medians, dashes, color=color, marker="o", markersize=3, label=kind)
            axis.set_xticks(sizes, [str(size) for size in sizes])
        across = "n, positions" if times.varied == "n" else "d"
        frame(axis, f"{across} ({times.fixed})", f"{times.what}, ms")
    figure.suptitle("One layer of each kind of table 1, timed in turn")
    legend_below(figure)
    return figure
