"""Reading two files of parallel text together: which lines become pairs, and which do not."""

import itertools
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

from experiment.data.corpora.text_folder import REFUSE, SKIP
from experiment.data.corpora.text_lines import Unreadable, is_empty, lines_in

TRAIN = "train"
EMPTY = "an empty side"

Sides = dict[str, str | Unreadable]  # language -> line


class Line(NamedTuple):
    """A line of both files."""

    number: int  # counted from 1
    pair: dict[str, str]  # language -> sentence; empty where one cannot be read
    fault: str  # why it is no pair to train on, such as "an empty side"; else empty
    at: str  # where the fault is: file:line, or file:line:byte


def judged(
    split: str, by_language: dict[str, pathlib.Path], on_error: str = REFUSE
) -> Iterator[Line]:
    """Yields every line of two files, with what is wrong with it.

    Only training text has faults: a score is of all lines, or not at all.

    Raises:
      ValueError: if a line cannot be read and is not to be left out, or the files differ in length.
    """
    lines = _lines(by_language)
    for number, sides in lines:
        faults = [line for line in sides.values() if isinstance(line, Unreadable)]
        if faults and (split != TRAIN or on_error != SKIP):
            raise ValueError(_refusal(faults[0], lines, split, on_error))
        if faults:
            rule, file, line, byte, _ = faults[0]
            at = f"{file}:{line}:{byte}" if byte else f"{file}:{line}"
            yield Line(number, {}, f"a side {rule.named}", at)
            continue
        pair = {language: str(line) for language, line in sides.items()}
        if split == TRAIN and (side := empty_side(pair)):
            yield Line(number, pair, EMPTY, f"{by_language[side]}:{number}")
        else:
            yield Line(number, pair, "", "")


def pairs(
    split: str, by_language: dict[str, pathlib.Path], on_error: str = REFUSE
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields line number and sentences of what `judged` finds no fault with."""
    for line in judged(split, by_language, on_error):
        if not line.fault:
            yield line.number, line.pair


def read_pairs(source: pathlib.Path | None, target: pathlib.Path) -> list[tuple[str, str]]:
    """Returns the sentences of two files, line by line; without one, sources are empty.

    Raises:
      ValueError: if a file is malformed, the two differ in length, or there is no line.
    """
    files = ({"source": source} if source else {}) | {"target": target}
    found = [(pair.get("source", ""), pair["target"]) for _, pair in pairs("", files)]
    if not found:
        named = " and ".join(str(path) for path in files.values())
        raise ValueError(f"{named} must have at least one line; there is none.")
    return found


def empty_side(pair: dict[str, str]) -> str:
    """Returns a language in which there is nothing to read, or nothing."""
    return next((language for language, text in pair.items() if is_empty(text)), "")


def _refusal(
    first: Unreadable, following: Iterator[tuple[int, Sides]], split: str, on_error: str
) -> str:
    more = sum(
        any(isinstance(line, Unreadable) for line in sides.values()) for _, sides in following
    )
    others = f", and {more:,} more {'pairs' if more > 1 else 'pair'} cannot be read" * (more > 0)
    hint = ""
    if split == TRAIN:
        hint = " Or leave such training pairs out: --config.data.on_error=skip."
    elif on_error == SKIP:
        hint = " Only training pairs may be left out: a score is of all lines."
    return f"{first.reason}{others}. {first.rule.way_out}{hint}"


def _lines(by_language: dict[str, pathlib.Path]) -> Iterator[tuple[int, Sides]]:
    """Yields numbered lines of both files together, and refuses files of different lengths."""
    readers = {language: lines_in(path) for language, path in by_language.items()}
    number = 0
    for number, lines in enumerate(itertools.zip_longest(*readers.values()), 1):
        if None in lines:
            break
        yield number, dict(zip(readers, lines, strict=True))
    else:
        return
    counts = {
        path: number - (line is None) + sum(1 for _ in reader)
        for path, line, reader in zip(by_language.values(), lines, readers.values(), strict=True)
    }
    described = " and ".join(f"{path} has {count:,}" for path, count in counts.items())
    raise ValueError(
        f"Both languages must have as many lines: {described}, so line {number} of "
        f"{max(counts, key=counts.__getitem__).name} has no counterpart. Align them again."
    )
