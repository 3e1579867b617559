import os

import jax
import pytest

# What is compiled here runs for an instant: a third of the time is enough to compile it. Commands
# that tests start inherit it.
QUICKLY = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
if jax.__version_info__ < (0, 11):  # later ones refuse the name
    QUICKLY += " --xla_cpu_use_fusion_emitters=false"
os.environ["XLA_FLAGS"] = f"{QUICKLY} {os.environ.get('XLA_FLAGS', '')}".strip()

# Before anything asks jax for its devices: eight of them, on any machine, an accelerator or not.
jax.config.update("jax_platforms", os.environ.get("JAX_PLATFORMS", "cpu"))
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def rng() -> jax.Array:
    return jax.random.key(0)
