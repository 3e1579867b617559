import os

import jax
import pytest

# Before anything asks jax for its devices: eight of them, on any machine, an accelerator or not.
jax.config.update("jax_platforms", os.environ.get("JAX_PLATFORMS", "cpu"))
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def rng() -> jax.Array:
    return jax.random.key(0)
