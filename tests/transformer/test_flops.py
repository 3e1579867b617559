import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.systems import training_flops
from model.transformer import (
    Transformer,
    TransformerConfig,
    forward_flops,
    one_sentence_a_row,
)

BATCH, SOURCE, TARGET = 3, 24, 17
CONFIG = TransformerConfig(
    vocab_size=997, d_model=128, d_ff=512, num_heads=4, num_layers=2, dropout_rate=0.0
)
VARIANTS = (
    {},
    {"activation": "swiglu"},
    {"norm": "rms", "norm_placement": "pre"},
    {"positions": "rotary"},
    {"positions": "relative"},
    {"positions": "alibi"},
    {"tied_embeddings": "none"},
    {"d_k": 24, "d_v": 40},
    {"num_heads": 8, "num_layers": 3, "d_ff": 384},
)


def xlas_count(config, function):
    """What XLA says that `function(logits of params)` takes, on sentences without padding."""
    model = Transformer(config)
    source, target = (
        one_sentence_a_row(jnp.ones((BATCH, length), jnp.int32)) for length in (SOURCE, TARGET)
    )

    def logits(params):
        return model.apply(params, source, target, deterministic=True)

    params = jax.eval_shape(
        lambda: model.init(jax.random.key(0), source, target, deterministic=True)
    )
    return jax.jit(function(logits)).lower(params).compile().cost_analysis()["flops"]


def ours(count, config):
    return count(config, np.full(BATCH, SOURCE), np.full(BATCH, TARGET)).sum()


@pytest.mark.parametrize("changes", VARIANTS)
def test_forward_is_what_xla_counts_up_to_elementwise_work(changes):
    config = dataclasses.replace(CONFIG, **changes)
    counted = xlas_count(config, lambda logits: logits)
    assert 1 <= counted / ours(forward_flops, config) < 1.03


@pytest.mark.parametrize("changes", VARIANTS[:2])
def test_an_update_is_what_xla_counts_up_to_elementwise_work(changes):
    def gradient(logits):
        return jax.grad(lambda params: jnp.square(logits(params)).sum())

    config = dataclasses.replace(CONFIG, **changes)
    assert 1 <= xlas_count(config, gradient) / ours(training_flops, config) < 1.03


def test_products_of_a_tiny_model_counted_by_hand():
    config = TransformerConfig(
        vocab_size=7, d_model=2, d_ff=3, num_heads=1, num_layers=1, dropout_rate=0.0, d_k=4, d_v=5
    )
    # Two source tokens, three of the target. Multiplications of each product, in the order of use:
    encoder = (2 * 2 * 4) * 2 + (2 * 2 * 5) * 2  # Q, K; V, out
    encoder += 2 * 2 * 4 + 2 * 2 * 5  # logits, values
    encoder += (2 * 2 * 3) * 2  # feed-forward network
    own = (3 * 2 * 4) * 2 + (3 * 2 * 5) * 2 + 3 * 3 * 4 + 3 * 3 * 5
    cross = (3 * 2 * 4) + (2 * 2 * 4) + (2 * 2 * 5) + (3 * 2 * 5) + 3 * 2 * 4 + 3 * 2 * 5
    decoder = own + cross + (3 * 2 * 3) * 2
    multiplications = encoder + decoder + 3 * 2 * 7
    assert forward_flops(config, np.array([2]), np.array([3])) == [2 * multiplications]


def test_sentences_are_counted_one_by_one():
    sources, targets = np.array([5, 0, 40]), np.array([7, 0, 31])
    together = forward_flops(CONFIG, sources, targets)
    alone = [
        forward_flops(CONFIG, sources[[pair]], targets[[pair]])[0] for pair in range(len(sources))
    ]
    assert together.tolist() == alone
    assert together[1] == 0  # padding costs nothing
    # One sentence as long as two takes more than the two: each of its tokens sees twice as many.
    assert forward_flops(CONFIG, np.array([45]), np.array([38]))[0] > together.sum()


def test_counts_of_long_sentences_do_not_overflow():
    big = TransformerConfig(
        vocab_size=37_000, d_model=1024, d_ff=4096, num_heads=16, num_layers=6, dropout_rate=0.3
    )
    short, long = (np.full(1, length, np.int32) for length in (1, 2**16))
    assert training_flops(big, long, long)[0] > 2**16 * training_flops(big, short, short)[0] > 0
