"""What a model says under many gates at once, found greedily, and its BLEU."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiment.analysis.gated import stacked
from experiment.analysis.runs import Run, tokens
from experiment.analysis.sites import Gates, heads_of, ones
from experiment.data import BOS_ID, EOS_ID, PAD_ID
from experiment.evaluation import in_one_line
from experiment.evaluation.bleu import kinds_of_bleu
from experiment.training import Params
from model.decoding import greedy_search
from model.transformer import one_sentence_a_row

_AT_ONCE = 8  # sets of gates; each has a cache of keys and values of its own


class Translations:
    """Translates the same sentences under any gates: all of them, and several gates, at once."""

    def __init__(self, run: Run, pairs: Sequence[tuple[str, str]]) -> None:
        """Compiles nothing yet.

        Raises:
          ValueError: if the model has no heads, there are no pairs, or it does not translate.
        """
        if run.task.name != "translation" or not pairs:
            raise ValueError(
                f"BLEU is of translations of at least one sentence; this run is of {run.task.name} "
                f"and there are {len(pairs)}. Ask for the loss alone."
            )
        self.gates = ones(run.model)
        self.heads = heads_of(self.gates)
        self._run, self._params = run, jax.device_put(run.params)
        encoded = run.vocabulary.encode_all([source for source, _ in pairs])
        self._order = np.argsort([len(ids) for ids in encoded], kind="stable")
        self._rows = min(run.config.decode.sentences_per_batch, len(pairs))
        whole = -(-len(pairs) // self._rows) * self._rows  # batches of one shape
        self._source = np.full((whole, max(map(len, encoded))), PAD_ID, np.int32)
        for row, index in enumerate(self._order):
            self._source[row, : len(encoded[index])] = encoded[index]
        references = [target for _, target in pairs]
        self._metric = kinds_of_bleu(references, **tokens(run.config))["sacrebleu"]

    def bleu(
        self, sets: Sequence[Gates], say: Callable[[str], None] = lambda line: None
    ) -> Float[np.ndarray, " N"]:
        """Returns the sacreBLEU of greedy translations under each of several trees of gates."""
        return np.array([self._metric.score(lines) for lines in self.texts(sets, say)])

    def texts(
        self, sets: Sequence[Gates], say: Callable[[str], None] = lambda line: None
    ) -> Iterator[list[str]]:
        """Yields the translations under each of several trees of gates."""
        at_once = min(_AT_ONCE, len(sets))
        for first in range(0, len(sets), at_once):
            say(f"translating: {first} of {len(sets)} models")
            some = list(sets[first : first + at_once])
            padded = stacked(some + [self.gates] * (at_once - len(some)))
            found = self._found(padded)
            for ids in found[: len(some)]:
                lines = (self._run.vocabulary.decode(row.tolist()) for row in ids)
                yield [in_one_line(line) for line in lines]

    def _found(self, gates: Gates) -> Int[np.ndarray, "N B L"]:
        """Returns the ids of all translations under a stack of gates, in the pairs' order."""
        extra = self._run.config.decode.max_extra_tokens
        batches = []
        for first in range(0, len(self._source), self._rows):
            source = self._source[first : first + self._rows]
            lengths = (source != PAD_ID).sum(1)
            limits = np.where(lengths > 1, lengths + extra, 0)  # of blanks nothing is said
            options = {"model": self._run.model, "max_length": source.shape[1] + extra}
            batches.append(translated(self._params, gates, source, limits, **options))
        found = np.concatenate(jax.device_get(batches), axis=1)
        return found[:, np.argsort(self._order)]


@functools.partial(jax.jit, static_argnames=("model", "max_length"))
def translated(
    params: Params,
    gates: Gates,
    source: Int[Array, "B S"] | Int[np.ndarray, "B S"],
    limits: Int[Array, " B"] | Int[np.ndarray, " B"],
    *,
    model: nn.Module,
    max_length: int,
) -> Int[Array, "N B L"]:
    """Returns the ids of all sentences' greedy translations under each of N gates.

    To the search, N times B sentences are sentences like others: only the model's step is vmapped,
    so the search is one loop, and what a step has not changed is not copied.
    """
    number, size = jax.tree.leaves(gates)[0].shape[0], source.shape[0]

    def cache_of(its: Gates) -> Any:
        variables, sentences = {"params": params, "gates": its}, jnp.asarray(source)
        options: dict[str, Any] = {"beam_size": 1, "max_length": max_length}
        read = one_sentence_a_row(sentences)
        return model.apply(variables, read, **options, method="init_cache")

    # Arrays are of each gates' own; a scalar counts steps, which all take together.
    axes = jax.tree.map(
        lambda leaf: 0 if leaf.ndim else None, jax.eval_shape(cache_of, _one(gates))
    )

    def step(its: Gates, ids: Array, parents: Array, cache: Any) -> Any:
        variables = {"params": params, "gates": its}
        return model.apply(variables, ids, parents, cache, method="decode_step")

    steps = jax.vmap(step, in_axes=(0, 0, 0, axes), out_axes=(0, axes))

    def step_fn(ids: Array, parents: Array, cache: Any) -> tuple[Array, Any]:
        shape = (number, size, 1)
        logits, cache = steps(gates, ids.reshape(shape), parents.reshape(shape), cache)
        return logits.reshape(-1, *logits.shape[2:]), cache

    found = greedy_search(
        step_fn,
        jax.vmap(cache_of, out_axes=axes)(gates),
        jnp.tile(jnp.asarray(limits), number),
        max_length=max_length,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        pad_id=PAD_ID,
    )
    return found.tokens.reshape(number, size, max_length)


def _one(gates: Gates) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], dict(gates))
