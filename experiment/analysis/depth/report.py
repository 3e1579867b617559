"""What removals do to a deep stack, as Markdown."""

from collections.abc import Iterator

import pandas as pd

from experiment.analysis.depth.comparison import Measured, Settings
from experiment.analysis.depth.predictions import ends, gradient_exponents
from experiment.analysis.depth.removals import VARIANTS
from experiment.analysis.depth.training import OUTCOMES, chance, outcomes
from experiment.analysis.documents import measured, table


def markdown(found: Measured, settings: Settings, *, source: str) -> str:
    """Returns the tables, between their markers; `source` says what measured them."""
    at_ends = ends(found.signals, settings.config(settings.depths[0]))
    return measured(
        [*_signal_lines(at_ends, settings), *_training_lines(found, settings), "", source]
    )


def _signal_lines(at_ends: pd.DataFrame, settings: Settings) -> Iterator[str]:
    yield f"Before training, medians of {settings.seeds} draws of parameters:\n"
    yield from table(
        [
            *("layers", "variant", "predicted RMS of the last layer", "measured"),
            *("distinctness there", "gradient, bottom over top"),
        ],
        (
            [
                *(
                    str(row.num_layers),
                    row.variant,
                    _between(row.predicted_low, row.predicted_high),
                ),
                *(f"{row.activation_rms:.3g}", f"{row.distinctness:.3g}"),
                f"{row.gradient_ratio:.2g}",
            ]
            for row in at_ends.itertuples()
        ),
    )
    if len(set(settings.depths)) == 1:
        return  # one depth has no power
    depths = ", ".join(map(str, settings.depths))
    yield (
        "\nGradient of the last layer's last matrix, as a power of the number of layers, over "
        f"{depths} (Xiong et al. 2020, theorem 1):\n"
    )
    rows = gradient_exponents(at_ends).itertuples()
    yield from table(
        ["variant", "published", "measured"],
        ([row.variant, f"{row.published:.1f}", f"{row.measured:z.2f}"] for row in rows),
    )


def _training_lines(found: Measured, settings: Settings) -> Iterator[str]:
    guessing = chance(settings.task)
    by = ["variant", "warmup_steps", "num_layers"]
    ended = outcomes(found.curves, by, chance=guessing)
    yield (
        f"\nLoss after {settings.steps:,} updates, in nats; guessing is {guessing:.2f}. Medians of "
        f"{settings.seeds} seeds, and how many of them {', '.join(OUTCOMES)}:\n"
    )
    yield from table(
        ["variant", "warm-up", *(f"{depth} layers" for depth in settings.depths)],
        _outcome_rows(ended, settings),
    )


def _outcome_rows(ended: pd.DataFrame, settings: Settings) -> Iterator[list[str]]:
    for variant in VARIANTS:
        for warmup in settings.warmups(variant):
            its = ended[(ended.variant == variant) & (ended.warmup_steps == warmup)]
            cells = [_outcome(its[its.num_layers == depth]) for depth in settings.depths]
            yield [variant, str(warmup) if warmup else "none", *cells]


def _outcome(seeds: pd.DataFrame) -> str:
    counts = seeds.outcome.value_counts()
    told = ", ".join(f"{counts[name]} {name}" for name in OUTCOMES if name in counts)
    return f"{seeds.final_loss.median():.2f} ({told})"


def _between(low: float, high: float) -> str:
    if f"{low:.3g}" == f"{high:.3g}":
        return f"{low:.3g}"
    return f"{low:.3g} to {high:.3g}" if low else f"at most {high:.2g}"
