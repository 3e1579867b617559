"""What the width of queries and keys does to a softmax of their products, predicted and measured.

Components of mean 0 and variance 1 give products of variance d_k (section 3.2.1, footnote 4). So
logits are about normal with a deviation of sigma = sqrt(d_k), or 1 with the scale. Of n keys then:

- with the scale, and many keys, weights are log-normal: their entropy is log(n) - 1/2, their
  squares add up to e / n, their cubes to e^3 / n^2, and diag(w) - w w^T is made of these;
- without it, and d_k large, only the two best keys count. Their logits are closer than 1 with a
  probability of about rho / sigma, rho being the density at 0 of the gap between the two largest of
  n normal numbers; elsewhere the softmax is a constant. Integrals over that gap give the means.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from experiment.analysis.attention import entropy
from model.transformer import dot_product_attention

_QUERIES = 32  # that share their keys, as those of a sentence do


def gap_density(num_keys: int) -> float:
    """Returns the density at 0 of the gap between the two largest of so many normal numbers.

    It is n (n - 1) times the integral of phi^2 Phi^(n - 2).

    Example:
      >>> round(gap_density(2) * math.sqrt(math.pi), 6)
      1.0
    """
    at = np.linspace(-10, 10, 20_001)
    density = np.exp(-(at**2) / 2) / math.sqrt(2 * math.pi)
    below = (1 + np.array([math.erf(x / math.sqrt(2)) for x in at])) / 2
    integral = np.trapezoid(density**2 * below ** (num_keys - 2), at)
    return float(num_keys * (num_keys - 1) * integral)


def predictions(d_k: int, num_keys: int, *, scaled: bool) -> dict[str, float]:
    """Returns what is to be expected: variance of logits, entropy, largest weight, Jacobian.

    Those of the softmax hold for many keys with the scale, and for a large d_k without it; what has
    no formula is no number.
    """
    if scaled:
        squares, cubes = math.e / num_keys, math.e**3 / num_keys**2
        jacobian = math.sqrt(squares - 2 * cubes + squares**2)
        return _named(1.0, math.log(num_keys) - 0.5, math.nan, jacobian)
    share = gap_density(num_keys) / math.sqrt(d_k)  # of queries whose best two keys are that close
    return _named(float(d_k), share * math.pi**2 / 6, 1 - share * math.log(2), share)


def saturation(
    d_ks: Sequence[int], *, num_keys: int = 64, queries: int = 1_024, seed: int = 0
) -> pd.DataFrame:
    """Returns two rows for each d_k, with the scale and without: what random queries find.

    - variance: that of the logits;
    - entropy, in nats, largest: of the weights of a query, on the mean over queries;
    - jacobian, median jacobian: the Frobenius norm of d weights / d logits;
    - gradient, median gradient: the length of d loss / d query, of a loss that is a random linear
      function of the attended values;
    - predicted ...: what `predictions` says.
    """
    rows, sentences = [], -(-queries // _QUERIES)
    for d_k in d_ks:
        random = np.random.default_rng(seed)
        query, key, value = (
            random.standard_normal((sentences, *shape), np.float32)
            for shape in ((_QUERIES, 1, d_k), (num_keys, 1, d_k), (num_keys, 1, 1))
        )
        for scaled in (True, False):
            times = np.float32(1 if scaled else math.sqrt(d_k))
            expected = predictions(d_k, num_keys, scaled=scaled)
            found = _measured(query, key, value, times)
            expected = {f"predicted {name}": of for name, of in expected.items()}
            rows.append({"d_k": d_k, "scaled": scaled, **found, **expected})
    return pd.DataFrame(rows)


def jacobian_norm(weights: Float[np.ndarray, "*N S"]) -> Float[np.ndarray, "*N"]:
    """Returns the Frobenius norm of diag(w) - w w^T, the derivative of a softmax by its logits.

    Example:
      >>> jacobian_norm(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
      [0.0, 0.5]
    """
    squares = (weights**2).sum(-1)
    return np.sqrt(np.maximum(squares - 2 * (weights**3).sum(-1) + squares**2, 0.0))


def _measured(
    query: Float[np.ndarray, "B T H K"],
    key: Float[np.ndarray, "B S H K"],
    value: Float[np.ndarray, "B S H Z"],
    times: np.float32,
) -> dict[str, float]:
    gradients, weights = map(np.asarray, _attend(query, key, value, times))
    logits = np.einsum("BTHK,BSHK->BHTS", query, key) * times / math.sqrt(query.shape[-1])
    jacobian = jacobian_norm(weights.astype(np.float64))
    lengths = np.linalg.norm(gradients, axis=-1)
    means = logits.var(), entropy(weights).mean(), weights.max(-1).mean(), jacobian.mean()
    found = _named(*map(float, means))
    found["median jacobian"] = float(np.median(jacobian))
    found["gradient"], found["median gradient"] = float(lengths.mean()), float(np.median(lengths))
    return found


@jax.jit
@functools.partial(jax.grad, has_aux=True)
def _attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S H K"],
    value: Float[Array, "B S H Z"],
    times: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, "B H T S"]]:
    """Returns the sum of what queries, multiplied, find, to be differentiated, and the weights."""
    mask = jnp.ones((1, 1, query.shape[1], key.shape[1]), bool)
    attended, weights = dot_product_attention(query * times, key, value, mask)
    return attended.sum(), weights


def _named(variance: float, entropy: float, largest: float, jacobian: float) -> dict[str, float]:
    return {"variance": variance, "entropy": entropy, "largest": largest, "jacobian": jacobian}
