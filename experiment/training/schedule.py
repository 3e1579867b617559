"""The learning rate of section 5.3."""

import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike


def warmup_rsqrt(d_model: int, warmup_steps: int, scale: float = 1.0) -> optax.Schedule:
    """Learning rate of section 5.3, equation 3: linear warmup, then inverse square root.

    The returned function maps a step, counted from 0 (the paper counts from 1), to a rate without
    unit; it peaks at `warmup_steps - 1`. `scale` multiplies the whole of it.

    Example:
      >>> rate = warmup_rsqrt(d_model=512, warmup_steps=4000)
      >>> [f"{rate(step):.2e}" for step in (0, 3999, 15999)]
      ['1.75e-07', '6.99e-04', '3.49e-04']

    Raises:
      ValueError: if `warmup_steps` < 1.
    """
    if warmup_steps < 1:
        raise ValueError(f"train.warmup_steps={warmup_steps} must be at least 1.")

    def rate(step: ArrayLike) -> Array:
        count = jnp.asarray(step, jnp.float32) + 1
        return scale * d_model**-0.5 * jnp.minimum(count**-0.5, count * warmup_steps**-1.5)

    return rate
