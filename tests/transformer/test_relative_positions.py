import jax.numpy as jnp
import pytest

from model.transformer import TransformerConfig
from model.transformer.relative_positions import UNPLACED, relative_positions_of


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "none"])
def test_schemes_of_the_embedding_cost_attention_nothing(positions):
    config = TransformerConfig(11, 14, 19, 2, 1, 0.0, positions=positions)
    place = relative_positions_of(config, bidirectional=True)
    assert place(jnp.arange(3)[None], jnp.arange(3)[None]) is UNPLACED
    assert UNPLACED == (None, None)
