"""The learning rate of section 5.3, and a cooldown after it."""

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


def cooled_down(rate: optax.Schedule, num_steps: int, cooldown_steps: int) -> optax.Schedule:
    """Returns `rate` times a factor that falls in equal parts from 1 to 0 (Zhai et al. 2022).

    It falls over the last `cooldown_steps` of `num_steps`: the step after them would have rate 0.
    Without any, `rate` is returned as it is.

    Example:
      >>> rate = cooled_down(lambda step: 1.0, num_steps=10, cooldown_steps=4)
      >>> [float(rate(step)) for step in (0, 6, 7, 9)]
      [1.0, 1.0, 0.75, 0.25]
    """
    if cooldown_steps == 0:
        return rate

    def cooled(step: ArrayLike) -> ArrayLike:
        left = (num_steps - jnp.asarray(step, jnp.float32)) / cooldown_steps
        return rate(step) * jnp.clip(left, 0.0, 1.0)

    return cooled
