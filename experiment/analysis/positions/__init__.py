"""What tells a model the order of its words (section 3.5), and what it is without that."""

from experiment.analysis.positions.encoding import dot_products, learned_tables, sinusoids
from experiment.analysis.positions.equivariance import (
    EXAMPLES,
    SCHEMES,
    OrderSeen,
    order_of,
    order_seen,
    orders_by_scheme,
)
from experiment.analysis.positions.extrapolation import (
    Settings,
    joined,
    measure,
    scores_by_length,
    train_seeds,
)
from experiment.analysis.positions.longer import (
    ByLength,
    Longest,
    longest,
    pairs_by_length,
    words_below_a_million,
)
from experiment.analysis.positions.offsets import (
    LONGEST_WAVE,
    LinearMap,
    fitted_map,
    linear_maps,
    offset_rotation,
)
from experiment.analysis.positions.pair_scores import PairScores, scorer
from experiment.analysis.positions.report import markdown
from experiment.analysis.positions.swapping import (
    added_tables,
    rearranged,
    sides_of,
    swaps,
    with_scheme,
    with_tables,
)

__all__ = [
    # The encoding.
    "dot_products",
    "learned_tables",
    "sinusoids",
    # An offset is a linear map.
    "LONGEST_WAVE",
    "LinearMap",
    "fitted_map",
    "linear_maps",
    "offset_rotation",
    # A model that is blind to order.
    "EXAMPLES",
    "SCHEMES",
    "OrderSeen",
    "order_of",
    "order_seen",
    "orders_by_scheme",
    # Another scheme in a trained model.
    "PairScores",
    "added_tables",
    "rearranged",
    "scorer",
    "sides_of",
    "swaps",
    "with_scheme",
    "with_tables",
    # Longer than any that was trained on.
    "ByLength",
    "Longest",
    "Settings",
    "joined",
    "longest",
    "markdown",
    "measure",
    "pairs_by_length",
    "scores_by_length",
    "train_seeds",
    "words_below_a_million",
]
