"""Which sentence pairs make up which batch: a pure function of the step.

A plan is computed from the lengths of the pairs alone. It maps a step to the rows of a global
batch, on however many devices and hosts it is trained, so a run's place in its data is its step
number and nothing has to be saved. Pairs are either sorted into buckets of similar length, one to
a row, or packed several to a row.
"""

import functools
import hashlib
import threading
from collections.abc import Callable, Sequence

import numpy as np

from experiment.config import DataConfig
from experiment.data.packing import pack
from experiment.data.permutation import permutation
from experiment.data.rows import PlannedBatch, RowGroup

PLAN_VERSION = 1  # raised with any change that moves a pair to another batch
# Keeps the order of packing apart from every (epoch, group): a seed's trailing zeros do not count.
_PACKING = (0, 0, 1)


class BatchPlan:
    """The batches of all epochs.

    In each epoch every pair occurs once. Rows are permuted within their group and cut into
    batches; then the batches of all groups are permuted.
    """

    def __init__(self, groups: Sequence[RowGroup], seed: int, num_dropped: int, digest: str):
        self.batches_per_epoch = sum(group.num_batches for group in groups)
        self.shapes = tuple((group.rows_per_batch, group.length) for group in groups)
        self.num_dropped = num_dropped  # pairs longer than any row
        self.digest = digest
        self._groups = tuple(groups)
        self._seed = seed
        self._lock = threading.Lock()
        self._arrangement = functools.lru_cache(maxsize=2)(self._arrange)

    def rows(self, step: int) -> PlannedBatch:
        """Returns the pairs of the global batch of `step`, counted from 0."""
        epoch, index = divmod(step, self.batches_per_epoch)
        # Reading threads reach a new epoch together; one of them arranges it.
        with self._lock:
            permutations, batches = self._arrangement(epoch)
        number, first_row = batches[index]
        group = self._groups[number]
        return group.batch(permutations[number][first_row : first_row + group.rows_per_batch])

    def _arrange(self, epoch: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Returns the row order in each group, and the (group, first row) of each batch."""
        permutations = [
            permutation(group.num_rows, self._seed, epoch, number)
            for number, group in enumerate(self._groups)
        ]
        batches = np.array(
            [
                (number, first_row)
                for number, group in enumerate(self._groups)
                for first_row in range(0, group.num_rows, group.rows_per_batch)
            ]
        )
        order = permutation(len(batches), self._seed, epoch, len(self._groups))
        return permutations, batches[order]


def bucketed_plan(
    lengths: np.ndarray, *, bucket_lengths: Sequence[int], tokens_per_batch: int, seed: int
) -> BatchPlan:
    """One pair to a row, in the shortest bucket that holds both of its sides.

    Args:
      lengths: int [pairs, 2], tokens of source and target, their ends included.
      bucket_lengths: tokens of a row, ascending. Pairs longer than the last are dropped.
      tokens_per_batch: padded tokens a side; a batch has as many rows as fit.
      seed: of the order, not negative.

    Raises:
      ValueError: if a setting is impossible or no pair is left.
    """
    edges = np.asarray(bucket_lengths, np.int64)
    if len(edges) == 0 or edges[0] < 1 or (np.diff(edges) <= 0).any():
        raise ValueError(
            f"data.bucket_lengths={tuple(bucket_lengths)} must be positive and ascending."
        )
    _check(tokens_per_batch, int(edges[-1]), seed)
    bucket = np.searchsorted(edges, lengths.max(axis=1))
    groups = [
        _singles(np.flatnonzero(bucket == number), int(edge), tokens_per_batch // int(edge))
        for number, edge in enumerate(edges)
    ]
    settings = f"bucketed {edges.tolist()} {tokens_per_batch}"
    return _plan(groups, lengths, settings, seed)


def packed_plan(
    lengths: np.ndarray, *, row_length: int, tokens_per_batch: int, seed: int
) -> BatchPlan:
    """Several pairs to a row: the sources of a row fit into it, and so do the targets.

    Which pairs share a row is settled once; the order of the rows changes with the epoch.

    Args:
      lengths: int [pairs, 2], tokens of source and target, their ends included.
      row_length: tokens of a row. Pairs with a longer side are dropped.
      tokens_per_batch: padded tokens a side; a batch has as many rows as fit.
      seed: of the order, not negative.

    Raises:
      ValueError: if a setting is impossible or no pair is left.
    """
    if row_length < 1:
        raise ValueError(f"data.packed_length={row_length} must be positive.")
    _check(tokens_per_batch, row_length, seed)
    order = permutation(len(lengths), seed, *_PACKING)
    order = order[(lengths[order] <= row_length).all(axis=1)]
    examples, offsets = pack(lengths, order, row_length)
    group = RowGroup(row_length, tokens_per_batch // row_length, examples, offsets)
    return _plan([group], lengths, f"packed {row_length} {tokens_per_batch}", seed)


def batch_plan(
    lengths: np.ndarray, config: DataConfig, *, tokens_per_batch: int, seed: int
) -> BatchPlan:
    """Returns the plan that `config.batching` names.

    Raises:
      ValueError: if there is none of that name, a setting is impossible or no pair is left.
    """
    if config.batching not in BATCHINGS:
        raise ValueError(
            f"data.batching={config.batching!r} must be one of {', '.join(BATCHINGS)}."
        )
    return BATCHINGS[config.batching](lengths, config, tokens_per_batch, seed)


BATCHINGS: dict[str, Callable[[np.ndarray, DataConfig, int, int], BatchPlan]] = {
    "bucketed": lambda lengths, config, tokens_per_batch, seed: bucketed_plan(
        lengths,
        bucket_lengths=config.bucket_lengths,
        tokens_per_batch=tokens_per_batch,
        seed=seed,
    ),
    "packed": lambda lengths, config, tokens_per_batch, seed: packed_plan(
        lengths,
        row_length=config.packed_length,
        tokens_per_batch=tokens_per_batch,
        seed=seed,
    ),
}


def _singles(examples: np.ndarray, length: int, rows_per_batch: int) -> RowGroup:
    return RowGroup(length, rows_per_batch, examples, np.arange(len(examples) + 1))


def _check(tokens_per_batch: int, longest_row: int, seed: int) -> None:
    if tokens_per_batch < longest_row:
        raise ValueError(
            f"train.tokens_per_batch={tokens_per_batch} must hold a row of {longest_row} tokens. "
            f"Use at least {longest_row}, or shorter rows."
        )
    if seed < 0:
        raise ValueError(f"seed={seed} must not be negative.")


def _plan(groups: Sequence[RowGroup], lengths: np.ndarray, settings: str, seed: int) -> BatchPlan:
    groups = [group for group in groups if group.num_rows]
    if not groups:
        raise ValueError(
            f"No pair is left to train on: all {len(lengths):,} are longer than a row. "
            "Use longer rows."
        )
    digest = hashlib.sha256(f"plan {PLAN_VERSION}, {settings}, seed {seed}, ".encode())
    digest.update(np.ascontiguousarray(lengths, "<i8").tobytes())
    num_dropped = len(lengths) - sum(len(group.examples) for group in groups)
    return BatchPlan(groups, seed, num_dropped, digest.hexdigest())
