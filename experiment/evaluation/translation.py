"""Text in, text out: lines are grouped by length, searched in batches, and put back in order."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from experiment.config import DecodeConfig
from experiment.data import BOS_ID, EOS_ID, PAD_ID, Vocabulary
from model.decoding import Hypotheses, beam_search, greedy_search
from model.transformer import one_sentence_a_row

# Source lengths are rounded up to these steps, so that few shapes are compiled.
LENGTH_STEP = 16


class Translation(NamedTuple):
    """One hypothesis."""

    text: str
    score: float  # log probability in nats, divided by the length penalty


class Search(Protocol):
    """A compiled search."""

    def __call__(
        self, params: Any, source: np.ndarray, limits: np.ndarray, *, max_length: int
    ) -> Hypotheses:
        """Returns the hypotheses of `source`, of at most `limits` tokens."""


class Translator:
    """A model, a vocabulary and a way to search; parameters are given at each call."""

    def __init__(self, model: nn.Module, vocabulary: Vocabulary, config: DecodeConfig) -> None:
        """Compiles nothing yet: each shape is compiled when it is first met."""
        self._vocabulary = vocabulary
        self._config = config
        self._search: Search = jax.jit(
            functools.partial(search, model=model, config=config), static_argnames="max_length"
        )

    def translate(
        self,
        params: Any,
        lines: Sequence[str],
        *,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[list[Translation]]:
        """Returns each line's hypotheses, best first, `beam_size` at most.

        A line with nothing to read in it becomes one empty translation. `progress` is told how
        many lines are done.
        """
        encoded = self._vocabulary.encode_all(lines)
        results = [[Translation("", 0.0)] for _ in lines]
        wanted = [i for i, ids in enumerate(encoded) if ids != [EOS_ID]]
        done = len(lines) - len(wanted)
        for indices, source in self._batches(encoded, wanted):
            limits = (source != PAD_ID).sum(1) + self._config.max_extra_tokens
            limits[len(indices) :] = 0
            max_length = source.shape[1] + self._config.max_extra_tokens
            found = jax.device_get(self._search(params, source, limits, max_length=max_length))
            for row, index in enumerate(indices):
                results[index] = self._read(found, row)
            done += len(indices)
            progress(done, len(lines))
        return results

    def best(self, params: Any, lines: Sequence[str], **options: Any) -> list[str]:
        """Returns each line's best translation."""
        return [hypotheses[0].text for hypotheses in self.translate(params, lines, **options)]

    def _batches(
        self, encoded: list[list[int]], wanted: list[int]
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yields which lines, and their ids padded to a shape that others share."""
        rows = self._config.sentences_per_batch
        by_length = sorted(wanted, key=lambda i: len(encoded[i]))
        for start in range(0, len(by_length), rows):
            indices = by_length[start : start + rows]
            longest = max(len(encoded[i]) for i in indices)
            shape = (_padded_rows(len(indices), rows), -(-longest // LENGTH_STEP) * LENGTH_STEP)
            source = np.full(shape, PAD_ID, np.int32)
            for row, index in enumerate(indices):
                source[row, : len(encoded[index])] = encoded[index]
            yield indices, source

    def _read(self, found: Hypotheses, row: int) -> list[Translation]:
        return [
            Translation(
                _in_one_line(self._vocabulary.decode(found.tokens[row, rank].tolist())),
                float(score),
            )
            for rank, score in enumerate(found.scores[row])
            if found.lengths[row, rank] > 0
        ]


def _in_one_line(text: str) -> str:
    """Returns the text without the line breaks that a model may spell byte by byte."""
    return text.replace("\r", " ").replace("\n", " ")


def _padded_rows(rows: int, full: int) -> int:
    """Returns a number of rows that few batches differ in: 1, or a full batch."""
    return 1 if rows == 1 else full


def search(
    params: Any,
    source: jax.Array,
    limits: jax.Array,
    *,
    max_length: int,
    model: nn.Module,
    config: DecodeConfig,
) -> Hypotheses:
    """Returns the hypotheses of a batch of sources, one a row, by beam search or, for 1, greedily.

    A pure function, for any model that has `init_cache` and `decode_step`.
    """
    variables = {"params": params}
    cache = model.apply(
        variables,
        one_sentence_a_row(source),
        beam_size=config.beam_size,
        max_length=max_length,
        method="init_cache",
    )
    step_fn = functools.partial(model.apply, variables, method="decode_step")
    ids = {"bos_id": BOS_ID, "eos_id": EOS_ID, "pad_id": PAD_ID}
    limits = jnp.minimum(limits, max_length)
    if config.beam_size == 1:
        return greedy_search(step_fn, cache, limits, max_length=max_length, **ids)
    return beam_search(
        step_fn,
        cache,
        limits,
        max_length=max_length,
        beam_size=config.beam_size,
        length_penalty=config.length_penalty,
        **ids,
    )
