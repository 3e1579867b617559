"""How well a model expects the references: perplexity per token."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from experiment.data import Batch


def perplexity(
    evaluation_step: Callable[[Any, Batch], Any], params: Any, batches: Iterable[Batch]
) -> dict[str, float]:
    """Returns `nll` in nats a token and `perplexity` = exp(nll), over all target tokens.

    Tokens are subword pieces with the ends of sentences, so values compare only between models
    with the same vocabulary. `evaluation_step` returns sums with `nll` and `tokens`, on the host
    or not.
    """
    nll = tokens = 0.0
    for batch in batches:
        sums = evaluation_step(params, batch)
        nll += float(sums.nll)
        tokens += float(sums.tokens)
    mean = nll / tokens
    return {"nll": mean, "perplexity": math.exp(min(mean, 700.0))}
