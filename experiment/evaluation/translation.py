"""Text in, text out: lines are grouped by length, decoded in batches, and put back in order."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np
from flax import linen as nn

from experiment.config import DecodeConfig
from experiment.data import BOS_ID, EOS_ID, MAX_SENTENCE_TOKENS, PAD_ID, Vocabulary
from model.decoding import Hypotheses, beam_search, greedy_search, length_penalty, sample
from model.transformer import one_sentence_a_row

# Source lengths are rounded up to these steps, so that few shapes are compiled.
LENGTH_STEP = 16
# Up to this many tokens a batch has all its rows; of longer sentences it has fewer, because the
# memory for attention grows with the square of the length.
FULL_BATCH_LENGTH = 64


class Translation(NamedTuple):
    """One hypothesis."""

    text: str
    score: float  # log probability in nats, divided by the length penalty


class Search(Protocol):
    """A compiled search, or a sampler."""

    def __call__(
        self,
        params: Any,
        source: np.ndarray,
        limits: np.ndarray,
        numbers: np.ndarray,
        *,
        max_length: int,
        gates: Mapping[str, Any] | None = None,
    ) -> Hypotheses:
        """Returns the hypotheses of `source`, of at most `limits` tokens.

        `numbers` tell the rows apart, of which samples are drawn.
        """


class Translator:
    """A model, a vocabulary and a way to search; parameters are given at each call."""

    def __init__(
        self,
        model: nn.Module,
        vocabulary: Vocabulary,
        config: DecodeConfig,
        *,
        continues: bool = False,
    ) -> None:
        """Compiles nothing yet: each shape is compiled when it is first met.

        With `continues` a line is the beginning of a text, and so is that of each of its
        hypotheses.
        """
        self._vocabulary = vocabulary
        self._continues = continues
        self._config = config
        self._search: Search = jax.jit(
            functools.partial(search, model=model, config=config), static_argnames="max_length"
        )

    def translate(
        self,
        params: Any,
        lines: Sequence[str],
        *,
        first: int = 0,
        progress: Callable[[int, int], None] = lambda done, total: None,
        gates: Mapping[str, Any] | None = None,
    ) -> list[list[Translation]]:
        """Returns each line's hypotheses, best first, `beam_size` at most.

        A line with nothing to read in it becomes one empty translation, or any text where lines are
        continued. Samples depend on a line, the configured seed and the line's number, which is
        `first` for the first. `progress` is told how many lines are done. With `gates` the heads of
        the model are gated so.

        Raises:
          ValueError: if a line has more than MAX_SENTENCE_TOKENS tokens.
        """
        encoded = self._vocabulary.encode_all(lines)
        _check_lengths(encoded)
        results = [[Translation("", 0.0)] for _ in lines]
        wanted = [i for i, ids in enumerate(encoded) if self._continues or ids != [EOS_ID]]
        done = len(lines) - len(wanted)
        for indices, source in self._batches(encoded, wanted):
            # What a text begins with is part of it: all that may follow is the rest.
            lengths = (
                (source != PAD_ID).sum(1) if not self._continues else np.ones(len(source), int)
            )
            limits = lengths + self._config.max_extra_tokens
            limits[len(indices) :] = 0
            max_length = int(1 if self._continues else source.shape[1])
            max_length += self._config.max_extra_tokens
            numbers = np.zeros(len(source), np.int32)
            numbers[: len(indices)] = first + np.asarray(indices)
            options: dict[str, Any] = {"max_length": max_length, "gates": gates}
            found = jax.device_get(self._search(params, source, limits, numbers, **options))
            for row, index in enumerate(indices):
                begin = encoded[index][:-1] if self._continues else []
                results[index] = self._read(found, row, begin)
            done += len(indices)
            progress(done, len(lines))
        return results

    def num_tokens(self, line: str) -> int:
        """Returns how many tokens a line has, its end included."""
        return len(self._vocabulary.encode(line))

    def best(self, params: Any, lines: Sequence[str], **options: Any) -> list[str]:
        """Returns each line's best translation."""
        return [hypotheses[0].text for hypotheses in self.translate(params, lines, **options)]

    def _batches(
        self, encoded: list[list[int]], wanted: list[int]
    ) -> Iterator[tuple[list[int], np.ndarray]]:
        """Yields which lines, and their ids padded to a shape that others share."""
        left = sorted(wanted, key=lambda i: len(encoded[i]))
        while left:
            indices = left[: self._config.sentences_per_batch]
            while len(indices) > (rows := self._rows(_padded(encoded[indices[-1]]))):
                indices = indices[:rows]
            left = left[len(indices) :]
            length = _padded(encoded[indices[-1]])
            source = np.full((self._rows(length), length), PAD_ID, np.int32)
            if len(indices) == 1:
                source = source[:1]  # a sentence typed at the prompt should not wait for a batch
            for row, index in enumerate(indices):
                source[row, : len(encoded[index])] = encoded[index]
            yield indices, source

    def _rows(self, length: int) -> int:
        """Returns how many sentences of so many tokens are searched at once."""
        full = self._config.sentences_per_batch
        return max(1, min(full, full * FULL_BATCH_LENGTH // length))

    def _read(self, found: Hypotheses, row: int, begin: list[int]) -> list[Translation]:
        return [
            Translation(
                in_one_line(self._vocabulary.decode(begin + found.tokens[row, rank].tolist())),
                float(score),
            )
            for rank, score in enumerate(found.scores[row])
            if found.lengths[row, rank] > 0
        ]


def _padded(ids: Sequence[int]) -> int:
    """Returns how long the rows of a batch are in which this sentence is the longest."""
    return -(-len(ids) // LENGTH_STEP) * LENGTH_STEP


def in_one_line(text: str) -> str:
    """Returns the text without the line breaks that a model may spell byte by byte."""
    return text.replace("\r", " ").replace("\n", " ")


def _check_lengths(encoded: Sequence[Sequence[int]]) -> None:
    for number, ids in enumerate(encoded, 1):
        if len(ids) > MAX_SENTENCE_TOKENS:
            raise ValueError(
                f"A sentence must have at most {MAX_SENTENCE_TOKENS:,} tokens; number {number} of "
                f"those to translate has {len(ids):,}. Split it."
            )


def search(
    params: Any,
    source: jax.Array,
    limits: jax.Array,
    numbers: jax.Array,
    *,
    max_length: int,
    model: nn.Module,
    config: DecodeConfig,
    gates: Mapping[str, Any] | None = None,
) -> Hypotheses:
    """Returns the hypotheses of a batch of sources, one a row, by beam search or, for 1, greedily.

    With a temperature they are samples, of the seed and the row's number. A pure function, for any
    model that has `init_cache` and `decode_step`. With `gates` the heads of the model are gated so.
    """
    variables = {"params": params} | ({} if gates is None else {"gates": gates})
    cache = model.apply(
        variables,
        one_sentence_a_row(source),
        beam_size=config.beam_size,
        max_length=max_length,
        method="init_cache",
    )
    step_fn = functools.partial(model.apply, variables, method="decode_step")
    ids = {"bos_id": BOS_ID, "eos_id": EOS_ID, "pad_id": PAD_ID}
    if config.temperature:
        rng = jax.random.key(config.seed)
        return sample(
            step_fn,
            cache,
            limits,
            jax.vmap(lambda number: jax.random.fold_in(rng, number))(numbers),
            max_length=max_length,
            num_samples=config.beam_size,
            temperature=config.temperature,
            top_k=config.top_k,
            top_p=config.top_p,
            length_penalty=config.length_penalty,
            **ids,
        )
    if config.beam_size == 1:
        found = greedy_search(step_fn, cache, limits, max_length=max_length, **ids)
        return found._replace(
            scores=found.log_probs / length_penalty(found.lengths, config.length_penalty)
        )
    return beam_search(
        step_fn,
        cache,
        limits,
        max_length=max_length,
        beam_size=config.beam_size,
        length_penalty=config.length_penalty,
        **ids,
    )
