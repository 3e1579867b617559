"""Numbers in words, English and German: which numbers are in which split, and how they read."""

import functools
import hashlib
import importlib.metadata

import numpy as np

from experiment.data.permutation import permutation

GENERATOR_VERSION = "1.0.0"  # raised with any change to what is generated
LANGUAGES = ("en", "de")
SPLITS = ("train", "validation", "test", "test_millions")

# Numbers of each length, in digits: how many are trained on, and how often in an epoch. Short ones
# are few, and would drown among the long ones. Every number below 100 is trained on.
_TRAINED = {3: (800, 5), 4: (8_000, 1), 5: (12_000, 1), 6: (14_000, 1)}
_BELOW_100_COPIES = 10
_HELD_OUT = {3: 50, 4: 250, 5: 350, 6: 350}  # as many for validation as for test


def identity() -> str:
    """Returns a digest of what decides the words: the generator's version and num2words'."""
    words = importlib.metadata.version("num2words")
    return hashlib.sha256(f"numbers {GENERATOR_VERSION} {words}".encode()).hexdigest()


def numbers_of_splits() -> dict[str, list[int]]:
    """Returns the numbers of each split, shuffled; `train` holds short ones several times.

    No two splits share a number. `test_millions` goes from 1,000,001 to 999,999,999: longer than
    anything in `train`, which has numbers below a million and, so that the words themselves are
    known, whole millions.
    """
    splits: dict[str, list[int]] = {"validation": [], "test": []}
    train = list(range(100)) * _BELOW_100_COPIES
    for digits, (trained, copies) in _TRAINED.items():
        low = 10 ** (digits - 1)
        numbers = (low + permutation(9 * low, digits)).tolist()
        held_out = _HELD_OUT[digits]
        splits["validation"] += numbers[:held_out]
        splits["test"] += numbers[held_out : 2 * held_out]
        train += numbers[2 * held_out : 2 * held_out + trained] * copies
    splits["train"] = train + [millions * 10**6 for millions in range(1, 1_000)]
    splits["test_millions"] = _with_millions(1_000)
    return {
        split: np.array(splits[split])[permutation(len(splits[split]), place)].tolist()
        for place, split in enumerate(SPLITS)
    }


def _with_millions(count: int) -> list[int]:
    """Returns numbers of 7, 8 and 9 digits in turn, none of them whole millions."""
    rest = 1 + permutation(999_999, 7)[:count]
    low = 10 ** (np.arange(count) % 3)
    millions = low + permutation(count, 8) % (9 * low)
    return (millions * 10**6 + rest).tolist()


def english(number: int) -> str:
    """Returns what num2words says of 0 to 999,999,999 in English, put together from its words.

    Example:
      >>> english(740_213)
      'seven hundred and forty thousand, two hundred and thirteen'
    """
    small = _below_1000("en")
    millions, thousands, rest = _groups(number)
    parts = [f"{small[millions]} million"] * bool(millions)
    parts += [f"{small[thousands]} thousand"] * bool(thousands)
    if not parts:
        return small[rest]
    if rest >= 100:
        parts.append(small[rest])
    return ", ".join(parts) + (f" and {small[rest]}" if 0 < rest < 100 else "")


def german(number: int) -> str:
    """Returns what num2words says of 0 to 999,999,999 in German, put together from its words.

    Example:
      >>> german(740_213)
      'siebenhundertvierzigtausendzweihundertdreizehn'
    """
    small = _below_1000("de")
    millions, thousands, rest = _groups(number)
    head = "eine Million" if millions == 1 else f"{small[millions]} Millionen"
    tail = (("ein" if thousands == 1 else small[thousands]) + "tausend") * bool(thousands)
    tail += small[rest] if rest or not number else ""
    return " ".join([head] * bool(millions) + [tail] * bool(tail))


def _groups(number: int) -> tuple[int, int, int]:
    return number // 10**6, number // 1_000 % 1_000, number % 1_000


@functools.cache
def _below_1000(language: str) -> list[str]:
    import num2words

    return [num2words.num2words(number, lang=language) for number in range(1_000)]
