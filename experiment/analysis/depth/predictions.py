"""What must be found before training, by arithmetic, and what Xiong et al. 2020 prove of it.

Of random matrices only their variance counts, so the sizes of signals follow from the sizes of
layers. A matrix of n inputs and m outputs, drawn after Glorot, multiplies a mean square by
2n / (n + m).
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiment.analysis.depth.removals import VARIANTS
from experiment.analysis.paths import exponent
from model.transformer import TransformerConfig

# How the gradient of the last feed-forward matrix grows with the number of layers L (theorem 1):
# d sqrt(ln d) at any L with the norm behind the sum, and that over sqrt(L) with it before.
PUBLISHED_EXPONENTS: Mapping[str, float] = {"post-norm": 0.0, "pre-norm": -0.5}


def feed_forward_gain(config: TransformerConfig) -> float:
    """Returns what the fresh feed-forward network multiplies mean squares by.

    Two matrices, and a ReLU that lets half of the mean square through.

    Raises:
      ValueError: if the activation is another.
    """
    if config.activation != "relu":
        raise ValueError(
            f"model.activation={config.activation!r} must be 'relu': of others there is no formula."
        )
    d_model, d_ff = config.d_model, config.d_ff
    return 2 * d_model * d_ff / (d_model + d_ff) ** 2


def attention_gain(config: TransformerConfig) -> float:
    """Returns the most that a fresh self-attention multiplies mean squares by.

    That is where all positions attended to hold the same; an average of different ones is smaller.
    """
    d_model, width = config.d_model, config.num_heads * config.value_width
    return 4 * d_model * width / (d_model + width) ** 2


def predicted_rms(
    config: TransformerConfig, variant: str, layers: Sequence[int], *, start: float
) -> pd.DataFrame:
    """Returns bounds of each layer's `activation_rms` before training: `layer`, `low`, `high`.

    `start` is the root mean square of what the stack is given; its layers are an encoder's. A norm
    behind the sum, or behind what is left of it, makes it 1. Before the sub-layers it leaves the
    sum to grow by the same every layer (Xiong et al. 2020, lemma 2); without norms it grows by the
    same factor, and what has no residuals either shrinks by one. Low is where attention averages
    to nothing, high where it averages equals. Means over draws of parameters: those of one draw
    scatter around them.
    """
    feed_forward, attention = feed_forward_gain(config), attention_gain(config)
    its, count, square = VARIANTS[variant], np.asarray(layers, float), start**2
    if its.norms and its.norm_placement == "post":
        low = high = np.where(count > 0, 1.0, square)
    elif its.norms and its.residuals:
        low, high = (square + count * (feed_forward + most) for most in (0, attention))
    elif its.residuals:
        low, high = (square * ((1 + feed_forward) * (1 + most)) ** count for most in (0, attention))
    else:
        high = square * (feed_forward * attention) ** count
        low = np.where(count > 0, 0.0, square)
    return pd.DataFrame({"layer": list(layers), "low": low**0.5, "high": high**0.5})


def ends(signals: pd.DataFrame, config: TransformerConfig) -> pd.DataFrame:
    """Returns what arrives at either end of a stack, a row for each depth and variant.

    `signals` are those of `signals_at_start` for one stack. Columns: `predicted_low`,
    `predicted_high` and `activation_rms` of the last layer, its `distinctness`, the
    `gradient_ratio` of what the stack is given to the last layer's outputs, and the last layer's
    `matrix_gradient`; medians over seeds.
    """
    values = ["activation_rms", "distinctness", "output_gradient", "matrix_gradient"]
    by = ["num_layers", "variant", "layer"]
    medians = signals.groupby(by, sort=False)[values].median()
    found = []
    for num_layers, variant in dict.fromkeys(zip(signals.num_layers, signals.variant, strict=True)):
        first, last = (medians.loc[(num_layers, variant, layer)] for layer in (0, num_layers))
        bounds = predicted_rms(config, variant, [num_layers], start=first.activation_rms).iloc[0]
        found.append(
            {
                "num_layers": num_layers,
                "variant": variant,
                "predicted_low": bounds.low,
                "predicted_high": bounds.high,
                "activation_rms": last.activation_rms,
                "distinctness": last.distinctness,
                "gradient_ratio": first.output_gradient / last.output_gradient,
                "matrix_gradient": last.matrix_gradient,
            }
        )
    return pd.DataFrame(found)


def gradient_exponents(at_ends: pd.DataFrame) -> pd.DataFrame:
    """Returns, of post- and pre-norm, how the last matrix's gradient grows with the depth L.

    Columns: `variant`, `published` and `measured`, exponents of L. The measured ones are fitted
    over the depths of `at_ends`, which `ends` gave; NaN of fewer than two.
    """
    found = []
    for variant, published in PUBLISHED_EXPONENTS.items():
        its = at_ends[at_ends.variant == variant]
        by_depth = dict(zip(its.num_layers, its.matrix_gradient, strict=True))
        measured = exponent(by_depth) if len(by_depth) > 1 else math.nan
        found.append({"variant": variant, "published": published, "measured": measured})
    return pd.DataFrame(found)
