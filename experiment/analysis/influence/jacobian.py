"""How much each word of a sentence changes what an encoder makes of every other word."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiment.analysis.attention.words import Word, words_of
from experiment.analysis.embedded import at_embeddings
from experiment.analysis.runs import Run
from experiment.data import MARK
from experiment.training import Params
from model.transformer import one_sentence_a_row


class Influence(NamedTuple):
    """Of each word, read down, the share that each word, read across, has in what it becomes."""

    words: list[str]
    shares: Float[np.ndarray, "S S"]  # each row adds up to 1


def influence(run: Run, sentence: str) -> Influence:
    """Returns whose embedding moves the encoder's outputs, word by word.

    The measure is the squared Frobenius norm of d output_i / d embedding_j, added up over the
    pieces of both words: how much a small random change of word j's embeddings changes word i's
    outputs. Embeddings are taken before positions are added; there is no dropout. The sentence is
    read as the run's task reads it; its end, and the marks of a tagger, are left out.

    Raises:
      ValueError: if the model has no encoder, or the sentence no word.
    """
    if not hasattr(run.model, "encode"):
        raise ValueError(
            f"A run to look into must have an encoder; {type(run.model).__name__} has none. Take a "
            "run that translates, or one of an encoder alone."
        )
    ids = run.vocabulary.encode(run.task.read(sentence))
    words = [each for each in words_of(run.vocabulary.pieces(ids[:-1])) if each.text != MARK]
    if not words:
        raise ValueError("The sentence to look at must have a word; it has none.")
    row, start = jnp.asarray([ids], jnp.int32), jnp.zeros((len(ids), run.config.model.d_model))
    squares = squared_jacobian(run.params, row, start, model=run.model)
    by_word = _summed(_summed(np.asarray(squares, np.float64), words).T, words).T
    shares = by_word / by_word.sum(axis=1, keepdims=True)
    return Influence([word.text for word in words], shares)


@functools.partial(jax.jit, static_argnames="model")
def squared_jacobian(
    params: Params, ids: Int[Array, "1 S"], at: Float[Array, "S D"], *, model: nn.Module
) -> Float[Array, "S S"]:
    """Returns squared Frobenius norms of d outputs[i] / d embeddings[j], moved by `at`."""
    source = one_sentence_a_row(ids)

    def outputs(moved: Array) -> Array:
        with at_embeddings((source,), lambda side, embedded: embedded + moved[None]):
            encoded: Any = model.apply(
                {"params": params}, source, deterministic=True, method="encode"
            )
        return encoded[0]

    return _row_by_row(outputs, at)


def _row_by_row(outputs: Callable[[Array], Array], at: Float[Array, "S D"]) -> Float[Array, "S S"]:
    """Returns the norms, one row of outputs at a time."""
    length, width = at.shape
    _, pull = jax.vjp(outputs, at)

    def of_row(row: Array) -> Array:
        basis = (
            jnp.zeros((width, length, width)).at[jnp.arange(width), row, jnp.arange(width)].set(1)
        )
        (gradients,) = jax.vmap(pull)(basis)
        return jnp.square(gradients).sum(axis=(0, 2))

    return jax.lax.map(of_row, jnp.arange(length))


def _summed(values: Float[np.ndarray, "N S"], words: Sequence[Word]) -> np.ndarray:
    return np.stack([values[word.begin : word.end].sum(axis=0) for word in words])
