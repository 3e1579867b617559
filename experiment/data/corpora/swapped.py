"""Telling pairs whose languages stand the wrong way round, from the corpus alone."""

import collections
import math
from collections.abc import Sequence

# Of a side, the mean log odds of its trigrams. Real pairs have one or two on either side of 0.
_MARGIN = 0.1
_LONGEST = 200  # characters looked at

Trigrams = set[tuple[str, str, str]]


def swapped(pairs: Sequence[tuple[str, str]]) -> list[int]:
    """Returns the indices of pairs whose source looks like a target and the other way round.

    What the languages look like is learned from the pairs themselves, by the character trigrams of
    one half and then of the other. So it cannot tell when half of all pairs are swapped, sees
    little in fewer than a hundred, and nothing where both sides are the same language.

    Example:
      >>> pairs = [("the cat", "die Katze"), ("the dog", "der Hund"), ("the end", "das Ende")] * 9
      >>> swapped([*pairs, ("der Hund", "the dog")])
      [27]
    """
    sides = [(_trigrams(source), _trigrams(target)) for source, target in pairs]
    found = []
    for this, other in ((0, 1), (1, 0)):
        odds = _log_odds(sides[other::2])
        for place, (source, target) in enumerate(sides[this::2]):
            if _mean(odds, source) < -_MARGIN and _mean(odds, target) > _MARGIN:
                found.append(2 * place + this)
    return sorted(found)


def _trigrams(text: str) -> Trigrams:
    text = f" {text[:_LONGEST].lower()} "
    return set(zip(text, text[1:], text[2:], strict=False))


def _log_odds(sides: Sequence[tuple[Trigrams, Trigrams]]) -> dict[tuple[str, str, str], float]:
    """Returns, of each trigram, how much more often sources have it than targets."""
    sources: collections.Counter[tuple[str, str, str]] = collections.Counter()
    targets: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for source, target in sides:
        sources.update(source)
        targets.update(target)
    return {
        trigram: math.log((sources[trigram] + 0.5) / (targets[trigram] + 0.5))
        for trigram in sources.keys() | targets.keys()
    }


def _mean(odds: dict[tuple[str, str, str], float], trigrams: Trigrams) -> float:
    return sum(odds.get(trigram, 0.0) for trigram in trigrams) / max(1, len(trigrams))
