"""Translating a stream of lines, whatever is in it: as many come out as went in."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from experiment.data import MAX_SENTENCE_TOKENS, Unreadable
from experiment.evaluation.translation import Translation, Translator

LINES_AT_ONCE = 1_000  # sorted by length and searched together


def translate_stream(
    translator: Translator,
    params: Any,
    lines: Iterable[str | Unreadable],
    name: str,
    warn: Callable[[str], None],
    *,
    at_once: int = LINES_AT_ONCE,
) -> Iterator[list[list[Translation]]]:
    """Yields the hypotheses of each line, `at_once` lines at a time.

    A line that cannot be translated has none, and `warn` is told which of `name` it is, and why.

    Raises:
      ValueError: when all lines have been translated, if some could not be.
    """
    numbered = enumerate(lines, 1)
    failed = number = 0
    while chunk := list(itertools.islice(numbered, at_once)):
        texts = ["" if isinstance(line, Unreadable) else line for _, line in chunk]
        sizes = translator.num_tokens(texts)
        bad = set()
        for place, (number, line) in enumerate(chunk):
            if reason := _objection(line, f"{name}, line {number}", sizes[place]):
                warn(f"warning: {reason}; an empty line stands for its translation")
                bad.add(place)
                texts[place] = ""
        failed += len(bad)
        translated = translator.translate(params, texts)
        yield [[] if place in bad else found for place, found in enumerate(translated)]
    if failed:
        raise ValueError(
            f"{failed:,} of {number:,} lines of {name} could not be translated, as the warnings "
            "say; an empty line stands for each."
        )


def _objection(line: str | Unreadable, where: str, size: int) -> str:
    if isinstance(line, Unreadable):
        return line.reason
    if size > MAX_SENTENCE_TOKENS:
        return (
            f"{where}: a sentence must have at most {MAX_SENTENCE_TOKENS:,} tokens, this has "
            f"{size:,}"
        )
    return ""
