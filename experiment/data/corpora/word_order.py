"""Sentences that are as they were, or have two of their words exchanged: a question of order.

Both are the same words, so whoever does not see where they stand can only guess.
"""

import hashlib
import pathlib
from collections.abc import Iterator

from experiment.data.corpora import parallel_files

VERSION = 1  # raised with any change to which words are exchanged
ORDER = "order"
LABELS = ORIGINAL, SWAPPED = "original", "swapped"


def asked(sentence: str, number: int) -> tuple[str, str] | None:
    """Returns what becomes of a sentence in line `number`, and its label.

    Chance is a digest of both, even between the labels and among the words, of which the first may
    be any and the second any that differs from it. None where all words are the same: nothing could
    be exchanged.

    Example:
      >>> [asked("cat chases dog", number) for number in (2, 5)]
      [('cat chases dog', 'original'), ('dog chases cat', 'swapped')]
      >>> asked("well well", 1)
    """
    words = sentence.split()
    if len(set(words)) < 2:
        return None
    chance = int.from_bytes(hashlib.sha256(f"{number} {sentence}".encode()).digest())
    chance, is_swapped = divmod(chance, 2)
    if is_swapped:
        chance, first = divmod(chance, len(words))
        others = [place for place, word in enumerate(words) if word != words[first]]
        second = others[chance % len(others)]
        words[first], words[second] = words[second], words[first]
    return " ".join(words), LABELS[is_swapped]


def examples(
    split: str, by_language: dict[str, pathlib.Path], on_error: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line numbers and sentences with their labels; those without two words are left out."""
    ((language, _),) = by_language.items()
    for number, line in parallel_files.pairs(split, by_language, on_error):
        if found := asked(line[language], number):
            yield number, dict(zip((language, ORDER), found, strict=True))
