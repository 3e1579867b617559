"""How much each word of a sentence changes what an encoder makes of every other word."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiment.analysis.embedded import at_embeddings
from experiment.analysis.runs import Run
from model.transformer import one_sentence_a_row

_SPACE = "▁"  # before a piece that begins a word


class Influence(NamedTuple):
    """Of each word, read down, the share that each word, read across, has in what it becomes."""

    words: list[str]
    shares: Float[np.ndarray, "S S"]  # each row adds up to 1


def influence(run: Run, sentence: str) -> Influence:
    """Returns whose embedding moves the encoder's outputs, word by word.

    The measure is the squared Frobenius norm of d output_i / d embedding_j, added up over the
    pieces of both words: how much a small random change of word j's embeddings changes word i's
    outputs. Embeddings are taken before positions are added; there is no dropout. The sentence's
    end is left out.

    Raises:
      ValueError: if the sentence has no word.
    """
    ids = run.vocabulary.encode(sentence)
    spans = word_spans(run.vocabulary.pieces(ids[:-1]))
    if not spans:
        raise ValueError("The sentence to look at must have a word; it has none.")
    source = one_sentence_a_row(jnp.asarray([ids], jnp.int32))
    width = run.config.model.d_model

    def outputs(moved: Float[Array, "S D"]) -> Float[Array, "S D"]:
        with at_embeddings((source,), lambda side, embedded: embedded + moved[None]):
            encoded: Any = run.model.apply(
                {"params": run.params}, source, deterministic=True, method="encode"
            )
        return encoded[0]

    squares = jax.jit(_squared_jacobian, static_argnums=0)(outputs, jnp.zeros((len(ids), width)))
    by_word = _summed(_summed(np.asarray(squares, np.float64), spans).T, spans).T
    words = ["".join(run.vocabulary.pieces(ids)[begin:end]) for begin, end in spans]
    shares = by_word / by_word.sum(axis=1, keepdims=True)
    return Influence([word.removeprefix(_SPACE) for word in words], shares)


def word_spans(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """Returns where each word begins and ends among the pieces of a text.

    Example:
      >>> word_spans(["▁two", "▁dog", "s", "."])
      [(0, 1), (1, 4)]
    """
    begins = [place for place, piece in enumerate(pieces) if place == 0 or piece[:1] == _SPACE]
    return list(zip(begins, [*begins[1:], len(pieces)], strict=True)) if pieces else []


def _squared_jacobian(
    outputs: Callable[[Array], Array], at: Float[Array, "S D"]
) -> Float[Array, "S S"]:
    """Returns squared Frobenius norms of d outputs[i] / d at[j], one row of outputs at a time."""
    length, width = at.shape
    _, pull = jax.vjp(outputs, at)

    def of_row(row: Array) -> Array:
        basis = (
            jnp.zeros((width, length, width)).at[jnp.arange(width), row, jnp.arange(width)].set(1)
        )
        (gradients,) = jax.vmap(pull)(basis)
        return jnp.square(gradients).sum(axis=(0, 2))

    return jax.lax.map(of_row, jnp.arange(length))


def _summed(values: Float[np.ndarray, "N S"], spans: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.stack([values[begin:end].sum(axis=0) for begin, end in spans])
