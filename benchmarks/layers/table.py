"""Times of layers in lines and in Markdown, the paper's formula beside them."""

import statistics
from collections.abc import Iterator, Sequence

from benchmarks.layers.timing import FIRST, Times, growth
from benchmarks.paired import ratios
from experiment.analysis import documents
from experiment.analysis.paths import Kind


def told(times: Times) -> Iterator[str]:
    """Yields lines: each kind's time and ratio to self-attention's by size, and how it grows."""
    for kind, by_size in times.seconds.items():
        for size, values in by_size.items():
            low, median, high = ratios(values, times.seconds[FIRST][size])
            yield (
                f"{kind}: {times.varied} = {size}, {times.fixed}: "
                f"{1000 * statistics.median(values):.2f} ms, {median:.2f} of self-attention's "
                f"(rounds {low:.2f} to {high:.2f})"
            )
        if len(by_size) > 1:
            low, median, high = growth(by_size)
            exponent = f"{kind}: exponent of {times.varied} {median:.2f}"
            yield f"{exponent} (rounds {low:.2f} to {high:.2f})"


def markdown(chosen: Sequence[Kind], everything: Sequence[Times], *, source: str) -> str:
    """Returns a table for each way to compute, between the markers; `source` says what measured.

    Sizes are those at which each is largest; exponents are slopes over all of them.
    """
    lines = []
    for over_n, over_d in zip(everything[::2], everything[1::2], strict=True):
        n, d = (max(times.seconds[FIRST]) for times in (over_n, over_d))
        head = ["layer", "paper: O(·)", "exponent of n", "exponent of d"]
        head += [f"ms at n = {n}, d = {d}", "of self-attention's"]
        rows = []
        for kind in chosen:
            largest = over_n.seconds[kind.name][n]
            rows.append(
                [
                    kind.name,
                    kind.published.operations,
                    *(_spread(growth(times.seconds[kind.name])) for times in (over_n, over_d)),
                    f"{1000 * statistics.median(largest):.1f}",
                    _spread(ratios(largest, over_n.seconds[FIRST][n])),
                ]
            )
        lines += [f"{over_n.what.capitalize()}:", "", *documents.table(head, rows), ""]
    return documents.measured([*lines, source])


def _spread(values: tuple[float, float, float]) -> str:
    low, median, high = values
    return f"{median:.2f} ({low:.2f} to {high:.2f})"
