"""What a model says without each of its heads in turn: one compiled call for all of them."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jaxtyping import Float

from experiment.analysis.gated import nll, stacked
from experiment.analysis.sentences import batch_of
from experiment.analysis.sites import heads_of, ones, without
from experiment.config import DecodeConfig
from experiment.data import PAD_ID, Vocabulary
from experiment.evaluation import in_one_line
from experiment.evaluation.translation import LENGTH_STEP, search
from experiment.training import Params

# Models searched side by side, each with a memory of its own.
_AT_ONCE = 64
# Logits are of the whole vocabulary: fewer models at once when they are all kept.
_SCORED_AT_ONCE = 8


def all_gates(model: nn.Module) -> dict[str, Any]:
    """Returns, stacked, the gates of the whole model and then those without each of its heads.

    Raises:
      ValueError: if it has none.
    """
    whole = ones(model)
    fewer = [without(whole, [head]) for head in heads_of(whole)]
    return stacked([whole, *fewer])


class Removals:
    """A model as it is and without each of its heads; of every answer the first is the model's."""

    def __init__(
        self, model: nn.Module, params: Params, vocabulary: Vocabulary, decode: DecodeConfig
    ) -> None:
        """Compiles nothing yet. `decode` says how outputs are searched for.

        Raises:
          ValueError: if the model has no heads.
        """
        self._gates = all_gates(model)
        self._params = params
        self._vocabulary = vocabulary
        self._extra = decode.max_extra_tokens
        searched = functools.partial(search, model=model, config=decode)
        count = len(jax.tree.leaves(self._gates)[0])
        at_once = -(-count // -(-count // _AT_ONCE))  # parts as equal as can be
        self._search = jax.jit(_of_all(searched, at_once, "gates"), static_argnames="max_length")
        scored = functools.partial(nll, model=model)
        self._nll = jax.jit(_of_all(scored, _SCORED_AT_ONCE, "gates"))

    def outputs(self, source: str) -> list[str]:
        """Returns the best output of each model for a sentence."""
        ids = self._vocabulary.encode(source)
        row = np.full((1, -(-len(ids) // LENGTH_STEP) * LENGTH_STEP), PAD_ID, np.int32)
        row[0, : len(ids)] = ids
        found = self._search(
            self._gates,
            self._params,
            row,
            np.array([len(ids) + self._extra]),
            np.zeros(1, np.int32),
            max_length=row.shape[1] + self._extra,
        )
        best = np.asarray(found.tokens[:, 0, 0])
        return [in_one_line(self._vocabulary.decode(ids.tolist())) for ids in best]

    def log_probs(self, source: str, target: str) -> Float[np.ndarray, " G"]:
        """Returns the log-probability, in nats, that each model gives a target and its end."""
        batch = batch_of(self._vocabulary, [(source, target)], multiple=LENGTH_STEP)
        return -np.asarray(self._nll(self._gates, self._params, batch))


def _of_all(function: Callable[..., Any], at_once: int, name: str) -> Callable[..., Any]:
    """Returns a function of many gates, stacked, that is `function` of each, so many at once."""

    def of_all(gates: Any, *arguments: Any, **options: Any) -> Any:
        def of_one(own: Any) -> Any:
            return function(*arguments, **options, **{name: own})

        return jax.lax.map(of_one, gates, batch_size=at_once)

    return of_all
