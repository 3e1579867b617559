"""Batches as arrays: the rows that a plan names, laid out and read ahead."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from experiment.data.batching import BatchPlan
from experiment.data.corpora.corpus import Corpus
from experiment.data.rows import PlannedBatch, RowGroup
from experiment.data.token_ids import FlatIds, TokenIds
from experiment.data.vocabulary import BOS_ID, PAD_ID, Vocabulary

_READING_THREADS = 2
_BATCHES_AHEAD = 16
FULL_BATCH_LENGTH = 64  # tokens; evaluation batches of longer rows have fewer of them
MAX_SENTENCE_TOKENS = 4_096  # of what is translated or scored: memory grows with the square


class Batch(NamedTuple):
    """One batch, every array int32 [rows, length].

    Segments number the sentences of a row from 1 and are 0 on padding; positions count the tokens
    of a sentence from 0. Padding has id PAD_ID. A sentence and its translation have the same
    segment number in the same row.
    """

    source: np.ndarray
    source_segments: np.ndarray
    source_positions: np.ndarray
    target_inputs: np.ndarray  # the labels shifted right within each sentence, BOS_ID first
    target_labels: np.ndarray
    target_segments: np.ndarray
    target_positions: np.ndarray


def assemble(token_ids: TokenIds, planned: PlannedBatch) -> Batch:
    """Returns the arrays of a planned batch."""
    source = _lay_out(token_ids.source, planned)
    labels, segments, positions = _lay_out(token_ids.target, planned)
    inputs = np.where(positions == 0, BOS_ID, np.roll(labels, 1, axis=1))
    inputs = np.where(segments == 0, PAD_ID, inputs).astype(np.int32)
    return Batch(*source, inputs, labels, segments, positions)


def training_batches(
    token_ids: TokenIds,
    plan: BatchPlan,
    *,
    start_step: int,
    num_steps: int,
    shards: Sequence[int] = (0,),
    of: int = 1,
) -> Iterator[Batch]:
    """Yields the batches of steps `start_step` to `start_step + num_steps - 1`, in order.

    The batch of a step does not depend on `start_step`: starting late is the same as skipping. Only
    the rows of `shards`, of the `of` into which each global batch is cut, are read: those of one of
    several processes. Batches are read ahead by threads that end with the iterator, when it is
    exhausted or closed.
    """
    # Takes more than a second, and evaluation and translation do without it.
    import grain

    def read(step: int) -> Batch:
        return assemble(token_ids, plan.rows(int(step)).share(shards, of))

    if num_steps < 1:
        return
    steps = grain.MapDataset.range(start_step, start_step + num_steps).map(read)
    options = grain.ReadOptions(num_threads=_READING_THREADS, prefetch_buffer_size=_BATCHES_AHEAD)
    batches = iter(steps.to_iter_dataset(options))
    try:
        yield from batches
    finally:
        batches.close()


def evaluation_batches(
    token_ids: TokenIds, *, bucket_lengths: Sequence[int], sentences_per_batch: int
) -> Iterator[Batch]:
    """Yields every pair once, in batches of pairs of similar length.

    A batch has `sentences_per_batch` rows, fewer where they are longer than FULL_BATCH_LENGTH, so
    that memory is bounded; the last rows of a bucket may be empty. Pairs longer than the last
    bucket go to buckets of twice, four times, ... its length: none is dropped.
    """
    longest_side = token_ids.lengths.max(axis=1)
    edges = list(bucket_lengths)
    while edges[-1] < longest_side.max(initial=0):
        edges.append(2 * edges[-1])
    bucket = np.searchsorted(edges, longest_side)
    for number, length in enumerate(edges):
        examples = np.flatnonzero(bucket == number)
        examples = examples[np.argsort(longest_side[examples], kind="stable")]
        rows = max(1, min(sentences_per_batch, sentences_per_batch * FULL_BATCH_LENGTH // length))
        group = RowGroup(length, rows, examples, np.arange(len(examples) + 1))
        for first_row in range(0, group.num_rows, rows):
            last_row = min(first_row + rows, group.num_rows)
            yield assemble(token_ids, group.batch(np.arange(first_row, last_row)))


def fingerprint(corpus: Corpus, vocabulary: Vocabulary, plan: BatchPlan) -> dict[str, str]:
    """Returns what the batches of a run depend on, by name.

    Two runs with equal fingerprints train on the same batches; an unequal part tells what differs.
    """
    return {
        "corpus": corpus.identity,
        "direction": corpus.direction,
        "vocabulary": vocabulary.digest,
        "batches": plan.digest,
    }


def _lay_out(ids: FlatIds, planned: PlannedBatch) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns token ids, segments and positions [rows, length] of one side of a batch."""
    row_sizes = np.diff(planned.offsets)
    first_tokens = ids.offsets[planned.examples]
    lengths = ids.offsets[planned.examples + 1] - first_tokens
    before = np.concatenate([[0], np.cumsum(lengths)])  # tokens of the batch before each pair
    columns = before[:-1] - np.repeat(before[planned.offsets[:-1]], row_sizes)
    cells = np.repeat(np.arange(planned.num_rows), row_sizes) * planned.length + columns
    numbers = np.arange(1, len(lengths) + 1) - np.repeat(planned.offsets[:-1], row_sizes)

    within = np.arange(before[-1]) - np.repeat(before[:-1], lengths)
    cell = np.repeat(cells, lengths) + within
    tokens, segments, positions = np.zeros((3, planned.num_rows * planned.length), np.int32)
    tokens[:] = PAD_ID
    tokens[cell] = ids.tokens[np.repeat(first_tokens, lengths) + within]
    segments[cell] = np.repeat(numbers, lengths)
    positions[cell] = within
    shape = (planned.num_rows, planned.length)
    return tokens.reshape(shape), segments.reshape(shape), positions.reshape(shape)
