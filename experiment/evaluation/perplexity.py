"""How well a model expects the references: perplexity per word piece, per word, per character."""

import math
from collections.abc import Callable, Iterable, Sequence
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
    return {"nll": mean, "perplexity": _exp(mean)}


def of_texts(nll: float, texts: Sequence[str]) -> dict[str, float]:
    """Returns `bits_per_character` and `word_perplexity`, which no vocabulary has a part in.

    `nll` is in nats, of all texts together with their ends. A text has as many words as white space
    parts it into, and one more, its end; characters are those of Unicode in its words, one for each
    space between two words, and one for its end. A text can be cut in more ways than the one that
    a vocabulary chooses, and only the probability of that one is counted: both figures are upper
    bounds of the model's own.

    Example:
      >>> scores = of_texts(12 * math.log(2), ["a  dog ", "cats"])
      >>> scores["bits_per_character"], round(scores["word_perplexity"], 3)
      (1.0909090909090908, 5.278)
    """
    words = [text.split() for text in texts]
    num_words = sum(len(of_text) + 1 for of_text in words)
    num_characters = sum(len(" ".join(of_text)) + 1 for of_text in words)
    return {
        "bits_per_character": nll / math.log(2) / num_characters,
        "word_perplexity": _exp(nll / num_words),
    }


def _exp(mean: float) -> float:
    return math.exp(min(mean, 700.0))
