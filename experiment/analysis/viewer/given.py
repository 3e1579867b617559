"""Which sentences are looked at: lines of a person, with what they should become or without."""

from collections.abc import Iterable
from typing import NamedTuple

from experiment.data import Unreadable, Vocabulary
from experiment.evaluation import Task

# What is shown grows with the square of it, and a page of more is not looked at any more.
MAX_PIECES = 200


class Given(NamedTuple):
    """A sentence, and what it should become, if that is known.

    Of a language model the sentence is empty, and the reference is the text.
    """

    source: str
    reference: str | None = None


def given_lines(lines: Iterable[str | Unreadable], task: Task, name: str) -> list[Given]:
    r"""Returns the sentences of lines "source" or "source\treference"; empty lines say nothing.

    A line for a language model is a text.

    Raises:
      ValueError: if a line cannot be read or has more than one tab; `name` says where it stands.
    """
    found = []
    for number, line in enumerate(lines, 1):
        if isinstance(line, Unreadable):
            raise ValueError(line.refusal)
        if not line.strip():
            continue
        if task.continues:
            found.append(Given("", line))
            continue
        source, *references = line.split("\t")
        if len(references) > 1:
            raise ValueError(
                f"{name}, line {number}: a line must be a sentence, or a sentence, a tab and its "
                f"reference; this has {len(references)} tabs. Replace those of the text by spaces."
            )
        found.append(Given(task.read(source), *references))
    return found


def first_that_fit(
    vocabulary: Vocabulary, given: Iterable[Given], count: int
) -> tuple[list[Given], int]:
    """Returns the first `count` that can be looked at, and how many before the last cannot."""
    found: list[Given] = []
    passed = 0
    for each in given:
        if len(found) == count:
            break
        if _longest(vocabulary, each) > MAX_PIECES:
            passed += 1
        else:
            found.append(each)
    return found, passed


def check_lengths(vocabulary: Vocabulary, given: Iterable[Given]) -> None:
    """Refuses sentences with so many pieces that nobody could look at them.

    Raises:
      ValueError: naming the first.
    """
    for number, each in enumerate(given, 1):
        if (size := _longest(vocabulary, each)) > MAX_PIECES:
            raise ValueError(
                f"A sentence to look at must have at most {MAX_PIECES} pieces; number {number} "
                f"has {size:,}. Split it."
            )


def _longest(vocabulary: Vocabulary, given: Given) -> int:
    return max(len(vocabulary.encode(text or "")) for text in given)
