"""Rows of sentence pairs, before there are tokens in them."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class PlannedBatch(NamedTuple):
    """The pairs of one batch: row r holds `examples[offsets[r] : offsets[r + 1]]`, maybe none."""

    length: int  # tokens of every row, on either side
    examples: np.ndarray  # int64 [pairs], indices into the split
    offsets: np.ndarray  # int64 [rows + 1]

    @property
    def num_rows(self) -> int:
        """Rows of the batch, empty ones included."""
        return len(self.offsets) - 1

    def as_lists(self) -> list[list[int]]:
        """Returns the pairs of each row."""
        return [
            self.examples[begin:end].tolist()
            for begin, end in zip(self.offsets[:-1], self.offsets[1:], strict=True)
        ]

    def share(self, shards: Sequence[int], of: int) -> "PlannedBatch":
        """Returns the rows of some of `of` shards, each filled up to have as many as the others.

        A shard is a block of consecutive rows; the last ones have fewer that are not empty.
        """
        each = -(-self.num_rows // of)
        rows = (np.asarray(shards, np.int64)[:, None] * each + np.arange(each)).ravel()
        begins, ends = (self.offsets[np.minimum(rows + k, self.num_rows)] for k in (0, 1))
        offsets = np.concatenate([[0], np.cumsum(ends - begins)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], ends - begins)
        examples = self.examples[np.repeat(begins, ends - begins) + within]
        return PlannedBatch(self.length, examples, offsets)


@dataclasses.dataclass(frozen=True, eq=False)
class RowGroup:
    """Rows of one length, which go into batches of one shape."""

    length: int  # tokens of a row
    rows_per_batch: int
    examples: np.ndarray  # int64 [pairs]
    offsets: np.ndarray  # int64 [rows + 1]; row r holds examples[offsets[r] : offsets[r + 1]]

    @property
    def num_rows(self) -> int:
        """Rows of an epoch."""
        return len(self.offsets) - 1

    @property
    def num_batches(self) -> int:
        """Batches of an epoch, the last of which may be partly empty."""
        return -(-self.num_rows // self.rows_per_batch)

    def batch(self, rows: np.ndarray) -> PlannedBatch:
        """Returns the batch of these rows, filled up with empty ones."""
        begins = self.offsets[rows]
        sizes = np.zeros(self.rows_per_batch, np.int64)
        sizes[: len(rows)] = self.offsets[rows + 1] - begins
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        begin = np.repeat(begins, sizes[: len(rows)])
        return PlannedBatch(self.length, self.examples[begin + within], offsets)
