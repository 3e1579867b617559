"""Translating a stream of lines, whatever is in it: as many come out as went in."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from experiment.data import MAX_SENTENCE_TOKENS, Unreadable
from experiment.evaluation.task import TRANSLATION, Task
from experiment.evaluation.translation import Translation, Translator

LINES_AT_ONCE = 1_000  # sorted by length and searched together


def translate_stream(
    translator: Translator,
    params: Any,
    lines: Iterable[str | Unreadable],
    name: str,
    warn: Callable[[str], None],
    *,
    task: Task = TRANSLATION,
    at_once: int = LINES_AT_ONCE,
) -> Iterator[list[list[Translation]]]:
    """Yields the hypotheses of each line, `at_once` lines at a time, as people read them.

    A line that cannot be translated has none, and `warn` is told which of `name` it is, and why.

    Raises:
      ValueError: when all lines have been translated, if some could not be.
    """
    texts = _texts(translator, lines, name, warn, task)
    failed = number = 0
    while chunk := list(itertools.islice(texts, at_once)):
        texts_of_chunk = [text or "" for text in chunk]
        translated = translator.translate(params, texts_of_chunk, first=number)
        failed += chunk.count(None)
        number += len(chunk)
        yield [
            [each._replace(text=task.shown(text, each.text)) for each in found]
            if text is not None
            else []
            for text, found in zip(chunk, translated, strict=True)
        ]
    if failed:
        raise ValueError(
            f"{failed:,} of {number:,} lines of {name} could not be translated, as the warnings "
            "say; an empty line stands for each."
        )


def _texts(
    translator: Translator,
    lines: Iterable[str | Unreadable],
    name: str,
    warn: Callable[[str], None],
    task: Task,
) -> Iterator[str | None]:
    """Yields each line, None where it cannot be translated; one that is too long is not kept."""
    for number, line in enumerate(lines, 1):
        reason = ""
        if isinstance(line, Unreadable):
            reason = line.reason
        elif (size := translator.num_tokens(line := task.read(line))) > MAX_SENTENCE_TOKENS:
            reason = (
                f"{name}, line {number}: a sentence must have at most {MAX_SENTENCE_TOKENS:,} "
                f"tokens, this has {size:,}"
            )
        if reason:
            warn(f"warning: {reason}; an empty line stands for its translation")
        yield None if reason else str(line)
