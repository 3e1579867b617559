"""Both systems in sizes that no two axes share, with parameters as large as if trained."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from model.baselines import ConvolutionalConfig, RecurrentConfig
from model.systems import system_of
from model.transformer import Tokens, one_sentence_a_row

# Three layers have a residual.
RECURRENT = RecurrentConfig(vocab_size=23, d_model=14, num_layers=3, dropout_rate=0.5)
# Targets are longer than the tables of positions, as translations may be.
CONVOLUTIONAL = ConvolutionalConfig(
    vocab_size=23, d_model=14, num_layers=2, dropout_rate=0.5, max_positions=4
)
CONFIGS = {
    "recurrent": RECURRENT,
    "additive, not fed": dataclasses.replace(
        RECURRENT, attention="additive", input_feeding=False, tied_embeddings="none"
    ),
    "additive": dataclasses.replace(RECURRENT, attention="additive", num_layers=1),
    "convolutional": CONVOLUTIONAL,
    "wide": dataclasses.replace(
        CONVOLUTIONAL, kernel_width=5, num_layers=1, tied_embeddings="target"
    ),
}
SOURCE = jnp.array([[5, 6, 7, 8, 9, 1, 0], [9, 3, 1, 0, 0, 0, 0]])
TARGET = jnp.array([[2, 11, 12, 13, 14], [2, 15, 16, 0, 0]])
# What is compiled for one call of a tiny model need not be fast: it is there in half the time.
jit = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@functools.cache
def initial(config):
    tokens = one_sentence_a_row(TARGET)
    init = jit(lambda rng: system_of(config).init(rng, tokens, tokens, deterministic=True))
    return {"params": init(jax.random.key(1))["params"]}


@functools.cache
def enlarged(config):
    """Initial parameters times 1.5: gates that open and close, attention that prefers."""
    return jax.tree.map(lambda leaf: 1.5 * leaf, initial(config))


@functools.cache
def _forward(config):
    return jit(functools.partial(system_of(config).apply, deterministic=True))


def logits(config, source, target, variables=None):
    source, target = (
        x if isinstance(x, Tokens) else one_sentence_a_row(jnp.asarray(x)) for x in (source, target)
    )
    return np.asarray(_forward(config)(variables or enlarged(config), source, target))


@functools.cache
def _step(config):
    return jit(functools.partial(system_of(config).apply, method="decode_step"))


def step_by_step(config, source, target, parents):
    """Logits of `decode_step` along `parents`; `target` [B, M, T] is what each slot is fed."""
    beams, length = target.shape[1:]
    variables, sizes = enlarged(config), dict(beam_size=beams, max_length=length)
    cache = system_of(config).apply(
        variables, one_sentence_a_row(source), **sizes, method="init_cache"
    )
    outputs = []
    for t in range(length):
        out, cache = _step(config)(variables, target[:, :, t], parents[t], cache)
        outputs.append(np.asarray(out))
    return np.stack(outputs, axis=2)


def packed(sentences, length):
    """One row with sentences one after another, and padding."""
    left = length - sum(map(len, sentences))
    ids = np.concatenate([*sentences, np.zeros(left)])
    segments = np.repeat([*range(1, len(sentences) + 1), 0], [*map(len, sentences), left])
    positions = np.concatenate([*(np.arange(len(each)) for each in sentences), np.zeros(left)])
    return Tokens(*(jnp.asarray(x[None], jnp.int32) for x in (ids, segments, positions)))
