"""How far systems look back, as Markdown."""

import statistics
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from experiment.analysis.documents import measured, table
from experiment.analysis.long_range.comparison import Settings, Sight


def markdown(sights: Sequence[Sight], settings: Settings, *, source: str) -> str:
    """Returns the tables, between their markers; `source` says what measured them."""
    return measured([*_lines(sights, settings), "", source])


def _lines(sights: Sequence[Sight], settings: Settings) -> Iterator[str]:
    sizes = ", ".join(f"{sight.system} {sight.num_params:,}" for sight in sights)
    yield f"Parameters: {sizes}."
    head = ["", *(str(distance) for distance in settings.distances)]
    for side in ("target", "source"):
        yield f"\nGradient at the {side}'s token k positions back, as a share of that at k = 0:\n"
        rows = ((sight.system, *_shares(sight, side, settings)) for sight in sights)
        yield from table(head, rows)
    for side in ("target", "source"):
        yield (
            f"\nValues recalled over k tokens of the {side}, in %: the median of {settings.seeds} "
            f"seeds (lowest to highest), each after {settings.steps:,} updates of {settings.rows} "
            f"texts; {100 / settings.num_keys:.1f} is chance:\n"
        )
        recalled = ((sight.system, *_recalled(sight, side)) for sight in sights)
        yield from table(head, recalled)


def _shares(sight: Sight, side: str, settings: Settings) -> Iterator[str]:
    norms: Float[np.ndarray, " T"] = getattr(sight.gradients, side)
    for distance in settings.distances:
        yield f"{norms[distance] / norms[0]:.1e}" if norms[distance] else "0"


def _recalled(sight: Sight, side: str) -> Iterator[str]:
    for accuracies in sight.recalled[side].values():
        median, low, high = (
            100 * value
            for value in (statistics.median(accuracies), min(accuracies), max(accuracies))
        )
        yield f"{median:.0f} ({low:.0f} to {high:.0f})" if low != high else f"{median:.0f}"
