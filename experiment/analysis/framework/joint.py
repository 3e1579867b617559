"""Cross-attention as the joint between two halves: what is written once the memory is another.

The encoder's outputs are all that a decoder has of the source. Here they are changed between the
two, in a trained model, and the decoder goes on as if nothing had been.
"""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from experiment.analysis.runs import Run
from experiment.analysis.sentences import batch_of, inputs_of
from experiment.data import Batch, Vocabulary
from experiment.evaluation.translation import search
from experiment.training import cross_entropy

Change = Callable[[Float[Array, "B S D"]], Float[Array, "B S D"]]


def _shuffled(memory: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
    return memory[:, np.random.default_rng(0).permutation(memory.shape[1])]


def _of_the_next(memory: Float[Array, "B S D"]) -> Float[Array, "B S D"]:
    return jnp.roll(memory, -1, axis=0)


MEMORIES: Mapping[str, Change] = {
    "as it is": lambda memory: memory,
    "its positions shuffled": _shuffled,
    "the next sentence's": _of_the_next,
    "zeros": jnp.zeros_like,
}


def of_one_length(
    vocabulary: Vocabulary, pairs: Sequence[tuple[str, str]], count: int
) -> list[tuple[str, str]]:
    """Returns the first `count` pairs, or fewer, of the commonest source length, in tokens.

    They fill a batch without padding, so any memory fits any of them.
    """
    lengths = [len(ids) for ids in vocabulary.encode_all([source for source, _ in pairs])]
    ((commonest, _),) = Counter(lengths).most_common(1)
    of_it = (pair for pair, length in zip(pairs, lengths, strict=True) if length == commonest)
    return [pair for pair, _ in zip(of_it, range(count), strict=False)]


def joint(
    run: Run,
    pairs: Sequence[tuple[str, str]],
    memories: Mapping[str, Change] = MEMORIES,
) -> pd.DataFrame:
    """Returns what a translator does with each of `memories`, a row each.

    `nll` is that of the references, in nats a token; the shares, in %, are of greedy translations
    that are word for word the sentence's own reference, or the next one's. The last column is what
    is written for the first sentence.

    Raises:
      ValueError: if the sources are not all of one length in tokens.
    """
    batch = _without_margin(batch_of(run.vocabulary, pairs))
    if (batch.source_segments == 0).any():
        raise ValueError(
            "The sources must be of one length in tokens, so that memories fit each other; take "
            "those that of_one_length returns."
        )
    own = [target for _, target in pairs]
    following = own[1:] + own[:1]
    rows = {}
    for name, change in memories.items():
        written = _written(run, batch, change)
        rows[name] = {
            "nll": _nll(run, batch, change),
            "own reference, %": _agree(written, own),
            "the next one's, %": _agree(written, following),
            "what is written": written[0],
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("memory")


def _without_margin(batch: Batch) -> Batch:
    """Returns the batch with sources as wide as the longest of them, whatever targets are."""
    width = int((batch.source_segments > 0).sum(axis=1).max())
    return batch._replace(
        source=batch.source[:, :width],
        source_segments=batch.source_segments[:, :width],
        source_positions=batch.source_positions[:, :width],
    )


def _agree(written: Sequence[str], references: Sequence[str]) -> float:
    return 100 * float(np.mean([a == b for a, b in zip(written, references, strict=True)]))


def _nll(run: Run, batch: Batch, change: Change) -> float:
    @jax.jit
    def mean(params: Any, batch: Batch) -> Array:
        source, target = inputs_of(batch)
        apply: Any = functools.partial(run.model.apply, {"params": params}, deterministic=True)
        memory = apply(source, method="encode")
        logits = apply(target, change(memory), source, method="decode")
        nll = cross_entropy(logits, jnp.asarray(batch.target_labels), 0.0)[1]
        weights = batch.target_segments > 0
        return (nll * weights).sum() / weights.sum()

    return float(mean(run.params, batch))


def _written(run: Run, batch: Batch, change: Change) -> list[str]:
    """Returns the greedy translations, the decoder being given another memory."""
    decode = dataclasses.replace(run.config.decode, beam_size=1, temperature=0.0)
    rows, width = batch.source.shape
    longest, whole = width + decode.max_extra_tokens, type(run.model)

    def intercept(call: Any, arguments: Any, options: Any, context: Any) -> Any:
        found = call(*arguments, **options)
        is_memory = context.method_name == "encode" and isinstance(context.module, whole)
        return change(found) if is_memory else found

    @jax.jit
    def tokens(params: Any, source: Array) -> Array:
        limits, numbers = jnp.full(rows, longest), jnp.arange(rows)
        with nn.intercept_methods(intercept):
            found = search(
                params, source, limits, numbers, max_length=longest, model=run.model, config=decode
            )
        return found.tokens[:, 0]

    found = np.asarray(tokens(run.params, jnp.asarray(batch.source)))
    return [run.vocabulary.decode(ids) for ids in found.tolist()]
