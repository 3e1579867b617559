"""Numbers in words by how many words they have: some lengths to train on, longer ones to test on.

Magnitude alone is not length: "three hundred thousand" is short, and a model that never saw a
million cannot know its word. So numbers below a million are parted by their English words instead,
a hyphen parting two. Up to a length all are alike: any magnitude, every word, thousands and
hundreds beside each other. Longer ones are made of the same words in the same order and only have
more of them at once ("seven hundred and forty-three thousand, two hundred and thirteen" has 10), so
a scheme that says what stands nearby can read them.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from experiment.data import Vocabulary
from experiment.data.corpora.number_words import english, german

LONGEST = 11  # words of a number below a million

Pair = tuple[str, str]


def words_below_a_million() -> Int[np.ndarray, " _"]:
    """Returns how many words each number below a million has in English.

    Example:
      >>> words_below_a_million()[[0, 13, 21, 300_000, 740_213]]
      array([1, 1, 2, 3, 9])
    """
    small = np.array([len(english(n).replace("-", " ").split()) for n in range(1_000)])
    rest = np.arange(1_000)
    after = small + (rest < 100)  # an "and" stands before tens and ones
    after[0] = 0
    table = small[:, None] + 1 + after[None, :]
    table[0] = small
    return table.reshape(-1)


class ByLength(NamedTuple):
    """Sentence pairs, by the number of their words; no test pair is trained on."""

    train: dict[int, list[Pair]]
    test: dict[int, list[Pair]]

    @property
    def lines(self) -> list[str]:
        """All that is trained on, both languages."""
        return [text for pairs in self.train.values() for pair in pairs for text in pair]


def pairs_by_length(*, trained_words: int, trained: int, tested: int) -> ByLength:
    """Returns up to `trained` pairs of each number of words up to `trained_words`, and test pairs.

    Of each number of words `tested` pairs are tested, or a fifth of what there is. Those of one
    word are all trained on, so that every word is known, and none is tested. Where there are fewer
    than `trained` they are repeated. The numbers are the same at each call.

    Raises:
      ValueError: if `trained_words` leaves nothing longer to be tested on, or nothing to train on.
    """
    check_trained_words(trained_words)
    words, by_length = words_below_a_million(), ByLength({}, {})
    random = np.random.default_rng(0)
    for count in range(1, LONGEST + 1):
        numbers = random.permutation(np.flatnonzero(words == count))
        held_out = min(tested, len(numbers) // 5) if count > 1 else 0
        by_length.test[count] = _pairs(numbers[:held_out])
        if count <= trained_words:
            by_length.train[count] = _pairs(np.resize(numbers[held_out:], trained))
    return by_length


def check_trained_words(trained_words: int) -> None:
    """Refuses numbers of words that leave nothing to train on, or nothing longer to test on.

    Raises:
      ValueError: saying which there may be.
    """
    if not 1 <= trained_words < LONGEST:
        raise ValueError(
            f"trained_words={trained_words} must be between 1 and {LONGEST - 1}: numbers below a "
            f"million have at most {LONGEST} words, and some must be longer than those trained on."
        )


class Longest(NamedTuple):
    """The most tokens of a sentence, its end included."""

    source: int
    target: int


def longest(vocabulary: Vocabulary, by_words: Mapping[int, Sequence[Pair]]) -> Longest:
    """Returns how long pairs are in tokens, which is what has a position; words have none."""
    pairs = [pair for of_length in by_words.values() for pair in of_length]
    sides = (vocabulary.encode_all([pair[side] for pair in pairs]) for side in (0, 1))
    return Longest(*(max(map(len, ids)) for ids in sides))


def _pairs(numbers: Int[np.ndarray, " _"]) -> list[Pair]:
    return [(english(number), german(number)) for number in numbers.tolist()]
