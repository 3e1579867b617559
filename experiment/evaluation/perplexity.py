"""How well a model expects the references: perplexity per word piece."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from experiment.data import Batch


def perplexity(
    evaluation_step: Callable[[Any, Batch], Any], params: Any, batches: Iterable[Batch]
) -> dict[str, float]:
    """Returns `nll` in nats a word piece and `perplexity` = exp(nll), over all target pieces.

    Each sentence counts its pieces of the vocabulary and one more, its end; it is the paper's
    perplexity "per-wordpiece" (table 3), not per word. So values compare only between models with
    the same vocabulary. `evaluation_step` returns sums with `nll` and `tokens`, on the host
    or not.
    """
    nll = tokens = 0.0
    for batch in batches:
        sums = evaluation_step(params, batch)
        nll += float(sums.nll)
        tokens += float(sums.tokens)
    mean = nll / tokens
    return {"nll": mean, "perplexity": math.exp(min(mean, 700.0))}
