"""Models small enough to be taken apart in a test."""

import functools

import jax

from experiment.analysis.depth import random_batch
from experiment.training import init_params
from model.systems import system_of
from model.transformer import DecoderOnlyConfig, EncoderOnlyConfig, TransformerConfig

V, D, LAYERS = 17, 8, 2
SIZES = {"vocab_size": V, "d_model": D, "d_ff": 12, "num_heads": 2, "num_layers": LAYERS}
CONFIG = TransformerConfig(**SIZES, dropout_rate=0.0)
LANGUAGE_MODEL = DecoderOnlyConfig(**SIZES, dropout_rate=0.0)
LABELLER = EncoderOnlyConfig(**SIZES, dropout_rate=0.0)
BATCH = random_batch(vocab_size=V, length=5, sentences=3)


@functools.cache
def fresh(config):
    """A model and its parameters, moved away from zeros and ones so that all of them matter."""
    model = system_of(config)
    params = init_params(model, jax.random.key(0))
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    moved = [
        leaf + 0.1 * jax.random.normal(key, leaf.shape)
        for leaf, key in zip(leaves, keys, strict=True)
    ]
    return model, jax.tree.unflatten(tree, moved)
