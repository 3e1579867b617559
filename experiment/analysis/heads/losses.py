"""The loss of a model under many gates at once: one compiled call, vmapped over the gates.

Heads of the encoder and of the decoder are two groups of one program. For the second only the
decoder's gates are batched, so `vmap` leaves the encoder as it is: it is computed once for all of
them. Finer groups, down to one a site, would share more and take longer to compile.
"""

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiment.analysis.gated import nll, stacked
from experiment.analysis.heads.removal import alone
from experiment.analysis.runs import Run
from experiment.analysis.sites import Gates, Head, heads_of, ones, without
from experiment.data import Batch, TokenIds, Vocabulary, assemble, packed_plan
from experiment.training import Params

# Logits that are held at once, by far the largest array, or more where a row alone has more. Few on
# a CPU, whose cache a batch must not leave: with a row at a time the sweep of the number words' run
# took a third of the time that it took with 15.
_LOGITS = {"cpu": 2**19}
_LOGITS_ELSEWHERE = 2**26
_AT_ONCE = 16  # sets of gates that have nothing in common


class Packed(NamedTuple):
    """Sentence pairs, packed into batches of one shape."""

    batches: Batch  # each array [batches, rows, length]
    tokens: int  # of the targets, ends included


def pack(
    vocabulary: Vocabulary,
    pairs: Sequence[tuple[str, str]],
    *,
    row_length: int,
    tokens_per_batch: int,
) -> Packed:
    """Returns the pairs, several a row: rows are as long as asked for, or as the longest needs.

    Raises:
      ValueError: if there are none.
    """
    if not pairs:
        raise ValueError("There must be at least one sentence pair to look at; there is none.")
    sides = [vocabulary.encode_all([pair[side] for pair in pairs]) for side in (0, 1)]
    ids = TokenIds.from_lists(*sides)
    length = max(row_length, int(ids.lengths.max()))
    tokens_per_batch = max(length, min(tokens_per_batch, int(ids.lengths.max(1).sum()) + length))
    plan = packed_plan(ids.lengths, row_length=length, tokens_per_batch=tokens_per_batch, seed=0)
    batches = [assemble(ids, plan.rows(step)) for step in range(plan.batches_per_epoch)]
    arrays = (np.stack(arrays) for arrays in zip(*batches, strict=True))
    return Packed(Batch(*arrays), int(ids.lengths[:, 1].sum()))


class Losses:
    """The mean loss of a run's model on sentence pairs, nats a target token, under any gates."""

    def __init__(
        self, run: Run, pairs: Sequence[tuple[str, str]], *, tokens_per_batch: int | None = None
    ) -> None:
        """Compiles nothing yet. `tokens_per_batch` bounds memory, of which logits need most.

        By default logits are 2**26 at once, 2**19 on a CPU: tokens times vocabulary times the heads
        of the larger stack. A batch has a row at least, so a large vocabulary may need more.

        Raises:
          ValueError: if the model has no heads, or there are no pairs.
        """
        self.gates = ones(run.model)
        self.heads = heads_of(self.gates)
        of_stacks = Counter(head.site.path[0] for head in self.heads)
        together = max(*of_stacks.values(), _AT_ONCE)
        room = _LOGITS.get(jax.default_backend(), _LOGITS_ELSEWHERE)
        self.packed = pack(
            run.vocabulary,
            pairs,
            row_length=run.config.data.packed_length,
            tokens_per_batch=tokens_per_batch or room // (run.vocabulary.size * together),
        )
        self.model, self.params = run.model, jax.device_put(run.params)
        self._batches = jax.device_put(self.packed.batches)

    def of(self, gates: Gates) -> float:
        """Returns the loss under one tree of gates."""
        nll = summed_nll(self.params, gates, self._batches, model=self.model)
        return float(nll) / self.packed.tokens

    def without_each(self, gates: Gates | None = None) -> Float[np.ndarray, " N"]:
        """Returns the loss without each of `heads`, one at a time, in one call."""
        gates = self.gates if gates is None else gates
        return self._each(gates, [(head, without(gates, [head])) for head in self.heads])

    def with_each_alone(self, gates: Gates | None = None) -> Float[np.ndarray, " N"]:
        """Returns the loss with each of `heads` as the only one of its site, in one call."""
        gates = self.gates if gates is None else gates
        return self._each(gates, [(head, alone(gates, head)) for head in self.heads])

    def under(self, sets: Sequence[Gates]) -> Float[np.ndarray, " N"]:
        """Returns the loss under each of several trees of gates, some of them at a time."""
        found = [np.zeros(0)]
        for first in range(0, len(sets), _AT_ONCE):
            some = list(sets[first : first + _AT_ONCE])
            some += [self.gates] * (_AT_ONCE - len(some))  # of one shape, compiled once
            found.append(self._call(self.gates, [stacked(some)])[0])
        return np.concatenate(found)[: len(sets)]

    def _each(self, gates: Gates, sets: list[tuple[Head, Gates]]) -> Float[np.ndarray, " N"]:
        """Returns the loss under gates that differ from `gates` at one head's site each."""
        stacks = list(dict.fromkeys(head.site.path[0] for head, _ in sets))
        groups = [[its for head, its in sets if head.site.path[0] == stack] for stack in stacks]
        changed = [
            {stack: stacked([its[stack] for its in group])}
            for stack, group in zip(stacks, groups, strict=True)
        ]
        return np.concatenate(self._call(gates, changed))  # heads come stack by stack

    def _call(self, gates: Gates, changed: list[dict[str, Any]]) -> list[Float[np.ndarray, " N"]]:
        found = summed_nlls(self.params, gates, changed, self._batches, model=self.model)
        return [np.asarray(each, np.float64) / self.packed.tokens for each in jax.device_get(found)]


@functools.partial(jax.jit, static_argnames="model")
def summed_nll(params: Params, gates: Gates, batches: Batch, *, model: nn.Module) -> Array:
    """Returns the negative log-likelihood, in nats, of all batches of a stack of them."""

    def add(total: Array, batch: Batch) -> tuple[Array, None]:
        return total + nll(params, batch, gates=gates, model=model), None

    return jax.lax.scan(add, jnp.float32(0), batches)[0]


@functools.partial(jax.jit, static_argnames="model")
def summed_nlls(
    params: Params,
    gates: Gates,
    changed: list[dict[str, Any]],
    batches: Batch,
    *,
    model: nn.Module,
) -> list[Float[Array, " N"]]:
    """Returns what `summed_nll` is under each of several gates, group by group.

    A group has the gates of one stack, or of both, with an axis more; what it does not have stays
    as in `gates`.
    """

    def of(group: dict[str, Any], batch: Batch) -> Array:
        return jax.vmap(lambda its: nll(params, batch, gates={**gates, **its}, model=model))(group)

    def add(totals: list[Array], batch: Batch) -> tuple[list[Array], None]:
        return [total + of(its, batch) for total, its in zip(totals, changed, strict=True)], None

    zeros = [jnp.zeros(jax.tree.leaves(group)[0].shape[0], jnp.float32) for group in changed]
    return jax.lax.scan(add, zeros, batches)[0]
