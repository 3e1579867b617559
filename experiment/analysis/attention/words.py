"""Pieces of words put together again, and the attention between them."""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

_SPACE = "▁"  # how a vocabulary writes one
END = "</s>"
_CONTROL = ("<s>", END, "<pad>", "<unk>")
_BYTES = re.compile(r"(?:<0x[0-9A-F]{2}>)+")


class Word(NamedTuple):
    """A word, and the pieces that it is made of: those from `begin` to before `end`."""

    text: str
    begin: int
    end: int


def words_of(pieces: Sequence[str]) -> list[Word]:
    """Returns the words that pieces spell; punctuation stands for itself, as in figures 3 to 5.

    Example:
      >>> [word.text for word in words_of(["▁The", "▁L", "aw", ",", "▁mi", "ss", "ing", "</s>"])]
      ['The', 'Law', ',', 'missing', '</s>']
    """
    begins = [
        place
        for place, piece in enumerate(pieces)
        if not place or _is_new(pieces[place - 1], piece)
    ]
    bounds = itertools.pairwise([*begins, len(pieces)])
    return [Word(_spelt(pieces[begin:end]), begin, end) for begin, end in bounds]


def between_words(
    weights: Float[np.ndarray, "H T S"], queries: Sequence[Word], keys: Sequence[Word]
) -> Float[np.ndarray, "H asking asked"]:
    """Returns the weights between words: a mean over a query's pieces, a sum over a key's.

    So what a word attends to still adds up to 1 (Clark et al. 2019, section 4.1).
    """
    to_words = np.add.reduceat(weights, [word.begin for word in keys], axis=2)
    from_words = np.add.reduceat(to_words, [word.begin for word in queries], axis=1)
    return from_words / np.array([word.end - word.begin for word in queries])[None, :, None]


def _is_new(before: str, piece: str) -> bool:
    if before == _SPACE:
        return False
    return piece.startswith(_SPACE) or _stands_alone(before) or _stands_alone(piece)


def _stands_alone(piece: str) -> bool:
    text = piece.removeprefix(_SPACE)
    if piece in _CONTROL:
        return True
    return bool(text) and all(unicodedata.category(letter).startswith("P") for letter in text)


def _spelt(pieces: Sequence[str]) -> str:
    """Returns the text of pieces, single bytes made characters again."""

    def characters(found: re.Match[str]) -> str:
        codes = found.group().replace("<0x", "").replace(">", "")
        return bytes.fromhex(codes).decode("utf-8", errors="replace")

    return _BYTES.sub(characters, "".join(pieces)).replace(_SPACE, "")
